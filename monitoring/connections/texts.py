"""Texts of the connection audit. Definitions of its terms are in web/labels.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.audit import Evidence, Factor
from monitoring.rules.enums import AuditQuestion, ProblemCode
from monitoring.rules.facts import Problem
from monitoring.rules.login_events import FACETS
from monitoring.web.formats import duration, moment
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
    found = [_pair(column, value) for column, value in evidence.values.items()]
    if evidence.session_id is not None:
        found.append(gettext("%(column)s: %(value)s") % {"column": gettext("Session"), "value": evidence.session_id})
    return ", ".join(found)


def factor_text(factor: Factor) -> str:
    return _pair(factor.column, factor.value)


def _pair(column: int, value: str | None) -> str:
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
    return gettext("unknown: not seen since %(when)s, where the portal's records begin") % {
        "when": moment(remembered_since)
    }


_READING = {
    ProblemCode.OBJECT_MISSING: (
        _("audit.connection_login_events does not exist in this database."),
        _("Ask for it to be created (sql/sqlserver/30_dw_audit.sql); the ETL goes on without it."),
    ),
    ProblemCode.PERMISSION_DENIED: (
        _("The portal's login may not read audit.connection_login_events."),
        _("Ask the DBA to grant SELECT on schema audit to the portal's login (sql/sqlserver/91_dw_access.sql)."),
    ),
}
_CAPTURING = {
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


def reading_problem(problem: Problem) -> ProblemWords:
    return _words(problem, _READING)


def capture_problem(problem: Problem) -> ProblemWords:
    return _words(problem, _CAPTURING)


def _words(problem: Problem, own: Mapping[ProblemCode, tuple[object, object]]) -> ProblemWords:
    if problem.code not in own:
        return problem_text(problem)
    what, to_do = own[problem.code]
    return ProblemWords(str(what), str(to_do), detail_text(problem), problem.seen_at)


def utc_offset(offset: timedelta) -> str:
    """Return "UTC+05:30" or "UTC−03:00"."""
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'−' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
