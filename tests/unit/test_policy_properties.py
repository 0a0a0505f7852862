"""For any table content, rules raise no exception and never turn unknown into OK."""

from __future__ import annotations

from datetime import timedelta
from math import isfinite

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.rules.enums import ExecutionStatus, PipelineStatus, ProblemCode, SentenceCode, Severity
from monitoring.rules.error_text import parse
from monitoring.rules.facts import (
    ControlRow,
    Count,
    Execution,
    History,
    Pipeline,
    PipelineReading,
    Problem,
    Snapshot,
    SourceReading,
    TargetReading,
    Thresholds,
    Watermark,
)
from monitoring.rules.overview import judged, overview, verdict_sentence
from tests import factories as make
from tests.factories import NOW

# From 1900 to 2099, and often near now.
moments = (st.integers(-65_000_000, 39_000_000) | st.integers(-10_000, 10_000)).map(
    lambda minutes: NOW + timedelta(minutes=minutes)
)
rows = st.integers(0, 10**12)
words = st.text(max_size=40)
watermarks = st.builds(Watermark, moments, rows)
problems = st.builds(Problem, code=st.sampled_from(ProblemCode), detail=words)
counts = st.builds(Count, rows, st.booleans())
maybe = st.none


executions = st.builds(
    Execution,
    run_entity_id=st.integers(1, 99),
    run_id=st.integers(1, 99),
    entity_name=st.just("dim_cliente"),
    status=st.sampled_from(ExecutionStatus),
    status_text=words,
    started_at=moments,
    finished_at=maybe() | moments,
    extracted=rows,
    upserted=rows,
    soft_deleted=rows,
    watermark_from=maybe() | watermarks,
    watermark_to=maybe() | watermarks,
    error_message=st.text(max_size=200),
)
controls = st.builds(
    ControlRow,
    entity_name=words,
    source_table=words,
    target_table=words,
    source_pk_column=words,
    watermark=watermarks,
    cutoff_minutes=st.integers(0, 1440),
    batch_size=st.integers(1, 100_000),
    is_active=st.booleans(),
    last_run_id=maybe() | rows,
    last_status=maybe() | words | st.sampled_from(["success", "failed", "partial", "running"]),
    last_success_at=maybe() | moments,
    created_at=maybe() | moments,
)
sources = st.builds(
    SourceReading,
    exists=maybe() | st.booleans(),
    total=maybe() | rows,
    newest_at=maybe() | moments,
    eligible=maybe() | counts,
    cooling=maybe() | counts,
    oldest_eligible_at=maybe() | moments,
    has_watermark_index=maybe() | st.booleans(),
    problem=maybe() | problems,
)
targets = st.builds(
    TargetReading,
    exists=maybe() | st.booleans(),
    total=maybe() | rows,
    newest_at=maybe() | moments,
    is_load_time=st.booleans(),
    problem=maybe() | problems,
)
lengths = st.floats(0, 1e9, allow_nan=False)
histories = st.builds(
    History,
    recent=st.lists(executions, max_size=12).map(tuple),
    durations=st.lists(lengths, max_size=30).map(tuple),
    volumes=st.lists(rows, max_size=30).map(tuple),
    gaps=st.lists(lengths, max_size=9).map(tuple),
    executions_7d=st.integers(0, 999),
    failures_7d=st.integers(0, 999),
    failing_since=maybe() | moments,
    eligible_samples=st.lists(st.tuples(moments, rows, maybe() | watermarks), max_size=9).map(tuple),
    coverage_median_7d=maybe() | st.floats(0, 1000),
    arrival_per_second=maybe() | st.floats(0, 1e6),
    newest_runner_session_at=maybe() | moments,
    open=st.lists(executions, max_size=2).map(tuple),
    login_samples_at=st.lists(moments, max_size=3).map(tuple),
)


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[Pipeline, History]:
    history = draw(histories)
    reading = PipelineReading(
        control=draw(controls), mapping_valid=draw(st.booleans()), source=draw(sources), target=draw(targets)
    )
    pipeline = judged(
        reading,
        newest=draw(maybe() | executions),
        history=history,
        now=NOW,
        thresholds=Thresholds(),
        newest_read=draw(st.booleans()),
    )
    return pipeline, history


@settings(deadline=None, max_examples=50, derandomize=True)
@given(pipelines())
def test_a_pipeline_of_anything_is_judged(drawn: tuple[Pipeline, History]) -> None:
    pipeline, _ = drawn
    figures = pipeline.figures
    for value in (
        figures.coverage_percent,
        figures.latency_seconds,
        figures.served_lag_seconds,
        figures.duration_seconds,
        figures.throughput,
        figures.drain_seconds,
    ):
        assert value is None or (isfinite(value) and value >= 0)
    if figures.usual_duration is not None:
        low, middle, high = figures.usual_duration
        assert 0 <= low <= middle <= high
    assert not (figures.drains_never and figures.drain_seconds is not None)
    assert pipeline.control.is_active or pipeline.verdicts == ()
    assert all(verdict.severity is not Severity.OK for verdict in pipeline.verdicts)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(pipelines())
def test_unknown_never_becomes_ok(drawn: tuple[Pipeline, History]) -> None:
    pipeline, _ = drawn
    unread = pipeline.mapping_valid and (pipeline.source.exists is None or pipeline.target.exists is None)
    if unread:
        assert pipeline.status is PipelineStatus.UNKNOWN
    if pipeline.status is PipelineStatus.UNKNOWN:
        assert pipeline.severity is not Severity.OK
        assert verdict_sentence(make.snapshot(pipeline)).code is not SentenceCode.ALL_WELL
    if pipeline.status is PipelineStatus.OK:
        assert pipeline.source.exists and pipeline.target.exists
    if pipeline.source.eligible is None:
        assert pipeline.figures.served_lag_seconds is None
        assert overview([pipeline], day=None, week=None, throughputs=None, last_run=None).eligible_total is None
        if pipeline.control.is_active:
            assert pipeline.verdicts or pipeline.status is PipelineStatus.NEVER_RUN


@settings(deadline=None, max_examples=15, derandomize=True)
@given(pipelines())
def test_a_snapshot_of_anything_survives_json(drawn: tuple[Pipeline, History]) -> None:
    snapshot = make.snapshot(drawn[0])
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(max_size=600) | st.text(alphabet="[](){}';:\"\\ 0123456789AHYTSQLbx.,|", max_size=600))
def test_any_text_is_classified(text: str) -> None:
    failure = parse(text)
    visible = "".join(character for character in text if character >= " " and character != "\x7f")
    assert bool(failure.words) is bool(visible.strip())


@pytest.mark.parametrize("snapshot", [make.healthy_snapshot(), make.troubled_snapshot(), make.unreachable_snapshot()])
def test_the_factories_snapshots_survive_json(snapshot: Snapshot) -> None:
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
