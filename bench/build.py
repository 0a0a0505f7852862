"""Build a warehouse with a long history: the demo's data and up to millions of audit rows.

SQL generates the rows with a recursive counter, so that millions take a minute or two. Runs are ten minutes apart, the
newest last; one in 50 fails; each has nine executions and `events_per_run` login events.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from demo.simulation import build as build_demo

MINUTES_APART = 10
ENTITIES = (
    "dim_cliente",
    "dim_produto",
    "dim_regiao",
    "dim_equipe",
    "dim_vendedor",
    "dim_desconto",
    "fact_vendas",
    "fact_metas",
    "fact_descontos",
)
EVENTS_PER_RUN = 20
ERROR = (
    "IntegrityError: ('23000', \"[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of UNIQUE KEY "
    "constraint 'UQ_FACT_VENDAS_venda'. Cannot insert duplicate key in object 'fact.FACT_VENDAS'. The duplicate key "
    'value is (4711). (2627) (SQLExecDirectW)")'
)

_START = "strftime('%s', :now) - (:runs - i) * :apart * 60"
_RUNS = f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs),
    r(i, epoch, start, before, failed) AS (
        SELECT i, {_START}, datetime({_START}, 'unixepoch'), datetime({_START} - 600, 'unixepoch'), i % 50 = 0
        FROM n)"""
"""Each run with its times: worked out once a run, not once for each of its thirty rows."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much history: runs, and what follows from them."""

    runs: int
    events_per_run: int = EVENTS_PER_RUN

    @property
    def run_entities(self) -> int:
        return self.runs * len(ENTITIES)

    @property
    def login_events(self) -> int:
        return self.runs * self.events_per_run


def build(folder: Path, size: Size, now: datetime) -> float:
    """Build the warehouse in `folder`; return the seconds it took, the demo's own data included."""
    began = perf_counter()
    build_demo(folder / "warehouse", now.astimezone(UTC).replace(tzinfo=None))
    path = folder / "warehouse" / "dw"
    with closing(sqlite3.connect(path / "audit.sqlite3")) as connection:
        _fill(connection, size, now)
    with closing(sqlite3.connect(path / "ctl.sqlite3")) as connection, connection:
        connection.execute("UPDATE etl_control SET last_run_id = ? WHERE last_run_id IS NOT NULL", (size.runs,))
    return perf_counter() - began


def statements(size: Size, now: datetime) -> list[tuple[str, dict[str, Any]]]:
    """Return what replaces the audit tables' rows: each statement with its values."""
    values = {"runs": size.runs, "apart": MINUTES_APART, "now": f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S}"}
    tables = ("etl_run_entity", "etl_run", "connection_login_events")
    return [
        *((f"DELETE FROM {table}", {}) for table in tables),
        (_runs(), values),
        (_run_entities(), {**values, "error": ERROR}),
        (_login_events(size.events_per_run), values),
    ]


def _fill(connection: sqlite3.Connection, size: Size, now: datetime) -> None:
    """Insert in the order of the keys and create the indexes afterwards.

    CHECK constraints are off, because they take most of the time and the rows satisfy them.
    """
    for pragma in (
        *("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "ignore_check_constraints = ON"),
        *("cache_size = -400000", "temp_store = MEMORY", "foreign_keys = OFF", "threads = 2"),
    ):
        connection.execute(f"PRAGMA {pragma}")
    listed = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    indexes = connection.execute(listed).fetchall()
    with connection:
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        for sql, values in statements(size, now):
            connection.execute(sql, values)
        for _, sql in indexes:
            connection.execute(sql)
    connection.execute("PRAGMA analysis_limit = 1000")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA locking_mode = NORMAL")
    connection.execute("PRAGMA journal_mode = WAL")


def _runs() -> str:
    return f"""{_RUNS}
        INSERT INTO etl_run (run_id, entities_requested, started_by, started_at, finished_at, status,
                             entities_succeeded, entities_failed, error_message, created_at)
        SELECT i, '{",".join(ENTITIES)}', 'svc_etl', start, datetime(epoch + 90, 'unixepoch'),
               iif(failed, 'partial', 'success'), 9 - failed, failed, NULL, start
        FROM r"""


def _run_entities() -> str:
    """In the order of their key, as an IDENTITY grows: millions of rows are only appended."""
    names = ", ".join(f"({number}, '{name}')" for number, name in enumerate(ENTITIES))
    failed = "failed AND number = i / 50 % 9"
    return f"""{_RUNS}, e(number, name) AS (VALUES {names}),
        f AS MATERIALIZED (SELECT *, datetime(epoch + 5 + i % 7, 'unixepoch') AS finish FROM r)
        INSERT INTO etl_run_entity (run_entity_id, run_id, entity_name, entity_started_at, entity_finished_at, status,
                                    extracted_count, upserted_count, soft_deleted_count, watermark_from_updated_at,
                                    watermark_from_id, watermark_to_updated_at, watermark_to_id, error_message,
                                    created_at, updated_at)
        SELECT (i - 1) * 9 + number + 1, i, name, start, finish, iif({failed}, 'failed', 'success'),
               100 + i % 37, 100 + i % 37, i % 3, before, i, start, i + 100, iif({failed}, :error, NULL), start, start
        FROM f CROSS JOIN e"""


def _login_events(per_run: int) -> str:
    numbers = ", ".join(f"({number})" for number in range(per_run))
    return f"""{_RUNS}, e(number) AS (VALUES {numbers}),
        f AS MATERIALIZED (SELECT i, epoch, start || '.000' AS at FROM r)
        INSERT INTO connection_login_events (connection_event_id, event_time_utc, captured_by, session_id,
                                             login_name, host_name,
                                             program_name, database_name, status, login_time, net_transport,
                                             protocol_type, client_net_address, client_tcp_port, encrypt_option,
                                             auth_scheme)
        SELECT (i - 1) * {per_run} + number + 1, at, 'SNAPSHOT_DMV', 50 + number, 'login_' || (number % 7),
               'HOST-' || (number % 9), iif(number % 4 = 0, 'etlportal-web', 'app-' || (number % 5)),
               iif(number % 2 = 0, 'DW_ECOMMERCE', 'ECOMMERCE_OLTP'), 'sleeping',
               datetime(epoch - number * 420, 'unixepoch') || '.000', 'TCP', 'TSQL',
               '10.0.0.' || number, 50000 + number, iif(number % 3 = 0, 'FALSE', 'TRUE'), 'SQL'
        FROM f CROSS JOIN e"""
