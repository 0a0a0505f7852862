"""The shared cache in a Redis; while that does not answer, in the table that is used without one (shared_cache.py).

A Redis that dies costs nobody an error, and few a wait: who finds out waits a quarter of a second, then this
process asks the table and tries the Redis again every RETRY_SECONDS, one request at a time. Afterwards what is in
the table still counts for OVERLAP_SECONDS, longer than any limit looks back: somebody who guessed passwords
meanwhile does not begin anew. What the dead Redis had counted is lost with it, so an outage at most doubles what
somebody may try.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.retry import Retry

from etlportal.shared_cache import SAY_AGAIN_SECONDS, SharedCache

logger = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 0.25
"""For connecting, and for each answer: nobody may notice that it hangs."""
RETRY_SECONDS = 5.0
OVERLAP_SECONDS = 600.0

FAULTS = (redis.RedisError, OSError)
_ABSENT = object()

clock: Callable[[], float] = time.monotonic


class Away:
    """Whether the Redis answers, as far as this process knows. Its threads have a cache each, and share this."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed_at: float | None = None
        self._retry_at: float | None = None
        self._said_at: float | None = None

    def asked_in_vain(self) -> bool:
        """Whether it is known not to answer. One caller in RETRY_SECONDS hears False, and tries."""
        with self._lock:
            if self._retry_at is None:
                return False
            if clock() < self._retry_at:
                return True
            self._retry_at = clock() + RETRY_SECONDS
            return False

    def lately(self) -> bool:
        """Whether something of a time without it may be in the table."""
        with self._lock:
            return self._failed_at is not None and clock() - self._failed_at < OVERLAP_SECONDS

    def failed(self, error: BaseException) -> None:
        """It did not answer. Said in the log, once a minute: by its kind, an address may be in its text."""
        with self._lock:
            self._failed_at = clock()
            self._retry_at = self._failed_at + RETRY_SECONDS
            if self._said_at is not None and clock() - self._said_at < SAY_AGAIN_SECONDS:
                return
            self._said_at = clock()
        logger.error("the Redis of REDIS_URL fails (%s): the portal's own database counts", type(error).__name__)

    def answered(self) -> None:
        """It answered."""
        with self._lock:
            if self._retry_at is None:
                return
            self._retry_at = None
            self._failed_at = clock()
        logger.warning("the Redis of REDIS_URL answers again")


class Json:
    """What is in the Redis is data and never code, whoever else can write there (Django's own way is pickle)."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError as error:
            raise redis.exceptions.InvalidResponse("not written by this portal") from error


_away: dict[str, Away] = {}


class RedisOrTableCache(BaseCache):
    """Django's cache in a Redis; while that fails, the one in a table."""

    def __init__(self, url: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {key: value for key, value in params.get("OPTIONS", {}).items() if key != "TABLE"}
        self._table = SharedCache(params["OPTIONS"]["TABLE"], {**params, "OPTIONS": options})
        # A list: Django would take a comma in a password for the next server.
        self._redis = RedisCache(
            [url],  # type: ignore[arg-type]
            {
                **params,
                "OPTIONS": {
                    "serializer": Json,
                    "protocol": 2,  # which every Redis, and whatever passes for one, speaks
                    "socket_connect_timeout": ANSWER_SECONDS,
                    "socket_timeout": ANSWER_SECONDS,
                    "retry": Retry(NoBackoff(), 0),
                },
            },
        )
        self.away = _away.setdefault(str(url), Away())

    def _try(self, there: Callable[[], T], here: Callable[[], T]) -> T:
        if self.away.asked_in_vain():
            return here()
        try:
            found = there()
        except FAULTS as error:
            self.away.failed(error)
            return here()
        self.away.answered()
        return found

    def _kept(self, key: str, version: int | None) -> Any:
        """Return what the table still holds of a time without Redis, else _ABSENT."""
        return self._table.get(key, _ABSENT, version) if self.away.lately() else _ABSENT

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        kept = self._kept(key, version)
        if kept is not _ABSENT:
            return kept
        return self._try(lambda: self._redis.get(key, default, version), lambda: self._table.get(key, default, version))

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Store the value unless there is one, here or there."""
        if self._kept(key, version) is not _ABSENT:
            return False
        return bool(
            self._try(
                lambda: self._redis.add(key, value, timeout, version),
                lambda: self._table.add(key, value, timeout, version),
            )
        )

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        def there() -> None:
            self._redis.set(key, value, timeout, version)
            if self.away.lately():
                self._table.delete(key, version)

        self._try(there, lambda: self._table.set(key, value, timeout, version))

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        kept = self.away.lately() and self._table.touch(key, timeout, version)
        there = self._try(
            lambda: self._redis.touch(key, timeout, version), lambda: self._table.touch(key, timeout, version)
        )
        return bool(kept or there)

    def delete(self, key: str, version: int | None = None) -> bool:
        kept = self.away.lately() and self._table.delete(key, version)
        return bool(self._try(lambda: self._redis.delete(key, version), lambda: False)) or kept

    def has_key(self, key: str, version: int | None = None) -> bool:
        return self.get(key, _ABSENT, version) is not _ABSENT

    def clear(self) -> None:
        """Forget everything of the portal's; whatever else is in that Redis stays."""

        def there() -> None:
            client = self._redis._cache.get_client(write=True)
            for key in client.scan_iter(match=f"{self.key_prefix}:*", count=1000):
                client.delete(key)

        self._table.clear()
        self._try(there, lambda: None)
