"""Chart data for static/js/charts.js. Colours are names of tokens in static/css/tokens.css."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext, ngettext

from monitoring.rules.enums import RunStatus
from monitoring.summary.queries import DayRuns
from monitoring.web.formats import number_text, percent_text, short_day
from monitoring.web.parts import sign_of

STACK = (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.RUNNING, RunStatus.UNKNOWN)
"""Stacking order, from the axis up."""

ALWAYS_DRAWN = frozenset({RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED})
"""Drawn even without a run, so that the legend does not change."""

BARS = 20
"""Most pipelines in the volume chart. Its table lists all."""

FEW_BARS = 6
"""Most pipelines in a chart of normal height."""


def runs_by_day_chart(days: Sequence[DayRuns]) -> dict[str, Any]:
    shown = [status for status in STACK if status in ALWAYS_DRAWN or any(day.counts[status] for day in days)]
    return {
        "type": "bar",
        "stacked": True,
        "unit": gettext("runs"),
        "labels": [short_day(day.day) for day in days],
        "datasets": [
            {
                "label": str(sign_of(status).word),
                "tone": sign_of(status).tone,
                "data": [day.counts[status] for day in days],
            }
            for status in shown
        ],
    }


def runs_by_day_rows(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the chart's table, newest day first."""
    columns = [dataset["data"] for dataset in chart["datasets"]]
    days = zip(chart["labels"], *columns, strict=True)
    return [{"label": day, "numbers": numbers} for day, *numbers in days][::-1]


def runs_by_day_sentence(days: Sequence[DayRuns]) -> str:
    total = sum(day.total for day in days)
    if not total:
        return gettext("No run started in these %(days)d days.") % {"days": len(days)}
    finished = sum(day.finished for day in days)
    statuses = (RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.PARTIAL)
    success, failed, partial = (sum(day.counts[status] for day in days) for status in statuses)
    sentence = ngettext(
        "%(total)s run in %(days)d days: %(failed)s failed, %(partial)s partial.",
        "%(total)s runs in %(days)d days: %(failed)s failed, %(partial)s partial.",
        total,
    ) % {
        "total": number_text(total),
        "days": len(days),
        "failed": number_text(failed),
        "partial": number_text(partial),
    }
    if not finished:
        return sentence
    return f"{sentence} " + gettext("%(percent)s of the finished ones succeeded.") % {
        "percent": percent_text(100 * success / finished)
    }


def volume_chart(volumes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shown = volumes[:BARS]
    return {
        "type": "bar",
        "horizontal": True,
        "unit": gettext("rows"),
        "labels": [volume["entity_name"] for volume in shown],
        "datasets": [
            {"label": gettext("Extracted"), "tone": "c1", "data": [volume["rows_extracted"] for volume in shown]},
            {"label": gettext("Upserted"), "tone": "c2", "data": [volume["rows_upserted"] for volume in shown]},
        ],
    }


def volume_sentence(volumes: Sequence[dict[str, Any]], days: int) -> str:
    if not volumes:
        return gettext("No execution started in these %(days)d days.") % {"days": days}
    most = volumes[0]
    return gettext(
        "%(extracted)s rows extracted and %(upserted)s upserted in %(days)d days, most of them by %(name)s (%(most)s)."
    ) % {
        "extracted": number_text(sum(volume["rows_extracted"] for volume in volumes)),
        "upserted": number_text(sum(volume["rows_upserted"] for volume in volumes)),
        "days": days,
        "name": most["entity_name"],
        "most": number_text(most["rows_upserted"]),
    }
