"""Why something failed, and what to do: a read by the portal (ProblemCode) or an execution (ErrorClass)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import ErrorClass, ProblemCode
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Problem
from monitoring.web.labels import label


class ProblemWords(NamedTuple):
    """`detail`: the driver's own words, perhaps empty. `seen_at`: set if it was not tried again for this page."""

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
    """Return what happened and what to do. None: it was not read, for an unknown reason."""
    if problem is None:
        return code_text(ProblemCode.NOT_READ)
    return code_text(problem.code)._replace(detail=detail_text(problem), seen_at=problem.seen_at)


def detail_text(problem: Problem) -> str:
    """Return the driver's numbers and words, untranslated, to search for or to send to the DBA."""
    numbers = []
    if problem.sqlstate:
        numbers.append(f"SQLSTATE {problem.sqlstate}")
    if problem.native is not None:
        numbers.append(gettext("error %(number)s") % {"number": problem.native})
    return ": ".join(filter(None, (", ".join(numbers), problem.detail)))


def code_text(code: ProblemCode) -> ProblemWords:
    what, to_do = _WORDS[code]
    return ProblemWords(str(what), str(to_do))


class FailureWords(NamedTuple):
    """`names`: what the message names ("constraint UQ_x, table y")."""

    title: str
    meaning: str
    advice: str
    names: str


_CLASS_WORDS: dict[ErrorClass, tuple[Any, Any]] = {
    ErrorClass.UNIQUE: (
        _("A row arrived twice: the target already contains its key."),
        _(
            "Find the key in source and target. Usually the source contains it twice, or an earlier load wrote it"
            " without moving the watermark."
        ),
    ),
    ErrorClass.FOREIGN_KEY: (
        _("A row points to another one that is not there."),
        _("Load the table that it points to first; if it was loaded, look for the missing row in the source."),
    ),
    ErrorClass.CHECK: (
        _("A value breaks a rule of the target table."),
        _("Check the constraint and the new rows of the source: either the data is wrong or the rule is outdated."),
    ),
    ErrorClass.NOT_NULL: (
        _("A column that must have a value got none."),
        _("Find the source rows without it. Have them corrected, or add a default to the mapping."),
    ),
    ErrorClass.TRUNCATION: (
        _("A text is longer than the target's column."),
        _("Widen the column, or have the value shortened in the source."),
    ),
    ErrorClass.CONVERSION: (
        _("A value does not fit the target's type: text where a number or date should be, or a number too large."),
        _("Find the value in the source's new rows; TRY_CONVERT in a query shows which do not fit."),
    ),
    ErrorClass.DEADLOCK: (
        _("Two sessions waited for each other, and the server ended this one."),
        _("The next run repeats it. If it recurs, check what else writes at that hour, or use smaller batches."),
    ),
    ErrorClass.LOCK_TIMEOUT: (
        _("The load waited too long for a lock held by another session."),
        _("Find the blocking session (sys.dm_exec_requests); avoid running reports and loads at the same time."),
    ),
    ErrorClass.TIMEOUT: (
        _("A statement took longer than allowed."),
        _("Check for blocking and for the index on (updated_at, key); a smaller batch_size helps too."),
    ),
    ErrorClass.PERMISSION: (
        _("The loader's login may not do this."),
        _("Ask the DBA for the permission that the message names; check whether a deployment replaced the table."),
    ),
    ErrorClass.LOGIN: (
        _("The server refused the loader's login, or the database that it asked for."),
        _("Check user, password and database of the runner; look for an expired password or a locked login."),
    ),
    ErrorClass.NETWORK: (
        _("The connection broke, or the server could not be reached."),
        _("Check whether the server restarted or failed over at that time. The next run continues from the watermark."),
    ),
    ErrorClass.MISSING_OBJECT: (
        _("A table, view or procedure does not exist."),
        _("Check the names in ctl.etl_control and whether the last deployment reached this database."),
    ),
    ErrorClass.MISSING_COLUMN: (
        _("A column does not exist, or has another name."),
        _("Compare source and target with what the loader expects: one of them changed."),
    ),
    ErrorClass.SPACE: (
        _("The server has no room left for the data."),
        _("Tell the DBA: the disk, the file group or tempdb is full. Nothing loads until there is room."),
    ),
    ErrorClass.LOG_FULL: (
        _("The database's transaction log is full."),
        _("Tell the DBA: the log needs a backup or room. Nothing writes until then."),
    ),
    ErrorClass.DRIVER: (
        _("The runner's ODBC driver is missing or cannot do this."),
        _("Check the driver's name and version on the runner's machine."),
    ),
    ErrorClass.MISSING_DIMENSION_ROW: (
        _("A fact refers to a dimension row that has not been loaded."),
        _("Load the dimension first; if it was loaded, look for the row in its source and at its watermark."),
    ),
    ErrorClass.CONFIGURATION: (
        _("The runner is not configured correctly."),
        _("Check the runner's environment variables, and this pipeline's row in ctl.etl_control."),
    ),
    ErrorClass.OTHER: (
        _("The portal does not know this error."),
        _("Read the message; if it recurs, look at the runner's log of that run."),
    ),
}
_BY_NUMBER: dict[int, tuple[Any, Any]] = {
    544: (
        _("The load writes the key of a table that numbers its rows itself."),
        _("Set IDENTITY_INSERT ON for that table in the load, or leave the column out of it."),
    ),
    547: (
        _("A row points to another one that is not there, or is pointed to by others."),
        _(
            "For an INSERT or MERGE load the table that it points to first, and look for the missing row in the "
            "source; for a DELETE remove or mark the rows that point to it first."
        ),
    ),
    701: (
        _("The server had no memory left for the statement."),
        _("Tell the DBA; use a smaller batch_size until then."),
    ),
    916: (
        _("The loader's login has no user in that database."),
        _("Ask the DBA to create the user in the database that the message names, and to grant its permissions."),
    ),
    1104: (
        _("tempdb has no room left for sorting or joining."),
        _("Tell the DBA: tempdb is full. A smaller batch_size needs less of it."),
    ),
    2628: (
        _("A text is longer than the target's column; the message names both."),
        _("Widen the column that is named, or have the value shortened in the source."),
    ),
    4060: (
        _("The database that the loader asks for cannot be opened."),
        _("Check its name in the runner's settings, that it is online, and that the login is a user of it."),
    ),
    8115: (
        _("A number is too large for the target's type."),
        _("Find the largest values in the source's new rows; widen the type of the target's column."),
    ),
    8134: (
        _("A calculation divides by zero."),
        _("Find the rows whose divisor is 0; let the load use NULLIF(divisor, 0)."),
    ),
    8645: (
        _("The statement waited too long for memory."),
        _("Check what runs at that hour; a smaller batch_size needs less memory."),
    ),
    18456: (
        _("The server refused the user or the password."),
        _("Check user and password of the runner. The state of the error in the server's error log gives the reason."),
    ),
    18486: (
        _("The login is locked, after too many wrong passwords."),
        _("Ask the DBA to unlock it, and find out what still uses an old password."),
    ),
    18487: (
        _("The login's password has expired."),
        _("Set a new password, in the server and in the runner's settings; ask the DBA to exempt service logins."),
    ),
    40501: (
        _("The database service is busy and rejects requests."),
        _("Repeat later; if it recurs, ask for a higher service tier or load at another hour."),
    ),
    40613: (
        _("The database is being moved or restarted by its cloud service."),
        _("The next run continues from the watermark; if it persists, look at the service's status page."),
    ),
    40615: (
        _("The cloud server's firewall does not let the runner's address in."),
        _("Ask the DBA for a firewall rule for the runner's address."),
    ),
}
"""Where a number tells more than its class."""
_BY_NUMBER[18488] = _BY_NUMBER[18487]


def advice_for(error: ErrorText) -> FailureWords:
    meaning, advice = _CLASS_WORDS[error.error_class]
    if error.number in _BY_NUMBER and error.error_class is not ErrorClass.CHECK:
        meaning, advice = _BY_NUMBER[error.number]
    if not error.words:
        meaning = _("The run says that it failed, but not why.")
    return FailureWords(label(error.error_class), str(meaning), str(advice), _names(error))


def class_text(error_class: ErrorClass) -> tuple[str, str]:
    meaning, advice = _CLASS_WORDS[error_class]
    return str(meaning), str(advice)


def _names(error: ErrorText) -> str:
    found = (
        (gettext("table or object %(name)s"), error.object),
        (gettext("column %(name)s"), error.column),
        (gettext("constraint %(name)s"), error.constraint),
        (gettext("key or value %(name)s"), error.key),
    )
    return ", ".join(template % {"name": name} for template, name in found if name)
