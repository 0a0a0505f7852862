"""The derived figures of one pipeline (METRICS, "Per pipeline"): seconds, rows, percent.

What has no value, or cannot be known, is None. No figure is ever below 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from monitoring.enums import ExecutionStatus
from monitoring.policies.executions import merged, newest_finish
from monitoring.policies.facts import Execution, Figures, History, SourceReading, TargetReading
from monitoring.policies.numbers import MINIMUM_GAPS, percentile, usable

DRAIN_SUCCESSES = 5
"""How many successes the speed of the drain estimate is measured over (METRICS)."""


def seconds_between(start: datetime, end: datetime) -> float:
    """Return the seconds from `start` to `end`, 0 when `end` is before it (a clock went back)."""
    return max(0.0, (end - start).total_seconds())


def coverage_percent(source: SourceReading, target: TargetReading) -> float | None:
    """Return target total / source total in percent; may exceed 100. None when the source is empty."""
    if source.total is None or target.total is None or source.total <= 0 or target.total < 0:
        return None
    return 100 * target.total / source.total


def latency_seconds(source: SourceReading, target: TargetReading, now: datetime) -> float | None:
    """Return max(ts in source) - max(update column in target) in seconds, never below 0.

    None where the target's column holds the load time. A source row dated in the future counts as
    of now. A target dated in the future hides how far the load came, so there is no value.
    """
    if target.is_load_time or source.newest_at is None or target.newest_at is None or target.newest_at > now:
        return None
    return seconds_between(target.newest_at, min(source.newest_at, now))


def served_lag_seconds(source: SourceReading, now: datetime) -> float | None:
    """Return 0 when nothing is eligible, else now - the oldest eligible ts, in seconds."""
    if source.eligible is None:
        return None
    if source.eligible.value <= 0 and not source.eligible.capped:
        return 0.0
    if source.oldest_eligible_at is None:
        return None
    return seconds_between(source.oldest_eligible_at, now)


def duration_seconds(execution: Execution | None, now: datetime) -> float | None:
    """Return finished - started in seconds; of a running row now - started.

    None for a finish before its start, and for a row that ended without saying when.
    """
    if execution is None:
        return None
    if execution.finished_at is not None:
        seconds = (execution.finished_at - execution.started_at).total_seconds()
        return seconds if seconds >= 0 else None
    if execution.status is ExecutionStatus.RUNNING:
        return seconds_between(execution.started_at, now)
    return None


def throughput(execution: Execution | None) -> float | None:
    """Return upserted / max(1, duration) of a success, in rows per second; else None."""
    if execution is None or execution.status is not ExecutionStatus.SUCCESS or execution.finished_at is None:
        return None
    seconds = duration_seconds(execution, execution.finished_at)
    if seconds is None or execution.upserted < 0:
        return None
    return execution.upserted / max(1.0, seconds)


def usual_band(values: Iterable[float | int | None]) -> tuple[float, float, float] | None:
    """Return the 10th percentile, the median and the 90th of `values`; None with fewer than 5."""
    known = usable(values)
    low, middle, high = percentile(known, 10), percentile(known, 50), percentile(known, 90)
    if low is None or middle is None or high is None:
        return None
    return low, middle, high


def drain(
    source: SourceReading, newest: Execution | None, history: History, now: datetime
) -> tuple[float | None, bool]:
    """Return (seconds until nothing is eligible, whether that never happens at this rate).

    B / (v - a) of running time plus the wait for the expected next start: the median gap after the
    newest finish, nothing while it runs (METRICS, "Drain estimate"). (0, False) with nothing
    eligible; (None, False) where a part is unknown; (None, True) when v <= a. A capped count only
    says "at least", so it has no estimate.
    """
    if source.eligible is None:
        return None, False
    if source.eligible.value <= 0 and not source.eligible.capped:
        return 0.0, False
    executions = merged(newest, history)
    speed = _speed(executions)
    arrival = history.arrival_per_second
    if speed is None or arrival is None or arrival < 0:
        return None, False
    if speed <= arrival:
        return None, True
    wait = _wait(executions, history.gaps, now)
    if wait is None or source.eligible.capped:
        return None, False
    return source.eligible.value / (speed - arrival) + wait, False


def figures(
    *,
    source: SourceReading,
    target: TargetReading,
    newest: Execution | None,
    history: History,
    now: datetime,
) -> Figures:
    """Return every derived figure of one pipeline. `newest` is its newest run entity."""
    seconds, never = drain(source, newest, history, now)
    return Figures(
        coverage_percent=coverage_percent(source, target),
        latency_seconds=latency_seconds(source, target, now),
        served_lag_seconds=served_lag_seconds(source, now),
        duration_seconds=duration_seconds(newest, now),
        throughput=throughput(newest),
        usual_duration=usual_band(history.durations),
        drain_seconds=seconds,
        drains_never=never,
    )


def _speed(executions: Sequence[Execution]) -> float | None:
    """Return upserted rows per second over the last 5 successes, None when none moved a row."""
    rows = seconds = 0.0
    measured = 0
    for execution in executions:
        if throughput(execution) is None or execution.finished_at is None:
            continue
        rows += execution.upserted
        seconds += max(1.0, duration_seconds(execution, execution.finished_at) or 0.0)
        measured += 1
        if measured == DRAIN_SUCCESSES:
            break
    return rows / seconds if rows > 0 else None


def _wait(executions: Sequence[Execution], gaps: Iterable[float], now: datetime) -> float | None:
    """Return the seconds until the expected next start; 0 while it runs or when it is overdue."""
    if executions and executions[0].status is ExecutionStatus.RUNNING:
        return 0.0
    gap = percentile(usable(gaps), 50, MINIMUM_GAPS)
    finish = newest_finish(executions)
    if gap is None or finish is None:
        return None
    return max(0.0, gap - seconds_between(finish, now))
