"""How long somebody may wait for the watched databases: for connecting and for every statement together.

A budget is spent by waiting for `dw` and `oltp` and by nothing else. One inside another spends both.
Where there is none (a command in a terminal), the driver's own limits are all that holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from django.db.utils import OperationalError

T = TypeVar("T")

clock: Callable[[], float] = time.monotonic


class OutOfTime(OperationalError):
    """The time was used up while waiting. Carries the SQLSTATE that a driver gives for it."""

    text = "Given up by the portal: there was no answer in time"

    def __init__(self) -> None:
        super().__init__("HYT00", f"[HYT00] {self.text}")


class NotBegun(OutOfTime):
    """There was no time left to begin with: it says nothing about what would have been asked."""

    text = "Not asked by the portal: the time was used up before"


class Budget:
    """Seconds that may be waited. `breaks`: a database that just did not answer is not waited for again."""

    def __init__(self, seconds: float, outer: Budget | None, *, breaks: bool) -> None:
        self.breaks = breaks
        self._seconds, self._outer = seconds, outer
        self._since: float | None = None

    def left(self) -> float:
        """Return the seconds left, perhaps less than none."""
        spent = 0.0 if self._since is None else clock() - self._since
        own = self._seconds - spent
        return own if self._outer is None else min(own, self._outer.left())

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time inside the block. Raises NotBegun where there is none left."""
        if self.left() <= 0:
            raise NotBegun
        if self._since is not None:  # part of a longer wait, which counts already
            yield
            return
        outer = self._outer
        self._since = clock()
        try:
            if outer is None:
                yield
            else:
                with outer.spending():
                    yield
        finally:
            self._seconds -= clock() - self._since
            self._since = None


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


def current() -> Budget | None:
    """Return the budget that holds here, None where nobody counts."""
    return _budget.get()


@contextmanager
def budget(seconds: float, *, breaks: bool | None = None, anew: bool = False) -> Iterator[Budget]:
    """Give what is inside `seconds` to wait for the watched databases, within an outer budget unless `anew`.

    `breaks`: see Budget; None takes it over from outside.
    """
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
    """Count the time inside the block where somebody counts. Raises NotBegun."""
    if (found := _budget.get()) is None:
        yield
    else:
        with found.spending():
            yield


def used_up() -> bool:
    """Whether there is a budget, and nothing left of it."""
    found = _budget.get()
    return found is not None and found.left() <= 0


def begun(act: Callable[[], T]) -> Future[T]:
    """Begin `act` in a thread of its own; return its future."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(act())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="warehouse", daemon=True).start()
    return future
