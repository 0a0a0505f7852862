"""Shared by the backends of the watched databases: breaker on connect, budget on driver calls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property

from etlportal import breaker
from etlportal import budget as budgets
from etlportal.budget import CallThread, NotBegun, OutOfTime

T = TypeVar("T")

FAIR_SECONDS = 1.0
"""A connect attempt with less time than this does not trip the breaker."""
LATE_SECONDS = 30.0
"""Seconds that a connection opened too late for one request is kept for the next."""

_late: dict[str, tuple[float, CallThread, Future[Any]]] = {}


class NamedErrors(DatabaseErrorWrapper):
    """Set `alias` on each translated driver error, for the error page."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            super().__exit__(kind, error, traceback)
        except Error as translated:
            error = translated
            raise
        finally:
            if isinstance(error, Error):
                error.alias = self.wrapper.alias  # type: ignore[attr-defined]


class BoundedWrapper(BaseDatabaseWrapper):
    """Must come before the database's own wrapper in the bases."""

    _thread: CallThread | None = None

    @cached_property
    def wrap_database_errors(self) -> NamedErrors:
        return NamedErrors(self)

    def connect(self) -> None:
        """Open the connection. Raises NotAsked, OutOfTime, and the driver's errors.

        A half-opened connection is dropped: Django would use it without its session settings.
        """
        budget = budgets.current()
        if budget is not None and budget.breaks:
            breaker.check(self.alias)
        seconds = math.inf if budget is None else budget.left()
        try:
            with budgets.spending():
                super().connect()
        except Exception as error:
            self.connection = None
            if seconds >= FAIR_SECONDS or not isinstance(error, OutOfTime):
                error.while_connecting = True  # type: ignore[attr-defined]
                breaker.failed(self.alias, error)
            raise
        breaker.answered(self.alias)

    def close_if_unusable_or_obsolete(self) -> None:
        """Close a connection that raised, without Django's health check, which a hanging server would delay."""
        if self.errors_occurred and not self.in_atomic_block:
            self.close()
        super().close_if_unusable_or_obsolete()

    def opened(self, connect: Callable[[], T]) -> T:
        """Return the driver's connection, opened within the budget.

        A connection that opens later is kept for the next request, so that a slow line succeeds eventually.
        """
        budget = budgets.current()
        if budget is None:
            return connect()
        if (late := _late.pop(self.alias, None)) is not None:
            since, self._thread, opened = late
            # An attempt that still hangs began before the server came back, so a new one is made.
            if time.monotonic() - since < LATE_SECONDS and opened.done() and opened.exception() is None:
                connection: T = opened.result()
                return connection
        self._thread = CallThread()
        future = self._thread.begin(connect)
        try:
            return budgets.wait(future, budget.left())
        except OutOfTime:
            _late[self.alias] = (time.monotonic(), self._thread, future)
            raise

    def bounded(self, call: Callable[[], T]) -> T:
        """Return the result of `call`, a driver call on this connection. Raises OutOfTime.

        It runs in the connection's thread, because the driver exceeds its own timeout: it waits two more seconds for a
        server that does not confirm the cancellation. A connection that is still busy after the wait is abandoned: it
        must not be used again, and ends with its thread.
        """
        budget = budgets.current()
        if budget is None:
            return call()
        with budget.spending():
            self._thread = self._thread or CallThread()
            future = self._thread.begin(call)
            try:
                return budgets.wait(future, budget.left())
            except BaseException:
                if not future.done():
                    self.connection = self._thread = None
                raise


def forget() -> None:
    _late.clear()


def whole_seconds(limit: int) -> int:
    """Return the driver's timeout: `limit` (0: none), at most the remaining budget, at least one second."""
    budget = budgets.current()
    if budget is None:
        return limit
    if (left := budget.left()) <= 0:
        raise NotBegun
    seconds = math.ceil(left)
    return min(limit, seconds) if limit else seconds


class BoundedCursor:
    """A driver's cursor whose calls obey the budget."""

    def __init__(self, cursor: Any, wrapper: BoundedWrapper) -> None:
        self._cursor, self._wrapper, self._connection = cursor, wrapper, wrapper.connection

    def execute(self, *args: Any) -> BoundedCursor:
        self._wrapper.bounded(lambda: self._cursor.execute(*args))
        return self

    def __iter__(self) -> Any:
        return iter(self.fetchall())

    def close(self) -> None:
        # Closing a cursor while the driver works on an abandoned connection crashes the process.
        if self._wrapper.connection is self._connection:
            self._cursor.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        if name not in ("executemany", "fetchone", "fetchmany", "fetchall"):
            return found
        return lambda *args: self._wrapper.bounded(lambda: found(*args))
