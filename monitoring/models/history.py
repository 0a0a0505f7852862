"""History beyond the retention of samples and copies: one row per pipeline and hour or day (docs/history.md)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ForeignCharField
from monitoring.models.managers import PipelinesManager
from monitoring.rules.enums import Grain


class PipelineRollup(models.Model):
    """One pipeline over one hour or day that begins at `start` (UTC).

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
