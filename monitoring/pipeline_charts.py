"""The pipeline page's trends as data for static/js/charts.js, each with a sentence for ears."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.selectors.pipeline_trends import Band, ExecutionTrends, Point, SampleTrends, Series
from monitoring.wording.units import duration, number, percent, speed

TABLE_ROWS = 60
"""Points that a chart's table lists: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendChart:
    """One chart: its title, the figure's help, the drawing, its sentence, and the rows of its table."""

    name: str
    title: str | Promise
    help: str
    data: dict[str, Any]
    sentence: str
    rows: tuple[tuple[datetime, str], ...]
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
    summed, cut = _execution_notes(executions)
    sampled = gettext("hourly roll-up: the highest value of each point's hours") if samples.from_rollup else ""
    spans = (executions.since, until)
    notes = " · ".join(note for note in (summed, cut) if note)
    return [
        _chart(_Figure("duration", _("Duration"), "duration", "seconds"), executions.duration, spans, notes),
        _chart(_Figure("throughput", _("Throughput"), "throughput", "rate"), executions.throughput, spans, notes),
        _chart(_Figure("eligible", _("Eligible rows"), "eligible", "count"), samples.eligible, spans, sampled),
        _chart(_Figure("served-lag", _("Served lag"), "served_lag", "seconds"), samples.served_lag, spans, sampled),
        _chart(_Figure("coverage", _("Coverage"), "coverage", "percent"), samples.coverage, spans, sampled),
    ]


@dataclass(frozen=True, slots=True)
class _Figure:
    """What a chart shows: its name in ids, its title, the code of its help, the format of its values."""

    name: str
    title: str | Promise
    help: str
    unit: str


def _execution_notes(found: ExecutionTrends) -> tuple[str, str]:
    summed = ""
    if found.summed is not None:
        summed = gettext("each point is the median of %(minutes)s") % {
            "minutes": duration(found.summed.total_seconds())
        }
    cut = gettext("the newest %(rows)s executions") % {"rows": number(found.executions)} if found.cut else ""
    return summed, cut


def _chart(figure: _Figure, series: Series, spans: tuple[datetime, datetime], note: str) -> TrendChart:
    known = series.known
    # Empty slots before the first value and after the last only make the line long.
    drawn = [point for point in series.points if known and known[0].at <= point.at <= known[-1].at]
    points = (Point(spans[0], None), *drawn, Point(spans[1], None))
    format_value, units = _FORMATS[figure.unit], {"rate": gettext("rows/s"), "count": gettext("rows")}
    return TrendChart(
        name=figure.name,
        title=figure.title,
        help=figure.help,
        data={
            "type": "line",
            "format": figure.unit,
            "unit": units.get(figure.unit, ""),
            "times": [point.at.isoformat() for point in points],
            "datasets": _lines(str(figure.title), points, series.band),
            **_band(series.band, len(points)),
        },
        sentence=_sentence(series, format_value),
        rows=tuple((point.at, format_value(point.value)) for point in reversed(known[-TABLE_ROWS:])),
        cut_rows=max(0, len(known) - TABLE_ROWS),
        note=note,
    )


def _lines(title: str, points: tuple[Point, ...], band: Band | None) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [
        {"label": title, "tone": "accent", "data": [_rounded(point.value) for point in points]}
    ]
    if band is not None:
        median = {"label": gettext("Median"), "tone": "inactive", "data": [_rounded(band.median)] * len(points)}
        lines.append(median)
    return lines


def _band(band: Band | None, points: int) -> dict[str, Any]:
    if band is None:
        return {}
    return {
        "band": {
            "label": gettext("Usual band"),
            "low": [_rounded(band.low)] * points,
            "high": [_rounded(band.high)] * points,
        }
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _sentence(series: Series, format_value: Any) -> str:
    known = series.known
    if not known:
        return gettext("No value in this time.")
    values = [point.value for point in known if point.value is not None]
    sentence = gettext("Last %(last)s, lowest %(low)s, highest %(high)s.") % {
        "last": format_value(values[-1]),
        "low": format_value(min(values)),
        "high": format_value(max(values)),
    }
    if series.band is None:
        return f"{sentence} " + gettext("Fewer than five values: there is no usual band yet.")
    return f"{sentence} " + gettext("Usually between %(low)s and %(high)s, in the middle %(median)s.") % {
        "low": format_value(series.band.low),
        "high": format_value(series.band.high),
        "median": format_value(series.band.median),
    }
