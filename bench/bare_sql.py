"""The lower bound for a page: hand-written SQL for its figures, on the same files, with one plain connection.

No user, permissions, language, HTML or rules. Every page begins with the headline and the pre-flight, so their figures
(OPENING) are part of each.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

SCHEMAS = {"dw": ("ctl", "audit", "dim", "fact"), "oltp": ("core",)}
DAYS = "datetime('now', '-{} days')"
NEWEST_RUN = "(SELECT MAX(run_id) FROM audit.etl_run)"
FIRST = "(SELECT run_id FROM audit.etl_run WHERE started_at >= {since} ORDER BY started_at LIMIT 1)"

CONTROL = "SELECT * FROM ctl.etl_control ORDER BY entity_name"
NEWEST = (
    "SELECT e.* FROM ctl.etl_control AS c JOIN audit.etl_run_entity AS e "
    "ON e.run_id = c.last_run_id AND e.entity_name = c.entity_name"
)
WAITING = (
    "SELECT COUNT(*), MAX(s.updated_at), SUM((s.updated_at, s.{key}) > (c.watermark_updated_at, c.watermark_id)), "
    "MIN(CASE WHEN (s.updated_at, s.{key}) > (c.watermark_updated_at, c.watermark_id) THEN s.updated_at END) "
    "FROM {source} AS s JOIN ctl.etl_control AS c ON c.entity_name = ?"
)
TARGET = "SELECT COUNT(*) FROM {target}"
LAST_EVENT = "SELECT MAX(event_time_utc) FROM audit.connection_login_events"
RUNS = "SELECT * FROM audit.etl_run ORDER BY run_id DESC LIMIT 30"
PER_DAY = "SELECT date(started_at), status, COUNT(*) FROM audit.etl_run WHERE started_at >= {since} GROUP BY 1, 2"
VOLUMES = (
    "SELECT entity_name, SUM(extracted_count), SUM(upserted_count) FROM audit.etl_run_entity "
    "WHERE run_id >= {first} GROUP BY entity_name"
)
FAILURES = (
    "SELECT * FROM audit.etl_run_entity WHERE run_id >= {first} AND status = 'failed' ORDER BY run_id DESC LIMIT 50"
)
OWN = (
    "SELECT * FROM audit.etl_run_entity WHERE run_id >= {first} AND entity_name = ? AND status = 'success' "
    "ORDER BY run_id DESC"
)
GRID = (
    "SELECT run_id, entity_name, status FROM audit.etl_run_entity WHERE run_id > "
    "(SELECT MAX(run_id) - 30 FROM audit.etl_run) ORDER BY run_id DESC"
)
EVENTS = "audit.connection_login_events WHERE event_time_utc >= datetime('now', '-{} days')"
DAY, MONTH = EVENTS.format(1), EVENTS.format(31)
HOURS = f"SELECT substr(event_time_utc, 1, 13), COUNT(*), COUNT(DISTINCT session_id) FROM {DAY} GROUP BY 1"
FAILED_HOURS = (
    "SELECT substr(entity_started_at, 1, 13), COUNT(*) FROM audit.etl_run_entity WHERE run_id >= {first} "
    "AND status = 'failed' GROUP BY 1"
)
BY = (
    "SELECT {columns}, COUNT(*), COUNT(DISTINCT session_id || '.' || login_time), MIN(event_time_utc), "
    f"MAX(event_time_utc) FROM {DAY} {{more}} GROUP BY {{columns}}"
)
IDENTITIES = (
    "SELECT login_name, host_name, client_net_address, program_name, auth_scheme, encrypt_option, COUNT(*), "
    f"MIN(event_time_utc), MAX(event_time_utc) FROM {MONTH} GROUP BY 1, 2, 3, 4, 5, 6"
)
HABITS = (
    "SELECT login_name, substr(event_time_utc, 12, 2), COUNT(DISTINCT substr(event_time_utc, 1, 10)) "
    f"FROM {MONTH} GROUP BY 1, 2"
)
OPEN = f"SELECT session_id, login_time, MIN(event_time_utc), MAX(event_time_utc) FROM {DAY} GROUP BY 1, 2"
AROUND = (
    "SELECT e.run_entity_id, e.status, v.login_name, v.host_name, v.program_name, v.database_name "
    "FROM audit.etl_run_entity AS e INDEXED BY IX_etl_run_entity_run CROSS JOIN audit.connection_login_events AS v "
    "ON v.event_time_utc >= datetime(e.entity_started_at, '-5 minutes') "
    "AND v.event_time_utc < datetime(e.entity_started_at, '+5 minutes') "
    "WHERE e.run_id >= {first} GROUP BY 1, 2, 3, 4, 5, 6"
)
WINDOW_RUNS = "SELECT * FROM audit.etl_run WHERE run_id >= {first} ORDER BY run_id DESC LIMIT 25"
FACETS = (
    *("login_name", "host_name", "program_name", "database_name"),
    *("status", "client_net_address", "encrypt_option", "auth_scheme"),
)


def connected(folder: Path) -> sqlite3.Connection:
    """Return a connection with every schema of the warehouse attached, for reading."""
    connection = sqlite3.connect(":memory:", uri=True)
    for alias, schemas in SCHEMAS.items():
        for name in schemas:
            path = folder / "warehouse" / alias / f"{name}.sqlite3"
            connection.execute(f"ATTACH DATABASE ? AS [{name}]", (f"file:{quote(str(path))}?mode=ro",))
    return connection


def figures(connection: sqlite3.Connection, page: str, pipeline: str) -> int:
    """Ask for everything that `page` shows; return how many rows came."""
    return sum(len(connection.execute(sql, values).fetchall()) for sql, values in _asked(connection, page, pipeline))


def _asked(connection: sqlite3.Connection, page: str, pipeline: str) -> list[tuple[str, tuple[object, ...]]]:
    day, week, fortnight = (FIRST.format(since=DAYS.format(days)) for days in (1, 7, 14))
    opening = [*_plain([CONTROL, NEWEST, RUNS, LAST_EVENT]), *_tables(connection)]
    own: dict[str, list[str]] = {
        "summary": [
            PER_DAY.format(since=DAYS.format(14)),
            *(VOLUMES.format(first=fortnight), FAILURES.format(first=week), GRID),
        ],
        "pipelines": [],
        "pipeline": [FAILURES.format(first=week)],
        "runs": [GRID, f"SELECT COUNT(*) FROM audit.etl_run WHERE run_id >= {week}"],
        "run": [
            f"SELECT * FROM audit.etl_run WHERE run_id >= {NEWEST_RUN} - 1",
            f"SELECT * FROM audit.etl_run_entity WHERE run_id = {NEWEST_RUN}",
        ],
        "connections": [
            *(HOURS, FAILED_HOURS.format(first=day), WINDOW_RUNS.format(first=day), IDENTITIES, HABITS, OPEN),
            *(BY.format(columns=column, more="") for column in FACETS),
            BY.format(columns="login_name, program_name, host_name", more="AND database_name = 'ECOMMERCE_OLTP'"),
            AROUND.format(first=day),
            "SELECT * FROM audit.connection_login_events ORDER BY connection_event_id DESC LIMIT 50",
        ],
    }
    executions = [(OWN.format(first=day), (pipeline,))] if page == "pipeline" else []
    return [*opening, *_plain(own[page]), *executions]


def _plain(statements: list[str]) -> list[tuple[str, tuple[object, ...]]]:
    return [(sql, ()) for sql in statements]


def _tables(connection: sqlite3.Connection) -> list[tuple[str, tuple[object, ...]]]:
    asked: list[tuple[str, tuple[object, ...]]] = []
    listed = "SELECT entity_name, source_table, target_table, source_pk_column FROM ctl.etl_control"
    there = {
        f"{schema}.{name}".casefold()
        for schema in ("core", "dim", "fact")
        for (name,) in connection.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table'")
    }
    for name, source, target, key in connection.execute(listed).fetchall():
        if {source.casefold(), target.casefold()} <= there:
            asked += [(WAITING.format(source=source, key=key), (name,)), (TARGET.format(target=target), ())]
    return asked
