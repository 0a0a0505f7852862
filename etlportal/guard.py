"""Two of the three locks against writing to a watched database: the router and the connection's guard.

The ETL owns `dw` and `oltp`. The login's permissions should already refuse a write. The guard refuses it before it
leaves the process, for every statement through Django, raw SQL included. The third lock is the read-only models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import Model
from django.db.utils import DatabaseError

from etlportal.databases import WATCHED

SNAPSHOT_PROCEDURE = "EXEC audit.sp_capture_connection_snapshot"

_permitted: ContextVar[frozenset[str]] = ContextVar("guard_permitted", default=frozenset())
"""Aliases that may be written, and SNAPSHOT_PROCEDURE where it may be executed."""

# Strings, quoted names and comments are data, not code: their contents are ignored.
_NOT_CODE = re.compile(
    r"""
      '(?:[^']|'')*'          # a string
    | "(?:[^"]|"")*"          # a quoted name
    | \[(?:[^\]]|\]\])*\]     # a bracketed name
    | --[^\n\r\v\f\x85\u2028\u2029]*  # a comment, up to whatever any engine may take for the end of the line
    | /\*.*?\*/               # a block comment
    """,
    re.VERBOSE | re.DOTALL,
)
# T-SQL needs no blank after a number: `SELECT 1DROP TABLE t` is two statements. So words and numbers are separated the
# way an engine does it, and a number that is followed by letters is refused.
_TOKEN = re.compile(r"(?P<number>[$.]?\d[\w.$#@]*)|(?P<word>[^\W\d][\w$#@]*|[@#$][\w$#@]*)")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SEQUENCE = re.compile(r"\bNEXT\s+VALUE\b", re.IGNORECASE)
_READS = frozenset({"SELECT", "WITH"})
_REFUSED_WORDS = (
    # writes, in one statement with SELECT or as a second one (T-SQL needs no semicolon in between)
    "INSERT UPDATE DELETE MERGE INTO DROP ALTER CREATE TRUNCATE GRANT REVOKE DENY BULK BACKUP RESTORE WRITETEXT "
    "UPDATETEXT ENABLE DISABLE RECEIVE CONVERSATION "
    # what runs, loads or reaches elsewhere
    "EXEC EXECUTE OPENROWSET OPENQUERY OPENDATASOURCE LOAD_EXTENSION "
    # what changes the session or the server
    "SET USE DECLARE BEGIN COMMIT ROLLBACK SAVE REVERT SETUSER SHUTDOWN KILL DBCC WAITFOR RECONFIGURE CHECKPOINT "
    "ATTACH DETACH PRAGMA VACUUM REINDEX ANALYZE "
    # locks beyond those of a reader
    "UPDLOCK XLOCK TABLOCK TABLOCKX HOLDLOCK PAGLOCK REPEATABLEREAD SERIALIZABLE"
)
_REFUSED = frozenset(_REFUSED_WORDS.split())
# What Django sends around a block of reads. These statements change nothing by themselves.
_TRANSACTION = re.compile(
    r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT|SAVE TRANSACTION|BEGIN TRANSACTION"
    r"|ROLLBACK TRANSACTION)(\s+[\"\[]?\w+[\"\]]?)?\s*;?\s*",
    re.IGNORECASE,
)


class WarehouseReadOnly(DatabaseError):
    """A write, or a statement that could be one, on a watched database."""


@lru_cache(maxsize=64)
def is_read(sql: str) -> bool:
    """Return whether `sql` is one SELECT (or WITH ... SELECT) without locking hints or a second statement."""
    code = _NOT_CODE.sub(" ", sql)
    if _TRANSACTION.fullmatch(code) or _TRANSACTION.fullmatch(sql):
        return True
    # A quote or comment that is left over means that the text was not understood. A backtick quotes in SQLite, and a
    # quote inside it would hide code.
    if re.search(r"['\"\[\]`]|/\*", code) or ";" in code.rstrip().rstrip(";") or _SEQUENCE.search(code):
        return False
    first = ""
    for token in _TOKEN.finditer(code):
        number, word = token["number"], token["word"]
        if number is not None and not _NUMBER.fullmatch(number):
            return False
        if word is not None and word.upper() in _REFUSED:
            return False
        first = first or (word or number).upper()
    return first in _READS and code.lstrip("( \t\r\n").upper().startswith(first)


def refuse_writes(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Django execute wrapper: allow reads, raise WarehouseReadOnly for everything else."""
    alias, permitted = context["connection"].alias, _permitted.get()
    is_snapshot = alias == "dw" and sql == SNAPSHOT_PROCEDURE and not params and not many
    if alias in permitted or is_read(sql) or (is_snapshot and SNAPSHOT_PROCEDURE in permitted):
        return execute(sql, params, many, context)
    raise WarehouseReadOnly(f"Refused on {alias}, which the portal only reads: {sql.strip()[:20]} …")


@contextmanager
def snapshot_allowed() -> Iterator[None]:
    """Allow exactly SNAPSHOT_PROCEDURE, without parameters, on `dw` inside this block."""
    token = _permitted.set(_permitted.get() | {SNAPSHOT_PROCEDURE})
    try:
        yield
    finally:
        _permitted.reset(token)


@contextmanager
def writable(*aliases: str) -> Iterator[None]:
    """Lift the guard so that the demo and the tests can fill the embedded warehouse.

    Raises WarehouseReadOnly for a database that is not embedded: on SQL Server the guard is never lifted.
    """
    for alias in aliases:
        if connections[alias].vendor != "sqlite":
            raise WarehouseReadOnly(f"{alias} is not the embedded warehouse: its guard is never lifted.")
    token = _permitted.set(_permitted.get() | set(aliases))
    try:
        for alias in aliases:
            _query_only(alias, False)
        yield
    finally:
        _permitted.reset(token)
        for alias in aliases:
            _query_only(alias, alias not in _permitted.get())


def _query_only(alias: str, on: bool) -> None:
    connection = connections[alias]
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA query_only = {'ON' if on else 'OFF'}")


class WarehouseRouter:
    """Reads each warehouse model from its `database_alias`, and refuses writes and migrations there."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return getattr(model, "database_alias", None)

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        alias = getattr(model, "database_alias", None)
        if alias is not None:
            raise WarehouseReadOnly(f"{model.__name__} belongs to the ETL: the portal only reads {alias}.")
        return None

    def allow_relation(self, obj1: Model, obj2: Model, **hints: Any) -> bool:
        return getattr(obj1, "database_alias", "default") == getattr(obj2, "database_alias", "default")

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db not in WATCHED
