"""One sample taken by a page that finds the figures old while nobody collects.

In a thread, so that the page waits a moment at most; one at a time in this process by a lock, and
among all processes by the collector's lease. However many people watch, the warehouse is asked once.
"""

from __future__ import annotations

import logging
import threading
import time

from django.conf import settings
from django.db import connections

from etlportal import breaker, metrics
from etlportal.correlation import Work, new_id, working
from etlportal.databases import WATCHED
from monitoring.collector.lease import Heartbeat, LeaseLost, claim_lease, release_lease
from monitoring.collector.loop import holder_name
from monitoring.collector.memory import Memory
from monitoring.collector.snapshot import Current, current
from monitoring.collector.tick import tick
from monitoring.models.scope import unscoped

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""A sample that failed is not tried again by the very next page."""

_taking = threading.Lock()
_failed_at: float | None = None


def ensure_fresh(state: Current, wait_seconds: float = 1.5) -> Current:
    """Return `state`, or a newer one when it was stale and a sample could be taken in time.

    Costs nothing while the figures are fresh. Never raises: the old figures are better than none. Nobody
    waits for a database that did not answer lately: the sample is taken all the same, for the next page.
    """
    if not state.stale or not settings.SAMPLE_ON_DEMAND or _failed_lately() or not _taking.acquire(blocking=False):
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
        # The thread's own connections: nobody else would close them.
        connections.close_all()
        _taking.release()


def take_one_sample() -> bool:
    """Tick once if nobody holds the lease; return whether it was done. Raises what `default` raises."""
    holder = f"page:{holder_name()}"[:100]
    if not claim_lease(holder=holder):
        return False
    try:
        with unscoped(), Heartbeat(holder) as heartbeat:
            heartbeat.held = True
            ticked = tick(Memory(), holder=holder, between=heartbeat.working)
    except LeaseLost:
        metrics.ticked("lease_lost")
        return False
    finally:
        release_lease(holder=holder)
    metrics.ticked("sampled", ticked.milliseconds / 1000)
    return True


def _failed_lately() -> bool:
    return _failed_at is not None and time.monotonic() - _failed_at < RETRY_SECONDS
