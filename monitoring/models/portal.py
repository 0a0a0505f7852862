"""The portal's own tables, in `default`. Times are aware UTC, counts are rows, durations are seconds."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, NoReturn

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ErrorTextField, ForeignCharField, ForeignJSONField, ForeignTextField
from monitoring.models.managers import PipelinesManager, RunsManager, ScopedRun
from monitoring.rules.enums import Grain
from monitoring.rules.facts import Thresholds


class CollectorState(models.Model):
    """A single row: the collector's lease, its cursors over the audit tables, its last snapshot."""

    SINGLETON = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON, editable=False)
    lease_holder = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    ticked_at = models.DateTimeField(null=True, help_text="When the last tick ended, by this machine's clock.")
    tick_milliseconds = models.PositiveIntegerField(null=True)
    sampled_at = models.DateTimeField(null=True, help_text="The snapshot's time, by the warehouse's clock.")
    version = models.CharField(max_length=32, blank=True, help_text="Changes when anything shown changes.")
    payload = models.BinaryField(null=True, help_text="The snapshot as JSON (rules/facts.py: Snapshot).")
    copied_from_run_id = models.BigIntegerField(null=True, help_text="The oldest copied run.")
    copied_to_run_id = models.BigIntegerField(null=True, help_text="The latest copied run.")
    copied_all = models.BooleanField(default=False, help_text="The copies reach back to the start of the retention.")
    fingerprint_version = models.PositiveSmallIntegerField(
        default=0, help_text="Version of the rules that made the fingerprints."
    )
    fingerprinted_from = models.BigIntegerField(
        null=True, help_text="Older run entities have fingerprints by earlier rules, or none."
    )
    hours_rolled_to = models.DateTimeField(null=True, help_text="All earlier hours have been rolled up.")
    days_rolled_to = models.DateTimeField(null=True, help_text="All earlier days have been rolled up from their hours.")
    run_days_rolled_to = models.DateTimeField(null=True, help_text="Executions of all earlier days are rolled up.")
    samples_kept_from = models.DateTimeField(null=True, help_text="Earlier samples may have been deleted.")
    copies_kept_from = models.DateTimeField(null=True, help_text="Earlier copies may have been deleted.")

    class Meta:
        verbose_name = _("collector state")
        verbose_name_plural = _("collector state")
        # The portal's own permissions hang here: they belong to no single table.
        permissions = [
            ("view_pipelines", "Can see pipelines and runs"),
            ("view_connections", "Can see the connection audit"),
            ("capture_connections", "Can capture a connection snapshot now"),
            ("run_checks", "Can run integrity checks on demand"),
            ("unmask", "Can see personal data unmasked"),
        ]

    def __str__(self) -> str:
        return self.lease_holder or "-"


class PipelineSample(models.Model):
    """One pipeline in one tick. Kept for SAMPLE_RETENTION_DAYS; afterwards see PipelineRollup."""

    entity_name = ForeignCharField(max_length=100)
    sampled_at = models.DateTimeField()
    status = models.CharField(max_length=20)
    is_active = models.BooleanField()
    source_total = models.BigIntegerField(null=True)
    target_total = models.BigIntegerField(null=True)
    eligible = models.BigIntegerField(null=True)
    cooling = models.BigIntegerField(null=True)
    latency_seconds = models.BigIntegerField(null=True)
    served_lag_seconds = models.BigIntegerField(null=True)
    watermark_updated_at = models.DateTimeField(null=True)
    watermark_id = models.BigIntegerField(null=True)
    run_entity_id = models.BigIntegerField(null=True, help_text="The latest run entity at that time.")
    problem = models.CharField(max_length=40, blank=True, help_text="Why a value could not be read.")

    objects = PipelinesManager()

    class Meta:
        verbose_name = _("sample")
        verbose_name_plural = _("samples")
        constraints = [models.UniqueConstraint(fields=("entity_name", "sampled_at"), name="one_sample_per_tick")]
        indexes = [models.Index(fields=("sampled_at",), name="sample_time")]

    def __str__(self) -> str:
        return f"{self.entity_name} {self.sampled_at:%Y-%m-%d %H:%M:%S}"


class PipelineRollup(models.Model):
    """History of one pipeline over one hour or day that begins at `start` (UTC; docs/history.md).

    Hours are made from samples, days from hours; days also hold the executions that started on them. A value that
    was unknown is None here, never 0: `*_known` counts the values that a figure is made of. A row can lack one half:
    without samples `samples` is 0, without executions `executions` is None. Rows are rows, times are seconds.
    """

    GRAINS = ((Grain.HOUR.value, _("hour")), (Grain.DAY.value, _("day")))

    entity_name = ForeignCharField(max_length=100)
    grain = models.CharField(max_length=4, choices=GRAINS)
    start = models.DateTimeField()

    samples = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(null=True, help_text="In the last sample.")
    status_last = models.CharField(max_length=20, blank=True)
    status_worst = models.CharField(max_length=20, blank=True)
    status_seconds = models.JSONField(
        default=dict, help_text="Seconds per status. Time without a sample is not counted."
    )
    source_total = models.BigIntegerField(null=True, help_text="In the last sample with both totals.")
    target_total = models.BigIntegerField(null=True, help_text="In the last sample with both totals.")
    seconds_measured = models.FloatField(default=0, help_text="Seconds with a known freshness lag, while active.")
    seconds_late_warning = models.FloatField(
        default=0, help_text="Measured seconds over the warning limit of the freshness lag, up to the critical limit."
    )
    seconds_late_critical = models.FloatField(
        default=0, help_text="Measured seconds over the critical limit of the freshness lag."
    )
    seconds_in_maintenance = models.FloatField(
        default=0, help_text="Seconds in maintenance windows. They are not measured."
    )
    eligible_known = models.PositiveIntegerField(default=0)
    eligible_min = models.BigIntegerField(null=True)
    eligible_avg = models.FloatField(null=True)
    eligible_max = models.BigIntegerField(null=True)
    eligible_last = models.BigIntegerField(null=True)
    cooling_known = models.PositiveIntegerField(default=0)
    cooling_min = models.BigIntegerField(null=True)
    cooling_avg = models.FloatField(null=True)
    cooling_max = models.BigIntegerField(null=True)
    cooling_last = models.BigIntegerField(null=True)
    latency_seconds_known = models.PositiveIntegerField(default=0)
    latency_seconds_min = models.BigIntegerField(null=True)
    latency_seconds_avg = models.FloatField(null=True)
    latency_seconds_max = models.BigIntegerField(null=True)
    latency_seconds_last = models.BigIntegerField(null=True)
    served_lag_seconds_known = models.PositiveIntegerField(default=0)
    served_lag_seconds_min = models.BigIntegerField(null=True)
    served_lag_seconds_avg = models.FloatField(null=True)
    served_lag_seconds_max = models.BigIntegerField(null=True)
    served_lag_seconds_last = models.BigIntegerField(null=True)
    coverage_percent_known = models.PositiveIntegerField(default=0)
    coverage_percent_min = models.FloatField(null=True)
    coverage_percent_avg = models.FloatField(null=True)
    coverage_percent_max = models.FloatField(null=True)
    coverage_percent_last = models.FloatField(null=True)

    executions = models.PositiveIntegerField(null=True)
    succeeded = models.PositiveIntegerField(null=True)
    failed = models.PositiveIntegerField(null=True)
    extracted = models.BigIntegerField(null=True, help_text="By finished executions.")
    upserted = models.BigIntegerField(null=True, help_text="By finished executions.")
    soft_deleted = models.BigIntegerField(null=True, help_text="By finished executions.")
    duration_seconds_known = models.PositiveIntegerField(default=0, help_text="Successes with a usable finish.")
    duration_seconds_min = models.FloatField(null=True)
    duration_seconds_avg = models.FloatField(null=True)
    duration_seconds_max = models.FloatField(null=True)
    throughput_known = models.PositiveIntegerField(default=0, help_text="Of those, the ones that upserted rows.")
    throughput_min = models.FloatField(null=True)
    throughput_avg = models.FloatField(null=True)
    throughput_max = models.FloatField(null=True)

    objects = PipelinesManager()

    class Meta:
        verbose_name = _("roll-up")
        verbose_name_plural = _("roll-ups")
        constraints = [models.UniqueConstraint(fields=("entity_name", "grain", "start"), name="one_rollup_per_period")]
        indexes = [
            models.Index(fields=("grain", "start"), name="rollup_grain_start"),
            models.Index(fields=("start",), name="rollup_start"),
        ]

    def __str__(self) -> str:
        return f"{self.entity_name} {self.start:%Y-%m-%d %H:%M} {self.grain}"


class RunCopy(ScopedRun):
    """The portal's copy of one `audit.etl_run` row, refreshed until the run has finished."""

    run_id = models.BigIntegerField(primary_key=True)
    entities_requested = ForeignCharField(max_length=500)
    started_by = ForeignCharField(max_length=128)
    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True)
    status = ForeignCharField(max_length=20)
    entities_succeeded = models.BigIntegerField()
    entities_failed = models.BigIntegerField()
    error_message = ForeignTextField(blank=True)
    error = ErrorTextField(null=True, help_text="The message parsed and masked, for every reader.")
    error_with_logins = ErrorTextField(null=True, help_text="For readers who may see logins; NULL: the same.")

    objects = RunsManager()

    class Meta:
        verbose_name = _("run (copy)")
        verbose_name_plural = _("runs (copies)")
        ordering = ("-run_id",)
        indexes = [models.Index(fields=("run_id",), name="run_open", condition=models.Q(finished_at__isnull=True))]

    def __str__(self) -> str:
        return f"#{self.run_id}"


class RunEntityCopy(models.Model):
    """The portal's copy of one `audit.etl_run_entity` row: history by pipeline, with an index for it.

    Counts are INT in the warehouse by contract; a widened column must not stop the copying.
    """

    run_entity_id = models.BigIntegerField(primary_key=True)
    run = models.ForeignKey(RunCopy, models.CASCADE, related_name="run_entities", db_constraint=False)
    entity_name = ForeignCharField(max_length=100)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    status = ForeignCharField(max_length=20)
    extracted = models.BigIntegerField()
    upserted = models.BigIntegerField()
    soft_deleted = models.BigIntegerField()
    watermark_from_updated_at = models.DateTimeField(null=True)
    watermark_from_id = models.BigIntegerField(null=True)
    watermark_to_updated_at = models.DateTimeField(null=True)
    watermark_to_id = models.BigIntegerField(null=True)
    error_message = ForeignTextField(blank=True)
    error = ErrorTextField(null=True, help_text="The message parsed and masked, for every reader.")
    error_with_logins = ErrorTextField(null=True, help_text="For readers who may see logins; NULL: the same.")
    error_class = models.CharField(max_length=30, blank=True, help_text="The kind of failure, or empty.")
    fingerprint = models.CharField(
        max_length=16, null=True, help_text="Equal for equal failures; NULL: it did not fail."
    )

    objects = PipelinesManager()

    class Meta:
        verbose_name = _("run entity (copy)")
        verbose_name_plural = _("run entities (copies)")
        ordering = ("-run_id", "entity_name")
        indexes = [
            models.Index(fields=("entity_name", "-run_id"), name="run_entity_pipeline"),
            models.Index(fields=("started_at",), name="run_entity_started"),
            models.Index(fields=("run",), name="run_entity_open", condition=models.Q(finished_at__isnull=True)),
            # Holds all that grouping the failures reads.
            models.Index(
                fields=("fingerprint", "entity_name", "started_at", "run", "run_entity_id"),
                name="run_entity_failure",
                condition=models.Q(fingerprint__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.run_id} {self.entity_name}"


class PipelineSettings(models.Model):
    """Without a row, and for an empty value, METRICS' defaults apply."""

    entity_name = ForeignCharField(_("pipeline"), max_length=100, primary_key=True)
    watermark_expression = models.CharField(
        _("watermark expression"),
        max_length=50,
        blank=True,
        help_text=_("A column of the source. Empty: updated_at, or the known joined tables of the two facts."),
    )
    target_updated_column = models.CharField(
        _("target's update column"), max_length=128, blank=True, help_text=_("Empty: found by its usual names.")
    )
    target_updated_is_load_time = models.BooleanField(
        _("the target's update column holds the load time"),
        null=True,
        blank=True,
        help_text=_("Then latency has no value. Empty: known pipelines decide."),
    )
    owner = models.CharField(_("owner"), max_length=200, blank=True)
    is_required = models.BooleanField(
        _("required"), null=True, blank=True, help_text=_("Required pipelines are named in the pre-flight.")
    )
    late_warning_minutes = models.PositiveIntegerField(_("late: warning after (minutes)"), null=True, blank=True)
    late_critical_minutes = models.PositiveIntegerField(_("late: critical after (minutes)"), null=True, blank=True)
    no_run_warning_hours = models.PositiveIntegerField(_("no run: warning after (hours)"), null=True, blank=True)
    no_run_critical_hours = models.PositiveIntegerField(_("no run: critical after (hours)"), null=True, blank=True)
    failure_warning_percent = models.PositiveSmallIntegerField(
        _("recurrent failure: warning at (%)"), null=True, blank=True, validators=[MaxValueValidator(100)]
    )
    failure_critical_percent = models.PositiveSmallIntegerField(
        _("recurrent failure: critical at (%)"), null=True, blank=True, validators=[MaxValueValidator(100)]
    )
    coverage_warning_points = models.PositiveSmallIntegerField(
        _("coverage drop: warning at (points)"), null=True, blank=True, validators=[MaxValueValidator(100)]
    )
    coverage_critical_points = models.PositiveSmallIntegerField(
        _("coverage drop: critical at (points)"), null=True, blank=True, validators=[MaxValueValidator(100)]
    )
    status_words = models.CharField(
        _("allowed status words"),
        max_length=500,
        blank=True,
        help_text=_("Separated by commas. The integrity check refuses any other. Empty: the usual words."),
    )
    masked_columns = models.CharField(
        _("further masked columns"),
        max_length=500,
        blank=True,
        help_text=_("Columns of the source with personal data, separated by commas, beside the known ones."),
    )
    updated_at = models.DateTimeField(auto_now=True)

    objects = PipelinesManager()

    class Meta:
        verbose_name = _("pipeline settings")
        verbose_name_plural = _("pipeline settings")
        ordering = ("entity_name",)

    def __str__(self) -> str:
        return self.entity_name

    @property
    def thresholds(self) -> Thresholds:
        names = (each.name for each in fields(Thresholds))
        return Thresholds(**{name: value for name in names if (value := getattr(self, name, None)) is not None})

    @property
    def required(self) -> bool:
        return self.entity_name in settings.REQUIRED_PIPELINES if self.is_required is None else self.is_required

    @property
    def allowed_words(self) -> tuple[str, ...]:
        return _split(self.status_words)

    @property
    def personal_columns(self) -> tuple[str, ...]:
        return _split(self.masked_columns)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


class UserPreferences(models.Model):
    """Empty values: the browser decides."""

    THEMES = (("", _("as the system")), ("light", _("light")), ("dark", _("dark")))
    REFRESH_SECONDS = (5, 10, 30, 60)

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="preferences")
    language = models.CharField(
        _("language"), max_length=10, blank=True, choices=[("", _("as the browser")), *settings.LANGUAGES]
    )
    time_zone = models.CharField(_("time zone"), max_length=50, blank=True)
    theme = models.CharField(_("theme"), max_length=5, blank=True, choices=THEMES)
    refresh_seconds = models.PositiveSmallIntegerField(
        _("refresh every (seconds)"), default=10, validators=[MinValueValidator(5), MaxValueValidator(60)]
    )
    auto_refresh = models.BooleanField(_("refresh automatically"), default=True)

    class Meta:
        verbose_name = _("preferences")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return str(self.user)

    @classmethod
    def of(cls, user: Any) -> UserPreferences:
        try:
            return user.preferences
        except cls.DoesNotExist:
            return cls(user_id=user.pk)


class IntegrityReport(models.Model):
    """The last integrity checks of one pipeline, and the lease of the user running them."""

    entity_name = ForeignCharField(_("pipeline"), max_length=100, primary_key=True)
    lease_until = models.DateTimeField(null=True, help_text="The checks are running, at most until then.")
    lease_by = models.CharField(max_length=150, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    finished_by = models.CharField(_("asked by"), max_length=150, blank=True)
    milliseconds = models.FloatField(null=True)
    results = ForeignJSONField(default=list, help_text="A list of CheckResult (rules/integrity.py).")

    objects = PipelinesManager()

    class Meta:
        verbose_name = _("integrity report")
        verbose_name_plural = _("integrity reports")
        ordering = ("entity_name",)

    def __str__(self) -> str:
        return self.entity_name

    def running_by(self, now: datetime) -> str:
        return self.lease_by if self.lease_until is not None and self.lease_until > now else ""


class SeenDay(models.Model):
    """One value of one column of the login events, seen on one day. No value is an empty text.

    `digest` identifies the value regardless of case, in any database. `hours`: bit N is set if the value was seen in
    the day's hour N.
    """

    column = models.CharField(max_length=30)
    digest = models.CharField(max_length=32)
    value = ForeignCharField(max_length=256, blank=True)
    day = models.DateField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    hours = models.IntegerField()

    class Meta:
        verbose_name = _("seen in the connection audit")
        verbose_name_plural = _("seen in the connection audit")
        constraints = [models.UniqueConstraint(fields=("digest", "column", "day"), name="seen_once_a_day")]
        indexes = [models.Index(fields=("day",), name="seen_day")]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.column} {self.day:%Y-%m-%d}"


class SeenHistory(models.Model):
    """The range of login events that SeenDay covers: one row. Keys are of audit.connection_login_events.

    `reaches_back`: every event since then is included, up to `read_until`.
    """

    SINGLETON = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON, editable=False)
    from_key = models.BigIntegerField(help_text="The oldest key read so far; older rows are read backwards.")
    to_key = models.BigIntegerField(help_text="The newest key read so far.")
    complete = models.BooleanField(default=False, help_text="All older rows have been read.")
    reaches_back = models.DateTimeField(null=True)
    read_until = models.DateTimeField(help_text="By the warehouse's clock.")

    class Meta:
        verbose_name = _("reach of the connection audit's memory")
        verbose_name_plural = _("reach of the connection audit's memory")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.from_key}-{self.to_key}"


class AppendOnly(Exception):
    """Raised on changing or deleting an entry."""


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise AppendOnly("The trail is append-only.")


class TrailQuerySet(models.QuerySet["TrailEntry"]):
    update = bulk_update = update_or_create = delete = _refuse

    def expire(self, *, before: datetime, limit: int) -> int:
        """Delete at most `limit` entries older than `before`, oldest first. Return their number."""
        keys = list(self.filter(at__lt=before).order_by("at", "pk").values_list("pk", flat=True)[:limit])
        if keys:
            models.QuerySet.delete(self.filter(pk__in=keys))
        return len(keys)


class TrailEntry(models.Model):
    at = models.DateTimeField(_("when"))
    user_name = ForeignCharField(_("user"), max_length=150, blank=True)
    address = ForeignCharField(_("from address"), max_length=48, blank=True)
    action = models.CharField(_("action"), max_length=30)
    object = ForeignCharField(_("object"), max_length=200, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10)
    detail = ForeignJSONField(_("detail"), default=dict)

    objects = TrailQuerySet.as_manager()

    class Meta:
        verbose_name = _("trail entry")
        verbose_name_plural = _("trail")
        ordering = ("-id",)
        indexes = [models.Index(fields=("at",), name="trail_time")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.user_name} {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry. Raises AppendOnly for an existing one."""
        if not self._state.adding:
            _refuse()
        super().save(*args, **{**kwargs, "force_insert": True})

    delete = _refuse
