"""Time limits for calls that may never return: a budget of seconds, and a thread that can be abandoned.

A budget counts only the time spent waiting for `dw` and `oltp`. A nested budget also spends the outer one.
Without a budget (a command in a terminal) only the driver's timeouts apply.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any, TypeVar

from django.db import connections
from django.db.utils import OperationalError

T = TypeVar("T")

clock: Callable[[], float] = time.monotonic


class OutOfTime(OperationalError):
    """No answer in time. Carries a driver's SQLSTATE for a timeout."""

    text = "Given up by the portal: there was no answer in time"

    def __init__(self) -> None:
        super().__init__("HYT00", f"[HYT00] {self.text}")


class NotBegun(OutOfTime):
    """The budget was used up before the call began. Says nothing about the server."""

    text = "Not asked by the portal: the time was used up before"


class Budget:
    """Seconds that may be spent waiting. `breaks`: connecting obeys the breaker (etlportal/breaker.py)."""

    def __init__(self, seconds: float, outer: Budget | None, *, breaks: bool) -> None:
        self.breaks = breaks
        self._seconds, self._outer = seconds, outer
        self._since: float | None = None

    def left(self) -> float:
        own = self._seconds - (0.0 if self._since is None else clock() - self._since)
        return own if self._outer is None else min(own, self._outer.left())

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time inside the block, once even if nested. Raises NotBegun when nothing is left."""
        if self.left() <= 0:
            raise NotBegun
        if self._since is not None:
            yield
            return
        self._since = clock()
        try:
            with self._outer.spending() if self._outer else nullcontext():
                yield
        finally:
            self._seconds -= clock() - self._since
            self._since = None


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


def current() -> Budget | None:
    return _budget.get()


@contextmanager
def budget(seconds: float, *, breaks: bool | None = None, anew: bool = False) -> Iterator[Budget]:
    """Limit the waiting in the block to `seconds`, and to an outer budget unless `anew`. See Budget for `breaks`."""
    outer = _budget.get()
    breaks = bool(outer and outer.breaks) if breaks is None else breaks
    made = Budget(seconds, None if anew else outer, breaks=breaks)
    token = _budget.set(made)
    try:
        yield made
    finally:
        _budget.reset(token)


@contextmanager
def spending() -> Iterator[None]:
    """Count the time inside the block against the budget in force, if any. Raises NotBegun."""
    found = _budget.get()
    with found.spending() if found else nullcontext():
        yield


def used_up() -> bool:
    found = _budget.get()
    return found is not None and found.left() <= 0


class CallThread:
    """A daemon thread that runs calls in sequence, and ends when this object is no longer referenced.

    A call that never returns blocks only its thread: not the process, and no request.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        threading.Thread(target=_run, args=(self._calls,), name="bounded-calls", daemon=True).start()
        weakref.finalize(self, self._calls.put, None)

    def begin(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._calls.put((call, future))
        return future


def _run(calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]) -> None:
    while (item := calls.get()) is not None:
        call, future = item
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)
        finally:
            connections.close_all()  # those of this thread
        del item, call, future  # they may hold the last reference to the CallThread


def begin(call: Callable[[], T]) -> Future[T]:
    return CallThread().begin(call)


def wait(future: Future[T], seconds: float) -> T:
    """Return the call's result or raise its error. Raises OutOfTime after `seconds`."""
    try:
        return future.result(max(0.0, seconds))
    except NotInTime:
        if future.done():  # it came at the last moment, or the call itself raised this
            return future.result()
        raise OutOfTime from None
