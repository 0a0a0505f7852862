"""The contract's stored procedures on a connection of the portal's (etlportal/backends/embedded/base.py).

The live ETL calls events.py with its own clock and connection; here somebody pressed "capture now".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from demo.build import SEED
from demo.events import insert_events
from demo.sessions import RUNNER_PROGRAM, Session, Sessions

LONGEST_RUN = timedelta(minutes=30)
"""A run that has been running for longer was killed: its session is gone."""


def capture_connection_snapshot(connection: sqlite3.Connection) -> None:
    """Insert one event per session that is open now; inside the caller's transaction, if there is one.

    Raises sqlite3.Error.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    seen = now.isoformat(sep=" ", timespec="milliseconds")
    rows = [session.row(seen) for session in (*_sessions().at(now), *_runners(connection, now))]
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN IMMEDIATE")
    try:
        insert_events(connection, rows)
    except sqlite3.Error:
        if alone:
            connection.rollback()
        raise
    if alone:
        connection.commit()


@lru_cache(maxsize=1)
def _sessions() -> Sessions:
    return Sessions(SEED)


def _runners(connection: sqlite3.Connection, now: datetime) -> Iterator[Session]:
    """Yield the session of each runner at work, with the login time that its first sample had."""
    since = (now - LONGEST_RUN).isoformat(sep=" ", timespec="seconds")
    running = connection.execute(
        "SELECT run_id, started_at FROM audit.etl_run WHERE started_at >= ? AND status = 'running' ORDER BY run_id",
        (since,),
    ).fetchall()
    for run_id, started in running:
        session = _sessions().runner(datetime.fromisoformat(started), run_id)
        sampled = connection.execute(
            "SELECT login_time FROM audit.connection_login_events"
            " WHERE event_time_utc >= ? AND program_name = ? AND session_id = ? ORDER BY connection_event_id LIMIT 1",
            (started, RUNNER_PROGRAM, session.session_id),
        ).fetchone()
        yield replace(session, login_time=datetime.fromisoformat(sampled[0])) if sampled else session
