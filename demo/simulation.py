"""Run the shop and the ETL: two weeks in virtual time, reproducible by seed, then live until stopped."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from demo import faults
from demo.faults import Fault
from demo.pipelines import BY_HAND, PIPELINES, SCHEDULER
from demo.runner import RealClock, Runner, VirtualClock
from demo.sessions import SEED, sample
from demo.shop import STORY_EVERY, Shop
from demo.warehouse import EmbeddedWarehouse, ServerWarehouse, Sqlite, WarehouseGone
from etlportal.backends.embedded.base import create_schema

logger = logging.getLogger(__name__)

DAYS = 14
EVERY = timedelta(minutes=30)
STORY_AGE = timedelta(hours=3)
CALM = timedelta(hours=10)
"""No other failure is injected in the last hours, so that a new user sees one problem."""

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

LIVE_SECONDS = 60.0
SHOP_SECONDS = 5.0
WAIT_SECONDS = 30.0
BUSTLE = 30.0
"""A live minute is as busy as half an hour of the history, so that runs load as much as usual."""
MOST_AT_ONCE = 300
CALM_RUNS = 10


def build(folder: Path, now: datetime, seed: int = SEED, days: int = DAYS) -> tuple[int, int]:
    """Replace the warehouse in `folder`; its history ends at `now` (naive UTC). Return its runs and executions.

    It is built in another folder and renamed at the end, so that a half-built one is never visible. Raises OSError and
    sqlite3.Error, for example when the disk is full.
    """
    beside = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(beside, ignore_errors=True)
    warehouse = EmbeddedWarehouse(beside)
    for schema, path in warehouse.files().items():
        create_schema(path, schema)
    runner_log = logging.getLogger("demo.runner")
    runner_log.disabled = True  # the failures of the history are wanted
    try:
        with (
            closing(warehouse.connect("dw", building=True)) as dw,
            closing(warehouse.connect("oltp", building=True)) as oltp,
        ):
            _live_through(dw, oltp, now.replace(microsecond=0), seed, days)
            runs = dw.execute("SELECT COUNT(*) FROM audit.etl_run").fetchone()[0]
            executions = dw.execute("SELECT COUNT(*) FROM audit.etl_run_entity").fetchone()[0]
    finally:
        runner_log.disabled = False
    for path in warehouse.files().values():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(folder)
    return runs, executions


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

    pause = partial(_pause, rng)
    runner = Runner(dw=dw, oltp=oltp, dialect=dialect, clock=clock, capture=sample, fault=fault, pause=pause)
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
        stray = _stray_fault(rng, 1 / 30) if at < now - CALM else {}
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
        Sqlite().insert(dw, "ctl.etl_control", "", row)
    dw.commit()


def _stray_fault(rng: random.Random, chance: float) -> dict[str, Fault]:
    """Return, with this chance, one failure that the next run does not repeat."""
    if rng.random() >= chance:
        return {}
    return {rng.choice(list(PIPELINES)): rng.choice(_STRAY)}


def _pause(rng: random.Random, entity: str, batch: int) -> float:
    """Return the seconds of a load (batch 0) or of a batch: a run of eight pipelines takes about 20 s."""
    heavy = 1.5 if entity.startswith("fact_") else 1.0
    return rng.uniform(0.6, 1.0) if batch else heavy * rng.uniform(0.9, 2.1)


def run_live(warehouse: EmbeddedWarehouse | ServerWarehouse, clock: RealClock) -> None:
    """Alternate the shop and the ETL until the clock is stopped. With a pace of 2 a run starts every 30 s."""
    failures = 0
    while not clock.stopped.is_set():
        try:
            with closing(warehouse.connect("dw")) as dw, closing(warehouse.connect("oltp")) as oltp:
                for _ in _live_runs(warehouse, clock, dw, oltp):
                    failures = 0
        except WarehouseGone as error:
            logger.error("The embedded warehouse is gone (%s). `manage.py demo --reset` builds another.", error)
        except warehouse.errors as error:
            logger.error("The warehouse cannot be used (%s). Trying again.", error)
        failures += 1
        clock.sleep(min(WAIT_SECONDS, 2.0**failures) * clock.pace)


def _live_runs(warehouse: EmbeddedWarehouse | ServerWarehouse, clock: RealClock, dw: Any, oltp: Any) -> Iterator[int]:
    """Yield run_id after each run."""
    rng = random.Random()
    warehouse.admit(dw, oltp)
    shop = _live_shop(oltp, warehouse.dialect, rng, clock)
    runner = Runner(
        dw=dw,
        oltp=oltp,
        dialect=warehouse.dialect,
        clock=clock,
        capture=warehouse.sample,
        pause=partial(_pause, rng),
    )
    logger.info("The ETL runs every %g s.", LIVE_SECONDS / clock.pace)
    runs, next_run = 0, clock.now()
    while not clock.stopped.is_set():
        warehouse.check()
        shop.advance(clock.now())
        if clock.now() >= next_run:
            shop.tell_story(clock.now())
            runner.fault = (_stray_fault(rng, 1 / 40) if runs > CALM_RUNS else {}).get
            # The first run loads everything: changed dimensions come before their facts.
            run_id = runner.run(*BY_HAND) if runs and rng.random() < 1 / 20 else runner.run(SCHEDULER)
            runs += 1
            logger.info("Run %d finished.", run_id)
            oltp.commit()  # reading opened a transaction
            if run_id % 60 == 0:
                warehouse.prune(dw, clock.now())
            yield run_id
            next_run = max(next_run + timedelta(seconds=LIVE_SECONDS / clock.pace), clock.now())
        left = (next_run - clock.now()).total_seconds() * clock.pace
        clock.sleep(min(SHOP_SECONDS, max(0.0, left)))


def _live_shop(oltp: Any, dialect: Sqlite, rng: random.Random, clock: RealClock) -> Shop:
    """Return the shop with the state of the tables; in empty tables, open one yesterday."""
    now = clock.now()
    empty = oltp.execute("SELECT COUNT(*) FROM core.regions").fetchone()[0] == 0
    shop = Shop(oltp, dialect, rng, now=now - timedelta(days=1) if empty else now, most=MOST_AT_ONCE)
    if empty:
        logger.info("Filling the sources.")
        shop.open()
        shop.advance(now)
    shop.bustle = BUSTLE * clock.pace
    return shop
