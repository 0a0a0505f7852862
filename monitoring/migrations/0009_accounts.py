"""What an administrator decides about accounts. The group admin may; everything is closed at first."""

import django.db.models.deletion
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


GRANTED = (
    *("view_portalsettings", "change_portalsettings"),
    *("view_grouppolicy", "add_grouppolicy", "change_grouppolicy", "delete_grouppolicy"),
)


def close(apps, schema_editor):
    """Repeatable: permissions are created here when post_migrate has not yet."""
    alias = schema_editor.connection.alias
    apps.get_model("monitoring", "PortalSettings").objects.using(alias).get_or_create(pk=1)
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    group, _created = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name="admin")
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    group.permissions.add(*permissions.filter(content_type__app_label="monitoring", codename__in=GRANTED))


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('monitoring', '0008_failures'),
    ]

    operations = [
        migrations.CreateModel(
            name='GroupPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('require_second_factor', models.BooleanField(default=False, help_text='A member without one is led to set one up before anything else opens.', verbose_name='second factor required')),
                ('group', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='policy', to='auth.group', verbose_name='group')),
            ],
            options={
                'verbose_name': 'sign-in rule of a group',
                'verbose_name_plural': 'sign-in rules of groups',
                'ordering': ('group__name',),
            },
        ),
        migrations.CreateModel(
            name='PortalSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('signup_open', models.BooleanField(default=False, help_text='Whoever reaches the sign-in page may make an account. It opens nothing without a group.', verbose_name='sign-up is open')),
                ('superusers_need_second_factor', models.BooleanField(default=False, help_text='Asked of every superuser, whatever the groups.', verbose_name='superusers need a second factor')),
                ('signup_viewer', models.BooleanField(default=False, help_text='Otherwise an administrator gives each new account its group.', verbose_name='who signs up becomes a viewer')),
            ],
            options={
                'verbose_name': 'account settings',
                'verbose_name_plural': 'account settings',
                'default_permissions': ('view', 'change'),
            },
        ),
        migrations.RunPython(close, migrations.RunPython.noop),
    ]
