"""What is left of the past once samples and copies are old: one row per pipeline and hour or day (docs/history.md).

`hour` and `day` are the UTC start of what a row stands for. What was unknown in the samples is unknown here:
`*_known` says of how many of the `samples` a figure is made; None is never 0. Rows are rows, times seconds.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ForeignCharField
from monitoring.models.managers import of_pipelines


class RollUp(models.Model):
    """The samples of one pipeline over some time."""

    entity_name = ForeignCharField(max_length=100)
    samples = models.PositiveIntegerField()
    is_active = models.BooleanField(null=True, help_text="By the last sample.")
    status_last = models.CharField(max_length=20, blank=True)
    status_worst = models.CharField(max_length=20, blank=True)
    status_seconds = models.JSONField(
        default=dict, help_text="How long it had which status; what is missing of the time nobody looked at."
    )
    source_total = models.BigIntegerField(null=True, help_text="Of the last sample that knew both totals.")
    target_total = models.BigIntegerField(null=True, help_text="Of the last sample that knew both totals.")
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

    class Meta:
        abstract = True


class PipelineHour(RollUp):
    """One UTC hour of one pipeline, made of its samples when the hour is over."""

    hour = models.DateTimeField()

    objects = of_pipelines()

    class Meta:
        verbose_name = _("hourly roll-up")
        verbose_name_plural = _("hourly roll-ups")
        constraints = [models.UniqueConstraint(fields=("entity_name", "hour"), name="one_rollup_per_hour")]
        indexes = [models.Index(fields=("hour",), name="rollup_hour")]

    def __str__(self) -> str:
        return f"{self.entity_name} {self.hour:%Y-%m-%d %H}"


class PipelineDay(RollUp):
    """One UTC day of one pipeline, made of its hours when the day is over."""

    day = models.DateTimeField()

    objects = of_pipelines()

    class Meta:
        verbose_name = _("daily roll-up")
        verbose_name_plural = _("daily roll-ups")
        constraints = [models.UniqueConstraint(fields=("entity_name", "day"), name="one_rollup_per_day")]
        indexes = [models.Index(fields=("day",), name="rollup_day")]

    def __str__(self) -> str:
        return f"{self.entity_name} {self.day:%Y-%m-%d}"


class PipelineRunDay(models.Model):
    """The executions of one pipeline that began on one UTC day, made of their copies when the day is over.

    `timed`: successes whose duration is known, of which the durations are; `loaded_*`: those of them that
    upserted rows, of which the throughput is. Rows are those of the successes and failures that say them.
    """

    entity_name = ForeignCharField(max_length=100)
    day = models.DateTimeField()
    executions = models.PositiveIntegerField()
    succeeded = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    extracted = models.BigIntegerField()
    upserted = models.BigIntegerField()
    soft_deleted = models.BigIntegerField()
    timed = models.PositiveIntegerField()
    duration_seconds_total = models.FloatField(null=True)
    duration_seconds_min = models.FloatField(null=True)
    duration_seconds_max = models.FloatField(null=True)
    loaded = models.PositiveIntegerField()
    throughput_total = models.FloatField(null=True, help_text="Of the rows per second of each: for their mean.")
    throughput_min = models.FloatField(null=True)
    throughput_max = models.FloatField(null=True)

    objects = of_pipelines()

    class Meta:
        verbose_name = _("executions of a day")
        verbose_name_plural = _("executions by day")
        constraints = [models.UniqueConstraint(fields=("entity_name", "day"), name="one_run_rollup_per_day")]
        indexes = [models.Index(fields=("day",), name="run_rollup_day")]

    def __str__(self) -> str:
        return f"{self.entity_name} {self.day:%Y-%m-%d}"
