"""Circuit breaker: after a failed connect, pages do not retry that database for PROBE_SECONDS.

The newer of two facts counts: this process's last connect, and the collector's newest sample.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.utils import OperationalError

from etlportal import metrics

PROBE_SECONDS = 10.0
"""Interval between retries of a process while a database does not answer."""

clock: Callable[[], float] = time.monotonic


class NotAsked(OperationalError):
    """The database did not answer at `at` and was not asked again. `reason`: a driver's exception or a problem text."""

    def __init__(self, reason: Any, at: datetime) -> None:
        super().__init__(f"not asked: there was no answer at {at.isoformat(timespec='seconds')}")
        self.reason, self.at = reason, at


@dataclass(frozen=True, slots=True)
class News:
    """The last outcome for one database. `reason` is None if it answered. `retry_at` is in seconds of `clock`."""

    at: datetime
    reason: Any = None
    retry_at: float = 0.0


_news: dict[str, News] = {}
_lock = threading.Lock()
_sampled: Callable[[str], News | None] = lambda alias: None  # noqa: E731 - replaced by listen()


def listen(sampled: Callable[[str], News | None]) -> None:
    """Register a function that returns the outcome in the collector's sample, or None when that is old."""
    global _sampled  # noqa: PLW0603 - one per process
    _sampled = sampled


def check(alias: str) -> None:
    """Raise NotAsked while `alias` is known to be down. Lets one caller through every PROBE_SECONDS."""
    sampled = _sampled(alias)
    with _lock:
        known = _news.get(alias)
        if sampled is not None and (known is None or sampled.at > known.at):
            # The collector has just tried: the first page after a bad sample does not try again.
            retry_at = known.retry_at if known is not None and known.reason is not None else clock() + PROBE_SECONDS
            known = _keep(alias, replace(sampled, retry_at=retry_at))
        if known is None or known.reason is None:
            return
        if clock() >= known.retry_at:
            _news[alias] = replace(known, retry_at=clock() + PROBE_SECONDS)
            return
    raise NotAsked(known.reason, known.at)


def down(alias: str) -> bool:
    """Return whether the last outcome for `alias`, however old, was a failure."""
    with _lock:
        return alias in _news and _news[alias].reason is not None


def failed(alias: str, reason: BaseException) -> None:
    with _lock:
        # Without its traceback, which would keep the whole request in memory.
        _keep(alias, News(datetime.now(UTC), reason.with_traceback(None), clock() + PROBE_SECONDS))


def answered(alias: str) -> None:
    with _lock:
        _keep(alias, News(datetime.now(UTC)))


def _keep(alias: str, news: News) -> News:
    metrics.BREAKER_OPEN.labels(alias).set(news.reason is not None)
    _news[alias] = news
    return news


def forget() -> None:
    with _lock:
        _news.clear()
