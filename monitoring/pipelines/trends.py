"""The trends of one pipeline: five figures over time, and their charts.

The last day is drawn from samples and executions. Longer windows are drawn from roll-ups: means between the lowest and
the highest value. What is not rolled up yet is added from the next finer rows, so that the number of points and of rows
that are read stays bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Subquery
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.models import PipelineRollup, PipelineSample, RunCopy, RunEntityCopy
from monitoring.pipelines.base import Context
from monitoring.pipelines.queries import cache_key
from monitoring.pipelines.texts import EXECUTED, FIGURES, trend_note, trend_sentence
from monitoring.rules.enums import ExecutionStatus, Grain
from monitoring.rules.facts import Pipeline
from monitoring.rules.figures import DAY, RANGES, percentile, resolution, step, usual_band
from monitoring.rules.rollups import PARTS, Spread, day_of, hour_of
from monitoring.web.cache import cache, cached_once

EXECUTIONS = 2000
"""Executions that are read at most, the latest first."""

POINTS = 300
"""Points of a line. More executions than this are drawn as medians of slots."""

SHORTEST_SLOT = timedelta(minutes=6)

KEPT_SECONDS = 120

LONGEST_RUN = timedelta(hours=12)

NOT_ROLLED_UP = timedelta(hours=2)
"""Whole hours younger than this are read from the samples: their roll-up may not exist yet."""

TABLE_ROWS = 60
"""Points in the table of a chart, the latest."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment and a value, None for a gap. In a roll-up the value is a mean between `low` and `high`."""

    at: datetime
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One figure (a key of FIGURES) over a window, oldest point first.

    `band`: the typical range, from the 10th percentile over the median to the 90th, None for fewer than five values.
    `last`: the latest value itself, None if it is unknown. `step`: the time that a point stands for, None if points are
    the values themselves. `values`: the number of executions. `cut`: older executions were left out.
    """

    figure: str
    points: tuple[Point, ...]
    band: tuple[float, float, float] | None
    last: float | None
    grain: Grain = Grain.RAW
    step: timedelta | None = None
    values: int = 0
    cut: bool = False

    @property
    def known(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.value is not None)


def slot_of(at: datetime, step: timedelta) -> datetime:
    """Return the start of the slot that `at` is in. Slots count from the epoch, so they never move."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, tz=UTC)


def trends(pipeline: Pipeline, window: str, now: datetime) -> list[Trend]:
    """Return the five trends up to `now`, the time of the snapshot. They are cached once per snapshot for all users."""
    name, eligible, figures = pipeline.name, pipeline.source.eligible, pipeline.figures
    latest = (None if eligible is None else eligible.value, figures.served_lag_seconds, figures.coverage_percent)

    def read() -> list[Trend]:
        return [*execution_trends(name, window, now), *sample_trends(name, window, now, latest)]

    return cached_once(cache_key("trends", name, window, now), read, fresh=lambda _: KEPT_SECONDS)


# Samples: ready rows, freshness lag (seconds), coverage (percent)

Values = tuple[float | None, ...]
"""One value per figure, None for unknown."""
Spreads = dict[datetime, tuple[Spread, ...]]

SAMPLED = {"eligible": "eligible", "served-lag": "served_lag_seconds", "coverage": "coverage_percent"}
"""Figures of samples, with their columns of a roll-up."""

_COLUMNS = [f"{name}_{part}" for name in SAMPLED.values() for part in PARTS]


def sample_trends(name: str, window: str, now: datetime, latest: Values = (None, None, None)) -> list[Trend]:
    """Return the trends of the samples in the window before `now`. At most two statements."""
    since = now - RANGES[window]
    grain, step = resolution(RANGES[window], settings.SAMPLE_RETENTION_DAYS, settings.ROLLUP_RETENTION_DAYS)
    if grain is Grain.RAW:
        # The highest count and lag of a slot, so that it does not hide a peak, and its last coverage.
        points = {
            at: [Point(at, eligible.high), Point(at, lag.high), Point(at, coverage.last)]
            for at, (eligible, lag, coverage) in _day(name, since, step).items()
        }
    else:
        rolled = _rolled(name, since, now, grain, step)
        _add(rolled, now, step, map(_as_parts, latest))
        points = {at: [_point(at, spread) for spread in spreads] for at, spreads in rolled.items()}
    first = slot_of(since, step) + step
    starts = (first + step * index for index in range(int((now - first) / step) + 1))
    lines = zip(*(points.get(at) or [Point(at, None)] * len(SAMPLED) for at in starts), strict=True)
    return [
        Trend(
            figure=figure,
            points=line,
            band=usual_band(point.value for point in line),
            last=last,
            grain=grain,
            step=step if grain is not Grain.RAW else None,
        )
        for figure, line, last in zip(SAMPLED, lines, latest, strict=True)
    ]


def _point(at: datetime, spread: Spread) -> Point:
    return Point(at, spread.mean, spread.low, spread.high)


def _as_parts(value: float | None) -> tuple[Any, ...]:
    """Return one value as the parts of a roll-up, with the last value."""
    return (0 if value is None else 1, value, value, value, value)


def _day(name: str, since: datetime, step: timedelta) -> Spreads:
    """Return the slots of the last day. All but the newest are cached, so that a refresh reads one slot."""
    key = cache_key("day", name)
    kept: Spreads = cache.get(key) or {}
    found = {at: spreads for at, spreads in kept.items() if at >= slot_of(since, step)}
    newest = max(found, default=since)
    found.pop(newest, None)
    for at, values in _samples(name, newest):
        _add(found, at, step, map(_as_parts, values))
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


def _rolled(name: str, since: datetime, now: datetime, grain: Grain, step: timedelta) -> Spreads:
    """Return the slots of a longer window: from hours and samples in two statements, or days and hours in one."""
    found: Spreads = {}
    rollups = PipelineRollup.objects.filter(entity_name=name)
    if grain is Grain.HOUR:
        edge = hour_of(now) - NOT_ROLLED_UP
        _add_rows(found, _columns(rollups.filter(grain=grain, start__gte=since, start__lt=edge)), step)
        for at, values in _samples(name, edge):
            _add(found, at, step, map(_as_parts, values))
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


def _add(found: Spreads, at: datetime, step: timedelta, parts: Iterable[Sequence[Any]]) -> None:
    """Add the PARTS of each figure to the slot that `at` is in."""
    each = list(parts)
    spreads = found.setdefault(slot_of(at, step), tuple(Spread() for _ in each))
    for spread, part in zip(spreads, each, strict=True):
        spread.merge(*part)


# Executions: duration (seconds), throughput (rows per second)


def execution_trends(name: str, window: str, now: datetime) -> list[Trend]:
    """Return the trends of the successful executions in the window before `now`. At most two statements."""
    since = now - RANGES[window]
    if RANGES[window] > timedelta(days=settings.COPY_RETENTION_DAYS):
        return _by_day(name, since, now)
    measured, cut = _measured(name, since)
    slot = None if len(measured) <= POINTS else step(RANGES[window], SHORTEST_SLOT)
    lines = (
        [Point(started, seconds) for started, seconds, _ in measured],
        [Point(started, rate) for started, _, rate in measured if rate is not None],
    )
    return [
        Trend(
            figure=figure,
            points=tuple(_medians(line, slot) if slot else line),
            band=usual_band(point.value for point in line),
            last=line[-1].value if line else None,
            step=slot,
            values=len(measured),
            cut=cut,
        )
        for figure, line in zip(EXECUTED, lines, strict=True)
    ]


def _measured(name: str, since: datetime) -> tuple[list[tuple[datetime, float, float | None]], bool]:
    """Return (start, seconds, rows per second) of the copied successes, oldest first, and whether there are more.

    An execution without upserted rows has no throughput.
    """
    # A filter on the window's first run seeks the index (entity_name, run_id).
    first_run = RunCopy.objects.filter(started_at__gte=since - LONGEST_RUN).order_by("started_at", "pk")
    rows = list(
        RunEntityCopy.objects.filter(
            entity_name=name,
            run_id__gte=Subquery(first_run.values("pk")[:1]),
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


def _medians(points: Iterable[Point], slot: timedelta) -> list[Point]:
    values: dict[datetime, list[float]] = defaultdict(list)
    for point in points:
        if point.value is not None:
            values[slot_of(point.at, slot)].append(point.value)
    return [Point(at, percentile(slotted, 50, minimum=1)) for at, slotted in sorted(values.items())]


def _by_day(name: str, since: datetime, now: datetime) -> list[Trend]:
    """Return trends of daily means. The last two days come from the copies: their roll-up may not exist yet."""
    slot, edge = step(now - since, DAY), day_of(now) - DAY
    found: Spreads = {}
    days = PipelineRollup.objects.filter(
        entity_name=name, grain=Grain.DAY, start__gte=since, start__lt=edge, executions__isnull=False
    )
    columns = [f"{figure}_{part}" for figure in ("duration_seconds", "throughput") for part in PARTS]
    _add_rows(found, days.order_by("start").values_list("start", *columns), slot)
    measured, cut = _measured(name, edge)
    for started, *values in measured:
        _add(found, started, slot, map(_as_parts, values))
    lines = zip(*([_point(at, spread) for spread in found[at]] for at in sorted(found)), strict=True)
    last = found[max(found)] if found else (Spread(), Spread())
    return [
        Trend(
            figure=figure,
            points=points,
            band=usual_band(point.value for point in points),
            last=spread.last,  # of the copies: a roll-up has no last value
            grain=Grain.DAY,
            step=slot,
            values=sum(seconds.known for seconds, _ in found.values()),
            cut=cut,
        )
        for figure, points, spread in zip(EXECUTED, tuple(lines) or ((), ()), last, strict=True)
    ]


# Charts


def chart(trend: Trend, since: datetime, until: datetime) -> Context:
    """Return what pipelines/_trends.html needs of one trend. All charts of a page share their time axis."""
    figure, known = FIGURES[trend.figure], trend.known
    # Empty slots before the first value and after the last would only lengthen the line.
    drawn = [point for point in trend.points if known and known[0].at <= point.at <= known[-1].at]
    points = (Point(since, None), *drawn, Point(until, None))
    wide = any(point.low is not None or point.high is not None for point in trend.points)
    lines: list[Context] = [
        {"label": str(figure.title), "tone": "accent", "data": [rounded(point.value) for point in points]}
    ]
    if trend.band is not None:
        median = [rounded(trend.band[1])] * len(points)
        lines.append({"label": gettext("Median"), "tone": "inactive", "data": median})
    return {
        "name": trend.figure,
        "title": figure.title,
        "help": figure.help,
        "data": {
            "type": "line",
            "format": figure.format,
            "unit": str(figure.unit) if figure.format in ("rate", "count") else "",
            "times": [point.at.isoformat() for point in points],
            "datasets": lines,
            **_band(trend, points, wide=wide),
        },
        "sentence": trend_sentence(trend),
        "columns": (_("Average"), _("Lowest"), _("Highest")) if wide else (figure.title,),
        "rows": [
            (
                point.at,
                [figure.text(value) for value in ((point.value, point.low, point.high) if wide else (point.value,))],
            )
            for point in reversed(known[-TABLE_ROWS:])
        ],
        "cut_rows": max(0, len(known) - TABLE_ROWS),
        "note": trend_note(trend),
    }


def _band(trend: Trend, points: Sequence[Point], *, wide: bool) -> Context:
    """Return the band around the line: from lowest to highest in a roll-up, else the typical range."""
    if wide:
        low, high = [rounded(point.low) for point in points], [rounded(point.high) for point in points]
        return {"band": {"label": gettext("Lowest to highest"), "low": low, "high": high}}
    if trend.band is None:
        return {}
    low, high = [rounded(trend.band[0])] * len(points), [rounded(trend.band[2])] * len(points)
    return {"band": {"label": gettext("Typical range"), "low": low, "high": high}}


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
