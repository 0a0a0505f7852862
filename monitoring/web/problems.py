"""Why something could not be read: what happened and what to do, the way a colleague would say it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem


class ProblemWords(NamedTuple):
    """`what` happened, and what `to_do` about it. `detail`: the driver's own words, perhaps empty.

    `seen_at`: when, where it was not tried again for this page.
    """

    what: str
    to_do: str
    detail: str = ""
    seen_at: datetime | None = None


_WORDS: dict[ProblemCode, tuple[Any, Any]] = {
    ProblemCode.DRIVER_MISSING: (
        _("The ODBC driver is not installed on the portal's machine."),
        _("Install “ODBC Driver 18 for SQL Server” (or 17), or name the installed one in ETL_SQL_DRIVER."),
    ),
    ProblemCode.UNREACHABLE: (
        _("The server does not answer."),
        _(
            "Check that the server is running, that ETL_SQL_SERVER and ETL_SQL_PORT are right, and that no "
            "firewall blocks the portal."
        ),
    ),
    ProblemCode.LOGIN_FAILED: (
        _("The server refused the login: the user or the password is wrong."),
        _("Correct ETL_SQL_USER and ETL_SQL_PASSWORD, then restart the portal."),
    ),
    ProblemCode.LOGIN_BLOCKED: (
        _("The server currently rejects this login: it is locked, disabled or blocked."),
        _(
            "Ask the DBA to unlock or enable the login. Find out what still uses an old password, or it will be "
            "locked again."
        ),
    ),
    ProblemCode.PASSWORD_EXPIRED: (
        _("The login's password has expired or must be changed."),
        _("Ask the DBA for a new password, put it into ETL_SQL_PASSWORD and restart the portal."),
    ),
    ProblemCode.CERTIFICATE: (
        _("The server's certificate is not trusted, has expired or is for another name."),
        _(
            "Make the portal's machine trust the authority that issued it, and set ETL_SQL_SERVER to the name in "
            "the certificate. Set ETL_SQL_TRUST_SERVER_CERTIFICATE=yes only on a test server."
        ),
    ),
    ProblemCode.ENCRYPTION: (
        _("The portal and the server could not agree on an encrypted connection."),
        _(
            "Ask the DBA to enable TLS 1.2 on the server. Only inside a trusted network, and only if the server "
            "cannot, set ETL_SQL_ENCRYPT=no."
        ),
    ),
    ProblemCode.DATABASE_UNAVAILABLE: (
        _("The server answers, but the database cannot be opened."),
        _(
            "Check ETL_DW_DB and ETL_OLTP_DB, and ask the DBA whether the database exists, is online and not in "
            "restore, and whether the login has a user in it."
        ),
    ),
    ProblemCode.DATABASE_RESTORING: (
        _("The database is being restored."),
        _("Wait: the portal continues automatically when the database is online again. If it persists, ask the DBA."),
    ),
    ProblemCode.SERVER_BUSY: (
        _("The server currently accepts no work: it is starting, shutting down or overloaded."),
        _(
            "Wait: the portal tries again automatically. If it persists, ask the DBA (on Azure, about the limits "
            "of the service tier)."
        ),
    ),
    ProblemCode.PERMISSION_DENIED: (
        _("The portal's login has no permission to read this."),
        _("Ask the DBA to grant SELECT on the schema to the portal's login."),
    ),
    ProblemCode.STATE_DENIED: (
        _("The portal's login has no permission to view the server state."),
        _(
            "Ask the DBA to grant VIEW SERVER STATE to the portal's login (on Azure SQL, VIEW DATABASE STATE in the "
            "database)."
        ),
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
        _("The query timed out."),
        _(
            "Look for a blocking statement or a busy server. If the server is only slow, increase "
            "ETL_SQL_TIMEOUT_SECONDS (pages wait less than that)."
        ),
    ),
    ProblemCode.LOCKED: (
        _("The data is locked by another session."),
        _("This usually resolves itself. If it persists, find the blocking session."),
    ),
    ProblemCode.DEADLOCK: (
        _("The server ended our query to resolve a deadlock."),
        _("Nothing to do: the next sample tries again. If it happens again, tell the DBA."),
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
        _("It was not read this time."),
        _(
            "A required value could not be read, or the time limit was reached: see the other checks. The next "
            "sample tries again."
        ),
    ),
    ProblemCode.OTHER: (
        _("The database returned an error that the portal does not know."),
        _("Read the driver's message below; the portal's log has the full text."),
    ),
}


def problem_text(problem: Problem | None) -> ProblemWords:
    """Return what happened and what to do. No problem given: it was not read, nobody knows why."""
    if problem is None:
        return code_text(ProblemCode.NOT_READ)
    return code_text(problem.code)._replace(detail=detail_text(problem), seen_at=problem.seen_at)


def detail_text(problem: Problem) -> str:
    """Return the driver's numbers and its own words, untranslated: what one looks up, or sends to the DBA."""
    numbers = []
    if problem.sqlstate:
        numbers.append(f"SQLSTATE {problem.sqlstate}")
    if problem.native is not None:
        numbers.append(gettext("error %(number)s") % {"number": problem.native})
    return ": ".join(filter(None, (", ".join(numbers), problem.detail)))


def code_text(code: ProblemCode) -> ProblemWords:
    """Return the words for a problem's code alone."""
    what, to_do = _WORDS[code]
    return ProblemWords(str(what), str(to_do))
