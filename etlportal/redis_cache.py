"""Django's cache in a Redis, with the database cache as fallback. A failure is logged once a minute."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import redis
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.retry import Retry

from etlportal.environment import MAX_ENTRIES, TABLE

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
ANSWER_SECONDS = 0.25
LOG_SECONDS = 60.0


class JsonSerializer:
    """JSON instead of Django's pickle: other clients of the Redis cannot make the portal run code."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError as error:
            raise redis.exceptions.InvalidResponse("not written by the portal") from error


OPTIONS = {
    "serializer": JsonSerializer,
    "protocol": 2,  # every Redis and compatible server supports it
    "socket_connect_timeout": ANSWER_SECONDS,
    "socket_timeout": ANSWER_SECONDS,
    "retry": Retry(NoBackoff(), 0),
}


class _Outage:
    """Last failure and last log time of this process. Shared by all threads; a lost update is harmless."""

    retry_at = 0.0
    logged_at = -LOG_SECONDS


class RedisOrTableCache(RedisCache):
    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, {**params, "OPTIONS": OPTIONS})
        self._table = DatabaseCache(TABLE, {**params, "OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES}})


def _with_fallback(name: str) -> Callable[..., Any]:
    """Return RedisCache's method of that name, answered by the table while the Redis fails."""
    method = getattr(RedisCache, name)

    def call(self: RedisOrTableCache, *args: Any, **kwargs: Any) -> Any:
        now = time.monotonic()
        if now >= _Outage.retry_at:
            try:
                return method(self, *args, **kwargs)
            except (redis.RedisError, OSError) as error:
                _Outage.retry_at = now + RETRY_SECONDS
                if now - _Outage.logged_at >= LOG_SECONDS:
                    _Outage.logged_at = now
                    # The class of the error only: its text may contain the address.
                    logger.error(
                        "REDIS_URL does not answer (%s): the portal's own database is used", type(error).__name__
                    )
        return getattr(self._table, name)(*args, **kwargs)

    return call


for _name in (
    *("add", "get", "set", "touch", "delete", "get_many", "set_many", "delete_many"),
    *("has_key", "incr", "clear"),
):
    setattr(RedisOrTableCache, _name, _with_fallback(_name))
