from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, ngettext

from monitoring.rules.login_events import HourFigures
from monitoring.web.formats import number_text, time_text


def hours_chart(hours: Sequence[HourFigures], failures_known: bool) -> dict[str, Any]:
    datasets: list[dict[str, Any]] = [
        {"label": gettext("Events"), "tone": "inactive", "data": [hour.events for hour in hours]},
        {"label": gettext("Sessions"), "tone": "info", "data": [hour.sessions for hour in hours]},
    ]
    if failures_known:
        datasets.append(
            {
                "label": gettext("Failed executions"),
                "tone": "failed",
                "axis": "y2",
                # An axis of its own, so that one failure is visible beside a thousand events.
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
    """`sessions`: distinct sessions in the window."""
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
        return f"{sentence} " + gettext("Failed executions in these hours are unknown.")
    failed = sum(hour.failures or 0 for hour in hours)
    return f"{sentence} " + ngettext("%(failed)s execution failed.", "%(failed)s executions failed.", failed) % {
        "failed": number_text(failed)
    }


def _hour_label(hour: HourFigures, count: int) -> str:
    local = timezone.localtime(hour.hour)
    if count <= 24:
        return f"{local:%H:%M}"
    return str(date_format(local, "d/m H:i" if get_language() == "pt-br" else "j M H:i"))
