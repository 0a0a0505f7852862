"""What both backends of the watched databases share: nobody waits longer than their budget.

Connecting asks the breaker first and tells it the outcome. A connection whose opening failed half-way
is dropped: Django would keep and use it, without the settings of its session.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, TypeVar

from etlportal import breaker
from etlportal import budget as budgets
from etlportal.budget import NotBegun, OutOfTime

T = TypeVar("T")

FAIR_SECONDS = 1.0
"""Who had less time than this to connect has learned nothing about the server."""
LATE_SECONDS = 30.0
"""How long a connection that came too late for who asked is kept for who asks next."""

_late: dict[str, tuple[float, Future[Any]]] = {}


class BoundedWrapper:
    """Mixed in before a DatabaseWrapper."""

    alias: str
    connection: Any
    errors_occurred: bool
    in_atomic_block: bool
    close: Callable[[], None]

    def connect(self) -> None:
        """Open the connection. Raises NotAsked, OutOfTime, and what the driver raises."""
        budget = budgets.current()
        if budget is not None and budget.breaks:
            breaker.check(self.alias)
        seconds = math.inf if budget is None else budget.left()
        try:
            with budgets.spending():
                super().connect()  # type: ignore[misc]
        except Exception as error:
            self.connection = None
            if seconds >= FAIR_SECONDS or not isinstance(error, OutOfTime):
                error.while_connecting = True  # type: ignore[attr-defined]
                breaker.failed(self.alias, error)
            raise
        breaker.answered(self.alias)

    def close_if_unusable_or_obsolete(self) -> None:
        """Django's, at the ends of a request, but a connection that raised is dropped without asking it whether it
        still lives: one that hangs would take its time outside of any budget."""
        if self.errors_occurred and not self.in_atomic_block:
            self.close()
        super().close_if_unusable_or_obsolete()  # type: ignore[misc]

    def opened(self, connect: Callable[[], T]) -> T:
        """Return the driver's connection, opened within the budget.

        One that comes too late is kept for the next who asks: over a slow line it comes at last.
        """
        budget = budgets.current()
        if budget is None:
            return connect()
        since, kept = _late.pop(self.alias, (0.0, None))
        # One that still hangs began while the server was perhaps away: it proves nothing about now.
        if kept is not None and time.monotonic() - since < LATE_SECONDS and kept.done() and kept.exception() is None:
            came: T = kept.result()
            return came
        future = budgets.begun(connect)
        try:
            return future.result(max(0.0, budget.left()))
        except NotInTime:
            _late[self.alias] = (time.monotonic(), future)
            raise OutOfTime from None

    def bounded(self, act: Callable[[], T]) -> T:
        """Return what `act` returns, a call of the driver's on this connection, within the budget.

        In a thread, because the driver's own limit does not hold: it waits two seconds more for a server that
        does not confirm the end of a statement. Whoever stops waiting, for whatever reason, lets go of the
        connection: it may be busy for seconds yet, must not be touched meanwhile, and ends with its thread.
        """
        budget = budgets.current()
        if budget is None:
            return act()
        with budget.spending():
            future = budgets.begun(act)
            try:
                return future.result(max(0.0, budget.left()))
            except BaseException as error:
                if future.done():
                    raise
                self.connection = None
                if isinstance(error, NotInTime):
                    raise OutOfTime from None
                raise


def forget() -> None:
    """Let go of connections that came too late (between tests)."""
    _late.clear()


def whole_seconds(limit: int) -> int:
    """Return a driver's time limit: `limit` (0: none), no more than the budget has left, at least a second."""
    budget = budgets.current()
    if budget is None:
        return limit
    if (left := budget.left()) <= 0:
        raise NotBegun
    seconds = math.ceil(left)
    return min(limit, seconds) if limit else seconds


class BoundedCursor:
    """A driver's cursor whose calls end with the budget, whatever the driver does."""

    def __init__(self, cursor: Any, wrapper: BoundedWrapper) -> None:
        self._cursor, self._wrapper, self._connection = cursor, wrapper, wrapper.connection

    def execute(self, *args: Any) -> BoundedCursor:
        self._bounded(lambda: self._cursor.execute(*args))
        return self

    def executemany(self, *args: Any) -> None:
        self._bounded(lambda: self._cursor.executemany(*args))

    def fetchone(self) -> Any:
        return self._bounded(self._cursor.fetchone)

    def fetchmany(self, *args: Any) -> Any:
        return self._bounded(lambda: self._cursor.fetchmany(*args))

    def fetchall(self) -> Any:
        return self._bounded(self._cursor.fetchall)

    def __iter__(self) -> Any:
        return iter(self.fetchall())

    def close(self) -> None:
        # The wrapper let go of the connection: a thread still waits on it, and a cursor that is closed under a
        # driver at work crashes the process; or it died, and closing would hide why.
        if self._wrapper.connection is self._connection:
            self._cursor.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def _bounded(self, act: Callable[[], T]) -> T:
        return self._wrapper.bounded(act)
