"""Which watched database just did not answer: so that one page found out, and the next ones do not wait.

Two sources of news, the newer one counts: this process's own attempts, and the collector's newest
sample. While the news is bad, one attempt in PROBE_SECONDS is let through.
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
"""How often a database that does not answer is tried again, by each process."""

clock: Callable[[], float] = time.monotonic


class NotAsked(OperationalError):
    """It did not answer at `at` and was not asked again. `reason`: the driver's exception, or the sample's problem."""

    def __init__(self, reason: Any, at: datetime) -> None:
        super().__init__(f"not asked: there was no answer at {at.isoformat(timespec='seconds')}")
        self.reason, self.at = reason, at


@dataclass(frozen=True, slots=True)
class News:
    """What is known of one database. `reason` None: it answered."""

    at: datetime
    reason: Any = None
    retry_at: float = 0.0  # monotonic seconds


_news: dict[str, News] = {}
_lock = threading.Lock()
_sampled: Callable[[str], News | None] | None = None


def listen(sampled: Callable[[str], News | None]) -> None:
    """Let `sampled` say what the collector's newest sample knows of a database, None where it is old."""
    global _sampled  # noqa: PLW0603 - the process has one
    _sampled = sampled


def check(alias: str) -> None:
    """Raise NotAsked while `alias` is known not to answer, but for one caller in PROBE_SECONDS."""
    heard = _sampled(alias) if _sampled else None
    with _lock:
        known = _news.get(alias)
        if heard is not None and (known is None or heard.at > known.at):
            # The first page after bad news does not try it out: the collector just did.
            due = known.retry_at if known is not None and known.reason is not None else clock() + PROBE_SECONDS
            known = _keep(alias, replace(heard, retry_at=due))
        if known is None or known.reason is None:
            return
        if clock() >= known.retry_at:
            _news[alias] = replace(known, retry_at=clock() + PROBE_SECONDS)
            return
    raise NotAsked(known.reason, known.at)


def down(alias: str) -> bool:
    """Whether `alias` is known not to answer, by this process or by the newest sample, however old."""
    with _lock:
        known = _news.get(alias)
    return known is not None and known.reason is not None


def failed(alias: str, reason: BaseException) -> None:
    """Remember that `alias` could not be connected to."""
    with _lock:
        # Without its traceback, which would keep a whole request alive.
        _keep(alias, News(datetime.now(UTC), reason.with_traceback(None), clock() + PROBE_SECONDS))


def answered(alias: str) -> None:
    """Remember that `alias` could be connected to."""
    with _lock:
        _keep(alias, News(datetime.now(UTC)))


def _keep(alias: str, news: News) -> News:
    metrics.BREAKER_OPEN.labels(alias).set(news.reason is not None)
    _news[alias] = news
    return news


def forget() -> None:
    """Know nothing (between tests)."""
    with _lock:
        _news.clear()
