"""What the collector saw of one pipeline over time: from samples, hours or days, in a bounded number of points.

The last day is drawn from the samples. Longer ranges are drawn from roll-ups: means between their lowest and
highest values, with what is not rolled up yet added from the next finer rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from monitoring.models import PipelineRollup, PipelineSample, RunCopy, RunEntityCopy
from monitoring.rules.enums import ExecutionStatus, Grain
from monitoring.rules.facts import Pipeline
from monitoring.rules.figures import DAY, DEFAULT_RANGE, RANGES, percentile, step
from monitoring.rules.rollups import PARTS, Spread, day_of, hour_of
from monitoring.web.cache import cache
from monitoring.web.tables import Column, PortalTable, TimeColumn
from monitoring.web.trends import Point, Series, resolution_of, slot_of, slots, usual

FIGURES = ("eligible", "served_lag_seconds", "coverage_percent")

_UNROLLED = timedelta(hours=2)
"""Whole hours newer than this are read from the samples: their roll-up may not be written yet."""

_COLUMNS = [f"{name}_{part}" for name in FIGURES for part in PARTS]

Values = tuple[float | None, ...]
"""One value per figure of FIGURES; None is unknown."""
Spreads = dict[datetime, tuple[Spread, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTrends:
    """Eligible rows, served lag (seconds) and coverage (percent); each point stands for `step`.

    `grain`: from what; but for raw samples, points are means with their lowest and highest values.
    """

    since: datetime
    step: timedelta
    eligible: Series
    served_lag: Series
    coverage: Series
    grain: Grain

    @property
    def from_rollup(self) -> bool:
        return self.grain is not Grain.RAW


def newest_of(pipeline: Pipeline) -> Values:
    """Return what the newest sample says of the figures."""
    eligible = pipeline.source.eligible
    return (
        None if eligible is None else eligible.value,
        pipeline.figures.served_lag_seconds,
        pipeline.figures.coverage_percent,
    )


def sample_trends(name: str, window: str, now: datetime, newest: Values = (None, None, None)) -> SampleTrends:
    """Return what the collector saw in the window before `now`, whose sample says `newest`. At most two statements."""
    since, found = now - RANGES[window], resolution_of(window, settings.SAMPLE_RETENTION_DAYS)
    if found.grain is Grain.RAW:
        raw = _day(name, since, found.step)
        lines = [
            [Point(at, raw.get(at, (None,) * 3)[place]) for at in slots(since, now, found.step)] for place in range(3)
        ]
    else:
        rolled = _rolled(name, since, now, found.grain, found.step)
        _add(rolled, now, found.step, [(1 if value is not None else 0, value, value, value) for value in newest])
        lines = [[_point(rolled, at, place) for at in slots(since, now, found.step)] for place in range(3)]
    eligible, lag, coverage = (
        Series(points=tuple(line), band=usual(point.value for point in line), last=last)
        for line, last in zip(lines, newest, strict=True)
    )
    return SampleTrends(
        since=since, step=found.step, eligible=eligible, served_lag=lag, coverage=coverage, grain=found.grain
    )


def _point(rolled: Spreads, at: datetime, place: int) -> Point:
    if at not in rolled:
        return Point(at, None)
    spread = rolled[at][place]
    return Point(at, spread.mean, spread.low, spread.high)


# The last day


def _day(name: str, since: datetime, step: timedelta) -> dict[datetime, Values]:
    """Return the slots of the last day: the most eligible rows and the longest lag in each, its last coverage.

    Those that are over are remembered: a refresh reads one slot.
    """
    key = f"pipeline-day-{name.encode('utf-8', 'surrogatepass').hex()}"
    kept: dict[datetime, Values] = cache.get(key) or {}
    found = {at: figures for at, figures in kept.items() if at >= slot_of(since, step)}
    newest = max(found, default=None)
    fresh: dict[datetime, Values] = {}
    begin = since if newest is None else newest
    for at, values in _samples(name, begin):
        slot = slot_of(at, step)
        fresh[slot] = _worse(fresh.get(slot), values)
    for at, values in fresh.items():
        # A slot is read whole or not at all, except the one in which `begin` lies.
        found[at] = values if begin <= at else _worse(found.get(at), values)
    cache.set(key, found, 3600)
    return found


def _samples(name: str, since: datetime) -> Iterable[tuple[datetime, Values]]:
    rows = (
        PipelineSample.objects.filter(entity_name=name, sampled_at__gte=since)
        .order_by("sampled_at")
        .values_list("sampled_at", "eligible", "served_lag_seconds", "source_total", "target_total")
    )
    for at, eligible, lag, source, target in rows:
        yield at, (eligible, lag, None if target is None or not source else 100 * target / source)


def _worse(before: Values | None, values: Values) -> Values:
    """The more rows, the longer lag, the later coverage: what a slot stands for must not hide a peak."""
    if before is None:
        return values
    eligible, lag = (_most(old, new) for old, new in zip(before[:2], values[:2], strict=True))
    return eligible, lag, before[2] if values[2] is None else values[2]


def _most(old: float | None, new: float | None) -> float | None:
    return new if old is None else old if new is None else max(old, new)


# Roll-ups


def _rolled(name: str, since: datetime, now: datetime, grain: Grain, step: timedelta) -> Spreads:
    """Return the slots of a longer range. Hours and samples are two statements, days and hours are one."""
    found: Spreads = {}
    rollups = PipelineRollup.objects.filter(entity_name=name)
    if grain is Grain.HOUR:
        edge = hour_of(now) - _UNROLLED
        _add_rows(found, _columns(rollups.filter(grain=grain, start__gte=since, start__lt=edge)), step)
        for at, values in _samples(name, edge):
            _add(found, at, step, [(1 if value is not None else 0, value, value, value) for value in values])
    else:
        edge = day_of(now) - DAY
        days = _columns(rollups.filter(grain=Grain.DAY, start__gte=since, start__lt=edge))
        hours = _columns(rollups.filter(grain=Grain.HOUR, start__gte=edge))
        # A union, not an OR: each half seeks the index.
        _add_rows(found, days.union(hours, all=True), step)
    return found


def _columns(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    return rows.order_by().values_list("start", *_COLUMNS)


def _add_rows(found: Spreads, rows: Iterable[tuple[Any, ...]], step: timedelta) -> None:
    for at, *columns in rows:
        _add(found, at, step, [columns[first : first + 4] for first in range(0, len(columns), 4)])


def _add(found: Spreads, at: datetime, step: timedelta, parts: Iterable[Any]) -> None:
    """Add how many values are known, the lowest, their mean, the highest of each figure."""
    slot = slot_of(at, step)
    if slot not in found:
        found[slot] = tuple(Spread() for _ in FIGURES)
    for spread, part in zip(found[slot], parts, strict=True):
        spread.merge(*part)


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


class TrendsTable(PortalTable):
    """One row per point. Lowest and highest are empty where a point is a value itself."""

    figure = Column(verbose_name=_("Figure"), orderable=False)
    at = TimeColumn(verbose_name=_("When"), orderable=False)
    value = Column(verbose_name=_("Value or average"), orderable=False)
    low = Column(verbose_name=_("Lowest"), orderable=False)
    high = Column(verbose_name=_("Highest"), orderable=False)
    stands_for = Column(verbose_name=_("What it stands for"), orderable=False)

    @staticmethod
    def key(row: object) -> int:
        """Every row is where it belongs."""
        return 0
