"""The demonstration goes on: the shop sells, and the ETL runs every minute, until somebody stops it."""

from __future__ import annotations

import logging
import random
import sqlite3
from contextlib import closing
from datetime import timedelta

from demo.build import BUSTLE, SEED
from demo.clock import RealClock
from demo.dialects import SqliteDialect
from demo.events import capturer, clean_up
from demo.files import WarehouseFiles, WarehouseGone
from demo.history import SCHEDULER
from demo.mishaps import Mishaps
from demo.pacing import Pacing
from demo.runner import Runner
from demo.sessions import Sessions
from demo.store import Changes, load

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
SHOP_SECONDS = 5.0
WAIT_SECONDS = 30.0
"""The longest wait before looking again for a warehouse that is gone or locked."""
BY_HAND = ("ana.souza", "dba_plantao")
MOST_AT_ONCE = 300
"""Events of the shop per look: after a long stop, what is due is spread over some minutes."""


class LiveEtl:
    """Shop and runner in turns. With `pace` 2, everything goes twice as fast: a run every 30 s."""

    def __init__(self, files: WarehouseFiles, clock: RealClock, pace: float = 1.0, seed: int = SEED) -> None:
        self._files = files
        self._clock = clock
        self._pace = pace
        self._seed = seed
        self._waits = 0

    def run_forever(self) -> None:
        """Work until the clock is stopped; outlive a locked, deleted or replaced warehouse."""
        while not self._clock.stopped:
            try:
                self._work()
            except WarehouseGone as error:
                logger.error("The embedded warehouse is gone (%s). `manage.py demo --reset` builds another.", error)
                self._wait()
            except sqlite3.Error as error:
                logger.error("The embedded warehouse cannot be written (%s). Trying again.", error)
                self._wait()

    def _wait(self) -> None:
        self._waits += 1
        # A locked or missing file waits for somebody, at whatever pace.
        self._clock.sleep(min(WAIT_SECONDS, 2.0**self._waits) * self._pace)

    def _work(self) -> None:
        """Open the warehouse and go on until it is gone or the clock is stopped."""
        identity = self._files.identity()
        dialect, changes = SqliteDialect(), Changes()
        with closing(self._files.connect("dw")) as dw, closing(self._files.connect("oltp")) as oltp:
            now = self._clock.now()
            shop = load(oltp, now=now, seed=self._seed, changes=changes, bustle=BUSTLE * self._pace)
            runner = Runner(
                dw=dw,
                oltp=oltp,
                dialect=dialect,
                clock=self._clock,
                snapshot=capturer(dw, self._clock, Sessions(self._seed)),
                mishap=Mishaps(self._seed).of,
                pauses=Pacing(self._seed).of,
            )
            logger.info("The demonstration's ETL runs every %g s.", EVERY_SECONDS / self._pace)
            next_run = self._clock.now()
            while not self._clock.stopped:
                if self._files.identity() != identity:
                    raise WarehouseGone("its files were replaced")
                shop.advance(self._clock.now(), most=MOST_AT_ONCE)
                changes.write(oltp, dialect)
                if self._clock.now() >= next_run:
                    self._once(runner, dw)
                    next_run = max(next_run + timedelta(seconds=EVERY_SECONDS / self._pace), self._clock.now())
                left = (next_run - self._clock.now()).total_seconds() * self._pace
                self._clock.sleep(min(SHOP_SECONDS, max(0.0, left)))

    def _once(self, runner: Runner, dw: sqlite3.Connection) -> None:
        run_id = runner.run(*who(random.Random(f"{self._seed}:{self._clock.now()}")))
        self._waits = 0
        logger.info("Run %d finished.", run_id)
        if run_id % 60 == 0:
            clean_up(dw, self._clock.now())


def who(rng: random.Random) -> tuple[str, tuple[str, ...] | None]:
    """Return who starts a run and of what: now and then somebody loads one fact by hand."""
    if rng.random() < 1 / 20:
        return rng.choice(BY_HAND), ("fact_vendas", "fact_descontos")
    return SCHEDULER, None
