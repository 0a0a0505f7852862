"""The trail of what people did; who saw personal data moves into it. Auditor and admin may read it."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, models

READERS = ("auditor", "admin")


def move_unmaskings(apps, schema_editor):
    alias = schema_editor.connection.alias
    Unmasking = apps.get_model("monitoring", "Unmasking")
    TrailEntry = apps.get_model("monitoring", "TrailEntry")
    rows = Unmasking.objects.using(alias).order_by("pk")
    TrailEntry.objects.using(alias).bulk_create(
        (
            TrailEntry(
                at=row.at,
                user_name=row.user_name,
                action="unmasked",
                object=row.entity_name,
                outcome="done",
                detail={"until": row.until.isoformat()},
            )
            for row in rows.iterator()
        ),
        batch_size=200,
    )


def grant(apps, schema_editor):
    """Repeatable: permissions are created here when post_migrate has not yet."""
    alias = schema_editor.connection.alias
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission").objects.using(alias)
    for name in READERS:
        group, _created = Group.objects.using(alias).get_or_create(name=name)
        group.permissions.add(Permission.get(content_type__app_label="monitoring", codename="view_trailentry"))
    # Of a model that no longer is.
    Permission.filter(content_type__app_label="monitoring", content_type__model="unmasking").delete()


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0004_names")]

    operations = [
        migrations.CreateModel(
            name="TrailEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="when")),
                ("user_name", models.CharField(blank=True, max_length=150, verbose_name="user")),
                ("address", models.CharField(blank=True, max_length=48, verbose_name="from address")),
                ("action", models.CharField(max_length=30, verbose_name="action")),
                ("object", models.CharField(blank=True, max_length=200, verbose_name="object")),
                ("outcome", models.CharField(max_length=10, verbose_name="outcome")),
                ("detail", models.JSONField(default=dict, verbose_name="detail")),
            ],
            options={
                "verbose_name": "trail entry",
                "verbose_name_plural": "trail",
                "ordering": ("-id",),
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["at"], name="trail_time")],
            },
        ),
        migrations.RunPython(move_unmaskings, migrations.RunPython.noop),
        migrations.DeleteModel(name="Unmasking"),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
