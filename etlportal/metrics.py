"""The metrics of each process, for Prometheus. Those of the pipelines are in monitoring/web/health.py.

Under gunicorn each worker writes its counts into files of one folder (PROMETHEUS_MULTIPROC_DIR, see
gunicorn_settings.py), and the worker that answers /metrics adds them up. Every label has a bounded set of values.
"""

from __future__ import annotations

import hmac
import logging
import os
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

disable_created_metrics()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ALIASES = ("default", "dw", "oltp")
TICK_OUTCOMES = ("sampled", "lease_lost", "own_database_failed", "failed")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

OWN = CollectorRegistry()

REQUESTS = Counter(
    "etlportal_requests",
    "Responses by page (the name of the view), method and class of status.",
    ["page", "method", "status"],
    registry=OWN,
)
REQUEST_SECONDS = Histogram(
    "etlportal_request_duration_seconds",
    "From the first middleware to the response (of a streamed file: to its first byte).",
    ["page"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=OWN,
)
STATEMENTS = Counter(
    "etlportal_statements", "Statements by database alias and outcome.", ["alias", "outcome"], registry=OWN
)
STATEMENT_SECONDS = Histogram(
    "etlportal_statement_duration_seconds",
    "From sending a statement until the driver returns, by database alias.",
    ["alias"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
    registry=OWN,
)
SLOW_STATEMENTS = Counter(
    "etlportal_slow_statements",
    "Statements that took SLOW_STATEMENT_SECONDS or longer. The log has each with its page.",
    ["alias"],
    registry=OWN,
)
TICKS = Counter(
    "etlportal_ticks",
    "Ticks of this process by outcome. Waiting for the lease is not a tick.",
    ["outcome"],
    registry=OWN,
)
TICK_SECONDS = Histogram(
    "etlportal_tick_duration_seconds",
    "From the start of a tick to its stored sample.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0),
    registry=OWN,
)
BREAKER_OPEN = Gauge(
    "etlportal_breaker_open",
    "1 while this process (under gunicorn: any living worker) does not connect to a database that did not answer.",
    ["alias"],
    multiprocess_mode="livemax",
    registry=OWN,
)

# A counter starts at 0: an alert on the first failure needs a value before it.
for _alias in ALIASES:
    STATEMENT_SECONDS.labels(_alias)
    SLOW_STATEMENTS.labels(_alias)
    for _outcome in ("ok", "failed"):
        STATEMENTS.labels(_alias, _outcome)
for _outcome in TICK_OUTCOMES:
    TICKS.labels(_outcome)

SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ
"""Whether several processes share their counts. The library decides this once, at its import, too."""
if not SHARED:
    ProcessCollector(registry=OWN)


def answered(page: str, method: str | None, status: int, seconds: float) -> None:
    REQUESTS.labels(page, method if method in METHODS else "other", f"{min(max(status // 100, 1), 5)}xx").inc()
    REQUEST_SECONDS.labels(page).observe(seconds)


def ticked(outcome: str, seconds: float | None = None) -> None:
    """Count a tick by its outcome (TICK_OUTCOMES), with its duration if it stored a sample."""
    TICKS.labels(outcome).inc()
    if seconds is not None:
        TICK_SECONDS.observe(seconds)


def exposition(*more: Collector) -> bytes:
    """Return the metrics of this process (or of all workers) and of `more` in Prometheus' text format."""
    registry = CollectorRegistry()
    if SHARED:
        MultiProcessCollector(registry)
    else:
        registry.register(OWN)  # a registry can be collected, too
    for each in more:
        registry.register(each)
    return generate_latest(registry)


def allowed(authorization: str | None, token: str) -> bool:
    """Compare the `Bearer` token in constant time."""
    scheme, _, given = (authorization or "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(), token.encode())
    return right and bool(token) and scheme.lower() == "bearer"


class Handler(WSGIRequestHandler):
    timeout = 5  # seconds for a client to send its request

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def serve(address: str, port: int, token: str) -> WSGIServer | None:
    """Serve the collector's /metrics in a thread. Return None, without failing the collector, if the port is taken."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        status, headers, body = "200 OK", [("Content-Type", CONTENT_TYPE)], b""
        if environ["PATH_INFO"] != "/metrics":
            status = "404 Not Found"
        elif not allowed(environ.get("HTTP_AUTHORIZATION"), token):
            status, body = "401 Unauthorized", b"a token is needed\n"
            headers.append(("WWW-Authenticate", "Bearer"))
        else:
            body = exposition()
        start_response(status, headers)
        return [body]

    try:
        server = make_server(address, port, application, ThreadingWSGIServer, Handler)
    except OSError as error:
        logger.error("metrics are not served on %s port %d: %s", address, port, error.strerror or error)
        return None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    logger.info("metrics are served on %s port %d", address, port)
    return server
