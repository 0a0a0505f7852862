"""The live demo: the shop sells and the ETL runs every minute until stopped."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.build import SCHEDULER, pacing, stray_fault
from demo.dialects import Sqlite
from demo.files import WarehouseFiles, WarehouseGone
from demo.runner import Runner
from demo.sessions import capture, clean_up
from demo.shop import Shop

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
SHOP_SECONDS = 5.0
WAIT_SECONDS = 30.0
BUSTLE = 30.0
"""A live minute is as busy as half an hour of the history, so that runs load as much as usual."""
MOST_AT_ONCE = 300
CALM_RUNS = 10
BY_HAND = ("ana.souza", ("dim_cliente", "dim_produto"))


class RealClock:
    """The system clock. With `pace` 2 waits take half as long; after `stop` they take no time."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._stopped = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._stopped.wait(seconds / self._pace)

    def stop(self) -> None:
        """End the current and all later waits, so that the run in progress finishes at once."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()


@dataclass(slots=True, kw_only=True)
class LiveEtl:
    """Alternates the shop and the ETL. With `pace` 2 a run starts every 30 s.

    `connect` opens "dw" or "oltp". `admit(dw, oltp)` raises when the new connections may not be written to, and
    `check()` when the existing ones no longer may. `sample` and `prune` stand for the two audit procedures.
    """

    connect: Callable[[str], Any]
    errors: tuple[type[Exception], ...]
    clock: RealClock
    pace: float = 1.0
    dialect: Sqlite
    admit: Callable[[Any, Any], None]
    check: Callable[[], None]
    sample: Callable[[Any], None]
    prune: Callable[[Any], object]
    failures: int = 0

    def run_forever(self) -> None:
        while not self.clock.stopped:
            try:
                with closing(self.connect("dw")) as dw, closing(self.connect("oltp")) as oltp:
                    self._work(dw, oltp)
            except WarehouseGone as error:
                self._wait(f"The embedded warehouse is gone ({error}). `manage.py demo --reset` builds another.")
            except self.errors as error:
                self._wait(f"The warehouse cannot be used ({error}). Trying again.")

    def _wait(self, message: str) -> None:
        logger.error(message)
        self.failures += 1
        self.clock.sleep(min(WAIT_SECONDS, 2.0**self.failures) * self.pace)

    def _work(self, dw: Any, oltp: Any) -> None:
        rng = random.Random()
        self.admit(dw, oltp)
        shop = self._shop(oltp, rng)
        stray: dict[str, Any] = {}
        runner = Runner(
            dw=dw,
            oltp=oltp,
            dialect=self.dialect,
            clock=self.clock,
            capture=lambda: self.sample(dw),
            fault=stray.get,
            pause=pacing(rng),
        )
        logger.info("The ETL runs every %g s.", EVERY_SECONDS / self.pace)
        runs, next_run = 0, self.clock.now()
        while not self.clock.stopped:
            self.check()
            shop.advance(self.clock.now())
            if self.clock.now() >= next_run:
                shop.tell_story(self.clock.now())
                stray.clear()
                stray.update(stray_fault(rng, 1 / 40) if runs > CALM_RUNS else {})
                # The first run loads everything: changed dimensions come before their facts.
                run_id = runner.run(*BY_HAND) if runs and rng.random() < 1 / 20 else runner.run(SCHEDULER)
                runs, self.failures = runs + 1, 0
                logger.info("Run %d finished.", run_id)
                oltp.commit()  # reading opened a transaction
                if run_id % 60 == 0:
                    self.prune(dw)
                next_run = max(next_run + timedelta(seconds=EVERY_SECONDS / self.pace), self.clock.now())
            left = (next_run - self.clock.now()).total_seconds() * self.pace
            self.clock.sleep(min(SHOP_SECONDS, max(0.0, left)))

    def _shop(self, oltp: Any, rng: random.Random) -> Shop:
        """Return the shop with the state of the tables; in empty tables, open one yesterday."""
        now = self.clock.now()
        cursor = oltp.cursor()
        cursor.execute("SELECT COUNT(*) FROM core.regions")
        empty = cursor.fetchone()[0] == 0
        start = now - timedelta(days=1) if empty else now
        shop = Shop(oltp, self.dialect, rng, now=start, most=MOST_AT_ONCE)
        if empty:
            logger.info("Filling the sources.")
            shop.open()
            shop.advance(now)
        shop.bustle = BUSTLE * self.pace
        return shop


def embedded(files: WarehouseFiles, clock: RealClock, pace: float = 1.0) -> LiveEtl:
    opened: list[object] = []

    def admit(dw: Any, oltp: Any) -> None:
        opened[:] = [files.identity()]

    def check() -> None:
        if opened != [files.identity()]:
            raise WarehouseGone("its files were replaced")

    def sample(dw: Any) -> None:
        capture(dw, clock.now())
        dw.commit()

    return LiveEtl(
        connect=files.connect,
        errors=(sqlite3.Error,),
        clock=clock,
        pace=pace,
        dialect=Sqlite(),
        admit=admit,
        check=check,
        sample=sample,
        prune=lambda dw: clean_up(dw, clock.now()),
    )
