"""The collector's loop: claims the lease, ticks, waits; stands by while another one collects.

Between two ticks it peeks every few seconds whether a run began: a start is news at once, though
nothing else is looked at more often than COLLECT_IDLE_SECONDS.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from etlportal import metrics
from etlportal.budget import budget
from etlportal.correlation import Work, new_id, working
from monitoring.collector.lease import (
    Heartbeat,
    LeaseLost,
    claim_lease,
    lease_length,
    release_lease,
    renew_lease,
    renew_seconds,
    standby_seconds,
)
from monitoring.collector.memory import Memory
from monitoring.collector.read import DW
from monitoring.collector.tick import Ticked, tick
from monitoring.warehouse.audit import newest_run_id
from monitoring.warehouse.reader import ReadFailed, release

logger = logging.getLogger(__name__)

FAILED_SECONDS = 5.0
DATABASE_SECONDS = 2.0
"""How soon after the portal's own database failed: it may be back at once, and a sample is due."""
PEEK_SECONDS = 3.0
"""With a page's own 10 s this keeps "a run that starts is on the page within 15 s"."""


def holder_name() -> str:
    """Return a name for the lease that no other process, nor this one's next life, has."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


class Collector:
    """One collector. `run` until `stop`; or `turn` by turn, as tests do.

    `collecting`: it held the lease in its last turn. `sampled`: its last turn stored a sample.
    """

    def __init__(self, holder: str | None = None) -> None:
        self.holder = holder or holder_name()
        self.collecting = False
        self.sampled = False
        self._claimed_at = 0.0
        self._standing_by = False
        self._newest_run: int | None = None
        self._peeked: int | None = None
        self._memory = Memory()
        self._stopping = threading.Event()
        self._heartbeat = Heartbeat(self.holder)

    def stop(self) -> None:
        """Ask the loop to end after the tick it is in. Safe to call from a signal handler."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def run(self, wait: Callable[[float], object] | None = None) -> None:
        """Take turns until told to stop, then give the lease back."""
        wait = wait or self._stopping.wait
        try:
            with self._heartbeat:
                while not self.stopping:
                    self._rest(self.turn(), wait)
        finally:
            self.close()

    def turn(self) -> float:
        """Tick once if the lease is ours; return the seconds until the next turn. Never raises."""
        with working(Work("tick", "collector", new_id())):
            return self._turn()

    def _turn(self) -> float:
        release(DEFAULT_DB_ALIAS)
        self.sampled = False
        try:
            if not self._claim():
                return standby_seconds()
            ticked = tick(self._memory, holder=self.holder, between=self._renew)
        except LeaseLost:
            logger.warning("another collector took over")
            metrics.ticked("lease_lost")
            self._lost()
            return standby_seconds()
        except DatabaseError:
            logger.exception("the portal's own database failed")
            metrics.ticked("own_database_failed")
            return DATABASE_SECONDS
        except Exception:
            logger.exception("a tick failed")
            metrics.ticked("failed")
            # What was remembered may be why.
            self._memory = Memory()
            return FAILED_SECONDS
        metrics.ticked("sampled", ticked.milliseconds / 1000)
        self.sampled = True
        self._newest_run = _newest_run(ticked)
        return _pause(ticked)

    def _rest(self, seconds: float, wait: Callable[[float], object]) -> None:
        """Wait `seconds`, or until a run begins."""
        while seconds > 0 and not self.stopping:
            self._heartbeat.working()
            wait(min(PEEK_SECONDS, seconds))
            seconds -= PEEK_SECONDS
            if seconds > 0 and self.sampled and not self.stopping and self._news():
                return

    def _news(self) -> bool:
        """Whether there is news: a run that the last tick did not know, or no answer. One cheap question, never raises.

        A warehouse that stopped answering is told by a tick of its own, once; not at the end of an idle pause.
        """
        if self._newest_run is None:
            return False
        try:
            with budget(PEEK_SECONDS), working(Work("tick", "peek", new_id())):
                newest = newest_run_id(DW) or 0
        except ReadFailed:
            self._newest_run = None  # asked again after a tick that was answered
            return True
        finally:
            release(DW)
        # One start is one early tick, also when that tick could not make a copy of it.
        started = newest not in {self._newest_run, self._peeked}
        self._peeked = newest
        return started

    def close(self) -> None:
        """Give the lease back, so that another takes over at once."""
        try:
            if self.collecting and release_lease(holder=self.holder):
                logger.info("lease released")
        except DatabaseError:
            logger.warning("the lease could not be released: it ends by itself after %s s", lease_length().seconds)
        self._lost()

    def _claim(self) -> bool:
        # Renewed or taken: one that was stopped for long may find it free, though another one had it meanwhile.
        renewed = self.collecting and renew_lease(holder=self.holder)
        claimed = renewed or claim_lease(holder=self.holder)
        self._claimed_at = time.monotonic()
        self._heartbeat.working()
        self._heartbeat.held = claimed
        if not claimed and not self._standing_by:
            logger.info("standing by: another collector holds the lease")
        self._standing_by = not claimed
        if claimed != self.collecting or (claimed and not renewed):
            if claimed:
                logger.info("collecting")
            # While another one collected, `default` changed under what we remember.
            self._memory = Memory()
            self.collecting = claimed
        return claimed

    def _renew(self) -> None:
        self._heartbeat.working()
        if time.monotonic() - self._claimed_at < renew_seconds():
            return
        if not renew_lease(holder=self.holder):
            raise LeaseLost(self.holder)
        self._claimed_at = time.monotonic()

    def _lost(self) -> None:
        self.collecting = self._heartbeat.held = False
        self._memory = Memory()


def _newest_run(ticked: Ticked) -> int | None:
    """The newest run that this tick knows; None when a database did not answer, so that nobody asks one
    that is down more often than the ticks do."""
    snapshot = ticked.snapshot
    if snapshot.problem is not None or snapshot.stale_since is not None:
        return None
    return snapshot.recent_runs[0].run_id if snapshot.recent_runs else 0


def _pause(ticked: Ticked) -> float:
    """Seconds to wait so that ticks start COLLECT_BUSY_SECONDS or COLLECT_IDLE_SECONDS apart."""
    every = settings.COLLECT_BUSY_SECONDS if ticked.busy else settings.COLLECT_IDLE_SECONDS
    return max(1.0, float(every) - ticked.milliseconds / 1000)
