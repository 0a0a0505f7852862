"""Statistics shared by the rules. Empty input gives None, never 0."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import floor, isfinite

from monitoring.rules.enums import FINISHED, Grain
from monitoring.rules.facts import Execution, Figures, History, SourceReading, TargetReading

MINIMUM_EXECUTIONS = 5
"""METRICS' minimum for percentiles."""
MINIMUM_GAPS = MINIMUM_EXECUTIONS - 1
"""Five executions have four gaps between them."""


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


def merged(newest: Execution | None, history: History) -> tuple[Execution, ...]:
    """Return all known executions once, newest run first. `newest` wins over its older copy."""
    found: dict[int, Execution] = {}
    for execution in (*((newest,) if newest else ()), *history.recent, *history.open):
        found.setdefault(execution.run_entity_id, execution)
    return tuple(sorted(found.values(), key=lambda each: (each.run_id, each.run_entity_id), reverse=True))


def finished(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    return tuple(execution for execution in executions if execution.status in FINISHED)


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
    if source.eligible is not None and source.eligible.empty:
        return 0.0
    if source.eligible is None or source.oldest_eligible_at is None:
        return None
    return seconds_between(source.oldest_eligible_at, now)


def duration_seconds(execution: Execution | None, now: datetime) -> float | None:
    """Seconds, up to `now` for a running row. None if the finish is missing or before the start."""
    if execution is not None and execution.running and execution.finished_at is None:
        return seconds_between(execution.started_at, now)
    return execution.seconds if execution else None


def usual_band(values: Iterable[float | int | None]) -> tuple[float, float, float] | None:
    known = usable(values)
    low, middle, high = percentile(known, 10), percentile(known, 50), percentile(known, 90)
    return None if low is None or middle is None or high is None else (low, middle, high)


def drain(
    source: SourceReading, newest: Execution | None, history: History, now: datetime
) -> tuple[float | None, bool]:
    """Return (seconds until nothing is eligible, whether that never happens at this rate).

    B / (v - a) of running time plus the wait for the expected next start: the median gap after the
    newest finish, nothing while it runs or when it is overdue (METRICS, "Drain estimate"). (0, False)
    with nothing eligible; (None, False) where a part is unknown; (None, True) when v <= a. A capped
    count only says "at least", so it has no estimate.
    """
    if source.eligible is None or source.eligible.empty:
        return (0.0 if source.eligible else None), False
    executions = merged(newest, history)
    measured = [each for each in executions if each.throughput is not None][:DRAIN_SUCCESSES]
    rows = sum(each.upserted for each in measured)
    arrival = history.arrival_per_second
    if rows <= 0 or arrival is None or arrival < 0:
        return None, False
    speed = rows / sum(max(1.0, each.seconds or 0.0) for each in measured)
    if speed <= arrival:
        return None, True
    gap, finish = percentile(usable(history.gaps), 50, MINIMUM_GAPS), newest_finish(executions)
    if executions[0].running:
        wait = 0.0
    elif gap is None or finish is None:
        return None, False
    else:
        wait = max(0.0, gap - seconds_between(finish, now))
    return (None if source.eligible.capped else source.eligible.value / (speed - arrival) + wait), False


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


def resolution(reach: timedelta, raw_days: int, hour_days: int, points: int = POINTS) -> tuple[Grain, timedelta]:
    """Return which rows to read, and how far apart to draw them, if raw rows and hours are kept for so many days."""
    kept = {Grain.RAW: raw_days * DAY, Grain.HOUR: hour_days * DAY}
    fitting = (grain for grain in (Grain.RAW, Grain.HOUR) if reach <= min(_READ[grain], kept[grain]))
    grain = next(fitting, Grain.DAY)
    return grain, step(reach, _FINEST[grain], points)


def step(reach: timedelta, finest: timedelta, points: int = POINTS) -> timedelta:
    return next((each for each in _STEPS if each >= finest and reach / each <= points), _STEPS[-1])
