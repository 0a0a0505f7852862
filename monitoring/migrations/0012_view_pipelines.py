"""Pipelines and runs are seen with a permission of their own: an account without a group sees none. The four
groups have it."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ("viewer", "operator", "auditor", "admin")


def grant(apps, schema_editor):
    """Repeatable: permissions are created here when post_migrate has not yet."""
    alias = schema_editor.connection.alias
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    seeing = permissions.get(content_type__app_label="monitoring", codename="view_pipelines")
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=GROUPS):
        group.permissions.add(seeing)


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0011_connections")]

    operations = [
        migrations.AlterModelOptions(
            name="collectorstate",
            options={
                "permissions": [
                    ("view_pipelines", "Can see pipelines and runs"),
                    ("view_connections", "Can see the connection audit"),
                    ("capture_connections", "Can capture a connection snapshot now"),
                    ("run_checks", "Can run integrity checks on demand"),
                    ("unmask", "Can see personal data unmasked"),
                ],
                "verbose_name": "collector state",
                "verbose_name_plural": "collector state",
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
