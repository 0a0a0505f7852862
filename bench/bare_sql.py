"""The floor: the figures of each page by hand-written SQL over the same files, on one connection of the plain driver.

No user, no rights, no language, no HTML, no policy: only what must be asked for to know the page's numbers.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

SCHEMAS = {"dw": ("ctl", "audit", "dim", "fact"), "oltp": ("core",)}
DAYS = "datetime('now', '-{} days')"
FIRST = "(SELECT MIN(run_id) FROM audit.etl_run WHERE started_at >= {since})"

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
EVENTS = "audit.connection_login_events WHERE event_time_utc >= datetime('now', '-1 day')"
HOURS = f"SELECT substr(event_time_utc, 1, 13), COUNT(*), COUNT(DISTINCT session_id) FROM {EVENTS} GROUP BY 1"
BY = (
    "SELECT {column}, COUNT(*), COUNT(DISTINCT session_id || '.' || login_time), MAX(event_time_utc) "
    f"FROM {EVENTS} GROUP BY 1"
)
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
    fortnight, week = DAYS.format(14), DAYS.format(7)
    first, lately = FIRST.format(since=fortnight), FIRST.format(since=week)
    match page:
        case "summary":
            plain = [CONTROL, NEWEST, RUNS, PER_DAY.format(since=fortnight), VOLUMES.format(first=first)]
            return [*_plain([*plain, FAILURES.format(first=lately), GRID]), *_tables(connection, None)]
        case "pipelines":
            return [*_plain([CONTROL, NEWEST]), *_tables(connection, None)]
        case "pipeline":
            own = (OWN.format(first=FIRST.format(since=DAYS.format(1))), (pipeline,))
            return [*_plain([CONTROL, NEWEST, FAILURES.format(first=lately)]), own, *_tables(connection, pipeline)]
        case "runs":
            return _plain([CONTROL, RUNS, GRID, "SELECT COUNT(*) FROM audit.etl_run WHERE started_at >= " + week])
        case "run":
            newest = "(SELECT MAX(run_id) FROM audit.etl_run)"
            runs = f"SELECT * FROM audit.etl_run WHERE run_id >= {newest} - 1"
            return _plain([runs, f"SELECT * FROM audit.etl_run_entity WHERE run_id = {newest}"])
        case "connections":
            newest = "SELECT * FROM audit.connection_login_events ORDER BY connection_event_id DESC LIMIT 50"
            return _plain([HOURS, newest, *(BY.format(column=column) for column in FACETS)])
    raise ValueError(page)


def _plain(statements: list[str]) -> list[tuple[str, tuple[object, ...]]]:
    return [(sql, ()) for sql in statements]


def _tables(connection: sqlite3.Connection, only: str | None) -> list[tuple[str, tuple[object, ...]]]:
    asked: list[tuple[str, tuple[object, ...]]] = []
    listed = "SELECT entity_name, source_table, target_table, source_pk_column FROM ctl.etl_control"
    there = {
        f"{schema}.{name}".casefold()
        for schema in ("core", "dim", "fact")
        for (name,) in connection.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table'")
    }
    for name, source, target, key in connection.execute(listed).fetchall():
        if only in (None, name) and {source.casefold(), target.casefold()} <= there:
            asked += [(WAITING.format(source=source, key=key), (name,)), (TARGET.format(target=target), ())]
    return asked
