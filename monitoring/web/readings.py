"""A figure or the reason why there is none: the value of every cell, card and export line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import FINISHED, PipelineStatus, ProblemCode
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Count, Execution, Pipeline, Problem, Snapshot, SourceReading, TargetReading
from monitoring.web import parts
from monitoring.web.problems import problem_text

T = TypeVar("T")


class Missing(models.TextChoices):
    """Why a figure has no value: the first group could not be read, the second has no value by definition."""

    NOT_READ = "not_read", _("could not be read")
    NAME_INVALID = "name_invalid", _("the control row's table name is not valid")
    SOURCE_MISSING = "source_missing", _("the source table does not exist")
    TARGET_MISSING = "target_missing", _("the target table does not exist")

    SOURCE_EMPTY = "source_empty", _("the source is empty")
    TARGET_EMPTY = "target_empty", _("the target is empty")
    TARGET_HOLDS_LOAD_TIME = (
        "target_holds_load_time",
        _("the target stores when a row was loaded, not when the source changed it"),
    )
    TARGET_IN_FUTURE = "target_in_future", _("the target's latest row is dated in the future")
    NEVER_RUN = "never_run", _("never run")
    STILL_RUNNING = "still_running", _("still running: the runner writes this at the end")
    NOT_FINISHED = "not_finished", _("it has no valid finish")
    NOT_A_SUCCESS = "not_a_success", _("the last execution did not succeed")
    NO_FINISHED_RUN = "no_finished_run", _("no run finished in this time")
    NOTHING_LOADED = "nothing_loaded", _("no execution loaded rows in this time")
    NO_PIPELINE = "no_pipeline", _("no pipeline has this figure")
    NO_ACTIVE_PIPELINE = "no_active_pipeline", _("no pipeline is active")


UNREAD = frozenset({Missing.NOT_READ, Missing.NAME_INVALID, Missing.SOURCE_MISSING, Missing.TARGET_MISSING})
"""Shown as "unknown". The other reasons are shown as "no value"."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value, or None with `why` and the driver's `problem`. A value with a problem is the last known one."""

    value: T | None
    why: Missing | None = None
    problem: Problem | None = None

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def unread(self) -> bool:
        """Whether there is a value, but it could not be read."""
        return self.value is None and (self.why is None or self.why in UNREAD)

    @property
    def last_known(self) -> bool:
        return self.value is not None and self.problem is not None

    @property
    def rank(self) -> float | str | None:
        """What the value is sorted by."""
        if isinstance(self.value, Count):
            return self.value.value
        if isinstance(self.value, datetime):
            return self.value.timestamp()
        return self.value if self.value is None or isinstance(self.value, int | float) else str(self.value)


def reading(
    value: T | None,
    why: Missing = Missing.NOT_READ,
    problem: Problem | None = None,
    *,
    last_known: Problem | None = None,
) -> Reading[T]:
    """Return the value or, if it is None, `why` and `problem`. `last_known`: why the value is of an earlier sample."""
    return Reading(value, None, last_known) if value is not None else Reading(None, why, problem)


def blind(snapshot: Snapshot) -> tuple[Problem | None, Problem | None]:
    """Return why sources, and targets, could not be read for this sample. Sources need the control rows."""
    down = {each.alias: each.problem or _NOT_READ for each in snapshot.connections if not each.reachable}
    dw = snapshot.problem or down.get("dw")
    return dw or down.get("oltp"), dw


_NOT_READ = Problem(code=ProblemCode.NOT_READ)


def rows_of(execution: Execution | None, rows: int) -> Reading[int]:
    """Return a row count of an execution. The runner writes it at the end (CONTRACT, rule 1): 0 before is no figure."""
    if execution is None:
        return Reading(None, Missing.NEVER_RUN)
    if rows == 0 and (execution.finished_at is None or execution.status not in FINISHED):
        return Reading(None, Missing.STILL_RUNNING if execution.running else Missing.NOT_FINISHED)
    return Reading(rows)


class PipelineReadings:
    """One pipeline and its figures as readings, the last known ones where its database could not be read this time.

    Totals and counts are rows, coverage percent, lag, latency and duration seconds, throughput rows per second.
    """

    def __init__(self, pipeline: Pipeline, snapshot: Snapshot) -> None:
        self.pipeline, self.name = pipeline, pipeline.name
        self.source_unread, self.target_unread = blind(snapshot)
        figures, newest = pipeline.figures, pipeline.newest
        self.source_total = self._of_source(pipeline.source.total)
        self.target_total = self._of_target(pipeline.target.total)
        self.eligible = self._of_source(pipeline.source.eligible)
        self.cooling = self._of_source(pipeline.source.cooling)
        self.served_lag = self._of_source(figures.served_lag_seconds)
        self.coverage = self._coverage()
        self.latency = self._latency()
        self.last_started_at = self._of_newest(newest.started_at if newest else None)
        self.last_finished_at = self._of_newest(newest.finished_at if newest else None)
        self.extracted = self._last_known(rows_of(newest, newest.extracted if newest else 0))
        self.upserted = self._last_known(rows_of(newest, newest.upserted if newest else 0))
        self.soft_deleted = self._last_known(rows_of(newest, newest.soft_deleted if newest else 0))
        self.duration = self._of_newest(figures.duration_seconds)
        self.throughput = self._of_newest(figures.throughput, Missing.NOT_A_SUCCESS)
        self.error: ErrorText | None = newest.shown_error if newest else None
        self.last_error = self.error.text if self.error else ""

    @property
    def late_since(self) -> datetime | None:
        return late_since(self.pipeline) if self.source_unread is None else None

    @property
    def running(self) -> bool:
        return self.pipeline.status is PipelineStatus.RUNNING and self.pipeline.newest is not None

    def _coverage(self) -> Reading[float]:
        value, source, target = self.pipeline.figures.coverage_percent, self.pipeline.source, self.pipeline.target
        if value is None and source.total is not None:
            return self._of_target(None) if target.total is None else Reading(None, Missing.SOURCE_EMPTY)
        return self._of_source(value)

    def _latency(self) -> Reading[float]:
        value, source, target = self.pipeline.figures.latency_seconds, self.pipeline.source, self.pipeline.target
        if value is None:
            without = (
                (target.is_load_time, Missing.TARGET_HOLDS_LOAD_TIME),
                (source.total == 0, Missing.SOURCE_EMPTY),
                (source.newest_at is not None and target.total == 0, Missing.TARGET_EMPTY),
                (source.newest_at is not None and target.newest_at is not None, Missing.TARGET_IN_FUTURE),
            )
            for holds, why in without:
                if holds:
                    return Reading(None, why)
            if source.newest_at is not None:
                return self._of_target(None)
        return self._of_source(value)

    def _of_source(self, value: T | None) -> Reading[T]:
        return self._of_side(value, self.pipeline.source, Missing.SOURCE_MISSING, self.source_unread)

    def _of_target(self, value: T | None) -> Reading[T]:
        return self._of_side(value, self.pipeline.target, Missing.TARGET_MISSING, self.target_unread)

    def _of_side(
        self, value: T | None, side: SourceReading | TargetReading, gone: Missing, unread: Problem | None
    ) -> Reading[T]:
        if not self.pipeline.mapping_valid:
            why = Missing.NAME_INVALID
        else:
            why = gone if side.exists is False else Missing.NOT_READ
        return reading(value, why, side.problem, last_known=unread)

    def _of_newest(self, value: T | None, why: Missing = Missing.NOT_FINISHED) -> Reading[T]:
        newest = self.pipeline.newest
        if newest is None:
            why = Missing.NEVER_RUN
        elif newest.running:
            why = Missing.STILL_RUNNING
        return reading(value, why, last_known=self.target_unread)

    def _last_known(self, found: Reading[int]) -> Reading[int]:
        return Reading(found.value, None, self.target_unread) if found.known else found


def pipeline_readings(snapshot: Snapshot | None) -> list[PipelineReadings]:
    if snapshot is None:
        return []
    pipelines = sorted(snapshot.pipelines, key=lambda pipeline: pipeline.name)
    return [PipelineReadings(each, snapshot) for each in pipelines]


def late_since(pipeline: Pipeline) -> datetime | None:
    return pipeline.source.oldest_eligible_at if pipeline.figures.served_lag_seconds else None


Kind = Literal["rows", "percent", "duration", "rate", "number", "when", "age"]  # the function of web/parts.py


def reason(reading: Reading[Any]) -> str:
    problem = reading.problem
    if problem is None:
        return str((reading.why or Missing.NOT_READ).label)
    words = problem_text(problem)
    return f"{words.what} ({words.detail})" if words.detail else words.what


def draw(reading: Reading[Any], kind: Kind) -> SafeString:
    if reading.known:
        drawn: SafeString = getattr(parts, kind)(reading.value)
        return format_html("{} {}", mark(reading.problem), drawn) if reading.problem else drawn
    return parts.unknown(reading.problem or reason(reading)) if reading.unread else parts.none(reason(reading))


def mark(problem: Problem | None) -> SafeString:
    """Return the sign of a last known value: `problem` kept a newer one from being read. Nothing without a problem."""
    if problem is None:
        return SafeString("")
    words = gettext("last known value; none newer: %(reason)s") % {"reason": problem_text(problem).what}
    return format_html(
        '<span class="last-known" data-tip="{0}">{1}<span class="visually-hidden">{0}</span></span>',
        words,
        parts.icon("hourglass"),
    )


def export_value(reading: Reading[Any]) -> int | float | str | datetime:
    """Return what an export cell holds: the plain number or time, "100000+" for a capped count, else the reason."""
    value = reading.value
    if isinstance(value, Count):
        return f"{value.value}+" if value.capped else value.value
    if value is None:
        word = gettext("unknown") if reading.unread else gettext("no value")
        return f"{word}: {reason(reading)}"
    if isinstance(value, float):
        return round(value, 3)
    return value
