"""The collector's loop, and the sample that a page takes while no collector is running."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from etlportal import breaker, metrics
from etlportal.budget import budget
from etlportal.databases import WATCHED
from etlportal.logs import Work, new_id, working
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
from monitoring.collector.snapshot import Current, current
from monitoring.collector.tick import tick
from monitoring.models.scope import UNLIMITED, limited_to
from monitoring.warehouse.audit import newest_run_id
from monitoring.warehouse.reader import ReadFailed, release

logger = logging.getLogger(__name__)

FAILED_SECONDS = 5.0
DATABASE_SECONDS = 2.0
PEEK_SECONDS = 3.0
"""With the 10 s poll of a page, a new run is visible within 15 s."""


def holder_name() -> str:
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"


class Collector:
    """`collecting`: it held the lease in its last turn. `sampled`: its last turn stored a sample."""

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
        """End the loop after the current tick. Safe to call from a signal handler."""
        self._stopping.set()

    def run(self, wait: Callable[[float], object] | None = None) -> None:
        """Take turns until stopped, then release the lease."""
        wait = wait or self._stopping.wait
        try:
            with self._heartbeat:
                while not self._stopping.is_set():
                    self._rest(self.turn(), wait)
        finally:
            self.close()

    def turn(self) -> float:
        """Tick once if the lease is held. Return the seconds until the next turn. Never raises."""
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
            # The memory may be the cause.
            self._memory = Memory()
            return FAILED_SECONDS
        metrics.ticked("sampled", ticked.milliseconds / 1000)
        self.sampled = True
        snapshot = ticked.snapshot
        newest = snapshot.recent_runs[0].run_id if snapshot.recent_runs else 0
        # After a failed read there is nothing to peek for.
        self._newest_run = newest if snapshot.problem is None and snapshot.stale_since is None else None
        every = settings.COLLECT_BUSY_SECONDS if ticked.busy else settings.COLLECT_IDLE_SECONDS
        return max(1.0, float(every) - ticked.milliseconds / 1000)

    def _rest(self, seconds: float, wait: Callable[[float], object]) -> None:
        while seconds > 0 and not self._stopping.is_set():
            self._heartbeat.working()
            wait(min(PEEK_SECONDS, seconds))
            seconds -= PEEK_SECONDS
            if seconds > 0 and self.sampled and not self._stopping.is_set() and self._news():
                return

    def _news(self) -> bool:
        """Return whether a run began or the warehouse stopped answering. Never raises."""
        if self._newest_run is None:
            return False
        try:
            with budget(PEEK_SECONDS), working(Work("tick", "peek", new_id())):
                newest = newest_run_id(DW) or 0
        except ReadFailed:
            self._newest_run = None  # do not peek again before a tick was answered
            return True
        finally:
            release(DW)
        # One start causes one early tick, also when that tick could not copy the run.
        started = newest not in {self._newest_run, self._peeked}
        self._peeked = newest
        return started

    def close(self) -> None:
        try:
            if self.collecting and release_lease(holder=self.holder):
                logger.info("lease released")
        except DatabaseError:
            logger.warning("the lease could not be released: it ends by itself after %s s", lease_length().seconds)
        self._lost()

    def _claim(self) -> bool:
        # A collector that was stopped for long may find the lease free although another one held it meanwhile.
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
            # While another collector worked, `default` changed.
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


RETRY_SECONDS = 10.0

_taking = threading.Lock()
_failed_at: float | None = None


def ensure_fresh(state: Current, wait_seconds: float = 1.5) -> Current:
    """Return `state`, or a newer one if it was stale and a sample finished within `wait_seconds`. Never raises.

    The sample is taken in a thread. The page does not wait at all while a database does not answer. A lock in this
    process and the collector's lease limit it to one sample at a time.
    """
    failed_lately = _failed_at is not None and time.monotonic() - _failed_at < RETRY_SECONDS
    if not state.stale or not settings.SAMPLE_ON_DEMAND or failed_lately or not _taking.acquire(blocking=False):
        return state
    thread = threading.Thread(target=_take_and_unlock, name="sample-on-demand", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        _taking.release()
        return state
    thread.join(0.0 if any(map(breaker.down, WATCHED)) else wait_seconds)
    return state if thread.is_alive() else current()


def _take_and_unlock() -> None:
    global _failed_at  # noqa: PLW0603 (one process, one lock)
    try:
        with working(Work("tick", "on-demand", new_id())):
            take_one_sample()
        _failed_at = None
    except Exception:
        _failed_at = time.monotonic()
        metrics.ticked("failed")
        logger.exception("a page could not take a sample")
    finally:
        # The connections belong to this thread, so nothing else closes them.
        connections.close_all()
        _taking.release()


def take_one_sample() -> bool:
    """Tick once if the lease is free. Return whether it ticked. Raises the errors of `default`."""
    holder = f"page:{holder_name()}"[:100]
    if not claim_lease(holder=holder):
        return False
    try:
        with limited_to(UNLIMITED), Heartbeat(holder) as heartbeat:
            heartbeat.held = True
            ticked = tick(Memory(), holder=holder, between=heartbeat.working)
    except LeaseLost:
        metrics.ticked("lease_lost")
        return False
    finally:
        release_lease(holder=holder)
    metrics.ticked("sampled", ticked.milliseconds / 1000)
    return True
