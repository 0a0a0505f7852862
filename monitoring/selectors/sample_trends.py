"""What the collector saw of one pipeline over time: from samples, hours or days, in a bounded number of points.

The last day is drawn from the samples. Longer ranges are drawn from roll-ups: means between their lowest and
highest values, with what is not rolled up yet added from the next finer rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from monitoring.enums import Grain
from monitoring.models import PipelineRollup, PipelineSample
from monitoring.policies.facts import Pipeline
from monitoring.policies.ranges import RANGES
from monitoring.policies.rollups import DAY, PARTS, Spread, day_of, hour_of
from monitoring.selectors.local_cache import cache
from monitoring.selectors.series import Point, Series, resolution_of, slot_of, slots, usual

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
