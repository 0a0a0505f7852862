"""Roll-ups say how many samples they are of, their lowest, mean, highest and last values; days beside hours."""

from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def grant(apps, schema_editor):
    """Repeatable: permissions are created here when post_migrate has not yet."""
    alias = schema_editor.connection.alias
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    group, _created = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name="admin")
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for codename in ("view_pipelineday", "view_pipelinerunday"):
        group.permissions.add(permissions.get(content_type__app_label="monitoring", codename=codename))


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0012_view_pipelines"),
    ]

    operations = [
        migrations.RenameField(
            model_name="pipelinehour", old_name="coverage_percent", new_name="coverage_percent_last"
        ),
        migrations.AlterField(
            model_name="pipelinehour", name="coverage_percent_last", field=models.FloatField(null=True)
        ),
        migrations.AddField(
            model_name="collectorstate",
            name="copies_kept_from",
            field=models.DateTimeField(help_text="Copies before it may be deleted already.", null=True),
        ),
        migrations.AddField(
            model_name="collectorstate",
            name="days_rolled_to",
            field=models.DateTimeField(help_text="The same of days; of hours they are made.", null=True),
        ),
        migrations.AddField(
            model_name="collectorstate",
            name="hours_rolled_to",
            field=models.DateTimeField(help_text="Every hour before it that has samples is rolled up.", null=True),
        ),
        migrations.AddField(
            model_name="collectorstate",
            name="run_days_rolled_to",
            field=models.DateTimeField(help_text="The same of the days of copied executions.", null=True),
        ),
        migrations.AddField(
            model_name="collectorstate",
            name="samples_kept_from",
            field=models.DateTimeField(help_text="Samples before it may be deleted already.", null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="cooling_avg",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="cooling_known",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="cooling_last",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="cooling_min",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="coverage_percent_avg",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="coverage_percent_known",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="coverage_percent_max",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="coverage_percent_min",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="eligible_avg",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="eligible_known",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="eligible_last",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="eligible_min",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="is_active",
            field=models.BooleanField(help_text="By the last sample.", null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="latency_seconds_avg",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="latency_seconds_known",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="latency_seconds_last",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="latency_seconds_min",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="served_lag_seconds_avg",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="served_lag_seconds_known",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="served_lag_seconds_last",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="served_lag_seconds_min",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="status_last",
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="status_seconds",
            field=models.JSONField(
                default=dict, help_text="How long it had which status; what is missing of the time nobody looked at."
            ),
        ),
        migrations.AddField(
            model_name="pipelinehour",
            name="status_worst",
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AlterField(
            model_name="pipelinehour",
            name="source_total",
            field=models.BigIntegerField(help_text="Of the last sample that knew both totals.", null=True),
        ),
        migrations.AlterField(
            model_name="pipelinehour",
            name="target_total",
            field=models.BigIntegerField(help_text="Of the last sample that knew both totals.", null=True),
        ),
        migrations.CreateModel(
            name="PipelineDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entity_name", models.CharField(max_length=100)),
                ("samples", models.PositiveIntegerField()),
                ("is_active", models.BooleanField(help_text="By the last sample.", null=True)),
                ("status_last", models.CharField(blank=True, max_length=20)),
                ("status_worst", models.CharField(blank=True, max_length=20)),
                (
                    "status_seconds",
                    models.JSONField(
                        default=dict,
                        help_text="How long it had which status; what is missing of the time nobody looked at.",
                    ),
                ),
                (
                    "source_total",
                    models.BigIntegerField(help_text="Of the last sample that knew both totals.", null=True),
                ),
                (
                    "target_total",
                    models.BigIntegerField(help_text="Of the last sample that knew both totals.", null=True),
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
                ("day", models.DateTimeField()),
            ],
            options={
                "verbose_name": "daily roll-up",
                "verbose_name_plural": "daily roll-ups",
                "indexes": [models.Index(fields=["day"], name="rollup_day")],
                "constraints": [models.UniqueConstraint(fields=("entity_name", "day"), name="one_rollup_per_day")],
            },
        ),
        migrations.CreateModel(
            name="PipelineRunDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entity_name", models.CharField(max_length=100)),
                ("day", models.DateTimeField()),
                ("executions", models.PositiveIntegerField()),
                ("succeeded", models.PositiveIntegerField()),
                ("failed", models.PositiveIntegerField()),
                ("extracted", models.BigIntegerField()),
                ("upserted", models.BigIntegerField()),
                ("soft_deleted", models.BigIntegerField()),
                ("timed", models.PositiveIntegerField()),
                ("duration_seconds_total", models.FloatField(null=True)),
                ("duration_seconds_min", models.FloatField(null=True)),
                ("duration_seconds_max", models.FloatField(null=True)),
                ("loaded", models.PositiveIntegerField()),
                (
                    "throughput_total",
                    models.FloatField(help_text="Of the rows per second of each: for their mean.", null=True),
                ),
                ("throughput_min", models.FloatField(null=True)),
                ("throughput_max", models.FloatField(null=True)),
            ],
            options={
                "verbose_name": "executions of a day",
                "verbose_name_plural": "executions by day",
                "indexes": [models.Index(fields=["day"], name="run_rollup_day")],
                "constraints": [models.UniqueConstraint(fields=("entity_name", "day"), name="one_run_rollup_per_day")],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
