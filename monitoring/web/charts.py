"""Chart data for static/js/charts.js: selectors' dataclasses to plain JSON, with a sentence for ears.

Colours are names of tokens (static/css/tokens.css); the script takes their values from the theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, ngettext

from monitoring.rules.enums import RunStatus
from monitoring.rules.sessions import HourFigures
from monitoring.summary.queries import DayRuns, PipelineVolume
from monitoring.web.formats import number_text, percent_text, short_day, time_text
from monitoring.web.parts import sign_of

STACK = (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.RUNNING, RunStatus.UNKNOWN)
"""From the axis up: what is well lies still at the bottom, what is not is seen against it."""

ALWAYS_DRAWN = frozenset({RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED})
"""Kept in the legend without a run, so that its places do not change; the others come when there are any."""

BARS = 20
"""Pipelines drawn by the volume chart; its table has them all."""

FEW_BARS = 6
"""Up to so many pipelines have room in a chart of the usual height."""


def runs_by_day_chart(days: Sequence[DayRuns]) -> dict[str, Any]:
    """Return stacked bars: a bar per day, a layer per run status."""
    shown = _statuses(days)
    return {
        "type": "bar",
        "stacked": True,
        "unit": gettext("runs"),
        "labels": [_day_label(day) for day in days],
        "datasets": [
            {
                "label": str(sign_of(status).word),
                "tone": sign_of(status).tone,
                "data": [day.counts[status] for day in days],
            }
            for status in shown
        ],
    }


def runs_by_day_rows(days: Sequence[DayRuns]) -> list[dict[str, Any]]:
    """Return the chart's numbers as table rows, the newest day first; columns as the chart's layers."""
    shown = _statuses(days)
    return [{"label": _day_label(day), "numbers": [day.counts[status] for status in shown]} for day in reversed(days)]


def runs_by_day_sentence(days: Sequence[DayRuns]) -> str:
    """Return what the runs chart shows, for who cannot see it."""
    total = sum(day.total for day in days)
    if not total:
        return gettext("No run started in these %(days)d days.") % {"days": len(days)}
    finished = sum(day.finished for day in days)
    success = sum(day.counts[RunStatus.SUCCESS] for day in days)
    failed, partial = (sum(day.counts[status] for day in days) for status in (RunStatus.FAILED, RunStatus.PARTIAL))
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


def volume_chart(volumes: Sequence[PipelineVolume]) -> dict[str, Any]:
    """Return two bars per pipeline, extracted and upserted, for the BARS largest."""
    shown = volumes[:BARS]
    return {
        "type": "bar",
        "horizontal": True,
        "unit": gettext("rows"),
        "labels": [volume.entity_name for volume in shown],
        "datasets": [
            {"label": gettext("Extracted"), "tone": "c1", "data": [volume.extracted for volume in shown]},
            {"label": gettext("Upserted"), "tone": "c2", "data": [volume.upserted for volume in shown]},
        ],
    }


def volume_sentence(volumes: Sequence[PipelineVolume], days: int) -> str:
    """Return what the volume chart shows, for who cannot see it."""
    if not volumes:
        return gettext("No execution started in these %(days)d days.") % {"days": days}
    most = volumes[0]
    return gettext(
        "%(extracted)s rows extracted and %(upserted)s upserted in %(days)d days, most of them by %(name)s (%(most)s)."
    ) % {
        "extracted": number_text(sum(volume.extracted for volume in volumes)),
        "upserted": number_text(sum(volume.upserted for volume in volumes)),
        "days": days,
        "name": most.entity_name,
        "most": number_text(most.upserted),
    }


def _statuses(days: Sequence[DayRuns]) -> list[RunStatus]:
    return [status for status in STACK if status in ALWAYS_DRAWN or any(day.counts[status] for day in days)]


def _day_label(day: DayRuns) -> str:
    return short_day(day.day)


def hours_chart(hours: Sequence[HourFigures], failures_known: bool) -> dict[str, Any]:
    """Return events, sessions and failed run entities as bars per hour.

    Unknown failures are left out, never drawn as zero.
    """
    datasets: list[dict[str, Any]] = [
        {"label": gettext("Events"), "tone": "inactive", "data": [hour.events for hour in hours]},
        {"label": gettext("Sessions"), "tone": "info", "data": [hour.sessions for hour in hours]},
    ]
    if failures_known:
        datasets.append(
            {
                "label": gettext("Failed run entities"),
                "tone": "failed",
                "axis": "y2",
                # Their own scale: one failure is seen beside a thousand events. No failure draws nothing.
                "data": [hour.failures or None for hour in hours],
            }
        )
    return {
        "type": "bar",
        "labels": [_hour_label(hour, len(hours)) for hour in hours],
        "datasets": datasets,
        **({"y2": {"unit": gettext("failed"), "format": "count"}} if failures_known else {}),
    }


def hours_sentence(hours: Sequence[HourFigures], sessions: int, failures_known: bool) -> str:
    """Return what the connections chart shows, for who cannot see it. `sessions`: distinct in the window."""
    events = sum(hour.events for hour in hours)
    if not events:
        text = ngettext(
            "No session was sampled in this hour.", "No session was sampled in these %(hours)d hours.", len(hours)
        )
        return text % {"hours": len(hours)}
    busiest = max(hours, key=lambda hour: hour.events)
    sentence = ngettext(
        "%(events)s events of %(sessions)s sessions in %(hours)d hour, that of %(when)s.",
        "%(events)s events of %(sessions)s sessions in %(hours)d hours, most of them (%(most)s) at %(when)s.",
        len(hours),
    ) % {
        "events": number_text(events),
        "sessions": number_text(sessions),
        "hours": len(hours),
        "most": number_text(busiest.events),
        "when": time_text(busiest.hour),
    }
    if not failures_known:
        return f"{sentence} " + gettext("Failed run entities in these hours are not known.")
    failed = sum(hour.failures or 0 for hour in hours)
    return f"{sentence} " + ngettext("%(failed)s run entity failed.", "%(failed)s run entities failed.", failed) % {
        "failed": number_text(failed)
    }


def _hour_label(hour: HourFigures, count: int) -> str:
    local = timezone.localtime(hour.hour)
    if count <= 24:
        return f"{local:%H:%M}"
    return str(date_format(local, "d/m H:i" if get_language() == "pt-br" else "j M H:i"))
