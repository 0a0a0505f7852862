"""Every statement on its way to a database: it gets a comment that says for whom, is timed, and told of when slow.

A Django execute wrapper, inside the guard's: what the guard judges is the statement as it was written, and what
is added afterwards is made of plain characters only (etlportal/correlation.py).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from etlportal import correlation, metrics
from etlportal.databases import WATCHED
from etlportal.guard import refuse_writes

logger = logging.getLogger(__name__)

LOGGED_CHARACTERS = 2000
"""How much of a slow statement's text is logged."""

# The page stands behind the first word: there SQL Server's Query Store keeps it. The id stands before the statement,
# where the Query Store ignores it: a few texts per page, not one per request. What begins otherwise (BEGIN, SAVEPOINT,
# EXEC) stays as it is.
_FIRST_WORD = re.compile(r"[\s(]*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


def commented(sql: str, work: correlation.Work | None, connection: BaseDatabaseWrapper) -> str:
    """Return the statement with comments that say whose it is; as it was where nobody's."""
    # psycopg's own composed statements are no text (Django makes some for the schema).
    if work is None or not isinstance(sql, str) or (first := _FIRST_WORD.match(sql)) is None:
        return sql
    named = f"{sql[: first.end()]} {work.page_comment}{sql[first.end() :]}"
    return f"{work.id_comment} {named}" if _with_id(work, connection) else named


def _with_id(work: correlation.Work, connection: BaseDatabaseWrapper) -> bool:
    """Whether this statement becomes a text of its own (ADR 17).

    On SQL Server that costs a compilation and a place among the cached plans: worth it for what a person asked for, not
    for what the collector asks all day. SQLite would prepare anew what it has prepared, for nobody who could read it.
    """
    where: str = settings.SQL_COMMENT_IDS
    if where != "auto":
        return where == "all"
    return connection.vendor == "postgresql" or (connection.alias in WATCHED and work.kind == "request")


def observe(send: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Django execute wrapper: comment, execute, count, and log what was slow."""
    connection = context["connection"]
    work = correlation.current()
    text = commented(sql, work, connection)
    ok, begun = False, time.perf_counter()
    try:
        result = send(text, params, many, context)
        ok = True
    finally:
        seconds = time.perf_counter() - begun
        slow = 0 < settings.SLOW_STATEMENT_SECONDS <= seconds
        metrics.executed(connection.alias, seconds, ok=ok, slow=slow)
        if slow:
            _log(connection.alias, seconds, sql, work, ok=ok)
    return result


def _log(alias: str, seconds: float, sql: str, work: correlation.Work | None, *, ok: bool) -> None:
    """One line, without the values of parameters: they may be anybody's data."""
    page = work.page if work is not None else "-"
    text = " ".join(str(sql).split())[:LOGGED_CHARACTERS]
    outcome = "" if ok else ", failed"
    logger.warning(
        "slow statement on %s, page %s: %.3f s%s: %s",
        *(alias, page, seconds, outcome, text),
        extra={"fields": {"alias": alias, "seconds": round(seconds, 6), "ok": ok, "sql": text}},
    )


def install(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`: watch each connection, once, behind the guard where there is one."""
    wrappers = connection.execute_wrappers
    if observe not in wrappers:
        wrappers.insert(1 if wrappers[:1] == [refuse_writes] else 0, observe)
