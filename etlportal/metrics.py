"""What each process counts about itself, for Prometheus. What the pipelines do: monitoring/selectors/exposition.py.

Under gunicorn each worker writes its counts into files of a folder that all of them share (PROMETHEUS_MULTIPROC_DIR,
etlportal/gunicorn_settings.py), and whichever answers /metrics adds them up. Every label has a bounded set of values.
"""

from __future__ import annotations

import hmac
import os
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

disable_created_metrics()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ALIASES = ("default", "dw", "oltp")
TICK_OUTCOMES = ("sampled", "lease_lost", "own_database_failed", "failed")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

OWN = CollectorRegistry()
"""This process's own instruments."""

REQUESTS = Counter(
    "etlportal_requests",
    "Requests answered, by page (the address's name), method and class of status.",
    ["page", "method", "status"],
    registry=OWN,
)
REQUEST_SECONDS = Histogram(
    "etlportal_request_duration_seconds",
    "From a request's first middleware to its answer (of a file that streams: to its beginning).",
    ["page"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=OWN,
)
STATEMENTS = Counter(
    "etlportal_statements",
    "Statements sent through Django, by database alias and whether they were answered.",
    ["alias", "outcome"],
    registry=OWN,
)
STATEMENT_SECONDS = Histogram(
    "etlportal_statement_duration_seconds",
    "From sending a statement to the driver's return (the first rows are there), by database alias.",
    ["alias"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
    registry=OWN,
)
SLOW_STATEMENTS = Counter(
    "etlportal_slow_statements",
    "Statements that took SLOW_STATEMENT_SECONDS or longer; each is in the log with its page.",
    ["alias"],
    registry=OWN,
)
TICKS = Counter(
    "etlportal_ticks",
    "Ticks of this process, by how they ended; standing by is none.",
    ["outcome"],
    registry=OWN,
)
TICK_SECONDS = Histogram(
    "etlportal_tick_duration_seconds",
    "From a tick's begin to its stored sample.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0),
    registry=OWN,
)
BREAKER_OPEN = Gauge(
    "etlportal_breaker_open",
    "1 while this process (under gunicorn: any living worker) does not ask that database because it did not answer.",
    ["alias"],
    multiprocess_mode="livemax",
    registry=OWN,
)

# What has not happened yet is 0, not absent: an alert on the first failure needs a value before it.
_statements = {
    alias: (
        STATEMENTS.labels(alias, "failed"),
        STATEMENTS.labels(alias, "ok"),
        STATEMENT_SECONDS.labels(alias),
        SLOW_STATEMENTS.labels(alias),
    )
    for alias in ALIASES
}
for _outcome in TICK_OUTCOMES:
    TICKS.labels(_outcome)
# Looking a label up by the library takes longer than counting.
_requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ
"""Whether several processes are added up. (Decided once, as the library does.)"""
if not SHARED:
    ProcessCollector(registry=OWN)


class Collector(Protocol):
    def collect(self) -> list[Metric]:
        """Return the metrics as they are now."""


def answered(page: str, method: str | None, status: int, seconds: float) -> None:
    """Count a request."""
    key = (page, method if method in METHODS else "other", min(max(status // 100, 1), 5))
    if (found := _requests.get(key)) is None:
        children = REQUESTS.labels(page, key[1], f"{key[2]}xx"), REQUEST_SECONDS.labels(page)
        found = _requests.setdefault(key, children)
    found[0].inc()
    found[1].observe(seconds)


def executed(alias: str, seconds: float, *, ok: bool, slow: bool) -> None:
    """Count a statement."""
    if alias not in _statements:
        return  # the connection by which Django makes a test's database on a server
    failed, answered, took, slow_ones = _statements[alias]
    (answered if ok else failed).inc()
    took.observe(seconds)
    if slow:
        slow_ones.inc()


def ticked(outcome: str, seconds: float | None = None) -> None:
    """Count a tick by its outcome (TICK_OUTCOMES); `seconds` of one that stored a sample."""
    TICKS.labels(outcome).inc()
    if seconds is not None:
        TICK_SECONDS.observe(seconds)


def exposition(*more: Collector) -> bytes:
    """Return everything in Prometheus' text format: this process's (or all workers') counts, and `more`."""
    registry = CollectorRegistry()
    if SHARED:
        MultiProcessCollector(registry)
    else:
        registry.register(OWN)  # type: ignore[arg-type] - whatever can be collected
    for each in more:
        registry.register(each)  # type: ignore[arg-type]
    return generate_latest(registry)


def allowed(authorization: str | None, token: str) -> bool:
    """Whether the header is `Bearer` and this token. How long it takes tells nothing about the token."""
    scheme, _, given = (authorization or "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(), token.encode())
    return right and bool(token) and scheme.lower() == "bearer"
