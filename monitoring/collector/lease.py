"""The lease in `default` that lets one process collect at a time. Its holder must renew it.

A conditional UPDATE claims it by the database's clock, so a wrong local clock or a process paused between two steps
cannot claim it by mistake. `fence` checks the lease inside the writing transaction: a collector that hung while another
one took over writes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.models import Q

from etlportal.logs import Work, new_id, working
from monitoring.models import CollectorState
from monitoring.models.lookups import DatabaseTime
from monitoring.warehouse.reader import release

logger = logging.getLogger(__name__)

HANGS_SECONDS = 90.0
"""A collector that reports no progress for this long hangs. Must be more than read.READ_SECONDS."""
SHORTEST, LONGEST = timedelta(seconds=2), timedelta(seconds=15)


class LeaseLost(Exception):
    """Another collector took over during this tick. The result of the tick is dropped."""


def lease_length() -> timedelta:
    """Return a length below the shortest tick interval, so that a dead holder delays at most one sample."""
    return min(LONGEST, max(SHORTEST, timedelta(seconds=0.6 * settings.COLLECT_BUSY_SECONDS)))


def renew_seconds() -> float:
    """Two renewals may fail before the lease ends."""
    return lease_length().total_seconds() / 3


def standby_seconds() -> float:
    return lease_length().total_seconds() / 6


def claim_lease(*, holder: str) -> bool:
    """Claim or renew the lease. A lease too far in the future (the database's clock went back) counts as free."""
    too_late = DatabaseTime(2 * LONGEST)
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=DatabaseTime()) | Q(lease_until__gt=too_late)
    row = CollectorState.objects.filter(Q(lease_holder=holder) | free, pk=CollectorState.SINGLETON)
    if row.update(lease_holder=holder, lease_until=DatabaseTime(lease_length())) == 1:
        return True
    _, created = CollectorState.objects.get_or_create(pk=CollectorState.SINGLETON)
    return created and claim_lease(holder=holder)


def renew_lease(*, holder: str) -> bool:
    """Extend the lease. Return False if another holder claimed it, even if it was released since."""
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder)
    return row.update(lease_until=DatabaseTime(lease_length())) == 1


def release_lease(*, holder: str) -> bool:
    released = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder).update(
        lease_holder="", lease_until=None
    )
    return released == 1


_fenced: ContextVar[str | None] = ContextVar("collecting_as", default=None)


@contextmanager
def collecting_as(holder: str) -> Iterator[None]:
    token = _fenced.set(holder)
    try:
        yield
    finally:
        _fenced.reset(token)


def fence() -> None:
    """Lock the lease until the end of the transaction. Raises LeaseLost. Does nothing outside of a collector."""
    holder = _fenced.get()
    if holder is None:
        return
    row = CollectorState.objects.select_for_update().filter(pk=CollectorState.SINGLETON, lease_holder=holder)
    if not list(row.values_list("pk", flat=True)):
        raise LeaseLost(holder)


class Heartbeat:
    """Renews the lease in a thread while `held`, as long as `working` is called."""

    def __init__(self, holder: str) -> None:
        self.held = False
        self._holder = holder
        self._worked_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Heartbeat:
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(renew_seconds())

    def working(self) -> None:
        self._worked_at = time.monotonic()

    def beat(self) -> None:
        """Renew the lease if it is held and the work goes on. Database errors do not end the thread."""
        if not self.held or time.monotonic() - self._worked_at > HANGS_SECONDS:
            return
        try:
            release(DEFAULT_DB_ALIAS)
            if not renew_lease(holder=self._holder):
                self.held = False
        except DatabaseError as error:
            logger.warning("the lease could not be renewed: %s", type(error).__name__)

    def _run(self) -> None:
        try:
            while not self._stopped.wait(renew_seconds()):
                with working(Work("tick", "heartbeat", new_id())):
                    self.beat()
        finally:
            connections.close_all()
