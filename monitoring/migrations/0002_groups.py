"""The four groups and what each may do. Repeatable: permissions are created here when post_migrate has not yet."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = {
    "viewer": set(),
    "operator": {"capture_connections", "run_checks"},
    "auditor": {
        "view_connections",
        "unmask",
        # The admin's read-only drill-down of the four audit tables (etlportal/admin_site.py).
        "view_etlcontrol",
        "view_etlrun",
        "view_etlrunentity",
        "view_connectionloginevent",
    },
    "admin": {
        "view_connections",
        "capture_connections",
        "run_checks",
        "unmask",
        "add_pipelinesettings",
        "change_pipelinesettings",
        "delete_pipelinesettings",
    },
}


def create_groups(apps, schema_editor):
    alias = schema_editor.connection.alias
    for app_config in apps.get_app_configs():
        app_config.models_module = True
        create_permissions(app_config, apps=apps, using=alias, verbosity=0)
        app_config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ours = Permission.objects.using(alias).filter(content_type__app_label="monitoring")
    everything = Permission.objects.using(alias).filter(
        content_type__app_label__in=("monitoring", "auth"), codename__startswith="view_"
    )
    for name, codenames in GROUPS.items():
        group, _created = Group.objects.using(alias).get_or_create(name=name)
        group.permissions.add(*ours.filter(codename__in=codenames))
        if name == "admin":
            group.permissions.add(*everything)


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(create_groups, migrations.RunPython.noop)]
