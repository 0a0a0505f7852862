"""The connection's lock against writing: what may be executed on a watched database.

The ETL owns `dw` and `oltp`. Its permissions should already refuse a write; this guard refuses
it before it leaves the process, for every statement that goes through Django, raw SQL included.
The third lock, beside the read-only models and the router.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseError

from etlportal.databases import WATCHED

SNAPSHOT_PROCEDURE = "EXEC audit.sp_capture_connection_snapshot"

_lifted: ContextVar[frozenset[str]] = ContextVar("guard_lifted", default=frozenset())
_snapshot_allowed: ContextVar[bool] = ContextVar("guard_snapshot_allowed", default=False)

# What is data, not code: strings, quoted names, comments. Everything in them is ignored.
_NOT_CODE = re.compile(
    r"""
      '(?:[^']|'')*'          # a string
    | "(?:[^"]|"")*"          # a quoted name
    | \[(?:[^\]]|\]\])*\]     # a bracketed name
    | --[^\n\r\v\f\x85\u2028\u2029]*  # a comment to whatever any engine may take for the end of the line
    | /\*.*?\*/               # a comment in between
    """,
    re.VERBOSE | re.DOTALL,
)
# T-SQL needs no blank after a number: `SELECT 1DROP TABLE t` is two statements. So words and
# numbers are told apart the way an engine does, and a number that goes on with letters is refused.
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
# What Django itself says around a block of reads. They change nothing by themselves.
_TRANSACTION = re.compile(
    r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT|SAVE TRANSACTION|BEGIN TRANSACTION"
    r"|ROLLBACK TRANSACTION)(\s+[\"\[]?\w+[\"\]]?)?\s*;?\s*",
    re.IGNORECASE,
)


class WarehouseReadOnly(DatabaseError):
    """A write, or a statement that could be one, was about to reach a watched database."""


@lru_cache(maxsize=64)
def is_read(sql: str) -> bool:
    """Whether `sql` can only read: one SELECT (or WITH ... SELECT), no locking hint, no second statement."""
    code = _NOT_CODE.sub(" ", sql)
    if _TRANSACTION.fullmatch(code) or _TRANSACTION.fullmatch(sql):
        return True
    # A quote or comment left over means the text was cut out of a shape we do not understand;
    # a backtick quotes in SQLite, where a quote inside it would hide code from us.
    if re.search(r"['\"\[\]`]|/\*", code) or ";" in code.rstrip().rstrip(";"):
        return False
    return _only_reads(code)


def _only_reads(code: str) -> bool:
    """Whether `code`, cleared of what is data, begins with SELECT or WITH and has no refused word."""
    if _SEQUENCE.search(code):
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
    """Django execute wrapper: let reads through, raise WarehouseReadOnly for everything else."""
    alias = context["connection"].alias
    if alias in _lifted.get() or is_read(sql):
        return execute(sql, params, many, context)
    if _snapshot_allowed.get() and alias == "dw" and sql == SNAPSHOT_PROCEDURE and not params and not many:
        return execute(sql, params, many, context)
    raise WarehouseReadOnly(f"Refused on {alias}, which the portal only reads: {sql.strip()[:20]} …")


def install(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`: put the guard on each connection to a watched database, once."""
    if connection.alias in WATCHED and refuse_writes not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, refuse_writes)


@contextmanager
def snapshot_allowed() -> Iterator[None]:
    """Let SNAPSHOT_PROCEDURE through on `dw` inside this block: that text, without parameters, and no other."""
    token = _snapshot_allowed.set(True)
    try:
        yield
    finally:
        _snapshot_allowed.reset(token)


@contextmanager
def writable(*aliases: str) -> Iterator[None]:
    """Lift the guard for the embedded warehouse's own filling (demo and tests).

    Raises WarehouseReadOnly where the alias is not an embedded database: nobody lifts it on SQL Server.
    """
    for alias in aliases:
        if connections[alias].vendor != "sqlite":
            raise WarehouseReadOnly(f"{alias} is not the embedded warehouse: its guard is never lifted.")
    token = _lifted.set(_lifted.get() | set(aliases))
    try:
        for alias in aliases:
            _query_only(alias, False)
        yield
    finally:
        _lifted.reset(token)
        for alias in aliases:
            _query_only(alias, alias not in _lifted.get())


def _query_only(alias: str, on: bool) -> None:
    connection = connections[alias]
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA query_only = {'ON' if on else 'OFF'}")
