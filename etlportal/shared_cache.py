"""The cache that all processes share: a table of `default`. Only what must hold across processes is in it.
With REDIS_URL it stands in for a Redis that does not answer (redis_cache.py).

That is: how often somebody tried to sign in, which one-time codes were used, when connections were last
captured. Pages use the `local` cache, so that none costs `default` a statement.

A cache that fails neither locks everybody out nor opens the door: while the table cannot be used (missing,
no permission), each process counts for itself, and says so in the log. Where the whole of `default` is away
nobody can sign in anyway.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import DatabaseError

logger = logging.getLogger(__name__)

SAY_AGAIN_SECONDS = 60


class SharedCache(DatabaseCache):
    """Django's cache in a table; while the table fails, one in the process's memory."""

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        super().__init__(table, params)
        self._instead = LocMemCache(f"instead-of-{table}", params)
        self._said_at = -SAY_AGAIN_SECONDS

    def _failed(self, error: object) -> None:
        if time.monotonic() - self._said_at >= SAY_AGAIN_SECONDS:
            self._said_at = time.monotonic()
            logger.error("the shared cache %s fails, this process counts for itself: %s", self._table, error)

    def _try(self, there: Callable[[], Any], here: Callable[[], Any]) -> Any:
        try:
            return there()
        except DatabaseError as error:
            self._failed(error)
            return here()

    def get_many(self, keys: Any, version: int | None = None) -> dict[Any, Any]:
        keys = list(keys)
        there = super().get_many
        # What is here was not taken there, though it may be read there.
        here = self._instead.get_many(keys, version)
        return {**here, **self._try(lambda: there(keys, version), dict)}

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Store the value unless there is one. Django says "there is one" of a table that cannot be written, too."""
        there, has = super().add, super().has_key
        if self._instead.has_key(key, version):
            return False

        def add() -> bool:
            # Twice: between the two questions the other's value may have been removed.
            for _ in range(2):
                if there(key, value, timeout, version):
                    return True
                if has(key, version):
                    return False
            raise DatabaseError("nothing is written")

        return bool(self._try(add, lambda: self._instead.add(key, value, timeout, version)))

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        full = self.make_and_validate_key(key, version=version)

        def put() -> None:
            # Again where another process added the same key in the meantime: then it is an update.
            if not (self._base_set("set", full, value, timeout) or self._base_set("set", full, value, timeout)):
                raise DatabaseError("nothing is written")
            self._instead.delete(key, version)

        self._try(put, lambda: self._instead.set(key, value, timeout, version))

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        there = super().touch
        return bool(self._try(lambda: there(key, timeout, version), lambda: self._instead.touch(key, timeout, version)))

    def delete(self, key: str, version: int | None = None) -> bool:
        there = super().delete
        kept = self._instead.delete(key, version)
        return bool(self._try(lambda: there(key, version), lambda: False)) or kept

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        for key in keys:
            self.delete(key, version)

    def has_key(self, key: str, version: int | None = None) -> bool:
        there = super().has_key
        return self._instead.has_key(key, version) or bool(self._try(lambda: there(key, version), lambda: False))

    def clear(self) -> None:
        self._instead.clear()
        self._try(super().clear, lambda: None)
