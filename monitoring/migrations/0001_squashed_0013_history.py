"""The portal's tables, its four groups with their permissions, its settings row and the shared cache table.

Replaces the first 13 migrations. The four warehouse models are unmanaged: only their names matter here, because
their permissions are created from them.
"""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.core.management import call_command
from django.db import migrations, models
from django.db.models import Q

CACHE_TABLE = "portal_shared_cache"

GROUPS = {
    "viewer": {"view_pipelines"},
    "operator": {"view_pipelines", "capture_connections", "run_checks"},
    "auditor": {
        "view_pipelines",
        "view_connections",
        "unmask",
        "view_trailentry",
        # The read-only drill-down of the audit tables in the admin.
        "view_etlcontrol",
        "view_etlrun",
        "view_etlrunentity",
        "view_connectionloginevent",
    },
    "admin": {
        "capture_connections",
        "run_checks",
        "unmask",
        "add_pipelinesettings",
        "change_pipelinesettings",
        "delete_pipelinesettings",
        "change_portalsettings",
        "add_grouppolicy",
        "change_grouppolicy",
        "delete_grouppolicy",
    },
}
"""Group: its permissions. The admin group also has every "view" permission of the portal and of accounts."""


def create_groups(apps, schema_editor):
    """Create the groups. Permissions are created first: post_migrate, which creates them, has not run yet."""
    alias = schema_editor.connection.alias
    for label in ("auth", "monitoring"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, using=alias, verbosity=0)
        config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for name, codenames in GROUPS.items():
        group, _created = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name=name)
        granted = Q(content_type__app_label="monitoring", codename__in=codenames)
        if name == "admin":
            granted |= Q(content_type__app_label__in=("monitoring", "auth"), codename__startswith="view_")
        group.permissions.add(*permissions.filter(granted))


def create_settings(apps, schema_editor):
    apps.get_model("monitoring", "PortalSettings").objects.using(schema_editor.connection.alias).get_or_create(pk=1)


def create_cache_table(apps, schema_editor):
    call_command("createcachetable", CACHE_TABLE, database=schema_editor.connection.alias, verbosity=0)


def drop_cache_table(apps, schema_editor):
    schema_editor.execute(f"DROP TABLE {schema_editor.quote_name(CACHE_TABLE)}")


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("monitoring", "0001_initial"),
        ("monitoring", "0002_groups"),
        ("monitoring", "0003_integrity"),
        ("monitoring", "0004_names"),
        ("monitoring", "0005_trail"),
        ("monitoring", "0006_wide_counts"),
        ("monitoring", "0007_shared_cache"),
        ("monitoring", "0008_failures"),
        ("monitoring", "0009_accounts"),
        ("monitoring", "0010_group_scope"),
        ("monitoring", "0011_connections"),
        ("monitoring", "0012_view_pipelines"),
        ("monitoring", "0013_history"),
    ]

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ConnectionLoginEvent",
            fields=[("connection_event_id", models.BigAutoField(primary_key=True, serialize=False))],
            options={
                "verbose_name": "login event",
                "verbose_name_plural": "login events",
                "db_table": "[audit].[connection_login_events]",
                "ordering": ("-event_time_utc", "-connection_event_id"),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="EtlControl",
            fields=[("entity_name", models.CharField(max_length=100, primary_key=True, serialize=False))],
            options={
                "verbose_name": "control row",
                "verbose_name_plural": "control rows",
                "db_table": "[ctl].[etl_control]",
                "ordering": ("entity_name",),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="EtlRun",
            fields=[("run_id", models.BigAutoField(primary_key=True, serialize=False))],
            options={
                "verbose_name": "run",
                "verbose_name_plural": "runs",
                "db_table": "[audit].[etl_run]",
                "ordering": ("-run_id",),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="EtlRunEntity",
            fields=[("run_entity_id", models.BigAutoField(primary_key=True, serialize=False))],
            options={
                "verbose_name": "run entity",
                "verbose_name_plural": "run entities",
                "db_table": "[audit].[etl_run_entity]",
                "ordering": ("-run_id", "entity_name"),
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="CollectorState",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("lease_holder", models.CharField(blank=True, max_length=100)),
                ("lease_until", models.DateTimeField(null=True)),
                (
                    "ticked_at",
                    models.DateTimeField(help_text="When the last tick ended, by this machine's clock.", null=True),
                ),
                ("tick_milliseconds", models.PositiveIntegerField(null=True)),
                (
                    "sampled_at",
                    models.DateTimeField(help_text="The snapshot's time, by the warehouse's clock.", null=True),
                ),
                (
                    "version",
                    models.CharField(blank=True, help_text="Changes when anything shown changes.", max_length=32),
                ),
                (
                    "payload",
                    models.BinaryField(help_text="The snapshot as JSON (rules/facts.py: Snapshot).", null=True),
                ),
                ("copied_from_run_id", models.BigIntegerField(help_text="The oldest copied run.", null=True)),
                ("copied_to_run_id", models.BigIntegerField(help_text="The latest copied run.", null=True)),
                (
                    "copied_all",
                    models.BooleanField(default=False, help_text="The copies reach back to the start of the retention."),
                ),
                (
                    "fingerprint_version",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Version of the rules that made the fingerprints."
                    ),
                ),
                (
                    "fingerprinted_from",
                    models.BigIntegerField(
                        help_text="Older run entities have fingerprints by earlier rules, or none.", null=True
                    ),
                ),
                (
                    "hours_rolled_to",
                    models.DateTimeField(help_text="All earlier hours have been rolled up.", null=True),
                ),
                (
                    "days_rolled_to",
                    models.DateTimeField(help_text="All earlier days have been rolled up from their hours.", null=True),
                ),
                (
                    "run_days_rolled_to",
                    models.DateTimeField(help_text="Executions of all earlier days are rolled up.", null=True),
                ),
                (
                    "samples_kept_from",
                    models.DateTimeField(help_text="Earlier samples may have been deleted.", null=True),
                ),
                (
                    "copies_kept_from",
                    models.DateTimeField(help_text="Earlier copies may have been deleted.", null=True),
                ),
            ],
            options={
                "verbose_name": "collector state",
                "verbose_name_plural": "collector state",
                "permissions": [
                    ("view_pipelines", "Can see pipelines and runs"),
                    ("view_connections", "Can see the connection audit"),
                    ("capture_connections", "Can capture a connection snapshot now"),
                    ("run_checks", "Can run integrity checks on demand"),
                    ("unmask", "Can see personal data unmasked"),
                ],
            },
        ),
        migrations.CreateModel(
            name="IntegrityReport",
            fields=[
                (
                    "entity_name",
                    models.CharField(max_length=100, primary_key=True, serialize=False, verbose_name="pipeline"),
                ),
                (
                    "lease_until",
                    models.DateTimeField(help_text="The checks are running, at most until then.", null=True),
                ),
                ("lease_by", models.CharField(blank=True, max_length=150)),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                ("finished_by", models.CharField(blank=True, max_length=150, verbose_name="asked by")),
                ("milliseconds", models.FloatField(null=True)),
                ("results", models.JSONField(default=list, help_text="A list of CheckResult (rules/integrity.py).")),
            ],
            options={
                "verbose_name": "integrity report",
                "verbose_name_plural": "integrity reports",
                "ordering": ("entity_name",),
            },
        ),
        migrations.CreateModel(
            name="PipelineSettings",
            fields=[
                (
                    "entity_name",
                    models.CharField(max_length=100, primary_key=True, serialize=False, verbose_name="pipeline"),
                ),
                (
                    "watermark_expression",
                    models.CharField(
                        blank=True,
                        help_text="A column of the source. Empty: updated_at, or the known joined tables of the two facts.",
                        max_length=50,
                        verbose_name="watermark expression",
                    ),
                ),
                (
                    "target_updated_column",
                    models.CharField(
                        blank=True,
                        help_text="Empty: found by its usual names.",
                        max_length=128,
                        verbose_name="target's update column",
                    ),
                ),
                (
                    "target_updated_is_load_time",
                    models.BooleanField(
                        blank=True,
                        help_text="Then latency has no value. Empty: known pipelines decide.",
                        null=True,
                        verbose_name="the target's update column holds the load time",
                    ),
                ),
                ("owner", models.CharField(blank=True, max_length=200, verbose_name="owner")),
                (
                    "is_required",
                    models.BooleanField(
                        blank=True,
                        help_text="Required pipelines are named in the pre-flight.",
                        null=True,
                        verbose_name="required",
                    ),
                ),
                (
                    "late_warning_minutes",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="late: warning after (minutes)"),
                ),
                (
                    "late_critical_minutes",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="late: critical after (minutes)"),
                ),
                (
                    "no_run_warning_hours",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="no run: warning after (hours)"),
                ),
                (
                    "no_run_critical_hours",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="no run: critical after (hours)"),
                ),
                (
                    "failure_warning_percent",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(100)],
                        verbose_name="recurrent failure: warning at (%)",
                    ),
                ),
                (
                    "failure_critical_percent",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(100)],
                        verbose_name="recurrent failure: critical at (%)",
                    ),
                ),
                (
                    "coverage_warning_points",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(100)],
                        verbose_name="coverage drop: warning at (points)",
                    ),
                ),
                (
                    "coverage_critical_points",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(100)],
                        verbose_name="coverage drop: critical at (points)",
                    ),
                ),
                (
                    "status_words",
                    models.CharField(
                        blank=True,
                        help_text="Separated by commas. The integrity check refuses any other. Empty: the usual words.",
                        max_length=500,
                        verbose_name="allowed status words",
                    ),
                ),
                (
                    "masked_columns",
                    models.CharField(
                        blank=True,
                        help_text="Columns of the source with personal data, separated by commas, beside the known ones.",
                        max_length=500,
                        verbose_name="further masked columns",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "pipeline settings",
                "verbose_name_plural": "pipeline settings",
                "ordering": ("entity_name",),
            },
        ),
        migrations.CreateModel(
            name="PortalSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "signup_open",
                    models.BooleanField(
                        default=False,
                        help_text="Anyone who reaches the sign-in page can create an account. Without a group it gives no access.",
                        verbose_name="sign-up is open",
                    ),
                ),
                (
                    "signup_viewer",
                    models.BooleanField(
                        default=False,
                        help_text="Otherwise an administrator gives each new account its group.",
                        verbose_name="new users become viewers",
                    ),
                ),
                (
                    "superusers_need_second_factor",
                    models.BooleanField(
                        default=False,
                        help_text="Required for every superuser, regardless of groups.",
                        verbose_name="superusers need a second factor",
                    ),
                ),
            ],
            options={
                "verbose_name": "account settings",
                "verbose_name_plural": "account settings",
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.CreateModel(
            name="SeenHistory",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                (
                    "from_key",
                    models.BigIntegerField(help_text="The oldest key read so far; older rows are read backwards."),
                ),
                ("to_key", models.BigIntegerField(help_text="The newest key read so far.")),
                ("complete", models.BooleanField(default=False, help_text="All older rows have been read.")),
                ("reaches_back", models.DateTimeField(null=True)),
                ("read_until", models.DateTimeField(help_text="By the warehouse's clock.")),
            ],
            options={
                "verbose_name": "reach of the connection audit's memory",
                "verbose_name_plural": "reach of the connection audit's memory",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="GroupPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "require_second_factor",
                    models.BooleanField(
                        default=False,
                        help_text="Members without a second factor must set one up before they can use the portal.",
                        verbose_name="second factor required",
                    ),
                ),
                (
                    "group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="policy",
                        to="auth.group",
                        verbose_name="group",
                    ),
                ),
            ],
            options={
                "verbose_name": "sign-in rule of a group",
                "verbose_name_plural": "sign-in rules of groups",
                "ordering": ("group__name",),
            },
        ),
        migrations.CreateModel(
            name="GroupScope",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entity_names", models.JSONField(blank=True, default=list, verbose_name="pipelines")),
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
            options={
                "verbose_name": "limit to pipelines",
                "verbose_name_plural": "limits to pipelines",
            },
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
            name="PipelineHour",
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
                ("hour", models.DateTimeField()),
            ],
            options={
                "verbose_name": "hourly roll-up",
                "verbose_name_plural": "hourly roll-ups",
                "indexes": [models.Index(fields=["hour"], name="rollup_hour")],
                "constraints": [models.UniqueConstraint(fields=("entity_name", "hour"), name="one_rollup_per_hour")],
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
        migrations.CreateModel(
            name="PipelineSample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entity_name", models.CharField(max_length=100)),
                ("sampled_at", models.DateTimeField()),
                ("status", models.CharField(max_length=20)),
                ("is_active", models.BooleanField()),
                ("source_total", models.BigIntegerField(null=True)),
                ("target_total", models.BigIntegerField(null=True)),
                ("eligible", models.BigIntegerField(null=True)),
                ("cooling", models.BigIntegerField(null=True)),
                ("latency_seconds", models.BigIntegerField(null=True)),
                ("served_lag_seconds", models.BigIntegerField(null=True)),
                ("watermark_updated_at", models.DateTimeField(null=True)),
                ("watermark_id", models.BigIntegerField(null=True)),
                ("run_entity_id", models.BigIntegerField(help_text="The latest run entity at that time.", null=True)),
                ("problem", models.CharField(blank=True, help_text="Why a value could not be read.", max_length=40)),
            ],
            options={
                "verbose_name": "sample",
                "verbose_name_plural": "samples",
                "indexes": [models.Index(fields=["sampled_at"], name="sample_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("entity_name", "sampled_at"), name="one_sample_per_tick")
                ],
            },
        ),
        migrations.CreateModel(
            name="RunCopy",
            fields=[
                ("run_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("entities_requested", models.CharField(max_length=500)),
                ("started_by", models.CharField(max_length=128)),
                ("started_at", models.DateTimeField(db_index=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("status", models.CharField(max_length=20)),
                ("entities_succeeded", models.BigIntegerField()),
                ("entities_failed", models.BigIntegerField()),
                ("error_message", models.TextField(blank=True)),
            ],
            options={
                "verbose_name": "run (copy)",
                "verbose_name_plural": "runs (copies)",
                "ordering": ("-run_id",),
                "indexes": [
                    models.Index(condition=models.Q(("finished_at__isnull", True)), fields=["run_id"], name="run_open")
                ],
            },
        ),
        migrations.CreateModel(
            name="SeenDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("column", models.CharField(max_length=30)),
                ("digest", models.CharField(max_length=32)),
                ("value", models.CharField(blank=True, max_length=256)),
                ("day", models.DateField()),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("hours", models.IntegerField()),
            ],
            options={
                "verbose_name": "seen in the connection audit",
                "verbose_name_plural": "seen in the connection audit",
                "default_permissions": (),
                "indexes": [models.Index(fields=["day"], name="seen_day")],
                "constraints": [models.UniqueConstraint(fields=("digest", "column", "day"), name="seen_once_a_day")],
            },
        ),
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
        migrations.CreateModel(
            name="UserPreferences",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        choices=[("", "as the browser"), ("en", "English"), ("pt-br", "Portuguese (Brazil)")],
                        max_length=10,
                        verbose_name="language",
                    ),
                ),
                ("time_zone", models.CharField(blank=True, max_length=50, verbose_name="time zone")),
                (
                    "theme",
                    models.CharField(
                        blank=True,
                        choices=[("", "as the system"), ("light", "light"), ("dark", "dark")],
                        max_length=5,
                        verbose_name="theme",
                    ),
                ),
                (
                    "refresh_seconds",
                    models.PositiveSmallIntegerField(
                        default=10,
                        validators=[
                            django.core.validators.MinValueValidator(5),
                            django.core.validators.MaxValueValidator(60),
                        ],
                        verbose_name="refresh every (seconds)",
                    ),
                ),
                ("auto_refresh", models.BooleanField(default=True, verbose_name="refresh automatically")),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="preferences",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "preferences",
                "verbose_name_plural": "preferences",
            },
        ),
        migrations.CreateModel(
            name="RunEntityCopy",
            fields=[
                ("run_entity_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("entity_name", models.CharField(max_length=100)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("status", models.CharField(max_length=20)),
                ("extracted", models.BigIntegerField()),
                ("upserted", models.BigIntegerField()),
                ("soft_deleted", models.BigIntegerField()),
                ("watermark_from_updated_at", models.DateTimeField(null=True)),
                ("watermark_from_id", models.BigIntegerField(null=True)),
                ("watermark_to_updated_at", models.DateTimeField(null=True)),
                ("watermark_to_id", models.BigIntegerField(null=True)),
                ("error_message", models.TextField(blank=True)),
                (
                    "error_class",
                    models.CharField(
                        blank=True, help_text="The kind of failure, or empty.", max_length=30
                    ),
                ),
                (
                    "fingerprint",
                    models.CharField(
                        help_text="Equal for equal failures; NULL: it did not fail.",
                        max_length=16,
                        null=True,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="run_entities",
                        to="monitoring.runcopy",
                    ),
                ),
            ],
            options={
                "verbose_name": "run entity (copy)",
                "verbose_name_plural": "run entities (copies)",
                "ordering": ("-run_id", "entity_name"),
                "indexes": [
                    models.Index(fields=["entity_name", "-run_id"], name="run_entity_pipeline"),
                    models.Index(fields=["started_at"], name="run_entity_started"),
                    models.Index(
                        condition=models.Q(("finished_at__isnull", True)), fields=["run"], name="run_entity_open"
                    ),
                    models.Index(
                        condition=models.Q(("fingerprint__isnull", False)),
                        fields=["fingerprint", "entity_name", "started_at", "run", "run_entity_id"],
                        name="run_entity_failure",
                    ),
                ],
            },
        ),
        migrations.RunPython(create_groups, migrations.RunPython.noop),
        migrations.RunPython(create_settings, migrations.RunPython.noop),
        migrations.RunPython(create_cache_table, drop_cache_table),
    ]
