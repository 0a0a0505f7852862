"""One reading for everybody: a hundred viewers cost the warehouse what one costs.

A value is kept for some seconds. When it has aged, one request makes a new one; the others get the
old one meanwhile, or wait where there is none yet. The cache is each process's own: once per process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from etlportal import budget
from monitoring import scope
from monitoring.selectors.local_cache import cache

T = TypeVar("T")
_Entry = tuple[T, float]
"""A value, and until when (seconds since the epoch) it is good."""

KEEP_SECONDS = 600
"""How long an aged value may still be shown while a new one is made."""
LOCK_SECONDS = 60
"""A maker that died holds the others up for this long at most."""
WAIT_SECONDS = 20
STEP_SECONDS = 0.05


class BeingMade(Exception):
    """There is no value yet, and somebody else is making it."""


def shared(key: str, make: Callable[[], T], *, fresh: Callable[[T], float], wait: bool = True) -> T:
    """Return the value of `key`, made by one caller at a time.

    `fresh` says for how many seconds a value is good. Whatever `make` raises reaches the caller
    that made it; it is not kept. Who may see less shares with those who may see as much.
    Raises BeingMade instead of waiting for another caller unless `wait`.
    """
    key = _seen(key)
    entry: _Entry[T] | None = cache.get(key)
    if entry is not None and time.time() < entry[1]:
        return entry[0]
    if cache.add(f"{key}:making", 1, LOCK_SECONDS):
        try:
            return _store(key, make(), fresh)
        finally:
            cache.delete(f"{key}:making")
    if entry is None:
        if not wait:
            raise BeingMade
        entry = _wait(key)
    return entry[0] if entry is not None else _store(key, make(), fresh)


def forget(*keys: str) -> None:
    """Drop what is kept of these keys for readers who may see what this one may."""
    cache.delete_many([_seen(key) for key in keys])


def _seen(key: str) -> str:
    return f"{key}{scope.sight().stamp}"


def _store(key: str, value: T, fresh: Callable[[T], float]) -> T:
    cache.set(key, (value, time.time() + fresh(value)), KEEP_SECONDS)
    return value


def _wait(key: str) -> Any:
    """Return what somebody else is making, or None when it does not come in the time that this reader has."""
    mine = budget.current()
    seconds = WAIT_SECONDS if mine is None else min(WAIT_SECONDS, mine.left())
    if seconds <= 0:
        return None
    with budget.spending():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(STEP_SECONDS, seconds))
            entry = cache.get(key)
            if entry is not None or cache.get(f"{key}:making") is None:
                return entry
    return None
