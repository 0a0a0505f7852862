"""The summary's figures from `default`: charts, trends, failures."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict

from monitoring.models import CollectorState, PipelineSample, RunCopy, RunEntityCopy
from monitoring.rules.enums import ErrorClass, RunStatus
from monitoring.rules.figures import days_until
from monitoring.summary import queries as summary_queries
from monitoring.summary.queries import POINTS, recent_failures, runs_by_day, sample_trend, volume_by_pipeline
from monitoring.summary.tables import FailuresForm
from tests.factories import NOW, UNIQUE_ERROR, ago
from tests.support.queries import queries

pytestmark = pytest.mark.django_db

SAO_PAULO, KOLKATA = ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kolkata")


def _run(run_id: int, started_at: datetime, status: str = "success") -> RunCopy:
    return RunCopy.objects.create(
        run_id=run_id,
        entities_requested="a",
        started_by="etl",
        started_at=started_at,
        finished_at=started_at + timedelta(minutes=1),
        status=status,
        entities_succeeded=1,
        entities_failed=0,
    )


def _execution(number: int, name: str = "a", **changes: Any) -> RunEntityCopy:
    values: dict[str, Any] = {
        "run_entity_id": number,
        "run_id": number,
        "entity_name": name,
        "started_at": ago(hours=1),
        "finished_at": ago(minutes=59),
        "status": "success",
        "extracted": 10,
        "upserted": 9,
        "soft_deleted": 0,
    }
    return RunEntityCopy.objects.create(**{**values, **changes})


def _counts(day: Any) -> dict[RunStatus, int]:
    return {status: number for status, number in day.counts.items() if number}


def test_days_are_the_viewers_and_an_edge_belongs_to_the_day_it_begins() -> None:
    midnight = datetime(2024, 5, 15, 3, 0, tzinfo=UTC)  # 00:00 in São Paulo
    _run(1, midnight)
    _run(2, midnight - timedelta(seconds=1), "failed")
    with queries(default=1):
        days = runs_by_day(NOW, SAO_PAULO)
    assert [day.day.isoformat() for day in (days[0], days[-1])] == ["2024-05-02", "2024-05-15"]
    assert _counts(days[-1]) == {RunStatus.SUCCESS: 1}
    assert _counts(days[-2]) == {RunStatus.FAILED: 1}
    assert _counts(runs_by_day(NOW, UTC)[-1]) == {RunStatus.SUCCESS: 1, RunStatus.FAILED: 1}


def test_a_zone_that_is_half_an_hour_off() -> None:
    _run(1, datetime(2024, 5, 14, 18, 29, 59, tzinfo=UTC))  # 23:59:59 in Kolkata
    _run(2, datetime(2024, 5, 14, 18, 30, tzinfo=UTC))
    days = runs_by_day(NOW, KOLKATA)
    assert (_counts(days[-2]), _counts(days[-1])) == ({RunStatus.SUCCESS: 1}, {RunStatus.SUCCESS: 1})


def test_days_on_which_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    starts = [start for _, start in days_until(datetime(2024, 4, 1, 12, tzinfo=UTC), berlin, 3)]
    assert [str(late - early) for early, late in itertools.pairwise(starts)] == [
        "1 day, 0:00:00",
        "23:00:00",
    ]


def test_runs_outside_of_the_window_and_strange_statuses() -> None:
    _run(1, ago(days=14))
    _run(2, ago(hours=1), "running")
    _run(3, ago(hours=1), " FAILED ")
    _run(4, ago(hours=1), "cancelled")
    days = runs_by_day(NOW, UTC)
    assert _counts(days[-1]) == {RunStatus.RUNNING: 1, RunStatus.FAILED: 1, RunStatus.UNKNOWN: 1}
    assert sum(day.total for day in days) == 3


def test_no_history_is_fourteen_empty_days() -> None:
    days = runs_by_day(NOW, UTC)
    assert (len(days), sum(day.total for day in days)) == (14, 0)
    assert volume_by_pipeline(NOW, UTC) == []


def test_volume_is_largest_first_and_huge_sums_stay_exact() -> None:
    for number in range(1, 4):
        _execution(number, "big", extracted=2_147_483_647, upserted=2_147_483_647)
    _execution(4, "b", upserted=5)
    _execution(5, "a", upserted=5)
    _execution(6, "a", status="failed", upserted=0, extracted=1)
    _execution(7, "old", started_at=ago(days=20))
    with queries(default=1):
        volumes = volume_by_pipeline(NOW, UTC)
    assert [tuple(each[key] for key in ("entity_name", "rows_extracted", "rows_upserted")) for each in volumes] == [
        ("big", 6_442_450_941, 6_442_450_941),
        ("a", 11, 5),
        ("b", 10, 5),
    ]
    assert [(each["executions"], each["failed"]) for each in volumes] == [(3, 0), (2, 1), (1, 0)]


def test_failures_are_the_newest_first_with_what_they_mean() -> None:
    _execution(1, started_at=ago(days=8), status="failed", error_message="too old")
    _execution(2, started_at=ago(hours=2), status="failed", error_message=UNIQUE_ERROR)
    _execution(3, started_at=ago(hours=1), status="FAILED", error_message="", finished_at=None)
    _execution(4, started_at=ago(hours=1))
    with queries(default=1):
        found = recent_failures(NOW, logins=True)
    assert [row.run_entity_id for row in found] == [3, 2]
    assert (found[0].error_class, found[0].ended_at, found[0].seconds) == (
        ErrorClass.OTHER,
        ago(hours=1),
        None,
    )
    assert found[1].error_class is ErrorClass.UNIQUE
    for query, ids in (("f-kind=unique", [2]), ("f-q=uq_dim", [2]), ("f-q=%233", [3]), ("f-kind=unique&f-q=%233", [])):
        form = FailuresForm(QueryDict(query), prefix="f", sortable=frozenset())
        assert [row.run_entity_id for row in form.apply(found)] == ids


def test_failures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_queries, "FAILURES_READ", 3)
    for number in range(1, 5):
        _execution(number, status="failed", started_at=ago(minutes=number))
    found = recent_failures(NOW, logins=True)
    assert [row.run_entity_id for row in found] == [1, 2, 3]


def _sample(at: datetime, name: str = "a", **changes: Any) -> PipelineSample:
    values = {
        "status": "ok",
        "is_active": True,
        "source_total": 100,
        "target_total": 90,
        "eligible": 4,
        "cooling": 1,
        "latency_seconds": 60,
        "served_lag_seconds": 30,
    }
    return PipelineSample(entity_name=name, sampled_at=at, **{**values, **changes})


@pytest.fixture
def state() -> CollectorState:
    return CollectorState.objects.create()


def test_no_sample_is_no_trend(state: CollectorState) -> None:
    assert sample_trend(NOW).points == ()


def test_a_trend_costs_the_same_however_many_samples_there_are(state: CollectorState) -> None:
    PipelineSample.objects.bulk_create(
        [_sample(ago(minutes=minutes), name) for minutes in range(0, 26 * 60, 7) for name in ("a", "b")]
    )
    with queries(default=3):
        trend = sample_trend(NOW)
    assert trend.window == timedelta(hours=24)
    assert len(trend.points) == POINTS
    assert [point.at for point in trend.points] == sorted(point.at for point in trend.points)
    assert trend.points[-1].at == NOW
    assert trend.points[0].at > NOW - timedelta(hours=24)


@pytest.mark.parametrize(("age", "window"), [(10, 24), (90, 120), (300, 360), (1000, 1440), (9000, 1440)])
def test_the_window_fits_the_history(state: CollectorState, age: int, window: int) -> None:
    PipelineSample.objects.bulk_create([_sample(ago(minutes=minutes)) for minutes in range(0, age + 1, 5)])
    trend = sample_trend(NOW)
    assert trend.window == timedelta(minutes=window)
    assert len(trend.points) >= 2


def test_a_point_is_made_as_the_overview_is(state: CollectorState) -> None:
    PipelineSample.objects.bulk_create(
        [
            _sample(NOW, "a"),
            _sample(NOW, "b", status="failed", latency_seconds=None, served_lag_seconds=7200, eligible=6),
            _sample(NOW, "off", is_active=False, latency_seconds=9999, served_lag_seconds=99999, target_total=100),
            _sample(
                NOW,
                "unread",
                source_total=None,
                target_total=None,
                eligible=None,
                latency_seconds=None,
                served_lag_seconds=None,
                status="unknown",
            ),
        ]
    )
    (point,) = sample_trend(NOW).points
    assert (point.active_ok, point.eligible) == (1, 14)
    assert point.coverage_percent == pytest.approx(100 * 280 / 300)
    assert point.mean_latency_seconds == 60


def test_nothing_read_is_a_gap_not_a_zero(state: CollectorState) -> None:
    PipelineSample.objects.bulk_create(
        [
            _sample(
                NOW, source_total=None, target_total=None, eligible=None, latency_seconds=None, served_lag_seconds=None
            )
        ]
    )
    (point,) = sample_trend(NOW).points
    assert (point.coverage_percent, point.eligible, point.mean_latency_seconds) == (None,) * 3
