"""Groups may be limited to some pipelines. The admin group may look at the limits; a superuser sets them."""

import django.db.models.deletion
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

import monitoring.models.group_scope


def grant(apps, schema_editor):
    """Repeatable: permissions are created here when post_migrate has not yet."""
    alias = schema_editor.connection.alias
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    group, _created = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name="admin")
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    group.permissions.add(permissions.get(content_type__app_label="monitoring", codename="view_groupscope"))


class Migration(migrations.Migration):
    dependencies = [("auth", "0012_alter_user_first_name_max_length"), ("monitoring", "0009_accounts")]

    operations = [
        migrations.CreateModel(
            name="GroupScope",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "entity_names",
                    models.JSONField(
                        blank=True,
                        default=list,
                        validators=[monitoring.models.group_scope.listed],
                        verbose_name="pipelines",
                    ),
                ),
                (
                    "group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scope",
                        to="auth.group",
                        verbose_name="group",
                    ),
                ),
            ],
            options={"verbose_name": "limit to pipelines", "verbose_name_plural": "limits to pipelines"},
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
