"""The last integrity checks of a pipeline, who saw personal data, and the settings of both."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, models

SEE = {"admin": {"view_unmasking", "view_integrityreport"}}


def grant(apps, schema_editor):
    """Repeatable: permissions are created here when post_migrate has not yet."""
    alias = schema_editor.connection.alias
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, codenames in SEE.items():
        group, _created = Group.objects.using(alias).get_or_create(name=name)
        found = Permission.objects.using(alias).filter(
            content_type__app_label="monitoring", codename__in=codenames
        )
        group.permissions.add(*found)


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0002_groups'),
    ]

    operations = [
        migrations.CreateModel(
            name='IntegrityReport',
            fields=[
                ('entity_name', models.CharField(max_length=100, primary_key=True, serialize=False, verbose_name='pipeline')),
                ('lease_until', models.DateTimeField(help_text='Somebody is running the checks, at most until then.', null=True)),
                ('lease_by', models.CharField(blank=True, max_length=150)),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
                ('finished_by', models.CharField(blank=True, max_length=150, verbose_name='asked by')),
                ('milliseconds', models.FloatField(null=True)),
                ('results', models.JSONField(default=list, help_text='policies/integrity.py: a list of CheckResult.')),
            ],
            options={
                'verbose_name': 'integrity report',
                'verbose_name_plural': 'integrity reports',
                'ordering': ('entity_name',),
            },
        ),
        migrations.AddField(
            model_name='pipelinesettings',
            name='masked_columns',
            field=models.CharField(blank=True, help_text='Columns of the source with personal data, separated by commas, beside the known ones.', max_length=500, verbose_name='further masked columns'),
        ),
        migrations.AddField(
            model_name='pipelinesettings',
            name='status_words',
            field=models.CharField(blank=True, help_text='Separated by commas. The integrity check refuses any other. Empty: the usual words.', max_length=500, verbose_name='allowed status words'),
        ),
        migrations.CreateModel(
            name='Unmasking',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('entity_name', models.CharField(max_length=100, verbose_name='pipeline')),
                ('user_name', models.CharField(max_length=150, verbose_name='user')),
                ('at', models.DateTimeField(verbose_name='asked at')),
                ('until', models.DateTimeField(verbose_name='shown until')),
            ],
            options={
                'verbose_name': 'unmasking',
                'verbose_name_plural': 'unmaskings',
                'ordering': ('-at', '-pk'),
                'indexes': [models.Index(fields=['-at'], name='unmasking_time')],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
