"""Trends: bounded points, the right window, gaps that stay gaps, and a usual band only where it is known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils.translation import override

from monitoring.models import PipelineHour, PipelineSample, RunCopy, RunEntityCopy
from monitoring.pipeline_charts import trend_charts
from monitoring.selectors import pipeline_trends
from monitoring.selectors.pipeline_trends import execution_trends, sample_trends, slot_of, usual
from tests.factories import NOW, ago
from tests.support.queries import queries

NAME = "dim_cliente"

pytestmark = pytest.mark.django_db(databases=("default", "dw", "oltp"))


def execution(number: int, started: datetime, seconds: float = 10, **changes: Any) -> None:
    RunCopy.objects.create(
        run_id=number, entities_requested=NAME, started_by="etl", started_at=started, status="success",
        entities_succeeded=1, entities_failed=0,
    )  # fmt: skip
    row = {
        "run_entity_id": number, "run_id": number, "entity_name": NAME, "started_at": started, "status": "success",
        "finished_at": started + timedelta(seconds=seconds), "extracted": 100, "upserted": 100, "soft_deleted": 0,
        **changes,
    }  # fmt: skip
    RunEntityCopy.objects.create(**row)


def sample(at: datetime, name: str = NAME, **figures: Any) -> None:
    row = {"eligible": 0, "served_lag_seconds": 0, "source_total": 100, "target_total": 99, **figures}
    PipelineSample.objects.create(entity_name=name, sampled_at=at, status="ok", is_active=True, **row)


def hour(at: datetime, **figures: Any) -> None:
    row = {"samples": 100, "eligible_max": 5, "served_lag_seconds_max": 60, "coverage_percent_last": 99.0, **figures}
    PipelineHour.objects.create(entity_name=NAME, hour=at, **row)


def test_only_successes_of_the_window_with_a_usable_finish_count(db: None) -> None:
    execution(1, ago(hours=25))
    execution(2, ago(hours=23), 20)
    execution(3, ago(hours=22), status="failed")
    execution(4, ago(hours=21), finished_at=None)
    execution(5, ago(hours=20), -5)
    execution(6, ago(hours=19), 0, upserted=40)
    execution(7, ago(hours=18), 10, upserted=0)
    execution(8, ago(hours=17), entity_name="another")
    with queries(default=1, dw=0, oltp=0):
        found = execution_trends(NAME, "24h", NOW)
    assert [point.value for point in found.duration.points] == [20, 0, 10]
    assert [point.value for point in found.throughput.points] == [5, 40]  # nothing upserted has no throughput
    assert (found.summed, found.cut, found.duration.band) == (None, False, None)


def test_many_executions_are_summed_up_and_the_oldest_left_out(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_trends, "POINTS", 10)
    monkeypatch.setattr(pipeline_trends, "EXECUTIONS", 40)
    for number in range(50):
        execution(number + 1, ago(hours=23) + timedelta(minutes=number * 5), seconds=number)
    found = execution_trends(NAME, "24h", NOW)
    assert found.cut
    assert found.executions == 40
    assert found.summed == timedelta(minutes=6)
    assert len(found.duration.points) <= 240
    assert found.duration.band is not None
    assert found.duration.band.of == 40  # the band is of the executions, not of their medians
    with override("en"):
        chart = trend_charts(found, sample_trends(NAME, "24h", NOW), NOW)[0]
    assert "median" in chart.note
    assert "newest 40" in chart.note


def test_a_band_needs_five_values() -> None:
    assert usual([1, 2, 3, 4]) is None
    assert usual([1, None, 2, 3, 4, None]) is None
    band = usual([1, 2, 3, 4, 5])
    assert band is not None
    assert (band.low, band.median, band.high, band.of) == (1.4, 3, 4.6, 5)


def test_a_day_of_samples_keeps_peaks_and_gaps(db: None) -> None:
    sample(ago(hours=10), eligible=3, served_lag_seconds=30)
    sample(ago(hours=10) + timedelta(minutes=1), eligible=9, served_lag_seconds=10, target_total=90)
    sample(ago(hours=9), eligible=None, served_lag_seconds=None, target_total=None)
    sample(ago(hours=8), name="another", eligible=1000)
    sample(ago(hours=30), eligible=1000)
    with queries(default=1):
        found = sample_trends(NAME, "24h", NOW)
    assert len(found.eligible.points) <= 241
    assert [point.value for point in found.eligible.known] == [9]
    assert [point.value for point in found.served_lag.known] == [30]
    assert [point.value for point in found.coverage.known] == [90]
    assert not found.from_rollup


def test_a_refresh_reads_only_what_is_new(db: None) -> None:
    for minutes in range(0, 120, 2):
        sample(ago(minutes=minutes), eligible=minutes)
    first = sample_trends(NAME, "24h", NOW)
    sample(NOW + timedelta(seconds=30), eligible=500)
    with queries(default=1) as seen:
        second = sample_trends(NAME, "24h", NOW + timedelta(minutes=1))
    assert f"{slot_of(NOW, timedelta(minutes=6)):%Y-%m-%d %H:%M:%S}" in seen.of("default")[0]
    assert second.eligible.known[-1].value == 500
    assert second.eligible.known[:-1] == first.eligible.known[:-1]


@pytest.mark.parametrize(("window", "step"), [("7d", timedelta(hours=1)), ("30d", timedelta(hours=3))])
def test_longer_windows_come_from_the_roll_up(db: None, window: str, step: timedelta) -> None:
    for hours in range(0, 24 * 31, 1):
        hour(slot_of(ago(hours=hours), timedelta(hours=1)), eligible_max=hours)
    sample(ago(minutes=1), eligible=10_000)
    with queries(default=2):
        found = sample_trends(NAME, window, NOW)
    assert found.from_rollup
    assert found.step == step
    assert len(found.eligible.points) <= 241
    assert found.eligible.known[-1].value == 10_000
    assert found.eligible.points[0].at >= NOW - pipeline_trends.WINDOWS[window]


def test_an_empty_history_has_no_values_and_says_so(db: None) -> None:
    charts = trend_charts(execution_trends(NAME, "24h", NOW), sample_trends(NAME, "24h", NOW), NOW)
    assert [chart.name for chart in charts] == ["duration", "throughput", "eligible", "served-lag", "coverage"]
    for chart in charts:
        assert chart.rows == ()
        assert "band" not in chart.data
        assert chart.sentence == "No value in this time."
