"""Builds the embedded warehouse: tables, thirty days of history, and the last stretch by the real ETL.

The same seed and the same `now` give the same rows.
"""

from __future__ import annotations

import bisect
import logging
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from demo.clock import VirtualClock
from demo.dialects import SqliteDialect
from demo.events import capturer, clean_up, insert_events
from demo.files import WarehouseFiles
from demo.history import SCHEDULER, SWITCHED_OFF, History, Row, Simulation, text
from demo.jobs import JOBS
from demo.ledger import SOURCES, Ledger
from demo.mishaps import Mishap, Mishaps, lock_timeout
from demo.pacing import Pacing
from demo.people import People
from demo.runner import Runner, extract, write
from demo.schema import create_schema
from demo.sessions import Sessions
from demo.shop import Shop
from demo.shop_rows import KEYS
from demo.store import Changes, upsert

SEED = 20_260_101
DAYS = 30
STRETCH = timedelta(minutes=45)
"""The last part of history, in which the real ETL runs every minute as it will go on to do."""
BUSTLE = 6.0
"""How much busier the shop is once somebody watches."""

_EVERYTHING = "9999-12-31 23:59:59"
_EXTRA_CONTROLS = (
    # (entity, source, target, key, minutes since it was put in)
    ("dim_transportadora", "core.carriers", "dim.DIM_TRANSPORTADORA", "carrier_id", 50),
    ("fact_devolucoes", "core.order_returns", "fact.FACT_DEVOLUCOES", "order_return_id", 3000),
)
"""Beside the nine: one that no runner has run yet, and one whose tables do not exist."""


@dataclass(frozen=True, slots=True)
class Built:
    """What was built: rows by "schema.table", and how many seconds it took."""

    rows: dict[str, int]
    seconds: float


def build(folder: Path, now: datetime, seed: int = SEED, days: int = DAYS) -> Built:
    """Build the warehouse in `folder`, replacing what is there; its history ends at `now` (naive UTC).

    It is built beside and renamed at the end: a half-built one is never seen. Raises OSError and
    sqlite3.Error, for example when the disk is full.
    """
    began = perf_counter()
    beside = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(beside, ignore_errors=True)
    files = WarehouseFiles(beside)
    for schema, path in files.all().items():
        create_schema(path, schema, extras=True)
    now = now.replace(microsecond=0)
    dw, oltp = (files.connect(alias, durable=False) for alias in ("dw", "oltp"))
    with closing(dw), closing(oltp), _quiet():
        _fill(dw, oltp, now, seed, days)
        rows = _count(dw, oltp)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(folder)
    return Built(rows=rows, seconds=perf_counter() - began)


def _fill(dw: sqlite3.Connection, oltp: sqlite3.Connection, now: datetime, seed: int, days: int) -> None:
    end = now - STRETCH
    start = _half_hour(end - timedelta(days=days))
    ledger = Ledger()
    shop = Shop(People(seed), random.Random(seed), start - timedelta(days=1), ledger.changed)
    ledger.shop = shop
    shop.open()
    history = Simulation(shop, ledger, seed, start, end).run()
    _write_audit(dw, history, now)
    _write_core(oltp, shop)
    _load_targets(dw, oltp, history)
    upsert(oltp, SqliteDialect(), "teams", shop.rows["teams"].values())
    oltp.commit()
    _stretch(dw, oltp, shop, now, seed)
    clean_up(dw, now)


def _half_hour(moment: datetime) -> datetime:
    """Return the last full or half hour: when a scheduler would start."""
    return moment.replace(minute=moment.minute // 30 * 30, second=0)


def _write_audit(dw: sqlite3.Connection, history: History, now: datetime) -> None:
    """Write control rows, runs, run entities and login events."""
    _insert(dw, "audit.etl_run", history.runs)
    _insert(dw, "audit.etl_run_entity", history.run_entities)
    insert_events(dw, history.events)
    tables_of = {entity: f"core.{table}" for table, entity in SOURCES.items()}
    for entity, control in history.controls.items():
        job = JOBS[entity]
        names = {"source_table": tables_of[entity], "target_table": job.target, "source_pk_column": job.key_name}
        _insert(dw, "ctl.etl_control", [{"entity_name": entity, **names, **control}])
    for entity, source, target, key, minutes in _EXTRA_CONTROLS:
        at = text(now - timedelta(minutes=minutes))
        names = {"entity_name": entity, "source_table": source, "target_table": target, "source_pk_column": key}
        _insert(dw, "ctl.etl_control", [{**names, "created_at": at, "updated_at": at}])
    dw.commit()


def _write_core(oltp: sqlite3.Connection, shop: Shop) -> None:
    for table in KEYS:
        upsert(oltp, SqliteDialect(), table, shop.rows[table].values())
    oltp.commit()


def _load_targets(dw: sqlite3.Connection, oltp: sqlite3.Connection, history: History) -> None:
    """Put into every target what its pipeline has loaded by now, through the ETL's own jobs.

    The switched-off pipeline's target keeps what it held that day. Of the others, rows younger than
    the cutoff come too: the stretch that follows loads them anyway.
    """
    dialect = SqliteDialect()
    for entity, job in JOBS.items():
        if entity == SWITCHED_OFF:
            upsert(oltp, dialect, "teams", history.teams_when_switched_off)
            oltp.commit()
        rows = extract(oltp, dialect, job, watermark=("1900-01-01 00:00:00", 0), newest=_EVERYTHING, rows=10_000_000)
        write(dw, dialect, job, rows, [_loaded_at(history.starts, row[0]) for row in rows])
        dw.commit()


def _loaded_at(starts: list[str], ts: str) -> str:
    """Return the start of the first run after `ts`: near enough to when its row was loaded."""
    position = min(bisect.bisect_right(starts, ts), len(starts) - 1)
    return starts[position]


def _stretch(dw: sqlite3.Connection, oltp: sqlite3.Connection, shop: Shop, now: datetime, seed: int) -> None:
    """Run the real ETL every minute up to `now`, in virtual time."""
    dialect = SqliteDialect()
    changes = Changes()
    shop.changed = changes.changed
    shop.bustle = BUSTLE
    clock = VirtualClock(shop.now)
    begin = now - STRETCH + timedelta(minutes=2)
    # New for everybody, so that waiting since always does not drown what is late by minutes.
    shop.later("carrier_appears", *(begin - shop.now + timedelta(minutes=minute) for minute in (3, 3, 4, 6, 9, 14)))
    minutes = int((now - begin) / timedelta(minutes=1))
    first = dw.execute("SELECT MAX(run_id) + 1 FROM audit.etl_run").fetchone()[0]
    runner = Runner(
        dw=dw,
        oltp=oltp,
        dialect=dialect,
        clock=clock,
        snapshot=capturer(dw, clock, Sessions(seed)),
        mishap=Mishaps(seed, _last_mishaps(first + minutes)).of,
        pauses=Pacing(seed).of,
    )
    for minute in range(minutes):
        clock.advance_to(begin + timedelta(minutes=minute))
        shop.advance(clock.now())
        changes.write(oltp, dialect)
        if clock.now() + timedelta(seconds=50) > now:
            break  # a slow run came before: another would end after `now`
        runner.run(SCHEDULER)
    shop.advance(now)
    changes.write(oltp, dialect)


def _last_mishaps(end: int) -> dict[int, dict[str, Mishap]]:
    """Plan the runs before run number `end`: a failure that whoever opens the page sees, and sees end."""
    blocked = lock_timeout(random.Random(end))
    plan: dict[int, dict[str, Mishap]] = {run_id: {} for run_id in range(end - 8, end)}
    plan |= {run_id: {"fact_descontos": blocked} for run_id in range(end - 4, end)}
    return plan


def _insert(connection: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    columns = list(rows[0])
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"
    connection.executemany(sql, [tuple(row.values()) for row in rows])


def _count(dw: sqlite3.Connection, oltp: sqlite3.Connection) -> dict[str, int]:
    counts: dict[str, int] = {}
    for connection, schemas in ((dw, ("ctl", "audit", "dim", "fact")), (oltp, ("core",))):
        for schema in schemas:
            names: Any = connection.execute(
                f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1"
            ).fetchall()
            for (name,) in names:
                counts[f"{schema}.{name}"] = connection.execute(f"SELECT COUNT(*) FROM {schema}.{name}").fetchone()[0]
    return counts


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the runner from reporting failures that are months old before they begin."""
    logger = logging.getLogger("demo.runner")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
