"""The overview: what is unknown is named, never summed as 0."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.rules.enums import PipelineStatus
from monitoring.rules.facts import Count, Overview
from monitoring.rules.overview import needs_attention, overview
from tests import factories as make
from tests.factories import ago


def seen(*pipelines, day=None, week=None, throughputs=(), last_run=None) -> Overview:
    return overview(pipelines, day=day, week=week, throughputs=throughputs, last_run=last_run)


def test_nothing_read_is_nothing_known():
    assert overview(None, day=None, week=None, throughputs=None, last_run=None) == Overview()


def test_no_pipelines_is_known_and_has_no_values():
    found = seen(day={}, week={})
    assert (found.active, found.pipelines, found.finished_24h, found.failed_24h) == (0, 0, 0, 0)
    assert (found.success_rate_24h, found.sla_percent, found.coverage_percent, found.eligible_total) == (None,) * 4
    assert found.by_status == tuple((status, 0) for status in PipelineStatus)


@pytest.mark.parametrize(
    ("success", "failed", "partial", "rate"),
    [(0, 0, 0, None), (1, 0, 0, 100.0), (0, 3, 0, 0.0), (1, 1, 2, 25.0)],
)
def test_success_rate_is_of_finished_runs(success, failed, partial, rate):
    counts = {"success": success, "failed": failed, "partial": partial, "running": 1, "unknown": 1}
    found = seen(make.pipeline(), day=counts, week=counts)
    assert (found.success_rate_24h, found.success_rate_7d) == (rate, rate)
    assert (found.failed_24h, found.partial_24h) == (failed, partial)
    assert (found.finished_24h, found.finished_7d) == (success + failed + partial,) * 2


def test_active_and_by_status():
    found = seen(make.pipeline(), make.failed_pipeline(), make.inactive_pipeline(), make.unread_pipeline())
    assert (found.active, found.pipelines) == (3, 4)
    assert dict(found.by_status) == {
        PipelineStatus.UNKNOWN: 1,
        PipelineStatus.STRUCTURE_MISSING: 0,
        PipelineStatus.RUNNING: 0,
        PipelineStatus.FAILED: 1,
        PipelineStatus.OK: 2,
        PipelineStatus.NEVER_RUN: 0,
    }


def test_coverage_is_over_the_pipelines_that_have_both():
    found = seen(
        make.pipeline("a", source=make.source(total=1000), target=make.target(total=500)),
        make.pipeline("b", source=make.source(total=3000), target=make.target(total=3000)),
        make.pipeline("c", source=make.source(total=999_999), target=make.unread_target(exists=True)),
        make.pipeline("d", source=make.source(total=0), target=make.target(total=0)),
    )
    assert found.coverage_percent == 87.5
    assert found.unread == ("c",)


def test_pending_sums_what_is_known_and_names_the_rest():
    found = seen(
        make.pipeline("a", source=make.pending_source(7, cooling=Count(2))),
        make.pipeline("b", source=make.pending_source(Count(100_000, capped=True))),
        make.unread_pipeline("c"),
    )
    assert found.eligible_total == Count(100_007, capped=True)
    assert found.cooling_total == Count(2)
    assert found.unread == ("c",)


def test_pending_of_nothing_read_is_unknown_not_zero():
    found = seen(make.unread_pipeline("a"), make.missing_pipeline("b", source=make.unread_source(exists=False)))
    assert (found.eligible_total, found.cooling_total, found.coverage_percent) == (None, None, None)
    assert found.unread == ("a", "b")


def test_latency_and_worst_lag_are_of_active_pipelines():
    late = {"source": make.pending_source(oldest=timedelta(hours=1), newest_at=ago(minutes=5))}
    found = seen(
        make.pipeline("a", target=make.target(newest_at=ago(minutes=25)), **late),
        make.pipeline("b"),
        make.pipeline("c", target=make.target(is_load_time=True)),
        make.inactive_pipeline("d", source=make.pending_source(oldest=timedelta(days=9))),
    )
    assert found.mean_latency_seconds == 600.0
    assert (found.worst_lag_seconds, found.worst_lag_entity) == (3600.0, "a")


def test_mean_throughput_leaves_out_those_that_moved_nothing():
    found = seen(make.pipeline(), throughputs=[(100, 10.0), (300, 0.5), (0, 10.0), (50, -3.0)])
    assert found.mean_throughput_24h == 155.0
    assert seen(make.pipeline(), throughputs=[(0, 10.0)]).mean_throughput_24h is None


@pytest.mark.parametrize(
    ("pipelines", "percent"),
    [
        ((make.pipeline(), make.pipeline("b")), 100.0),
        ((make.pipeline(), make.failed_pipeline()), 50.0),
        # What cannot be judged does not comply.
        ((make.pipeline(), make.unread_pipeline()), 50.0),
        ((make.pipeline(), make.failed_pipeline(control=make.control_row(is_active=False))), 100.0),
        ((make.inactive_pipeline(),), None),
    ],
)
def test_sla_compliance(pipelines, percent):
    assert seen(*pipelines).sla_percent == percent


def test_needs_attention_is_an_open_alert():
    assert needs_attention(make.failed_pipeline())
    assert needs_attention(make.late_pipeline())
    assert not needs_attention(make.pipeline())
    assert not needs_attention(make.unread_pipeline())
