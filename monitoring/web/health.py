"""/healthz (the process is alive), /readyz (the databases answer, the figures are fresh) and /metrics.

The metrics come from the newest sample; docs/monitoring/README.md explains each. Of the gauges of a status exactly one
is 1, perhaps "unknown". A figure that is unknown now has no sample, and `etlportal_pipeline_figure_known` is 0 for it:
with the last known value, a graph would go on as if nothing were wrong.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from etlportal import metrics as own
from etlportal.budget import OutOfTime, begin, wait
from etlportal.databases import WATCHED
from monitoring.collector.snapshot import Current, current
from monitoring.rules.enums import PipelineStatus, Rule, Severity
from monitoring.rules.facts import Count, Pipeline, Snapshot
from monitoring.web.readings import blind

logger = logging.getLogger(__name__)

PATIENCE = 2.5
"""Seconds that /readyz waits for all parts together; the timeout of an orchestrator is rarely longer."""

_asking: dict[str, Future[Any]] = {}
_migrated = False
_lock = threading.Lock()


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the databases answer, the migrations are applied and the figures are fresh, else 503.

    Everybody is told which part is not ready; only a signed-in user is told why.
    """
    until = time.monotonic() + PATIENCE
    asked = {alias: _ask(alias, partial(_ping, alias)) for alias in (DEFAULT_DB_ALIAS, *WATCHED)}
    asked["migrations"] = _ask("migrations", _migrations)
    asked["collector"] = _ask("collector", _collector)
    parts = {name: _answer(future, until) for name, future in asked.items()}
    not_ready = [name for name, part in parts.items() if not part["ok"]]
    if not (parts["default"]["ok"] and _signed_in(request, until)):
        parts = {name: {"ok": part["ok"]} for name, part in parts.items()}
    body: dict[str, Any] = {"ready": not not_ready, "not_ready": not_ready, "parts": parts}
    return JsonResponse(body, status=503 if not_ready else 200)


def _signed_in(request: HttpRequest, until: float) -> bool:
    """Return whether the user is signed in. The middleware keeps the lazy user in `request.reader`."""
    if not request.session.session_key:
        return False
    reader = request.reader  # type: ignore[attr-defined]
    name = f"reader {id(request)}"
    try:
        return bool(_answer(_ask(name, lambda: reader.is_authenticated), until).get("value"))
    finally:
        _asking.pop(name, None)


def _ask(name: str, question: Callable[[], Any]) -> Future[Any]:
    """Ask in another thread. While an earlier question of this name still hangs, wait for that one instead."""
    with _lock:
        future = _asking.get(name)
        if future is None or future.done():
            future = _asking[name] = begin(partial(copy_context().run, question))  # log lines carry this request's id
    return future


def _answer(future: Future[Any], until: float) -> dict[str, Any]:
    """Return {"ok", "value" or "error"}: what came back before `until` (in seconds of time.monotonic)."""
    try:
        value = wait(future, until - time.monotonic())
    except OutOfTime:
        return {"ok": False, "error": "no answer in time"}
    except Exception as error:  # the driver's own text may hold addresses, so only the type is shown
        return {"ok": False, "error": type(error).__name__}
    return value if isinstance(value, dict) else {"ok": True, "value": value}


def _ping(alias: str) -> dict[str, Any]:
    begun = time.monotonic()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {"ok": True, "milliseconds": round((time.monotonic() - begun) * 1000, 1)}


def _migrations() -> dict[str, Any]:
    global _migrated  # noqa: PLW0603 - one per process
    if not _migrated:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if pending:
            return {"ok": False, "error": "migrations are pending", "pending": pending}
        _migrated = True
    return {"ok": True}


def _collector() -> dict[str, Any]:
    state = current()
    if state.age is None:
        return {"ok": False, "error": "nothing was ever sampled"}
    return {"ok": not state.stale, "age_seconds": round(state.age.total_seconds(), 1)}


FIGURES = {
    "eligible_rows": "Rows that the next run can take, up to a cap (etlportal_pipeline_rows_capped).",
    "cooling_rows": "Rows younger than the pipeline's cutoff, up to the same cap.",
    "coverage_ratio": "Rows in the target per row in the source; 1 is all.",
    "served_lag_seconds": "Age of the oldest row that no run has taken; 0 if there is none.",
    "last_success_timestamp_seconds": "Time of the last successful run by the control table, in Unix seconds.",
    "last_duration_seconds": "Duration of the newest execution; of a running one so far.",
}

METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "own_database_up": ("1 while the portal's own database answers.", ()),
    "sample_known": ("1 while the newest sample is fresh. 0: every status is unknown.", ()),
    "collector_active": ("1 while a collector holds the lease.", ()),
    "sample_timestamp_seconds": ("Time of the end of the newest tick, in Unix seconds.", ()),
    "sample_age_seconds": ("Seconds since the newest tick ended.", ()),
    "snapshot_age_seconds": (
        "Age of the figures that pages show. More than the sample's age while a database is down.",
        (),
    ),
    "collector_last_tick_duration_seconds": ("Duration of the newest tick.", ()),
    "database_state": ("1 for the state of a watched database in the newest sample.", ("alias", "state")),
    "database_round_trip_seconds": ("One round trip to a watched database.", ("alias",)),
    "open_verdicts": ("Open verdicts of the newest sample.", ("rule", "severity")),
    "pipeline_status": ("1 for the pipeline's status, 0 for the others.", ("pipeline", "status")),
    "pipeline_severity": ("1 for the worst open verdict, 0 for the others.", ("pipeline", "severity")),
    "pipeline_active": ("1 for a pipeline that is active in the control table.", ("pipeline",)),
    **{f"pipeline_{name}": (text, ("pipeline",)) for name, text in FIGURES.items()},
    "pipeline_figure_known": ("1 for a figure that is known now. 0: it has no sample.", ("pipeline", "figure")),
    "pipeline_rows_capped": ("1 for a count that reached the cap.", ("pipeline", "figure")),
}
"""Help text and labels by name, without the prefix `etlportal_`."""

Sample = tuple[str, tuple[str, ...], float | None]  # name, label values, value (None: unknown, not exported)


class SampleMetrics:
    def __init__(self, state: Current | None) -> None:
        self.state = state

    def collect(self) -> Iterable[Metric]:
        families = {
            name: GaugeMetricFamily(f"etlportal_{name}", text, labels=labels)
            for name, (text, labels) in METRICS.items()
        }
        for name, labels, value in _samples(self.state):
            if value is not None:
                families[name].add_metric(labels, value)
        return families.values()


def _samples(state: Current | None) -> Iterator[Sample]:
    fresh = None if state is None or state.stale else state.snapshot
    yield "own_database_up", (), state is not None
    yield "sample_known", (), fresh is not None
    if state is not None:
        yield from _tick(state)
    yield from _databases(fresh)
    if fresh is not None:
        counts = Counter((verdict.rule, verdict.severity) for verdict in fresh.verdicts)
        for rule in Rule:
            for severity in Severity:
                if severity is not Severity.OK:
                    yield "open_verdicts", (rule, severity), counts[rule.value, severity]
    if state is not None and state.snapshot is not None:
        for pipeline in state.snapshot.pipelines:
            yield from _pipeline(pipeline, fresh)


def _tick(state: Current) -> Iterator[Sample]:
    yield "collector_active", (), state.collecting
    if state.ticked_at is None or state.age is None:
        return
    age = state.age.total_seconds()
    since = state.snapshot.stale_since if state.snapshot else None
    behind = (state.sampled_at - since).total_seconds() if since and state.sampled_at else 0.0
    yield "sample_timestamp_seconds", (), state.ticked_at.timestamp()
    yield "sample_age_seconds", (), age
    yield "snapshot_age_seconds", (), age + behind
    if state.tick_milliseconds is not None:
        yield "collector_last_tick_duration_seconds", (), state.tick_milliseconds / 1000


def _databases(fresh: Snapshot | None) -> Iterator[Sample]:
    found = {each.alias: each for each in fresh.connections} if fresh else {}
    for alias in WATCHED:
        state = "unknown"
        if reading := found.get(alias):
            state = "up" if reading.reachable else "down"
            if reading.reachable and reading.latency_ms is not None:
                yield "database_round_trip_seconds", (alias,), reading.latency_ms / 1000
        yield from _one_of("database_state", alias, ("up", "down", "unknown"), state)


def _pipeline(pipeline: Pipeline, fresh: Snapshot | None) -> Iterator[Sample]:
    name = pipeline.name
    status, severity = (pipeline.status, pipeline.severity) if fresh else (PipelineStatus.UNKNOWN, Severity.UNKNOWN)
    yield from _one_of("pipeline_status", name, PipelineStatus, status)
    yield from _one_of("pipeline_severity", name, Severity, severity)
    if fresh:
        yield "pipeline_active", (name,), pipeline.control.is_active
    figures = _figures(pipeline, fresh) if fresh else dict.fromkeys(FIGURES)
    for figure, value in figures.items():
        yield "pipeline_figure_known", (name, figure), value is not None
        if isinstance(value, Count):
            yield "pipeline_rows_capped", (name, figure), value.capped
        yield f"pipeline_{figure}", (name,), value.value if isinstance(value, Count) else value


def _figures(pipeline: Pipeline, snapshot: Snapshot) -> dict[str, Count | float | None]:
    sources_unread, audit_unread = blind(snapshot)
    source, figures, audit = pipeline.source, pipeline.figures, audit_unread is None
    sources = sources_unread is None and source.problem is None
    coverage = figures.coverage_percent if sources and pipeline.target.problem is None else None
    succeeded = pipeline.control.last_success_at if audit else None
    return {
        "eligible_rows": source.eligible if sources else None,
        "cooling_rows": source.cooling if sources else None,
        "coverage_ratio": None if coverage is None else coverage / 100,
        "served_lag_seconds": figures.served_lag_seconds if sources else None,
        "last_success_timestamp_seconds": None if succeeded is None else succeeded.timestamp(),
        "last_duration_seconds": figures.duration_seconds if audit else None,
    }


def _one_of(name: str, of: str, states: Iterable[str], state: str) -> Iterator[Sample]:
    for each in states:
        yield name, (of, each), each == state


@login_not_required
@csrf_exempt
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return all metrics to a client with the token. Without a configured token the URL does not exist."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not own.allowed(request.headers.get("Authorization"), settings.METRICS_TOKEN):
        return HttpResponse("a token is needed\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    try:
        newest = current()
    except (Error, msgspec.DecodeError):  # also the sample of another release
        logger.exception("the newest sample could not be read")
        newest = None
    return HttpResponse(own.exposition(SampleMetrics(newest)), content_type=own.CONTENT_TYPE)
