"""Execute wrapper for every database: comment, count, time, and log slow statements.

It runs inside the guard's wrapper, so the guard judges the original statement. The comments contain safe characters
only: they cannot end the comment, and no driver takes them for a parameter (ADR 17).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from etlportal import metrics
from etlportal.databases import WATCHED
from etlportal.logs import Work, current

logger = logging.getLogger(__name__)

LOGGED_CHARACTERS = 2000
PAGE_LENGTH = 80
ID_LENGTH = 64

_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")
# The page stands after the first word, where SQL Server's Query Store keeps it. The id stands before the statement,
# which the Query Store ignores: it sees a few texts per page, not one per request. Other statements (BEGIN, SAVEPOINT,
# EXEC) stay as they are.
_FIRST_WORD = re.compile(r"[\s(]*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


def commented(sql: str, work: Work | None, connection: BaseDatabaseWrapper) -> str:
    """Add the page and, where it is cheap, the id of the request or tick, which makes the text unique (ADR 17).

    On SQL Server a unique text costs a compilation and a cached plan: acceptable for what a user requested, not for
    the collector. SQLite would lose its prepared statement. PostgreSQL does not mind.
    """
    # psycopg's composed statements are not strings (Django makes some for the schema).
    if work is None or not isinstance(sql, str) or (first := _FIRST_WORD.match(sql)) is None:
        return sql
    page, work_id = _UNSAFE.sub("_", work.page)[:PAGE_LENGTH], _UNSAFE.sub("_", work.id)[:ID_LENGTH]
    named = f"{sql[: first.end()]} /* etlportal page={page} */{sql[first.end() :]}"
    cheap = connection.vendor == "postgresql" or (connection.alias in WATCHED and work.kind == "request")
    with_id = {"all": True, "none": False}.get(settings.SQL_COMMENT_IDS, cheap)
    return f"/* {work.kind}={work_id} */ {named}" if with_id else named


def observe(send: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Send the statement commented, and count it. Log a slow one without parameters, which may be personal data."""
    connection, work = context["connection"], current()
    outcome, begun = "failed", time.perf_counter()
    try:
        result = send(commented(sql, work, connection), params, many, context)
        outcome = "ok"
        return result
    finally:
        alias, seconds = connection.alias, time.perf_counter() - begun
        slow = 0 < settings.SLOW_STATEMENT_SECONDS <= seconds
        if alias in metrics.ALIASES:  # not the connection that creates a test database
            metrics.STATEMENTS.labels(alias, outcome).inc()
            metrics.STATEMENT_SECONDS.labels(alias).observe(seconds)
            metrics.SLOW_STATEMENTS.labels(alias).inc(int(slow))
        if slow:
            text = " ".join(str(sql).split())[:LOGGED_CHARACTERS]
            page = work.page if work is not None else "-"
            logger.warning(
                "slow statement on %s, page %s, %s after %.3f s: %s",
                *(alias, page, outcome, seconds, text),
                extra={"alias": alias, "seconds": round(seconds, 6), "ok": outcome == "ok", "sql": text},
            )
