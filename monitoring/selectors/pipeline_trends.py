"""One pipeline over time: its executions, and what the collector saw, in a bounded number of points.

Executions come from the portal's copy, the rest from samples (24 h) or their hourly roll-ups (7 and
30 days) with the hours that are not rolled up yet added from the samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Subquery

from monitoring.enums import ExecutionStatus
from monitoring.models import PipelineHour, PipelineSample, RunCopy, RunEntityCopy
from monitoring.policies.numbers import percentile
from monitoring.selectors.local_cache import cache

WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
DEFAULT_WINDOW = "24h"

EXECUTIONS = 2000
"""Executions read at most, newest first."""

POINTS = 300
"""Points drawn at most per line; beyond it executions are summed up per slot."""

BAND = (10.0, 50.0, 90.0)
"""Percentiles of the usual band (METRICS, "Charts")."""

_STEPS = {"24h": timedelta(minutes=6), "7d": timedelta(hours=1), "30d": timedelta(hours=3)}
"""What one point stands for, where not every value is drawn: 240, 168 and 240 points."""

KEPT_SECONDS = 120

_LONGEST_RUN = timedelta(hours=12)

_ROLLED_UP_AFTER = timedelta(hours=3)
"""Hours newer than this are read from the raw samples: their roll-up may not be written yet."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment and a figure; None is a gap."""

    at: datetime
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What is usual for a figure: 10th percentile, median, 90th, over `of` executions or points."""

    low: float
    median: float
    high: float
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One figure over the window, oldest first. `band` None: fewer than five values."""

    points: tuple[Point, ...]
    band: Band | None

    @property
    def known(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionTrends:
    """Duration (seconds) and throughput (rows per second) of the successes in the window.

    `summed`: each point is the median of one slot of this length. `cut`: the newest EXECUTIONS only.
    """

    since: datetime
    duration: Series
    throughput: Series
    executions: int
    summed: timedelta | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTrends:
    """Eligible rows, served lag (seconds) and coverage (percent); each point stands for `step`."""

    since: datetime
    step: timedelta
    eligible: Series
    served_lag: Series
    coverage: Series
    from_rollup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """Both kinds of trends of one pipeline in one window."""

    executions: ExecutionTrends
    samples: SampleTrends


def trends(name: str, window: str, now: datetime) -> Trends:
    """Return the pipeline's trends up to `now`, a snapshot's time: worked out once per snapshot for all viewers."""
    key = f"pipeline-trends-{window}-{now.timestamp()}-{name.encode('utf-8', 'surrogatepass').hex()}"
    kept: Trends | None = cache.get(key)
    if kept is None:
        kept = Trends(executions=execution_trends(name, window, now), samples=sample_trends(name, window, now))
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def execution_trends(name: str, window: str, now: datetime) -> ExecutionTrends:
    """Return the pipeline's executions of the window before `now`. One statement, EXECUTIONS rows at most."""
    since = now - WINDOWS[window]
    rows = list(
        RunEntityCopy.objects.filter(
            entity_name=name,
            run_id__gte=_first_run(since),
            started_at__gte=since,
            status__iexact=ExecutionStatus.SUCCESS.value,
        )
        .order_by("-run_id", "-run_entity_id")
        .values_list("started_at", "finished_at", "upserted")[: EXECUTIONS + 1]
    )
    cut = len(rows) > EXECUTIONS
    measured = [
        (started, (finished - started).total_seconds(), upserted)
        for started, finished, upserted in reversed(rows[:EXECUTIONS])
        if finished is not None and finished >= started
    ]
    durations = [Point(started, seconds) for started, seconds, _ in measured]
    rates = [Point(started, upserted / max(1.0, seconds)) for started, seconds, upserted in measured if upserted]
    step = None if len(measured) <= POINTS else _STEPS[window]
    return ExecutionTrends(
        since=since,
        duration=_series(durations, step),
        throughput=_series(rates, step),
        executions=len(measured),
        summed=step,
        cut=cut,
    )


def _first_run(since: datetime) -> Subquery:
    """The oldest run that can hold an execution of the window: by it the index on (entity_name, run_id) is
    sought, where a start alone would read the pipeline's whole history. Runs take less than _LONGEST_RUN."""
    runs = RunCopy.objects.filter(started_at__gte=since - _LONGEST_RUN).order_by("started_at", "pk")
    return Subquery(runs.values("pk")[:1])


def _series(points: Sequence[Point], step: timedelta | None) -> Series:
    band = usual(point.value for point in points)
    return Series(points=tuple(_medians(points, step) if step else points), band=band)


def usual(values: Iterable[float | None]) -> Band | None:
    """Return the usual band of the known values, None with fewer than five."""
    known = [value for value in values if value is not None]
    low, median, high = (percentile(known, percent) for percent in BAND)
    if low is None or median is None or high is None:
        return None
    return Band(low=low, median=median, high=high, of=len(known))


def _medians(points: Iterable[Point], step: timedelta) -> list[Point]:
    slots: dict[datetime, list[float]] = {}
    for point in points:
        if point.value is not None:
            slots.setdefault(slot_of(point.at, step), []).append(point.value)
    return [Point(at, percentile(values, 50, minimum=1)) for at, values in sorted(slots.items())]


def slot_of(at: datetime, step: timedelta) -> datetime:
    """Return the start of the slot that `at` is in. Slots count from the epoch, so they never move."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, tz=UTC)


# One slot of samples: the most eligible rows and the longest lag in it, its last coverage.
_Slot = tuple[float | None, float | None, float | None]


def sample_trends(name: str, window: str, now: datetime) -> SampleTrends:
    """Return what the collector saw in the window before `now`. At most two statements."""
    since, step = now - WINDOWS[window], _STEPS[window]
    slots: dict[datetime, _Slot] = {}
    if window != DEFAULT_WINDOW:
        _add_hours(slots, name, since, now - _ROLLED_UP_AFTER, step)
        _add_samples(slots, name, now - _ROLLED_UP_AFTER, step)
    else:
        slots = _day(name, since, step)
    points = [(at, slots.get(at, (None, None, None))) for at in _slots(since, now, step)]
    eligible, lag, coverage = (
        Series(points=line, band=usual(point.value for point in line))
        for line in (tuple(Point(at, figures[index]) for at, figures in points) for index in range(3))
    )
    return SampleTrends(
        since=since,
        step=step,
        eligible=eligible,
        served_lag=lag,
        coverage=coverage,
        from_rollup=window != DEFAULT_WINDOW,
    )


def _slots(since: datetime, now: datetime, step: timedelta) -> list[datetime]:
    first = slot_of(since, step) + step
    return [first + step * index for index in range(int((now - first) / step) + 1)]


def _day(name: str, since: datetime, step: timedelta) -> dict[datetime, _Slot]:
    """Return the slots of the last day. Those that are over are remembered: a refresh reads one slot."""
    key = f"pipeline-day-{name.encode('utf-8', 'surrogatepass').hex()}"
    kept: dict[datetime, _Slot] = cache.get(key) or {}
    slots = {at: figures for at, figures in kept.items() if at >= slot_of(since, step)}
    newest = max(slots, default=None)
    _add_samples(slots, name, since if newest is None else newest, step)
    cache.set(key, slots, 3600)
    return slots


def _add_samples(slots: dict[datetime, _Slot], name: str, since: datetime, step: timedelta) -> None:
    rows = (
        PipelineSample.objects.filter(entity_name=name, sampled_at__gte=since)
        .order_by("sampled_at")
        .values_list("sampled_at", "eligible", "served_lag_seconds", "source_total", "target_total")
    )
    fresh: dict[datetime, _Slot] = {}
    for at, eligible, lag, source, target in rows:
        coverage = None if target is None or not source else 100 * target / source
        _merge(fresh, slot_of(at, step), (eligible, lag, coverage))
    for at, figures in fresh.items():
        # A slot is read whole or not at all, except the one in which `since` lies.
        slots[at] = figures if since <= at else _worse(slots.get(at), figures)


def _add_hours(slots: dict[datetime, _Slot], name: str, since: datetime, until: datetime, step: timedelta) -> None:
    rows = (
        PipelineHour.objects.filter(entity_name=name, hour__gte=since, hour__lt=until)
        .order_by("hour")
        .values_list("hour", "eligible_max", "served_lag_seconds_max", "coverage_percent_last")
    )
    for hour, eligible, lag, coverage in rows:
        _merge(slots, slot_of(hour, step), (eligible, lag, coverage))


def _merge(slots: dict[datetime, _Slot], at: datetime, figures: _Slot) -> None:
    slots[at] = _worse(slots.get(at), figures)


def _worse(before: _Slot | None, figures: _Slot) -> _Slot:
    """The more rows, the longer lag, the later coverage: what a slot stands for must not hide a peak."""
    if before is None:
        return figures
    eligible, lag = (_most(old, new) for old, new in zip(before[:2], figures[:2], strict=True))
    return eligible, lag, before[2] if figures[2] is None else figures[2]


def _most(old: float | None, new: float | None) -> float | None:
    return new if old is None else old if new is None else max(old, new)
