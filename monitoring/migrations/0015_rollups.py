"""One table of roll-ups for hours, days and the executions of days, with the seconds measured and late.

Rows of earlier releases have no measured seconds: whether their time was late is unknown.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations, models

FIGURES = ("eligible", "cooling", "latency_seconds", "served_lag_seconds", "coverage_percent")
SAMPLED = (
    *("samples", "is_active", "status_last", "status_worst", "status_seconds", "source_total", "target_total"),
    *(f"{figure}_{part}" for figure in FIGURES for part in ("known", "min", "avg", "max", "last")),
)
EXECUTED = {
    **{name: name for name in ("executions", "succeeded", "failed", "extracted", "upserted", "soft_deleted")},
    "duration_seconds_known": "timed",
    "duration_seconds_min": "duration_seconds_min",
    "duration_seconds_avg": "duration_seconds_total / NULLIF(timed, 0)",
    "duration_seconds_max": "duration_seconds_max",
    "throughput_known": "loaded",
    "throughput_min": "throughput_min",
    "throughput_avg": "throughput_total / NULLIF(loaded, 0)",
    "throughput_max": "throughput_max",
}
"""Column: where it comes from in the table of the executions by day."""
UNKNOWN = {
    "seconds_measured": "0",
    "seconds_late_warning": "0",
    "seconds_late_critical": "0",
    "seconds_in_maintenance": "0",
}
NO_SAMPLES = {
    **{"samples": "0", "status_last": "''", "status_worst": "''", "status_seconds": "'{}'"},
    **{f"{figure}_known": "0" for figure in FIGURES},
}
NO_EXECUTIONS = {"duration_seconds_known": "0", "throughput_known": "0"}
OLD_PERMISSIONS = ("pipelinehour", "pipelineday", "pipelinerunday")


def copy_rows(apps, schema_editor):
    """Copy hours, days with their executions, and days that have executions only: three statements on the server."""

    def insert(columns, source):
        names = ", ".join(columns)
        schema_editor.execute(
            # The names are constants of this module.
            f"INSERT INTO monitoring_pipelinerollup ({names}) SELECT {', '.join(columns.values())} FROM {source}"  # nosec B608
        )

    hours = {"entity_name": "entity_name", "grain": "'hour'", "start": "hour", **{name: name for name in SAMPLED}}
    insert(hours | UNKNOWN | NO_EXECUTIONS, "monitoring_pipelinehour")
    executed = {name: f"r.{source}".replace("NULLIF(", "NULLIF(r.") for name, source in EXECUTED.items()}
    days = {
        "entity_name": "d.entity_name",
        "grain": "'day'",
        "start": "d.day",
        **{name: f"d.{name}" for name in SAMPLED},
    }
    insert(
        days | UNKNOWN | executed | {name: f"COALESCE({executed[name]}, 0)" for name in NO_EXECUTIONS},
        "monitoring_pipelineday d LEFT JOIN monitoring_pipelinerunday r ON r.entity_name = d.entity_name AND r.day = d.day",
    )
    insert(
        {"entity_name": "r.entity_name", "grain": "'day'", "start": "r.day", **NO_SAMPLES, **UNKNOWN, **executed},
        "monitoring_pipelinerunday r LEFT JOIN monitoring_pipelineday d ON d.entity_name = r.entity_name AND d.day = r.day"
        " WHERE d.id IS NULL",
    )


def move_permission(apps, schema_editor):
    """Give the admin group the new table's view permission; delete those of the old tables."""
    alias = schema_editor.connection.alias
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.using(alias).filter(content_type__app_label="monitoring")
    group, _created = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name="admin")
    group.permissions.add(permissions.get(codename="view_pipelinerollup"))
    permissions.filter(content_type__model__in=OLD_PERMISSIONS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0014_errors"),
    ]

    operations = [
        migrations.CreateModel(
            name="PipelineRollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entity_name", models.CharField(max_length=100)),
                ("grain", models.CharField(choices=[("hour", "hour"), ("day", "day")], max_length=4)),
                ("start", models.DateTimeField()),
                ("samples", models.PositiveIntegerField(default=0)),
                ("is_active", models.BooleanField(help_text="In the last sample.", null=True)),
                ("status_last", models.CharField(blank=True, max_length=20)),
                ("status_worst", models.CharField(blank=True, max_length=20)),
                (
                    "status_seconds",
                    models.JSONField(
                        default=dict, help_text="Seconds per status. Time without a sample is not counted."
                    ),
                ),
                ("source_total", models.BigIntegerField(help_text="In the last sample with both totals.", null=True)),
                ("target_total", models.BigIntegerField(help_text="In the last sample with both totals.", null=True)),
                (
                    "seconds_measured",
                    models.FloatField(default=0, help_text="Seconds with a known freshness lag, while active."),
                ),
                (
                    "seconds_late_warning",
                    models.FloatField(
                        default=0,
                        help_text="Measured seconds over the warning limit of the freshness lag, up to the critical limit.",
                    ),
                ),
                (
                    "seconds_late_critical",
                    models.FloatField(
                        default=0, help_text="Measured seconds over the critical limit of the freshness lag."
                    ),
                ),
                (
                    "seconds_in_maintenance",
                    models.FloatField(default=0, help_text="Seconds in maintenance windows. They are not measured."),
                ),
                ("eligible_known", models.PositiveIntegerField(default=0)),
                ("eligible_min", models.BigIntegerField(null=True)),
                ("eligible_avg", models.FloatField(null=True)),
                ("eligible_max", models.BigIntegerField(null=True)),
                ("eligible_last", models.BigIntegerField(null=True)),
                ("cooling_known", models.PositiveIntegerField(default=0)),
                ("cooling_min", models.BigIntegerField(null=True)),
                ("cooling_avg", models.FloatField(null=True)),
                ("cooling_max", models.BigIntegerField(null=True)),
                ("cooling_last", models.BigIntegerField(null=True)),
                ("latency_seconds_known", models.PositiveIntegerField(default=0)),
                ("latency_seconds_min", models.BigIntegerField(null=True)),
                ("latency_seconds_avg", models.FloatField(null=True)),
                ("latency_seconds_max", models.BigIntegerField(null=True)),
                ("latency_seconds_last", models.BigIntegerField(null=True)),
                ("served_lag_seconds_known", models.PositiveIntegerField(default=0)),
                ("served_lag_seconds_min", models.BigIntegerField(null=True)),
                ("served_lag_seconds_avg", models.FloatField(null=True)),
                ("served_lag_seconds_max", models.BigIntegerField(null=True)),
                ("served_lag_seconds_last", models.BigIntegerField(null=True)),
                ("coverage_percent_known", models.PositiveIntegerField(default=0)),
                ("coverage_percent_min", models.FloatField(null=True)),
                ("coverage_percent_avg", models.FloatField(null=True)),
                ("coverage_percent_max", models.FloatField(null=True)),
                ("coverage_percent_last", models.FloatField(null=True)),
                ("executions", models.PositiveIntegerField(null=True)),
                ("succeeded", models.PositiveIntegerField(null=True)),
                ("failed", models.PositiveIntegerField(null=True)),
                ("extracted", models.BigIntegerField(help_text="By finished executions.", null=True)),
                ("upserted", models.BigIntegerField(help_text="By finished executions.", null=True)),
                ("soft_deleted", models.BigIntegerField(help_text="By finished executions.", null=True)),
                (
                    "duration_seconds_known",
                    models.PositiveIntegerField(default=0, help_text="Successes with a usable finish."),
                ),
                ("duration_seconds_min", models.FloatField(null=True)),
                ("duration_seconds_avg", models.FloatField(null=True)),
                ("duration_seconds_max", models.FloatField(null=True)),
                (
                    "throughput_known",
                    models.PositiveIntegerField(default=0, help_text="Of those, the ones that upserted rows."),
                ),
                ("throughput_min", models.FloatField(null=True)),
                ("throughput_avg", models.FloatField(null=True)),
                ("throughput_max", models.FloatField(null=True)),
            ],
            options={
                "verbose_name": "roll-up",
                "verbose_name_plural": "roll-ups",
                "constraints": [
                    models.UniqueConstraint(fields=("entity_name", "grain", "start"), name="one_rollup_per_period")
                ],
                "indexes": [
                    models.Index(fields=["grain", "start"], name="rollup_grain_start"),
                    models.Index(fields=["start"], name="rollup_start"),
                ],
            },
        ),
        migrations.RunPython(copy_rows, elidable=True),
        migrations.DeleteModel(name="PipelineDay"),
        migrations.DeleteModel(name="PipelineHour"),
        migrations.DeleteModel(name="PipelineRunDay"),
        migrations.RunPython(move_permission, elidable=True),
    ]
