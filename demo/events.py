"""What stands for `EXEC audit.sp_capture_connection_snapshot` and `..._cleanup` in the embedded warehouse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from demo.clock import Clock
from demo.sessions import EVENT_COLUMNS, Sessions

RETENTION_DAYS = 30
_INSERT = (
    f"INSERT INTO audit.connection_login_events ({', '.join(EVENT_COLUMNS)}) "
    f"VALUES ({', '.join('?' for _ in EVENT_COLUMNS)})"
)


def capturer(dw: Any, clock: Clock, sessions: Sessions) -> Callable[[int], None]:
    """Return the runner's hook: called at both ends of a run, it inserts one row per open session."""
    started: dict[int, datetime] = {}

    def capture(run_id: int) -> None:
        now = clock.now()
        own = sessions.runner(started.setdefault(run_id, now), run_id)
        seen = now.isoformat(sep=" ", timespec="milliseconds")
        dw.cursor().executemany(_INSERT, [session.row(seen) for session in (*sessions.at(now), own)])
        dw.commit()

    return capture


def insert_events(dw: Any, rows: list[tuple[object, ...]]) -> None:
    """Insert events that were made already, not committing."""
    dw.cursor().executemany(_INSERT, rows)


def clean_up(dw: Any, now: datetime, retention_days: int = RETENTION_DAYS) -> int:
    """Delete events older than the retention; return how many."""
    before = (now - timedelta(days=retention_days)).isoformat(sep=" ", timespec="milliseconds")
    cursor = dw.cursor()
    cursor.execute("DELETE FROM audit.connection_login_events WHERE event_time_utc < ?", (before,))
    dw.commit()
    return int(cursor.rowcount)
