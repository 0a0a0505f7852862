"""The connection audit's own words: what is missing there has its own remedy."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from monitoring.enums import ProblemCode
from monitoring.policies.facts import Problem
from monitoring.wording.problems import ProblemWords, detail_text, problem_text

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
        _("audit.sp_capture_connection_snapshot may not look at the server's sessions for the portal's login."),
        _("Ask the DBA to grant VIEW SERVER STATE to the portal's login (sql/sqlserver/91_dw_access.sql)."),
    ),
}


def reading_problem(problem: Problem) -> ProblemWords:
    """Return why the login events could not be read, and what to do."""
    return _words(problem, _READING)


def capture_problem(problem: Problem) -> ProblemWords:
    """Return why no snapshot could be taken, and what to do."""
    return _words(problem, _CAPTURING)


def _words(problem: Problem, own: dict[ProblemCode, tuple[object, object]]) -> ProblemWords:
    if problem.code not in own:
        return problem_text(problem)
    what, to_do = own[problem.code]
    return ProblemWords(str(what), str(to_do), detail_text(problem), problem.seen_at)


def utc_offset(offset: timedelta) -> str:
    """Return an offset as one writes it: UTC+05:30, UTC−03:00."""
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'−' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
