"""The pipeline page's trends as data for static/js/charts.js, each with a sentence for ears."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.pipelines.trends import ExecutionTrends, SampleTrends
from monitoring.rules.enums import Grain
from monitoring.rules.figures import DAY, HOUR
from monitoring.web.formats import duration, number, percent, speed
from monitoring.web.trends import Point, Series

TABLE_ROWS = 60
"""Points that a chart's table lists: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendChart:
    """One chart: its title, the figure's help, the drawing, its sentence, and its table's columns and rows.

    `note` says what the points are when they are not the values themselves.
    """

    name: str
    title: str | Promise
    help: str
    data: dict[str, Any]
    sentence: str
    columns: tuple[str | Promise, ...]
    rows: tuple[tuple[datetime, tuple[str, ...]], ...]
    cut_rows: int
    note: str = ""


_FORMATS: dict[str, Any] = {
    "seconds": duration,
    "count": number,
    "percent": percent,
    "rate": speed,
}


def trend_charts(executions: ExecutionTrends, samples: SampleTrends, until: datetime) -> list[TrendChart]:
    """Return the five trends. `until`: the right end of all axes, the snapshot's time."""
    spans = (executions.since, until)
    notes, sampled = execution_note(executions), sample_note(samples)
    return [
        _chart(_Figure("duration", _("Duration"), "duration", "seconds"), executions.duration, spans, notes),
        _chart(_Figure("throughput", _("Throughput"), "throughput", "rate"), executions.throughput, spans, notes),
        _chart(
            _Figure("eligible", _("Eligible rows"), "eligible", "count", sampled=True), samples.eligible, spans, sampled
        ),
        _chart(
            _Figure("served-lag", _("Served lag"), "served_lag", "seconds", sampled=True),
            samples.served_lag,
            spans,
            sampled,
        ),
        _chart(
            _Figure("coverage", _("Coverage"), "coverage", "percent", sampled=True), samples.coverage, spans, sampled
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Figure:
    """What a chart shows: its name in ids, its title, the code of its help, the format of its values.

    `sampled`: its newest value is the newest sample's, which may be unknown.
    """

    name: str
    title: str | Promise
    help: str
    unit: str
    sampled: bool = False


def execution_note(found: ExecutionTrends) -> str:
    """Return what the points of duration and throughput are, "" where they are the executions themselves."""
    notes = []
    if found.from_rollup:
        notes.append(_rolled_up(Grain.DAY, found.summed))
    elif found.summed is not None:
        length = duration(found.summed.total_seconds())
        notes.append(gettext("each point is the median of %(minutes)s") % {"minutes": length})
    if found.cut:
        notes.append(gettext("the newest %(rows)s executions") % {"rows": number(found.executions)})
    return " · ".join(notes)


def sample_note(found: SampleTrends) -> str:
    """Return what the points of eligible rows, lag and coverage are, "" of those of the samples themselves."""
    return _rolled_up(found.grain, found.step) if found.from_rollup else ""


def _rolled_up(grain: Grain, step: timedelta | None) -> str:
    """Say that this is a roll-up: of hours or of days, and of how many of them a point is."""
    if grain is Grain.HOUR:
        said = gettext("hourly averages (roll-up), the band from lowest to highest")
        single = HOUR
    else:
        said = gettext("daily averages (roll-up) of UTC days, the band from lowest to highest")
        single = DAY
    if step is None or step == single:
        return said
    return f"{said} · " + gettext("each point stands for %(length)s") % {"length": duration(step.total_seconds())}


def _chart(figure: _Figure, series: Series, spans: tuple[datetime, datetime], note: str) -> TrendChart:
    known = series.known
    # Empty slots before the first value and after the last only make the line long.
    drawn = [point for point in series.points if known and known[0].at <= point.at <= known[-1].at]
    points = (Point(spans[0], None), *drawn, Point(spans[1], None))
    format_value, units = _FORMATS[figure.unit], {"rate": gettext("rows/s"), "count": gettext("rows")}
    wide = ranged(series)
    return TrendChart(
        name=figure.name,
        title=figure.title,
        help=figure.help,
        data={
            "type": "line",
            "format": figure.unit,
            "unit": units.get(figure.unit, ""),
            "times": [point.at.isoformat() for point in points],
            "datasets": _lines(str(figure.title), points, series),
            **_band(series, points),
        },
        sentence=_sentence(series, format_value, sampled=figure.sampled),
        columns=(_("Average"), _("Lowest"), _("Highest")) if wide else (figure.title,),
        rows=tuple(
            (point.at, tuple(format_value(value) for value in _values(point, wide=wide)))
            for point in reversed(known[-TABLE_ROWS:])
        ),
        cut_rows=max(0, len(known) - TABLE_ROWS),
        note=note,
    )


def ranged(series: Series) -> bool:
    """Return whether the points are means with their lowest and highest values."""
    return any(point.low is not None or point.high is not None for point in series.points)


def _values(point: Point, *, wide: bool) -> tuple[float | None, ...]:
    return (point.value, point.low, point.high) if wide else (point.value,)


def _lines(title: str, points: tuple[Point, ...], series: Series) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [
        {"label": title, "tone": "accent", "data": [_rounded(point.value) for point in points]}
    ]
    if series.band is not None:
        data = [_rounded(series.band.median)] * len(points)
        lines.append({"label": gettext("Median"), "tone": "inactive", "data": data})
    return lines


def _band(series: Series, points: tuple[Point, ...]) -> dict[str, Any]:
    """The usual band; around means the band that they lie in."""
    if ranged(series):
        low, high = [_rounded(point.low) for point in points], [_rounded(point.high) for point in points]
        return {"band": {"label": gettext("Lowest to highest"), "low": low, "high": high}}
    if series.band is None:
        return {}
    low, high = [_rounded(series.band.low)] * len(points), [_rounded(series.band.high)] * len(points)
    return {"band": {"label": gettext("Usual band"), "low": low, "high": high}}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _sentence(series: Series, format_value: Any, *, sampled: bool) -> str:
    """Say where the figure is now and between which bounds it was. The last value is never that of a roll-up."""
    known = series.known
    if not known:
        return gettext("No value in this time.")
    lows = [point.value if point.low is None else point.low for point in known]
    highs = [point.value if point.high is None else point.high for point in known]
    bounds = {
        "last": format_value(series.last),
        "low": format_value(min(value for value in lows if value is not None)),
        "high": format_value(max(value for value in highs if value is not None)),
    }
    if sampled or series.last is not None:
        sentence = gettext("Last %(last)s, lowest %(low)s, highest %(high)s.") % bounds
    else:
        sentence = gettext("Lowest %(low)s, highest %(high)s.") % bounds
    if series.band is None:
        return f"{sentence} " + gettext("Fewer than five values: there is no usual band yet.")
    return f"{sentence} " + gettext("Usually between %(low)s and %(high)s, in the middle %(median)s.") % {
        "low": format_value(series.band.low),
        "high": format_value(series.band.high),
        "median": format_value(series.band.median),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendRow:
    """One point of one trend, for a file."""

    figure: str
    at: datetime
    value: float | None
    low: float | None
    high: float | None
    stands_for: str


def trend_rows(executions: ExecutionTrends, samples: SampleTrends) -> list[TrendRow]:
    """Return the known points of all trends, oldest first, each with what it stands for."""
    executed, sampled = execution_note(executions), sample_note(samples)
    listed = (
        (gettext("Duration"), gettext("s"), executions.duration, executed),
        (gettext("Throughput"), gettext("rows/s"), executions.throughput, executed),
        (gettext("Eligible rows"), gettext("rows"), samples.eligible, sampled),
        (gettext("Served lag"), gettext("s"), samples.served_lag, sampled),
        (gettext("Coverage"), "%", samples.coverage, sampled),
    )
    return [
        TrendRow(
            figure=f"{title} ({unit})",
            at=point.at,
            value=_rounded(point.value),
            low=_rounded(point.low),
            high=_rounded(point.high),
            stands_for=note,
        )
        for title, unit, series, note in listed
        for point in series.known
    ]
