"""Texts and the chart of the connection audit. Definitions of its terms are in web/labels.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.audit import Evidence
from monitoring.rules.enums import AuditQuestion, ProblemCode
from monitoring.rules.facts import Problem
from monitoring.rules.login_events import FACETS, Figures
from monitoring.web.formats import duration, moment, number_text, time_text
from monitoring.web.problems import ProblemWords, detail_text, problem_text

COLUMNS: Mapping[str, Any] = {
    "login_name": _("Login"),
    "host_name": _("Host"),
    "program_name": _("Program"),
    "database_name": _("Database"),
    "status": _("Session status"),
    "client_net_address": _("Address"),
    "encrypt_option": _("Encrypted"),
    "auth_scheme": _("Authentication"),
}


def evidence_text(evidence: Evidence) -> str:
    found = [pair_text(column, value) for column, value in evidence.values.items()]
    if evidence.session_id is not None:
        found.append(gettext("%(column)s: %(value)s") % {"column": gettext("Session"), "value": evidence.session_id})
    return ", ".join(found)


def pair_text(column: int, value: str | None) -> str:
    return gettext("%(column)s: %(value)s") % {
        "column": COLUMNS[FACETS[column]],
        "value": value or pgettext("login event", "(none)"),
    }


def evidence_detail(evidence: Evidence, remembered_since: datetime | None) -> str:
    """Return details of the finding, or why it is not certain. `remembered_since`: start of the memory, or None."""
    if evidence.question is AuditQuestion.NEW_IDENTITY:
        return _new(evidence, remembered_since)
    if evidence.question is AuditQuestion.UNUSUAL_HOUR and evidence.hour is not None:
        days = round(evidence.day_count or 0)
        text = ngettext(
            "from the hour of %(when)s on; seen on %(days)d day before, never around this hour of the week",
            "from the hour of %(when)s on; seen on %(days)d days before, never around this hour of the week",
            days,
        )
        return text % {"when": moment(evidence.hour), "days": days}
    if evidence.question is AuditQuestion.LONG_SESSION and evidence.day_count is not None:
        return gettext("had been open for %(duration)s") % {"duration": duration(evidence.day_count * 86_400)}
    if evidence.question is AuditQuestion.UNENCRYPTED:
        return gettext("not encrypted")
    return gettext("neither the runner's program nor the portal's")


def _new(evidence: Evidence, remembered_since: datetime | None) -> str:
    if evidence.certain:
        return gettext("new: not seen in the 30 days before the window")
    if remembered_since is None:
        return gettext("unknown: the portal has no records from before the window yet")
    text = gettext("unknown: not seen since %(when)s, where the portal's records begin")
    return text % {"when": moment(remembered_since)}


READING = {
    ProblemCode.OBJECT_MISSING: (
        _("audit.connection_login_events does not exist in this database."),
        _("Ask for it to be created (sql/sqlserver/30_dw_audit.sql); the ETL goes on without it."),
    ),
    ProblemCode.PERMISSION_DENIED: (
        _("The portal's login may not read audit.connection_login_events."),
        _("Ask the DBA to grant SELECT on schema audit to the portal's login (sql/sqlserver/91_dw_access.sql)."),
    ),
}
CAPTURING = {
    ProblemCode.OBJECT_MISSING: (
        _("audit.sp_capture_connection_snapshot does not exist in this database."),
        _("Ask for it to be created (sql/sqlserver/60_dw_procedures.sql)."),
    ),
    ProblemCode.PERMISSION_DENIED: (
        _("The portal's login may not execute audit.sp_capture_connection_snapshot."),
        _(
            "Ask the DBA to grant EXECUTE on it, and VIEW SERVER STATE, to the portal's login "
            "(sql/sqlserver/91_dw_access.sql)."
        ),
    ),
    ProblemCode.STATE_DENIED: (
        _(
            "audit.sp_capture_connection_snapshot cannot see the server's sessions when it is run by the portal's"
            " login."
        ),
        _("Ask the DBA to grant VIEW SERVER STATE to the portal's login (sql/sqlserver/91_dw_access.sql)."),
    ),
}


def audit_problem(problem: Problem, own: Mapping[ProblemCode, tuple[object, object]] = READING) -> ProblemWords:
    if problem.code not in own:
        return problem_text(problem)
    what, to_do = own[problem.code]
    return ProblemWords(str(what), str(to_do), detail_text(problem), problem.seen_at)


def utc_offset(offset: timedelta) -> str:
    """Return "UTC+05:30" or "UTC−03:00"."""
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'−' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def hours_chart(hours: Mapping[datetime, Figures], failures_known: bool) -> dict[str, Any]:
    def label(at: datetime) -> str:
        if len(hours) <= 24:
            return f"{at:%H:%M}"
        return str(date_format(at, "d/m H:i" if get_language() == "pt-br" else "j M H:i"))

    datasets: list[dict[str, Any]] = [
        {"label": gettext("Events"), "tone": "inactive", "data": [hour.events for hour in hours.values()]},
        {"label": gettext("Sessions"), "tone": "info", "data": [hour.sessions for hour in hours.values()]},
    ]
    if failures_known:
        datasets.append(
            {
                "label": gettext("Failed executions"),
                "tone": "failed",
                "axis": "y2",
                # An axis of its own, so that one failure is visible beside a thousand events.
                "data": [hour.failures or None for hour in hours.values()],
            }
        )
    return {
        "type": "bar",
        "labels": [label(timezone.localtime(hour)) for hour in hours],
        "datasets": datasets,
        **({"y2": {"unit": gettext("failed"), "format": "count"}} if failures_known else {}),
    }


def hours_sentence(hours: Mapping[datetime, Figures], sessions: int, failures_known: bool) -> str:
    """`sessions`: distinct sessions in the window."""
    events = sum(hour.events for hour in hours.values())
    if not events:
        text = ngettext(
            "No session was sampled in this hour.", "No session was sampled in these %(hours)d hours.", len(hours)
        )
        return text % {"hours": len(hours)}
    busiest = max(hours, key=lambda hour: hours[hour].events)
    sentence = ngettext(
        "%(events)s events of %(sessions)s sessions in %(hours)d hour, that of %(when)s.",
        "%(events)s events of %(sessions)s sessions in %(hours)d hours, most of them (%(most)s) at %(when)s.",
        len(hours),
    ) % {
        "events": number_text(events),
        "sessions": number_text(sessions),
        "hours": len(hours),
        "most": number_text(hours[busiest].events),
        "when": time_text(busiest),
    }
    if not failures_known:
        return f"{sentence} " + gettext("Failed executions in these hours are unknown.")
    failed = sum(hour.failures or 0 for hour in hours.values())
    return f"{sentence} " + ngettext("%(failed)s execution failed.", "%(failed)s executions failed.", failed) % {
        "failed": number_text(failed)
    }
