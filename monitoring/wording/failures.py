"""What a failed execution's message means, and what to do."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.enums import ErrorClass
from monitoring.policies.failures import Failure
from monitoring.wording.labels import label


class FailureWords(NamedTuple):
    """A class's name, its meaning, advice, and the names in this message ("constraint UQ_x, table y")."""

    title: str
    meaning: str
    advice: str
    names: str


_WORDS: dict[ErrorClass, tuple[Any, Any]] = {
    ErrorClass.UNIQUE: (
        _("A row arrived twice: its key is in the target already."),
        _(
            "Find the key in source and target. Usually the source holds it twice, or an earlier load wrote it "
            "without moving the watermark."
        ),
    ),
    ErrorClass.FOREIGN_KEY: (
        _("A row points to another one that is not there."),
        _("Load the table that it points to first; if it was loaded, look for the missing row in the source."),
    ),
    ErrorClass.CHECK: (
        _("A value breaks a rule of the target table."),
        _("Look at the constraint and at the source's new rows: either the data is wrong or the rule is outdated."),
    ),
    ErrorClass.NOT_NULL: (
        _("A column that must have a value got none."),
        _("Find the source rows without it. Have them corrected, or let the mapping give a default."),
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
        _("The next run repeats it. If it recurs, look at what else writes at that hour, or use smaller batches."),
    ),
    ErrorClass.LOCK_TIMEOUT: (
        _("Another session held the table for longer than the load was willing to wait."),
        _("Find the blocking session (sys.dm_exec_requests); let reports and loads not run at the same hour."),
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
        _("Check whether the server restarted or failed over at that time; the next run goes on from the watermark."),
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
        _("The runner is not set up as it should be."),
        _("Check the runner's environment variables, and this pipeline's row in ctl.etl_control."),
    ),
    ErrorClass.OTHER: (
        _("The portal does not know this error."),
        _("Read the message; if it recurs, look at the runner's log of that run."),
    ),
}
_NO_MESSAGE = _("The run says that it failed, but not why.")


def failure_text(failure: Failure) -> FailureWords:
    """Return class, meaning, advice and names of a failure, in the active language."""
    meaning, advice = _WORDS[failure.error_class]
    if not failure.message:
        meaning = _NO_MESSAGE
    return FailureWords(label(failure.error_class), str(meaning), str(advice), _names(failure))


def error_class_label(error_class: ErrorClass) -> str:
    """Return the word for a class."""
    return label(error_class)


def failure_advice(error_class: ErrorClass) -> str:
    """Return what to do about a class."""
    return class_text(error_class)[1]


def class_text(error_class: ErrorClass) -> tuple[str, str]:
    """Return meaning and advice of a class alone."""
    meaning, advice = _WORDS[error_class]
    return str(meaning), str(advice)


def _names(failure: Failure) -> str:
    found = (
        (gettext("table or object %(name)s"), failure.object),
        (gettext("column %(name)s"), failure.column),
        (gettext("constraint %(name)s"), failure.constraint),
        (gettext("key or value %(name)s"), failure.key),
    )
    return ", ".join(template % {"name": name} for template, name in found if name)
