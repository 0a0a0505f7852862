"""Django's cache in this process's own memory, which hands out what it was given.

LocMemCache keeps each value pickled: every reader of a page pays for a copy of all its blocks and figures. What is
kept here is text and frozen facts, which nobody changes, so a copy buys nothing. Whoever keeps something that could
be changed copies it before (tests/integration/test_memory_cache.py holds the readers to that).
"""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache

MOST_CHARACTERS = 6_000_000
"""Of text in all of it: blocks of earlier samples go before a process grows by more than some 12 MB."""


class MemoryCache(LocMemCache):
    """Drops the least used third when there are too many entries, or too much text."""

    _cache: Any
    _expire_info: Any
    _lock: Any
    _max_entries: int

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        key = self.make_and_validate_key(key, version=version)
        with self._lock:
            if not self._has_expired(key):
                return False
            self._keep(key, value, timeout)
            return True

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        key = self.make_and_validate_key(key, version=version)
        with self._lock:
            if self._has_expired(key):
                self._delete(key)
                return default
            self._cache.move_to_end(key, last=False)
            return self._cache[key]

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        key = self.make_and_validate_key(key, version=version)
        with self._lock:
            self._keep(key, value, timeout)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        key = self.make_and_validate_key(key, version=version)
        with self._lock:
            if self._has_expired(key):
                self._delete(key)
                raise ValueError(f"Key {key!r} not found")
            self._cache[key] += delta
            return int(self._cache[key])

    def _keep(self, key: str, value: Any, timeout: Any) -> None:
        self._set(key, value, timeout)
        while len(self._cache) > self._cull_frequency and sum(map(_characters, self._cache.values())) > MOST_CHARACTERS:
            self._cull()


def _characters(value: Any) -> int:
    """Return how much text a value holds, itself or beside when it ends (selectors/shared.py): what is not text may say
    so itself (`characters`)."""
    held = value[0] if isinstance(value, tuple) and value else value
    return len(held) if isinstance(held, str) else getattr(held, "characters", 0)
