"""One pipeline over time: its executions, and what the collector saw (sample_trends.py), in a bounded number of points.

Executions come from the portal's copy as far back as it is kept, then from their roll-up by day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Subquery

from monitoring.enums import ExecutionStatus, Grain
from monitoring.models import PipelineRollup, RunCopy, RunEntityCopy
from monitoring.policies.facts import Pipeline
from monitoring.policies.numbers import percentile
from monitoring.policies.ranges import DAY, DEFAULT_RANGE, RANGES, step
from monitoring.policies.rollups import PARTS, Spread, day_of
from monitoring.selectors.local_cache import cache
from monitoring.selectors.sample_trends import SampleTrends, newest_of, sample_trends
from monitoring.selectors.series import Point, Series, slot_of, usual

WINDOWS = RANGES
DEFAULT_WINDOW = DEFAULT_RANGE

EXECUTIONS = 2000
"""Executions read at most, newest first."""

POINTS = 300
"""Points drawn at most per line; beyond it executions are summed up per slot."""

_SUMMED = timedelta(minutes=6)
"""The shortest slot that executions are summed up in."""

KEPT_SECONDS = 120

_LONGEST_RUN = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionTrends:
    """Duration (seconds) and throughput (rows per second) of the successes in the window.

    `summed`: each point is the median of one slot of this length; of a roll-up its mean. `cut`: the newest
    EXECUTIONS only.
    """

    since: datetime
    duration: Series
    throughput: Series
    executions: int
    summed: timedelta | None = None
    cut: bool = False
    from_rollup: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """Both kinds of trends of one pipeline in one window."""

    executions: ExecutionTrends
    samples: SampleTrends


def trends(pipeline: Pipeline, window: str, now: datetime) -> Trends:
    """Return the pipeline's trends up to `now`, its snapshot's time: worked out once per snapshot for all viewers."""
    name = pipeline.name
    key = f"pipeline-trends-{window}-{now.timestamp()}-{name.encode('utf-8', 'surrogatepass').hex()}"
    kept: Trends | None = cache.get(key)
    if kept is None:
        kept = Trends(
            executions=execution_trends(name, window, now),
            samples=sample_trends(name, window, now, newest_of(pipeline)),
        )
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def execution_trends(name: str, window: str, now: datetime) -> ExecutionTrends:
    """Return the pipeline's executions of the window before `now`. One statement, two where days are read too;
    EXECUTIONS rows and a row per day at most."""
    since = now - RANGES[window]
    if RANGES[window] > timedelta(days=settings.COPY_RETENTION_DAYS):
        return _by_day(name, since, now)
    measured, cut = _measured(name, since)
    durations = [Point(started, seconds) for started, seconds, _ in measured]
    rates = [Point(started, rate) for started, _, rate in measured if rate is not None]
    slot = None if len(measured) <= POINTS else step(RANGES[window], _SUMMED)
    return ExecutionTrends(
        since=since,
        duration=_series(durations, slot),
        throughput=_series(rates, slot),
        executions=len(measured),
        summed=slot,
        cut=cut,
    )


def _measured(name: str, since: datetime) -> tuple[list[tuple[datetime, float, float | None]], bool]:
    """Return (start, seconds, rows per second) of the copied successes, oldest first, and whether there are more.

    A throughput has only what upserted rows.
    """
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
    measured = []
    for started, finished, upserted in reversed(rows[:EXECUTIONS]):
        if finished is not None and finished >= started:
            seconds = (finished - started).total_seconds()
            measured.append((started, seconds, upserted / max(1.0, seconds) if upserted else None))
    return measured, len(rows) > EXECUTIONS


def _by_day(name: str, since: datetime, now: datetime) -> ExecutionTrends:
    """Return the means of days (or more), the last two days' from the copies: theirs may not be rolled up yet."""
    slot, edge = step(now - since, DAY), day_of(now) - DAY
    duration: dict[datetime, Spread] = defaultdict(Spread)
    throughput: dict[datetime, Spread] = defaultdict(Spread)
    days = PipelineRollup.objects.filter(
        entity_name=name, grain=Grain.DAY, start__gte=since, start__lt=edge, executions__isnull=False
    )
    columns = [f"{figure}_{part}" for figure in ("duration_seconds", "throughput") for part in PARTS]
    for start, *parts in days.order_by("start").values_list("start", *columns):
        at = slot_of(start, slot)
        duration[at].merge(*parts[:4])
        throughput[at].merge(*parts[4:])
    measured, cut = _measured(name, edge)
    for started, seconds, rate in measured:
        at = slot_of(started, slot)
        duration[at].add(seconds)
        throughput[at].add(rate)
    return ExecutionTrends(
        since=since,
        duration=_spreads(duration),
        throughput=_spreads(throughput),
        executions=sum(spread.known for spread in duration.values()),
        summed=slot,
        cut=cut,
        from_rollup=True,
    )


def _spreads(found: dict[datetime, Spread]) -> Series:
    """Points of slots. `last` is that of the newest copied execution; where none is that new there is none."""
    points = tuple(Point(at, spread.mean, spread.low, spread.high) for at, spread in sorted(found.items()))
    last = found[points[-1].at].last if points else None
    return Series(points=points, band=usual(point.value for point in points), last=last)


def _first_run(since: datetime) -> Subquery:
    """The oldest run that can hold an execution of the window: by it the index on (entity_name, run_id) is
    sought, where a start alone would read the pipeline's whole history. Runs take less than _LONGEST_RUN."""
    runs = RunCopy.objects.filter(started_at__gte=since - _LONGEST_RUN).order_by("started_at", "pk")
    return Subquery(runs.values("pk")[:1])


def _series(points: Sequence[Point], slot: timedelta | None) -> Series:
    band = usual(point.value for point in points)
    last = points[-1].value if points else None
    return Series(points=tuple(_medians(points, slot) if slot else points), band=band, last=last)


def _medians(points: Iterable[Point], slot: timedelta) -> list[Point]:
    values: dict[datetime, list[float]] = {}
    for point in points:
        if point.value is not None:
            values.setdefault(slot_of(point.at, slot), []).append(point.value)
    return [Point(at, percentile(slotted, 50, minimum=1)) for at, slotted in sorted(values.items())]
