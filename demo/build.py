"""Build the embedded warehouse: tables, a shop, and two weeks of ETL runs in virtual time, reproducible by seed."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

from demo import faults
from demo.dialects import Sqlite
from demo.faults import Fault
from demo.files import WarehouseFiles
from demo.pipelines import PIPELINES
from demo.runner import Runner
from demo.sessions import SEED, capture
from demo.shop import STORY_EVERY, Shop
from etlportal.backends.embedded.base import create_schema

DAYS = 14
EVERY = timedelta(minutes=30)
STORY_AGE = timedelta(hours=3)
CALM = timedelta(hours=10)
"""No other failure is injected in the last hours, so that a new user sees one problem."""

SCHEDULER = "svc_etl"
SWITCHED_OFF, SWITCHED_OFF_DAYS = "dim_equipe", 9
BATCH_SIZES = {"fact_vendas": 20, "fact_descontos": 20}
"""Small, so that a demo run commits more than one batch."""

EPISODES = (
    # (days ago, runs in a row, pipeline or "" for all, fault)
    (13.1, 1, "fact_vendas", faults.DEADLOCK),
    (12.3, 20, "dim_produto", faults.TRUNCATION),
    (10.4, 10, "dim_cliente", faults.DUPLICATE_KEY),
    (8.4, 3, "dim_vendedor", faults.PERMISSION),
    (7.3, 3, "fact_vendas", faults.FOREIGN_KEY),
    (5.1, 2, "", faults.LINK_FAILURE),
    (3.3, 12, "fact_metas", faults.CONVERSION),
    (2.2, 1, "fact_descontos", faults.QUERY_TIMEOUT),
    (1.2, 2, "dim_cliente", faults.LOCK_TIMEOUT),
)
_STRAY = (faults.DEADLOCK, faults.LOCK_TIMEOUT, faults.QUERY_TIMEOUT)


class VirtualClock:
    """A clock that moves only when it sleeps or is set."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))

    def advance_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)


@dataclass(frozen=True, slots=True)
class Built:
    runs: int
    executions: int
    seconds: float


def build(folder: Path, now: datetime, seed: int = SEED, days: int = DAYS) -> Built:
    """Replace the warehouse in `folder`; its history ends at `now` (naive UTC).

    It is built in another folder and renamed at the end, so that a half-built one is never visible. Raises OSError and
    sqlite3.Error, for example when the disk is full.
    """
    began = perf_counter()
    beside = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(beside, ignore_errors=True)
    files = WarehouseFiles(beside)
    for schema, path in files.all().items():
        create_schema(path, schema)
    with closing(files.connect("dw", building=True)) as dw, closing(files.connect("oltp", building=True)) as oltp:
        with _quiet():
            _live_through(dw, oltp, now.replace(microsecond=0), seed, days)
        runs, executions = (
            dw.execute(f"SELECT COUNT(*) FROM audit.{table}").fetchone()[0] for table in ("etl_run", "etl_run_entity")
        )
    for path in files.all().values():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(folder)
    return Built(runs, executions, perf_counter() - began)


def _live_through(dw: sqlite3.Connection, oltp: sqlite3.Connection, now: datetime, seed: int, days: int) -> None:
    """Simulate the days before `now`: one run every half hour."""
    rng, dialect = random.Random(seed), Sqlite()
    last = now - timedelta(minutes=1)
    last = last.replace(minute=last.minute // 30 * 30, second=0)
    start = last - timedelta(days=days)
    add_pipelines(dw, start)
    shop = Shop(oltp, dialect, rng, now=start - timedelta(hours=1))
    shop.open()
    clock = VirtualClock(start)
    story = start + (timedelta(days=days) - STORY_AGE) % STORY_EVERY
    stray: dict[str, Fault] = {}

    def fault(entity: str) -> Fault | None:
        for days_ago, runs, victim, found in EPISODES:
            begin = last - timedelta(days=days_ago)
            if victim in {entity, ""} and begin <= clock.now() < begin + runs * EVERY:
                return found
        return stray.get(entity)

    def sample() -> None:
        capture(dw, clock.now())
        dw.commit()

    runner = Runner(
        dw=dw, oltp=oltp, dialect=dialect, clock=clock, capture=sample, fault=fault, pause=pacing(rng)
    )  # fmt: skip
    at = start
    while at <= last:
        clock.advance_to(at)
        shop.advance(at)
        if at >= story:
            shop.tell_story(at)
        if at >= now - timedelta(days=SWITCHED_OFF_DAYS) > at - EVERY:
            dw.execute(
                "UPDATE ctl.etl_control SET is_active = 0, updated_at = ? WHERE entity_name = ?",
                (dialect.time(at), SWITCHED_OFF),
            )
        stray = stray_fault(rng, 1 / 30) if at < now - CALM else {}
        runner.run(SCHEDULER)
        at += EVERY
    shop.advance(now)


def add_pipelines(dw: sqlite3.Connection, at: datetime) -> None:
    moment = Sqlite().time(at)
    for pipeline in PIPELINES.values():
        row = {
            "entity_name": pipeline.entity,
            "source_table": pipeline.source,
            "target_table": pipeline.target,
            "source_pk_column": pipeline.key,
            "batch_size": BATCH_SIZES.get(pipeline.entity, 50),
            "created_at": moment,
            "updated_at": moment,
        }
        Sqlite().insert(dw.cursor(), "ctl.etl_control", "", row)
    dw.commit()


def stray_fault(rng: random.Random, chance: float) -> dict[str, Fault]:
    """Return, with this chance, one failure that the next run does not repeat."""
    if rng.random() >= chance:
        return {}
    return {rng.choice(list(PIPELINES)): rng.choice(_STRAY)}


def pacing(rng: random.Random) -> Callable[[str, int], float]:
    """Return the seconds of a load and of its batches: a run of eight pipelines takes about 20 s."""

    def pause(entity: str, batch: int) -> float:
        heavy = 1.5 if entity.startswith("fact_") else 1.0
        return rng.uniform(0.6, 1.0) if batch else heavy * rng.uniform(0.9, 2.1)

    return pause


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("demo.runner")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
