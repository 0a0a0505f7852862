"""A warehouse with a long history: the demo's data, then audit rows by the hundred thousand.

The rows are made by SQL itself (a recursive count), so that millions of them take seconds. Newest
run last, ten minutes apart; one in 50 fails; nine run entities a run; twenty login events a run.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from monitoring.demo import build as demo

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

_COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)"
_START = "datetime(:now, '-' || ((:runs - {i}) * :apart) || ' minutes')"
_FAILED = "({i} % 50 = 0)"


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
    demo.build(folder / "warehouse", now.astimezone(UTC).replace(tzinfo=None))
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
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        for sql, values in statements(size, now):
            connection.execute(sql, values)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("ANALYZE")


def _runs() -> str:
    start, failed = _START.format(i="i"), _FAILED.format(i="i")
    return f"""{_COUNT}
        INSERT INTO etl_run (run_id, entities_requested, started_by, started_at, finished_at, status,
                             entities_succeeded, entities_failed, error_message, created_at)
        SELECT i, '{",".join(ENTITIES)}', 'svc_etl', {start}, datetime({start}, '+90 seconds'),
               CASE WHEN {failed} THEN 'partial' ELSE 'success' END, CASE WHEN {failed} THEN 8 ELSE 9 END,
               CASE WHEN {failed} THEN 1 ELSE 0 END, NULL, {start}
        FROM n"""


def _run_entities() -> str:
    """In the order of their key, as an IDENTITY grows: millions of rows are only appended."""
    start, failed = _START.format(i="i"), f"({_FAILED.format(i='i')} AND number = i / 50 % 9)"
    names = ", ".join(f"({number}, '{name}')" for number, name in enumerate(ENTITIES))
    return f"""{_COUNT}, e(number, name) AS (VALUES {names})
        INSERT INTO etl_run_entity (run_entity_id, run_id, entity_name, entity_started_at, entity_finished_at, status,
                                    extracted_count, upserted_count, soft_deleted_count, watermark_from_updated_at,
                                    watermark_from_id, watermark_to_updated_at, watermark_to_id, error_message,
                                    created_at, updated_at)
        SELECT (i - 1) * 9 + number + 1, i, name, {start}, datetime({start}, '+' || (5 + i % 7) || ' seconds'),
               CASE WHEN {failed} THEN 'failed' ELSE 'success' END, 100 + i % 37, 100 + i % 37, i % 3,
               datetime({start}, '-10 minutes'), i, {start}, i + 100,
               CASE WHEN {failed} THEN :error END, {start}, {start}
        FROM n CROSS JOIN e"""


def _login_events(per_run: int) -> str:
    start = _START.format(i="i")
    numbers = ", ".join(f"({number})" for number in range(per_run))
    return f"""{_COUNT}, e(number) AS (VALUES {numbers})
        INSERT INTO connection_login_events (connection_event_id, event_time_utc, captured_by, session_id,
                                             login_name, host_name,
                                             program_name, database_name, status, login_time, net_transport,
                                             protocol_type, client_net_address, client_tcp_port, encrypt_option,
                                             auth_scheme)
        SELECT (i - 1) * {per_run} + number + 1,
               strftime('%Y-%m-%d %H:%M:%f', {start}), 'SNAPSHOT_DMV', 50 + number, 'login_' || (number % 7),
               'HOST-' || (number % 9), CASE number % 4 WHEN 0 THEN 'etlportal-web' ELSE 'app-' || (number % 5) END,
               CASE number % 2 WHEN 0 THEN 'DW_ECOMMERCE' ELSE 'ECOMMERCE_OLTP' END, 'sleeping',
               strftime('%Y-%m-%d %H:%M:%f', {start}, '-' || (number * 7) || ' minutes'), 'TCP', 'TSQL',
               '10.0.0.' || number, 50000 + number, CASE number % 3 WHEN 0 THEN 'FALSE' ELSE 'TRUE' END, 'SQL'
        FROM n CROSS JOIN e"""
