"""Who collects: one process at a time, by a lease in `default` that must be renewed.

Claimed by a conditional UPDATE whose row count tells who won: two collectors at once do no harm. It is counted by
the database's clock alone, in the statement that claims: neither a machine whose clock is wrong nor a process that
was stopped between two of its steps can believe in a lease that it does not have.

A lease says who may begin. Whether a collector may still write is asked where it writes (`fence`), in the same
transaction: one that hung, and woke up after another took over, writes nothing.
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

from etlportal.correlation import Work, new_id, working
from monitoring.models import CollectorState
from monitoring.models.lookups import DatabaseTime
from monitoring.warehouse.reader import release

SHORTEST, LONGEST = timedelta(seconds=2), timedelta(seconds=15)


class LeaseLost(Exception):
    """Another collector took over while this one looked: its result is dropped."""


def lease_length() -> timedelta:
    """How long a holder that vanished without a word keeps the others waiting.

    Shorter than the shortest pause between two samples, so that no more than one of them is late.
    """
    return min(LONGEST, max(SHORTEST, timedelta(seconds=0.6 * settings.COLLECT_BUSY_SECONDS)))


def renew_seconds() -> float:
    """How often its holder renews it: two renewals may fail."""
    return lease_length().total_seconds() / 3


def standby_seconds() -> float:
    """How often one that stands by asks for it."""
    return lease_length().total_seconds() / 6


def claim_lease(*, holder: str) -> bool:
    """Take or renew the lease for `holder`; return whether it is theirs now.

    A lease that ends later than any lease could was written when the database's clock was another: it counts as free.
    """
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=DatabaseTime()) | Q(lease_until__gt=_never())
    row = CollectorState.objects.filter(Q(lease_holder=holder) | free, pk=CollectorState.SINGLETON)
    if row.update(lease_holder=holder, lease_until=DatabaseTime(lease_length())) == 1:
        return True
    _, created = CollectorState.objects.get_or_create(pk=CollectorState.SINGLETON)
    return created and claim_lease(holder=holder)


def renew_lease(*, holder: str) -> bool:
    """Lengthen the lease of `holder`; False where another one took it (also where that one gave it back since)."""
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder)
    return row.update(lease_until=DatabaseTime(lease_length())) == 1


def release_lease(*, holder: str) -> bool:
    """Give the lease back so that another takes over at once; return whether it was held."""
    released = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder).update(
        lease_holder="", lease_until=None
    )
    return released == 1


_fenced: ContextVar[str | None] = ContextVar("collecting_as", default=None)


@contextmanager
def collecting_as(holder: str) -> Iterator[None]:
    """Say for whom what happens inside this block is written."""
    token = _fenced.set(holder)
    try:
        yield
    finally:
        _fenced.reset(token)


def fence() -> None:
    """Inside a transaction: see to it that whoever collects here still may, until the transaction's end.

    Raises LeaseLost where another one took over. Outside of a collector nothing is asked.
    """
    holder = _fenced.get()
    if holder is None:
        return
    row = CollectorState.objects.select_for_update().filter(pk=CollectorState.SINGLETON, lease_holder=holder)
    if not list(row.values_list("pk", flat=True)):
        raise LeaseLost(holder)


def _never() -> DatabaseTime:
    return DatabaseTime(2 * LONGEST)


logger = logging.getLogger(__name__)

HANGS_SECONDS = 90.0
"""Work that says nothing for so long hangs: more than one look may take (reading.LOOK_SECONDS)."""


class Heartbeat:
    """Renews the lease of `holder` inside a `with` block, while `held` and as long as `working` is called."""

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
        """Say that the work goes on."""
        self._worked_at = time.monotonic()

    def beat(self) -> None:
        """Renew the lease, where it is held and worked under. What `default` does is no reason to end."""
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
