"""The newest sample as Prometheus metrics. Runs no query. docs/monitoring/README.md explains each metric.

Unknown is a value: a status is a set of gauges of which exactly one is 1, and "unknown" is in the set. A figure that is
unknown now has no sample, and `etlportal_pipeline_figure_known` is 0 for it. The last known value is not exported: a
graph would go on as if nothing were wrong.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from etlportal import metrics as own
from monitoring.collector.snapshot import Current, current
from monitoring.rules.enums import PipelineStatus, Rule, Severity
from monitoring.rules.facts import Count, Pipeline, Snapshot
from monitoring.web.readings import blind

WATCHED = ("dw", "oltp")


class DatabaseState(StrEnum):
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


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
    "pipeline_figure_known": (
        "1 for a figure that is known now. 0: it has no sample.",
        ("pipeline", "figure"),
    ),
    "pipeline_rows_capped": ("1 for a count that reached the cap.", ("pipeline", "figure")),
}
"""Help text and labels by name, without the prefix `etlportal_`."""

Sample = tuple[str, tuple[str, ...], float | None]
"""Name, label values, value. None: unknown, not exported."""


class SampleMetrics:
    """A collector for prometheus_client. `state` is None when the portal's own database does not answer."""

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
    # An old sample proves nothing about now.
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
    milliseconds = state.tick_milliseconds
    yield "sample_timestamp_seconds", (), state.ticked_at.timestamp()
    yield "sample_age_seconds", (), age
    yield "snapshot_age_seconds", (), age + behind
    yield "collector_last_tick_duration_seconds", (), None if milliseconds is None else milliseconds / 1000


def _databases(fresh: Snapshot | None) -> Iterator[Sample]:
    found = {each.alias: each for each in fresh.connections} if fresh else {}
    for alias in WATCHED:
        reading = found.get(alias)
        state = DatabaseState.UNKNOWN
        if reading is not None:
            state = DatabaseState.UP if reading.reachable else DatabaseState.DOWN
            if reading.reachable and reading.latency_ms is not None:
                yield "database_round_trip_seconds", (alias,), reading.latency_ms / 1000
        yield from _one_of("database_state", alias, DatabaseState, state)


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


def _one_of(name: str, of: str, states: Iterable[StrEnum], state: StrEnum) -> Iterator[Sample]:
    for each in states:
        yield name, (of, each), each is state


logger = logging.getLogger(__name__)


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
