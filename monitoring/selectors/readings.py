"""A figure or the reason why there is none: what every cell, card and export line is made of.

METRICS' reading rule: unknown is a value. `Reading.value` is None exactly when `why` says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from monitoring.enums import ExecutionStatus, ProblemCode
from monitoring.policies.facts import Count, Execution, Pipeline, Problem, Snapshot

T = TypeVar("T")


class Missing(StrEnum):
    """Why a figure has no value. The first group could not be read, the second has none by definition."""

    NOT_READ = "not_read"
    NAME_INVALID = "name_invalid"
    SOURCE_MISSING = "source_missing"
    TARGET_MISSING = "target_missing"

    SOURCE_EMPTY = "source_empty"
    TARGET_EMPTY = "target_empty"
    TARGET_HOLDS_LOAD_TIME = "target_holds_load_time"
    TARGET_IN_FUTURE = "target_in_future"
    NEVER_RUN = "never_run"
    STILL_RUNNING = "still_running"
    NOT_FINISHED = "not_finished"
    NOT_A_SUCCESS = "not_a_success"
    NO_FINISHED_RUN = "no_finished_run"
    NOTHING_LOADED = "nothing_loaded"
    NO_PIPELINE = "no_pipeline"
    NO_ACTIVE_PIPELINE = "no_active_pipeline"


UNREAD = frozenset({Missing.NOT_READ, Missing.NAME_INVALID, Missing.SOURCE_MISSING, Missing.TARGET_MISSING})
"""What should have been there: shown as unknown. The others are shown as "no value", calmly."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value, or None with `why`, and the driver's `problem` when there was one.

    A value with a problem beside it is the last known one: there is no newer because of that.
    """

    value: T | None
    why: Missing | None = None
    problem: Problem | None = None

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def unread(self) -> bool:
        """Whether the value exists but could not be read (unlike "there is none")."""
        return self.value is None and (self.why is None or self.why in UNREAD)

    @property
    def last_known(self) -> bool:
        """Whether the value is of an earlier reading."""
        return self.value is not None and self.problem is not None

    @property
    def rank(self) -> float | str:
        """What the value is sorted by. Raises ValueError where there is no value."""
        if self.value is None:
            raise ValueError("a reading without a value has no rank")
        if isinstance(self.value, Count):
            return self.value.value
        if isinstance(self.value, datetime):
            return self.value.timestamp()
        return self.value if isinstance(self.value, (int, float)) else str(self.value)


def reading(value: T | None, why: Missing = Missing.NOT_READ, problem: Problem | None = None) -> Reading[T]:
    """Return the value as a reading; `why` and `problem` count only where it is None."""
    return Reading(value) if value is not None else Reading(None, why, problem)


def kept(reading: Reading[T], problem: Problem | None) -> Reading[T]:
    """Return the reading as the last known one where `problem` kept a newer from being made."""
    return replace(reading, problem=problem) if reading.known and problem is not None else reading


def blind(snapshot: Snapshot) -> tuple[Problem | None, Problem | None]:
    """Return why nothing newer could be read of the sources, and of the targets; None where it could.

    Without the DW's control rows nobody knows what to ask the OLTP for either.
    """
    down = {each.alias: each.problem or _NOT_READ for each in snapshot.connections if not each.reachable}
    dw = snapshot.problem or down.get("dw")
    return dw or down.get("oltp"), dw


_NOT_READ = Problem(code=ProblemCode.NOT_READ)


def of_source(pipeline: Pipeline, value: T | None) -> Reading[T]:
    """Return a figure read from the source alone, with the reason when it is missing."""
    source = pipeline.source
    if value is not None:
        return Reading(value)
    if not pipeline.mapping_valid:
        return Reading(None, Missing.NAME_INVALID, source.problem)
    if source.exists is False:
        return Reading(None, Missing.SOURCE_MISSING, source.problem)
    return Reading(None, Missing.NOT_READ, source.problem)


def of_target(pipeline: Pipeline, value: T | None) -> Reading[T]:
    """Return a figure read from the target alone, with the reason when it is missing."""
    target = pipeline.target
    if value is not None:
        return Reading(value)
    if not pipeline.mapping_valid:
        return Reading(None, Missing.NAME_INVALID, target.problem)
    if target.exists is False:
        return Reading(None, Missing.TARGET_MISSING, target.problem)
    return Reading(None, Missing.NOT_READ, target.problem)


def coverage(pipeline: Pipeline) -> Reading[float]:
    """Target total / source total, in percent (METRICS: no value when the source is empty)."""
    value = pipeline.figures.coverage_percent
    if value is None and pipeline.source.total is not None:
        if pipeline.target.total is None:
            return of_target(pipeline, value)
        return Reading(None, Missing.SOURCE_EMPTY)
    return of_source(pipeline, value)


def latency(pipeline: Pipeline) -> Reading[float]:
    """Seconds between the newest rows of source and target; none where the target holds the load time."""
    value, source, target = pipeline.figures.latency_seconds, pipeline.source, pipeline.target
    if value is not None:
        return Reading(value)
    without = (
        (target.is_load_time, Missing.TARGET_HOLDS_LOAD_TIME),
        (source.total == 0, Missing.SOURCE_EMPTY),
        (source.newest_at is not None and target.total == 0, Missing.TARGET_EMPTY),
        (source.newest_at is not None and target.newest_at is not None, Missing.TARGET_IN_FUTURE),
    )
    why = next((why for holds, why in without if holds), None)
    if why is not None:
        return Reading(None, why)
    return of_source(pipeline, value) if source.newest_at is None else of_target(pipeline, value)


def duration(pipeline: Pipeline) -> Reading[float]:
    """Seconds of the newest execution; a running one's up to the sample."""
    return _of_execution(pipeline, pipeline.figures.duration_seconds, Missing.NOT_FINISHED)


def throughput(pipeline: Pipeline) -> Reading[float]:
    """Rows per second of the newest execution, of a success (METRICS)."""
    newest = pipeline.newest
    why = Missing.NOT_A_SUCCESS
    if newest is not None and newest.status is ExecutionStatus.RUNNING:
        why = Missing.STILL_RUNNING
    return _of_execution(pipeline, pipeline.figures.throughput, why)


def rows_of(execution: Execution | None, rows: int) -> Reading[int]:
    """A row count of an execution. The runner writes it at the end (CONTRACT, rule 1): 0 before means nothing."""
    if execution is None:
        return Reading(None, Missing.NEVER_RUN)
    if not execution.finished and rows == 0:
        running = execution.status is ExecutionStatus.RUNNING
        return Reading(None, Missing.STILL_RUNNING if running else Missing.NOT_FINISHED)
    return Reading(rows)


def _of_execution(pipeline: Pipeline, value: float | None, why: Missing) -> Reading[float]:
    if value is not None:
        return Reading(value)
    return Reading(None, Missing.NEVER_RUN if pipeline.newest is None else why)
