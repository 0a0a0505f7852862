"""Values that one request makes and the others share, in the memory of this process.

Django's default cache is shared by all processes (etlportal/environment.py) and holds limits. Pages use this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.utils.connection import ConnectionProxy

from etlportal import budget
from monitoring.models import scope

cache: BaseCache = ConnectionProxy(caches, "local")  # type: ignore[assignment]

T = TypeVar("T")

KEEP_SECONDS = 600
"""How long an expired value may still be returned while another request makes a new one."""
LOCK_SECONDS = 60
"""A request that died while it made a value blocks the others for this long at most."""
WAIT_SECONDS = 20
STEP_SECONDS = 0.05


class RenderInProgress(Exception):
    """Another request is making the value, and there is no old one."""


def cached_once(
    key: str, make: Callable[[], T], *, fresh: Callable[[T], float], wait: bool = True, lock: str = ""
) -> T:
    """Return the cached value of `key`, or make it; one request at a time makes it.

    `fresh(value)` is the number of seconds for which a value is good. Other requests get the expired value meanwhile.
    If there is none they wait, or raise RenderInProgress if `wait` is False. An exception of `make` is not cached.
    Users with the same pipeline scope share a value. `lock`: the name of a lock that several keys have in common.
    """
    key = _scoped(key)
    lock = lock or f"{key}:lock"
    entry: tuple[T, float] | None = cache.get(key)
    if entry is not None and time.time() < entry[1]:
        return entry[0]
    if cache.add(lock, 1, LOCK_SECONDS):
        try:
            return _store(key, make(), fresh)
        finally:
            cache.delete(lock)
    if entry is None:
        if not wait:
            raise RenderInProgress
        entry = _wait(key)
    return entry[0] if entry is not None else _store(key, make(), fresh)


def forget(*keys: str) -> None:
    """Delete the cached values of these keys for the pipeline scope of this request."""
    cache.delete_many([_scoped(key) for key in keys])


def _scoped(key: str) -> str:
    return f"{key}{scope.reader_scope().stamp}"


def _store(key: str, value: T, fresh: Callable[[T], float]) -> T:
    cache.set(key, (value, time.time() + fresh(value)), KEEP_SECONDS)
    return value


def _wait(key: str) -> Any:
    mine = budget.current()
    seconds = WAIT_SECONDS if mine is None else min(WAIT_SECONDS, mine.left())
    if seconds <= 0:
        return None
    with budget.spending():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(STEP_SECONDS, seconds))
            entry = cache.get(key)
            if entry is not None or cache.get(f"{key}:lock") is None:
                return entry
    return None
