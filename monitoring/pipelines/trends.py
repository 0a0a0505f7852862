"""The trends of one pipeline: five figures over time, as charts and as a file.

The last day is drawn from samples and executions. Longer windows are drawn from roll-ups: means between the lowest and
the highest value. What is not rolled up yet is added from the next finer rows, so that the number of points and of rows
that are read stays bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.collector.snapshot import Current
from monitoring.models import PipelineRollup, PipelineSample, RunCopy, RunEntityCopy
from monitoring.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.pipelines.queries import cache_key
from monitoring.rules.enums import ExecutionStatus, Grain
from monitoring.rules.facts import Pipeline, Snapshot
from monitoring.rules.figures import DAY, DEFAULT_RANGE, HOUR, RANGES, percentile, resolution, step
from monitoring.rules.rollups import PARTS, Spread, day_of, hour_of
from monitoring.web import export
from monitoring.web.cache import cache, cached_once
from monitoring.web.filters import RANGE_LABELS
from monitoring.web.formats import duration, number, percent, speed
from monitoring.web.tables import Column, PagedTable, TimeColumn

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


def usual(values: Iterable[float | None]) -> tuple[float, float, float] | None:
    """Return the typical range of the known values: 10th percentile, median, 90th (METRICS, "Charts")."""
    known = [value for value in values if value is not None]
    low, median, high = (percentile(known, percent) for percent in (10.0, 50.0, 90.0))
    return None if low is None or median is None or high is None else (low, median, high)


def slot_of(at: datetime, step: timedelta) -> datetime:
    """Return the start of the slot that `at` is in. Slots count from the epoch, so they never move."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, tz=UTC)


def slots(since: datetime, now: datetime, step: timedelta) -> list[datetime]:
    """Return the starts of the slots that begin after `since`, up to the one that `now` is in."""
    first = slot_of(since, step) + step
    return [first + step * index for index in range(int((now - first) / step) + 1)]


def trends(pipeline: Pipeline, window: str, now: datetime) -> list[Trend]:
    """Return the five trends up to `now`, the time of the snapshot. They are cached once per snapshot for all users."""
    name, latest = pipeline.name, latest_values(pipeline)

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


def latest_values(pipeline: Pipeline) -> Values:
    eligible, figures = pipeline.source.eligible, pipeline.figures
    return (None if eligible is None else eligible.value, figures.served_lag_seconds, figures.coverage_percent)


def sample_trends(name: str, window: str, now: datetime, latest: Values = (None, None, None)) -> list[Trend]:
    """Return the trends of the samples in the window before `now`. At most two statements."""
    since = now - RANGES[window]
    found = resolution(RANGES[window], settings.SAMPLE_RETENTION_DAYS, settings.ROLLUP_RETENTION_DAYS)
    if found.grain is Grain.RAW:
        day = _day(name, since, found.step)
        points = {at: [Point(at, value) for value in values] for at, values in day.items()}
    else:
        rolled = _rolled(name, since, now, found.grain, found.step)
        _add(rolled, now, found.step, map(_as_parts, latest))
        points = {at: [_point(at, spread) for spread in spreads] for at, spreads in rolled.items()}
    gap = (None,) * len(SAMPLED)
    lines = zip(
        *(points.get(at) or [Point(at, value) for value in gap] for at in slots(since, now, found.step)), strict=True
    )
    return [
        Trend(
            figure=figure,
            points=line,
            band=usual(point.value for point in line),
            last=last,
            grain=found.grain,
            step=found.step if found.rolled_up else None,
        )
        for figure, line, last in zip(SAMPLED, lines, latest, strict=True)
    ]


def _point(at: datetime, spread: Spread) -> Point:
    return Point(at, spread.mean, spread.low, spread.high)


def _as_parts(value: float | None) -> tuple[Any, ...]:
    """Return one value as the PARTS of a roll-up."""
    return (0 if value is None else 1, value, value, value)


def _day(name: str, since: datetime, step: timedelta) -> dict[datetime, Values]:
    """Return the slots of the last day: the highest count and lag in each, and the last coverage.

    Slots that are over are cached, so that a refresh reads one slot.
    """
    key = cache_key("day", name)
    kept: dict[datetime, Values] = cache.get(key) or {}
    found = {at: values for at, values in kept.items() if at >= slot_of(since, step)}
    begin = max(found, default=since)
    fresh: dict[datetime, Values] = {}
    for at, values in _samples(name, begin):
        slot = slot_of(at, step)
        fresh[slot] = _worst(fresh[slot], values) if slot in fresh else values
    for at, values in fresh.items():
        # Only the slot that `begin` lies in was read in part.
        found[at] = _worst(found[at], values) if at < begin and at in found else values
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


def _worst(before: Values, values: Values) -> Values:
    """Return the higher count, the longer lag and the later coverage, so that a slot does not hide a peak."""
    eligible, lag = (
        max((value for value in pair if value is not None), default=None)
        for pair in zip(before[:2], values[:2], strict=True)
    )
    return eligible, lag, before[2] if values[2] is None else values[2]


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
    spreads = found.setdefault(slot_of(at, step), tuple(Spread() for _ in SAMPLED))
    for spread, part in zip(spreads, parts, strict=True):
        spread.merge(*part)


# Executions: duration (seconds), throughput (rows per second)

EXECUTED = ("duration", "throughput")


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
            band=usual(point.value for point in line),
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


def _first_run(since: datetime) -> Subquery:
    """Return the oldest run with an execution in the window.

    With it the index on (entity_name, run_id) is sought. With the start alone, all executions would be read.
    """
    runs = RunCopy.objects.filter(started_at__gte=since - LONGEST_RUN).order_by("started_at", "pk")
    return Subquery(runs.values("pk")[:1])


def _medians(points: Iterable[Point], slot: timedelta) -> list[Point]:
    values: dict[datetime, list[float]] = defaultdict(list)
    for point in points:
        if point.value is not None:
            values[slot_of(point.at, slot)].append(point.value)
    return [Point(at, percentile(slotted, 50, minimum=1)) for at, slotted in sorted(values.items())]


def _by_day(name: str, since: datetime, now: datetime) -> list[Trend]:
    """Return trends of daily means. The last two days come from the copies: their roll-up may not exist yet."""
    slot, edge = step(now - since, DAY), day_of(now) - DAY
    found: dict[datetime, tuple[Spread, Spread]] = defaultdict(lambda: (Spread(), Spread()))
    days = PipelineRollup.objects.filter(
        entity_name=name, grain=Grain.DAY, start__gte=since, start__lt=edge, executions__isnull=False
    )
    columns = [f"{figure}_{part}" for figure in ("duration_seconds", "throughput") for part in PARTS]
    for start, *parts in days.order_by("start").values_list("start", *columns):
        seconds, rates = found[slot_of(start, slot)]
        seconds.merge(*parts[:4])
        rates.merge(*parts[4:])
    measured, cut = _measured(name, edge)
    for started, duration_seconds, rate in measured:
        seconds, rates = found[slot_of(started, slot)]
        seconds.add(duration_seconds)
        rates.add(rate)
    values = sum(seconds.known for seconds, _ in found.values())
    lines = zip(*([_point(at, spread) for spread in found[at]] for at in sorted(found)), strict=True)
    last = found[max(found)] if found else (Spread(), Spread())
    return [
        Trend(
            figure=figure,
            points=points,
            band=usual(point.value for point in points),
            last=spread.last,  # of the copies: a roll-up has no last value
            grain=Grain.DAY,
            step=slot,
            values=values,
            cut=cut,
        )
        for figure, points, spread in zip(EXECUTED, tuple(lines) or ((), ()), last, strict=True)
    ]


# Charts


class Figure(NamedTuple):
    title: str | Promise
    help: str
    format: str  # of static/js/charts.js
    text: Callable[[float | None], str]
    unit: str | Promise


FIGURES: dict[str, Figure] = {
    "duration": Figure(_("Duration"), "duration", "seconds", duration, _("s")),
    "throughput": Figure(_("Throughput"), "throughput", "rate", speed, _("rows/s")),
    "eligible": Figure(_("Eligible rows"), "eligible", "count", number, _("rows")),
    "served-lag": Figure(_("Served lag"), "served_lag", "seconds", duration, _("s")),
    "coverage": Figure(_("Coverage"), "coverage", "percent", percent, "%"),
}


def chart(trend: Trend, since: datetime, until: datetime) -> Context:
    """Return what pipelines/_trends.html needs of one trend. All charts of a page share their time axis."""
    figure, known = FIGURES[trend.figure], trend.known
    # Empty slots before the first value and after the last would only lengthen the line.
    drawn = [point for point in trend.points if known and known[0].at <= point.at <= known[-1].at]
    points = (Point(since, None), *drawn, Point(until, None))
    wide = _has_range(trend)
    return {
        "name": trend.figure,
        "title": figure.title,
        "help": figure.help,
        "data": {
            "type": "line",
            "format": figure.format,
            "unit": str(figure.unit) if figure.format in ("rate", "count") else "",
            "times": [point.at.isoformat() for point in points],
            "datasets": _lines(trend, points),
            **_band(trend, points),
        },
        "sentence": _sentence(trend),
        "columns": (_("Average"), _("Lowest"), _("Highest")) if wide else (figure.title,),
        "rows": [
            (
                point.at,
                [figure.text(value) for value in ((point.value, point.low, point.high) if wide else (point.value,))],
            )
            for point in reversed(known[-TABLE_ROWS:])
        ],
        "cut_rows": max(0, len(known) - TABLE_ROWS),
        "note": note(trend),
    }


def _cells(point: Point, text: Callable[[float | None], str], *, wide: bool) -> list[str]:
    return [text(value) for value in ((point.value, point.low, point.high) if wide else (point.value,))]


def note(trend: Trend) -> str:
    """Return what the points are, or an empty text if they are the values themselves."""
    notes = []
    if trend.grain is not Grain.RAW:
        notes.append(_roll_up_note(trend.grain, trend.step))
    elif trend.step is not None:
        length = duration(trend.step.total_seconds())
        notes.append(gettext("each point is the median of %(minutes)s") % {"minutes": length})
    if trend.cut:
        notes.append(gettext("the latest %(rows)s executions") % {"rows": number(trend.values)})
    return " · ".join(notes)


def _roll_up_note(grain: Grain, step: timedelta | None) -> str:
    if grain is Grain.HOUR:
        text, single = gettext("hourly averages (roll-up), the band from lowest to highest"), HOUR
    else:
        text, single = gettext("daily averages (roll-up) of UTC days, the band from lowest to highest"), DAY
    if step is None or step == single:
        return text
    return f"{text} · " + gettext("each point stands for %(length)s") % {"length": duration(step.total_seconds())}


def _has_range(trend: Trend) -> bool:
    return any(point.low is not None or point.high is not None for point in trend.points)


def _lines(trend: Trend, points: Sequence[Point]) -> list[Context]:
    values = [_rounded(point.value) for point in points]
    lines: list[Context] = [{"label": str(FIGURES[trend.figure].title), "tone": "accent", "data": values}]
    if trend.band is not None:
        data = [_rounded(trend.band[1])] * len(points)
        lines.append({"label": gettext("Median"), "tone": "inactive", "data": data})
    return lines


def _band(trend: Trend, points: Sequence[Point]) -> Context:
    """Return the band around the line: from lowest to highest in a roll-up, else the typical range."""
    if _has_range(trend):
        low, high = [_rounded(point.low) for point in points], [_rounded(point.high) for point in points]
        return {"band": {"label": gettext("Lowest to highest"), "low": low, "high": high}}
    if trend.band is None:
        return {}
    low, high = [_rounded(trend.band[0])] * len(points), [_rounded(trend.band[2])] * len(points)
    return {"band": {"label": gettext("Typical range"), "low": low, "high": high}}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _sentence(trend: Trend) -> str:
    """Return the chart in words: the latest value, the bounds and the typical range."""
    known, text = trend.known, FIGURES[trend.figure].text
    if not known:
        return gettext("No values in this period.")
    lows = [point.value if point.low is None else point.low for point in known]
    highs = [point.value if point.high is None else point.high for point in known]
    bounds = {
        "last": text(trend.last),
        "low": text(min(value for value in lows if value is not None)),
        "high": text(max(value for value in highs if value is not None)),
    }
    if trend.last is None and trend.figure in EXECUTED:
        sentence = gettext("Lowest %(low)s, highest %(high)s.") % bounds
    else:
        sentence = gettext("Last %(last)s, lowest %(low)s, highest %(high)s.") % bounds
    if trend.band is None:
        return f"{sentence} " + gettext("Fewer than five values: no typical range yet.")
    low, median, high = map(text, trend.band)
    return f"{sentence} " + gettext("Typically %(low)s to %(high)s, median %(median)s.") % {
        "low": low,
        "high": high,
        "median": median,
    }


class PipelineTrends(PipelineBlock):
    name = "pipeline-trends"
    template_name = "monitoring/pipelines/_trends.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        asked, window, now = self.request.GET.get("window", ""), window_of(self.request), snapshot.sampled_at
        return {
            "window": window,
            "windows": [(key, label, self._url(pipeline.name, key)) for key, label in RANGE_LABELS.items()],
            "unknown_window": asked[:20] if asked and asked != window else "",
            "charts": [chart(trend, now - RANGES[window], now) for trend in trends(pipeline, window, now)],
            "exports": export.links(self.request, "monitoring:pipeline-trends-export", entity=pipeline.name),
        }

    def _url(self, name: str, window: str) -> str:
        query = self.request.GET.copy()
        query["window"] = window
        return f"{reverse('monitoring:pipeline', args=(name,))}?{query.urlencode()}"


def window_of(request: HttpRequest) -> str:
    """Return the window that the URL asks for, or the default."""
    asked = request.GET.get("window", "")
    return asked if asked in RANGES else DEFAULT_RANGE


class TrendsTable(PagedTable):
    """One row per point. Lowest and highest are empty if the point is a value itself."""

    figure = Column(verbose_name=_("Figure"))
    at = TimeColumn(verbose_name=_("When"))
    value = Column(verbose_name=_("Value or average"))
    low = Column(verbose_name=_("Lowest"))
    high = Column(verbose_name=_("Highest"))
    stands_for = Column(verbose_name=_("What it stands for"))

    class Meta:
        orderable = False


def trend_rows(found: Iterable[Trend]) -> list[Context]:
    """Return the known points of all trends for a file, oldest first."""
    return [
        {
            "figure": f"{FIGURES[trend.figure].title} ({FIGURES[trend.figure].unit})",
            "at": point.at,
            "value": _rounded(point.value),
            "low": _rounded(point.low),
            "high": _rounded(point.high),
            "stands_for": note(trend),
        }
        for trend in found
        for point in trend.known
    ]


class PipelineTrendsExport(export.TableExport):
    def get_table(self, current: Current) -> TrendsTable:
        subject = subject_or_404(self.request, current, self.kwargs["entity"])
        window = window_of(self.request)
        self.file_name = f"trends-{window}-{subject.name}"
        if subject.pipeline is None or current.snapshot is None:
            return TrendsTable([])
        return TrendsTable(trend_rows(trends(subject.pipeline, window, current.snapshot.sampled_at)))
