"""Why something could not be read: what happened and what to do, the way a colleague would say it."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from monitoring.enums import ProblemCode
from monitoring.policies.facts import Problem


class ProblemWords(NamedTuple):
    """`what` happened, and what `to_do` about it. `detail`: the driver's own words, perhaps empty."""

    what: str
    to_do: str
    detail: str = ""


_WORDS: dict[ProblemCode, tuple[Any, Any]] = {
    ProblemCode.DRIVER_MISSING: (
        _("The ODBC driver is not installed on the portal's machine."),
        _("Install “ODBC Driver 18 for SQL Server” (or 17), or name the installed one in ETL_SQL_DRIVER."),
    ),
    ProblemCode.UNREACHABLE: (
        _("The server does not answer."),
        _(
            "Check that it runs, that ETL_SQL_SERVER and ETL_SQL_PORT are right, and that a firewall lets the portal "
            "through."
        ),
    ),
    ProblemCode.LOGIN_FAILED: (
        _("The server refused the login."),
        _(
            "Check ETL_SQL_USER and ETL_SQL_PASSWORD, and that the login is enabled, not locked, and its password has "
            "not expired."
        ),
    ),
    ProblemCode.CERTIFICATE: (
        _("The server's certificate is not trusted."),
        _(
            "Let the portal's machine trust the authority that issued it; only on a test server set "
            "ETL_SQL_TRUST_SERVER_CERTIFICATE=yes."
        ),
    ),
    ProblemCode.DATABASE_UNAVAILABLE: (
        _("The server answers, but the database cannot be opened."),
        _(
            "Check ETL_DW_DB and ETL_OLTP_DB, and ask the DBA whether the database is online and the login has a user "
            "in it."
        ),
    ),
    ProblemCode.PERMISSION_DENIED: (
        _("The portal's login may not read this."),
        _("Ask the DBA to grant SELECT on the schema to the portal's login."),
    ),
    ProblemCode.OBJECT_MISSING: (
        _("The table does not exist in this database."),
        _("Check the name in ctl.etl_control, or ask for the table to be created."),
    ),
    ProblemCode.COLUMN_MISSING: (
        _("A column that is needed does not exist."),
        _("Compare the table with the contract, or set the right column in the pipeline's settings."),
    ),
    ProblemCode.TIMEOUT: (
        _("The answer took too long and was given up."),
        _("Look for blocking or a busy server; if it is only slow, raise ETL_SQL_TIMEOUT_SECONDS."),
    ),
    ProblemCode.LOCKED: (
        _("Another session holds the data locked."),
        _("It usually passes by itself. If it stays, find the blocking session."),
    ),
    ProblemCode.DEADLOCK: (
        _("The server ended our query to resolve a deadlock."),
        _("Nothing to do: the next sample tries again. If it repeats, tell the DBA."),
    ),
    ProblemCode.NAME_INVALID: (
        _("The name is not a table's name of the form schema.table."),
        _("Correct source_table, target_table or source_pk_column of this pipeline in ctl.etl_control."),
    ),
    ProblemCode.REMOTE_SYNONYM: (
        _("The name is a synonym for a table on another server."),
        _("Name a table of this server in ctl.etl_control: the portal does not read through linked servers."),
    ),
    ProblemCode.NOT_READ: (
        _("It was not read in this sample."),
        _("Something needed for it could not be read: see the other checks. The next sample tries again."),
    ),
    ProblemCode.OTHER: (
        _("The database answered with an error that the portal does not know."),
        _("Read the driver's message below; the portal's log has the whole of it."),
    ),
}


def problem_text(problem: Problem | None) -> ProblemWords:
    """Return what happened and what to do. No problem given: it was not read, nobody knows why."""
    if problem is None:
        return code_text(ProblemCode.NOT_READ)
    what, to_do, _detail = code_text(problem.code)
    return ProblemWords(what, to_do, problem.detail)


def code_text(code: ProblemCode) -> ProblemWords:
    """Return the words for a problem's code alone."""
    what, to_do = _WORDS[code]
    return ProblemWords(str(what), str(to_do))
