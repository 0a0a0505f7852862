"""The bench's data: as the contract's tables want it, indexes and all, though it is loaded without asking them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

from bench.build import Size, _fill
from demo import schema

NOW = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)


def test_the_data_keeps_to_the_tables() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in schema.schema_sql("audit"):
            connection.execute(statement)
        indexes = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name").fetchall()
        _fill(connection, Size(100, 10), NOW)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name"
        assert connection.execute(kept).fetchall() == indexes
        assert len(indexes) > 3
        one = connection.execute("SELECT COUNT(*), MIN(run_id), MAX(run_id), MAX(started_at) FROM etl_run").fetchone()
        assert one == (100, 1, 100, "2026-03-10 12:00:30")
        counted = [
            connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("etl_run_entity", "connection_login_events")
        ]
        assert counted == [900, 1000]
        partial = connection.execute("SELECT SUM(entities_failed), SUM(status = 'partial') FROM etl_run").fetchone()
        failed = connection.execute(
            "SELECT COUNT(*) FROM etl_run_entity WHERE status = 'failed' AND error_message > ''"
        )
        assert (*partial, failed.fetchone()[0]) == (2, 2, 2)
