"""Statistics shared by the rules. Empty input gives None, never 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import floor, isfinite
from statistics import median

from monitoring.rules.enums import FINISHED, ExecutionStatus, Grain
from monitoring.rules.facts import Execution, Figures, History, SourceReading, TargetReading

MINIMUM_EXECUTIONS = 5
"""METRICS' minimum for percentiles."""
MINIMUM_GAPS = MINIMUM_EXECUTIONS - 1
"""Five executions have four gaps between them."""
MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation of normal data estimate its standard deviation (METRICS)."""


def usable(values: Iterable[float | int | None]) -> list[float]:
    """Return the finite values that are not below 0; a negative length of time is no measurement."""
    return [float(value) for value in values if value is not None and isfinite(value) and value >= 0]


def percentile(values: Iterable[float | int], percent: float, minimum: int = MINIMUM_EXECUTIONS) -> float | None:
    """Return the percentile of `values` with linear interpolation between neighbours.

    `percent` is 0 to 100. None with fewer than `minimum` values. The formula is that of
    Hyndman and Fan's type 7, the default of NumPy and of spreadsheets' PERCENTILE.
    """
    ordered = sorted(values)
    if len(ordered) < max(1, minimum):
        return None
    position = (len(ordered) - 1) * percent / 100
    low = floor(position)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (position - low))


def median_of(values: Sequence[float | int]) -> float | None:
    return float(median(values)) if values else None


def robust_deviation(values: Sequence[float | int]) -> float | None:
    """Return 1.4826 x MAD: the robust standard deviation around the median. None of nothing."""
    middle = median_of(values)
    if middle is None:
        return None
    return MAD_TO_SIGMA * float(median([abs(value - middle) for value in values]))


def merged(newest: Execution | None, history: History) -> tuple[Execution, ...]:
    """Return all known executions once, newest run first. `newest` wins over its older copy."""
    found: dict[int, Execution] = {}
    for execution in (*((newest,) if newest else ()), *history.recent, *history.open):
        found.setdefault(execution.run_entity_id, execution)
    return tuple(sorted(found.values(), key=lambda each: (each.run_id, each.run_entity_id), reverse=True))


def finished(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    return tuple(execution for execution in executions if execution.status in FINISHED)


def running(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    return tuple(execution for execution in executions if execution.status is ExecutionStatus.RUNNING)


def newest_finish(executions: Iterable[Execution]) -> datetime | None:
    return max((execution.ended_at for execution in finished(executions)), default=None)


DRAIN_SUCCESSES = 5
"""Successes over which the drain estimate measures speed (METRICS)."""


def seconds_between(start: datetime, end: datetime) -> float:
    """0 if a clock went back."""
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
    """Seconds, up to `now` for a running row. None if the finish is missing or before the start."""
    if execution is None:
        return None
    if execution.finished_at is None and execution.running:
        return seconds_between(execution.started_at, now)
    return execution.seconds


def usual_band(values: Iterable[float | int | None]) -> tuple[float, float, float] | None:
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
    seconds, never = drain(source, newest, history, now)
    return Figures(
        coverage_percent=coverage_percent(source, target),
        latency_seconds=latency_seconds(source, target, now),
        served_lag_seconds=served_lag_seconds(source, now),
        duration_seconds=duration_seconds(newest, now),
        throughput=newest.throughput if newest else None,
        usual_duration=usual_band(history.durations),
        drain_seconds=seconds,
        drains_never=never,
    )


def _speed(executions: Sequence[Execution]) -> float | None:
    """Return upserted rows per second over the last 5 successes, None when none moved a row."""
    rows = seconds = 0.0
    measured = 0
    for execution in executions:
        if execution.throughput is None:
            continue
        rows += execution.upserted
        seconds += max(1.0, execution.seconds or 0.0)
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


HOUR, DAY = timedelta(hours=1), timedelta(days=1)

RANGES = {
    "24h": DAY,
    "7d": 7 * DAY,
    "30d": 30 * DAY,
    "1y": 365 * DAY,
    "5y": 1826 * DAY,
}
DEFAULT_RANGE = "24h"

POINTS = 300


_READ = {Grain.RAW: DAY, Grain.HOUR: 31 * DAY}
"""How far back a grain is read: a day of samples and a month of hours are rows enough for one page."""
_FINEST = {Grain.RAW: timedelta(minutes=6), Grain.HOUR: HOUR, Grain.DAY: DAY}
_STEPS = (
    timedelta(minutes=6),
    *(count * HOUR for count in (1, 3, 6, 12)),
    *(count * DAY for count in (1, 2, 7, 14, 28)),
)


CHART_DAYS = 14


def days_until(now: datetime, zone: tzinfo, days: int = CHART_DAYS) -> list[tuple[date, datetime]]:
    """Return the last `days` days of `zone`, oldest first, each with the UTC time at which it began."""
    today = now.astimezone(zone).date()
    wanted = [today - timedelta(days=back) for back in reversed(range(days))]
    return [(day, datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)) for day in wanted]


@dataclass(frozen=True, slots=True)
class Resolution:
    grain: Grain
    step: timedelta

    @property
    def rolled_up(self) -> bool:
        return self.grain is not Grain.RAW


def resolution(reach: timedelta, raw_days: int, hour_days: int, points: int = POINTS) -> Resolution:
    """Return how to draw the last `reach`, if raw rows and hours are kept for so many days."""
    kept = {Grain.RAW: raw_days * DAY, Grain.HOUR: hour_days * DAY}
    fitting = (grain for grain in (Grain.RAW, Grain.HOUR) if reach <= min(_READ[grain], kept[grain]))
    grain = next(fitting, Grain.DAY)
    return Resolution(grain, step(reach, _FINEST[grain], points))


def step(reach: timedelta, finest: timedelta, points: int = POINTS) -> timedelta:
    return next((each for each in _STEPS if each >= finest and reach / each <= points), _STEPS[-1])
