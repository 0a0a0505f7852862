"""The newest sample as metrics: what /metrics tells of the pipelines. Asks nothing itself.

Unknown is a value: a status is one of a set of gauges of which exactly one is 1, and "unknown" is in the set. A figure
that is not known now has no sample, and `etlportal_pipeline_figure_known` says so. The last known value is not told:
a graph that goes on as if nothing were wrong would be a lie. docs/monitoring/README.md explains each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from monitoring.enums import PipelineStatus, Rule, Severity
from monitoring.policies.facts import Count, Pipeline, Snapshot
from monitoring.selectors.readings import blind
from monitoring.selectors.snapshot import Current

WATCHED = ("dw", "oltp")


class DatabaseState(StrEnum):
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


FIGURES = {
    "eligible_rows": "Rows that the next run can take. Up to a cap: etlportal_pipeline_rows_capped says when.",
    "cooling_rows": "Rows younger than the pipeline's cutoff. Up to the same cap.",
    "coverage_ratio": "Rows in the target per row in the source (1 is all of them).",
    "served_lag_seconds": "How long the oldest row that no run has taken has been waiting; 0 when none waits.",
    "last_success_timestamp_seconds": "When the control table says that a run last succeeded, in Unix seconds.",
    "last_duration_seconds": "How long the newest execution took, or has been running.",
}
CAPPED = ("eligible_rows", "cooling_rows")


class SampleMetrics:
    """A collector in prometheus_client's sense. `state` None: the portal's own database could not be asked."""

    def __init__(self, state: Current | None) -> None:
        self.state = state
        # An old sample proves nothing about now.
        self.snapshot = None if state is None or state.stale else state.snapshot

    def collect(self) -> Iterator[Metric]:
        yield from self._sample()
        yield from self._databases()
        if self.snapshot is not None:
            yield _verdicts(self.snapshot)
        yield from self._pipelines()

    def _sample(self) -> Iterator[Metric]:
        state = self.state
        yield _gauge("own_database_up", "1 while the portal's own database answers.", state is not None)
        yield _gauge(
            "sample_known", "1 while the newest sample is fresh. 0: every status is unknown.", self.snapshot is not None
        )
        if state is None:
            return
        yield _gauge("collector_active", "1 while a collector holds the lease.", state.collecting)
        if state.ticked_at is None or state.age is None:
            return
        age = state.age.total_seconds()
        yield _gauge(
            "sample_timestamp_seconds", "When the newest tick ended, in Unix seconds.", state.ticked_at.timestamp()
        )
        yield _gauge("sample_age_seconds", "Seconds since the newest tick ended.", age)
        since = state.snapshot.stale_since if state.snapshot else None
        behind = (state.sampled_at - since).total_seconds() if since and state.sampled_at else 0.0
        yield _gauge(
            "snapshot_age_seconds",
            "Seconds since the figures that pages show were read: more than the sample's age while a database is away.",
            age + behind,
        )
        if state.tick_milliseconds is not None:
            seconds = state.tick_milliseconds / 1000
            yield _gauge("collector_last_tick_duration_seconds", "How long the newest tick took.", seconds)

    def _databases(self) -> Iterator[Metric]:
        found = {each.alias: each for each in self.snapshot.connections} if self.snapshot else {}
        states = _family(
            "database_state", "1 for the state of a watched database in the newest sample.", "alias", "state"
        )
        trips = _family("database_round_trip_seconds", "One round trip to a watched database.", "alias")
        for alias in WATCHED:
            reading = found.get(alias)
            state = DatabaseState.UNKNOWN
            if reading is not None:
                state = DatabaseState.UP if reading.reachable else DatabaseState.DOWN
                if reading.reachable and reading.latency_ms is not None:
                    trips.add_metric([alias], reading.latency_ms / 1000)
            _one_of(states, alias, DatabaseState, state)
        yield states
        yield trips

    def _pipelines(self) -> Iterator[Metric]:
        known = self.state.snapshot if self.state is not None else None
        yield from _pipeline_metrics(known, fresh=self.snapshot is not None)


def _pipeline_metrics(snapshot: Snapshot | None, *, fresh: bool) -> Iterator[Metric]:
    statuses = _family("pipeline_status", "1 for the pipeline's status, 0 for the others.", "pipeline", "status")
    severities = _family("pipeline_severity", "1 for the worst open verdict, 0 for the others.", "pipeline", "severity")
    active = _family("pipeline_active", "1 for a pipeline that the control table says is active.", "pipeline")
    values = {name: _family(f"pipeline_{name}", text, "pipeline") for name, text in FIGURES.items()}
    are_known = _family(
        "pipeline_figure_known", "1 for a figure that has a value now. 0: it has no sample.", "pipeline", "figure"
    )
    capped = _family("pipeline_rows_capped", "1 for a count that is only 'at least'.", "pipeline", "figure")
    unread = blind(snapshot) if snapshot is not None else (None, None)
    for pipeline in snapshot.pipelines if snapshot is not None else ():
        name = pipeline.name
        _one_of(statuses, name, PipelineStatus, pipeline.status if fresh else PipelineStatus.UNKNOWN)
        _one_of(severities, name, Severity, pipeline.severity if fresh else Severity.UNKNOWN)
        if fresh:
            active.add_metric([name], pipeline.control.is_active)
        figures = _figures(pipeline, sources=unread[0] is None, audit=unread[1] is None) if fresh else {}
        for figure, family in values.items():
            value = figures.get(figure)
            are_known.add_metric([name, figure], value is not None)
            if value is None:
                continue
            family.add_metric([name], value.value if isinstance(value, Count) else value)
            if isinstance(value, Count):
                capped.add_metric([name, figure], value.capped)
    yield from (statuses, severities, active, *values.values(), are_known, capped)


def _figures(pipeline: Pipeline, *, sources: bool, audit: bool) -> dict[str, Count | float | None]:
    """What is known of the pipeline now. `sources`, `audit`: whether those could be read at all."""
    source, target, figures = pipeline.source, pipeline.target, pipeline.figures
    # Beside a problem stands the last known value.
    sources = sources and source.problem is None
    both = sources and target.problem is None
    succeeded = pipeline.control.last_success_at
    coverage = figures.coverage_percent
    return {
        "eligible_rows": source.eligible if sources else None,
        "cooling_rows": source.cooling if sources else None,
        "coverage_ratio": coverage / 100 if both and coverage is not None else None,
        "served_lag_seconds": figures.served_lag_seconds if sources else None,
        "last_success_timestamp_seconds": succeeded.timestamp() if audit and succeeded is not None else None,
        "last_duration_seconds": figures.duration_seconds if audit else None,
    }


def _verdicts(snapshot: Snapshot) -> Metric:
    counts = Counter((verdict.rule, verdict.severity) for verdict in snapshot.verdicts if not verdict.silent)
    family = _family("open_verdicts", "Open verdicts of the newest sample.", "rule", "severity")
    for rule in Rule:
        for severity in Severity:
            if severity is not Severity.OK:
                family.add_metric([rule, severity], counts[rule.value, severity])
    return family


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"etlportal_{name}", text, labels=labels)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"etlportal_{name}", text, value=value)


def _one_of(family: GaugeMetricFamily, of: str, states: Iterable[StrEnum], state: StrEnum) -> None:
    for each in states:
        family.add_metric([of, each], each is state)
