"""Keeps the lease while its holder works: from a thread of its own, so that a slow statement does not lose it.

A process that is gone, or stopped, loses it within one lease. One whose work hangs loses it a little later: the
thread goes on only as long as the work does.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from etlportal.correlation import Work, new_id, working
from monitoring.actions.lease import renew_lease, renew_seconds
from monitoring.warehouse.reader import release

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
