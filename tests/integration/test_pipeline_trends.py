"""Trends: a limited number of points, the right window, gaps, and a typical range only where it is known."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils.translation import override

from monitoring.models import (
    CollectorState,
    PipelineRollup,
    PipelineSample,
    RunCopy,
    RunEntityCopy,
)
from monitoring.pipelines import trends as pipeline_trends
from monitoring.pipelines.trends import chart, execution_trends, sample_trends, slot_of
from monitoring.rules.enums import Grain
from monitoring.rules.figures import RANGES, usual_band
from monitoring.rules.rollups import DAY, HOUR, day_of
from monitoring.summary.queries import sample_trend
from tests.factories import NOW, ago
from tests.support.queries import counted, queries

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


def rolled(**figures: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"samples": 100}
    for name, value in (("eligible", 5), ("served_lag_seconds", 60), ("coverage_percent", 99)):
        row |= {f"{name}_known": 100, f"{name}_min": value, f"{name}_avg": value, f"{name}_max": value}
    return {**row, **figures}


def hour(at: datetime, name: str = NAME, **figures: Any) -> None:
    PipelineRollup.objects.create(entity_name=name, grain=Grain.HOUR, start=at, **rolled(**figures))


def day(at: datetime, name: str = NAME, **figures: Any) -> None:
    _day(at, name, rolled(**figures))


def run_day(at: datetime, **figures: Any) -> None:
    row = {
        "executions": 5, "succeeded": 4, "failed": 1, "extracted": 100, "upserted": 90, "soft_deleted": 0,
        "duration_seconds_known": 4, "duration_seconds_avg": 25, "duration_seconds_min": 10,
        "duration_seconds_max": 40, "throughput_known": 4, "throughput_avg": 10, "throughput_min": 1,
        "throughput_max": 30, **figures,
    }  # fmt: skip
    _day(at, NAME, row)


def _day(at: datetime, name: str, columns: dict[str, Any]) -> None:
    PipelineRollup.objects.update_or_create(entity_name=name, grain=Grain.DAY, start=at, defaults=columns)


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
        duration, throughput = execution_trends(NAME, "24h", NOW)
    assert [point.value for point in duration.points] == [20, 0, 10]
    assert [point.value for point in throughput.points] == [5, 40]  # nothing upserted has no throughput
    assert (duration.step, duration.cut, duration.band) == (None, False, None)


def test_many_executions_are_summed_up_and_the_oldest_left_out(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_trends, "POINTS", 10)
    monkeypatch.setattr(pipeline_trends, "EXECUTIONS", 40)
    for number in range(50):
        execution(number + 1, ago(hours=23) + timedelta(minutes=number * 5), seconds=number)
    duration, _ = execution_trends(NAME, "24h", NOW)
    assert duration.cut
    assert duration.values == 40
    assert duration.step == timedelta(minutes=6)
    assert len(duration.points) <= 240
    assert duration.band == usual_band(range(10, 50)), "the band is of the executions, not of their medians"
    with override("en"):
        note = chart(duration, ago(days=1), NOW)["note"]
    assert "median" in note
    assert "latest 40" in note


def test_a_day_of_samples_keeps_peaks_and_gaps(db: None) -> None:
    sample(ago(hours=10), eligible=3, served_lag_seconds=30)
    sample(ago(hours=10) + timedelta(minutes=1), eligible=9, served_lag_seconds=10, target_total=90)
    sample(ago(hours=9), eligible=None, served_lag_seconds=None, target_total=None)
    sample(ago(hours=8), name="another", eligible=1000)
    sample(ago(hours=30), eligible=1000)
    with queries(default=1):
        eligible, lag, coverage = sample_trends(NAME, "24h", NOW)
    assert len(eligible.points) <= 241
    assert [point.value for point in eligible.known] == [9]
    assert [point.value for point in lag.known] == [30]
    assert [point.value for point in coverage.known] == [90]
    assert eligible.grain is Grain.RAW


def test_a_refresh_reads_only_what_is_new(db: None) -> None:
    for minutes in range(0, 120, 2):
        sample(ago(minutes=minutes), eligible=minutes)
    first, *_ = sample_trends(NAME, "24h", NOW)
    sample(NOW + timedelta(seconds=30), eligible=500)
    with queries(default=1) as seen:
        second, *_ = sample_trends(NAME, "24h", NOW + timedelta(minutes=1))
    assert f"{slot_of(NOW, timedelta(minutes=6)):%Y-%m-%d %H:%M:%S}" in seen.of("default")[0]
    assert second.known[-1].value == 500
    assert second.known[:-1] == first.known[:-1]


@pytest.mark.parametrize(("window", "step"), [("7d", timedelta(hours=1)), ("30d", timedelta(hours=3))])
def test_a_month_comes_from_hours_and_the_newest_samples(db: None, window: str, step: timedelta) -> None:
    for hours in range(2, 24 * 31, 1):
        hour(slot_of(ago(hours=hours), timedelta(hours=1)), eligible_min=hours + 8, eligible_avg=hours)
    sample(ago(minutes=1), eligible=10_000)
    hour(slot_of(ago(hours=1), HOUR), eligible_max=999_999)  # its samples are read themselves
    hour(slot_of(ago(hours=50), HOUR), "another", eligible_max=999_999)
    with queries(default=2):
        eligible, lag, coverage = sample_trends(NAME, window, NOW, (3, None, 99.0))
    assert eligible.grain is Grain.HOUR
    assert eligible.step == step
    assert len(eligible.points) <= 241
    assert eligible.points[0].at >= NOW - RANGES[window]
    assert min(point.low or 0 for point in eligible.known[-2:]) == 3, "what the newest sample says"
    assert max(point.high or 0 for point in eligible.known) == 10_000
    assert (eligible.last, lag.last, coverage.last) == (3, None, 99.0)


def test_points_of_hours_are_means_between_their_bounds(db: None) -> None:
    start = slot_of(ago(hours=30), timedelta(hours=3))
    hour(start, eligible_known=100, eligible_min=2, eligible_avg=4, eligible_max=50)
    hour(start + HOUR, eligible_known=300, eligible_min=1, eligible_avg=8, eligible_max=9)
    hour(start + 2 * HOUR, eligible_known=0, eligible_min=None, eligible_avg=None, eligible_max=None)
    (point,) = sample_trends(NAME, "30d", NOW)[0].known
    assert (point.at, point.low, point.value, point.high) == (start, 1, 7, 50)


@pytest.mark.parametrize(("window", "step"), [("1y", timedelta(days=2)), ("5y", timedelta(days=7))])
def test_years_come_from_days_and_todays_hours_in_one_statement(db: None, window: str, step: timedelta) -> None:
    today = day_of(NOW)
    for back in range(2, 1826):
        day(today - back * DAY, eligible_avg=back)
    hour(today - DAY, eligible_max=70_000, eligible_avg=9)  # its day's roll-up may not be written yet
    hour(today + HOUR, eligible_max=80_000, eligible_avg=9)
    for add in (day, hour):
        add(today - (9 if add is day else 1) * DAY, "another", eligible_max=999_999)
    day(today - DAY, eligible_max=999_999)  # and where it is, it is not counted beside its hours
    with queries(default=1):
        eligible, *_ = sample_trends(NAME, window, NOW, (5, 5, 5))
    assert (eligible.grain, eligible.step) == (Grain.DAY, step)
    assert len(eligible.points) <= 300
    assert max(point.high or 0 for point in eligible.known) == 80_000
    assert eligible.last == 5


def test_what_is_unknown_in_a_roll_up_is_a_gap(db: None) -> None:
    names = ("known", "min", "avg", "max")
    unknown = {f"{figure}_{part}": None for figure in ("eligible", "served_lag_seconds") for part in names}
    day(day_of(NOW) - 40 * DAY, **{**unknown, "eligible_known": 0, "served_lag_seconds_known": 0})
    eligible, _, coverage = sample_trends(NAME, "1y", NOW)
    assert eligible.known == ()
    assert len(coverage.known) == 1


@pytest.mark.parametrize("window", ["1y", "5y"])
def test_executions_of_years_come_from_days_and_the_newest_from_the_copies(db: None, window: str) -> None:
    today = day_of(NOW)
    for back in range(1, 300):
        run_day(today - back * DAY)
    execution(1, ago(hours=3), 500, upserted=1000)
    execution(2, ago(hours=2), 20, upserted=1000)
    with queries(default=2):
        duration, throughput = execution_trends(NAME, window, NOW)
    assert duration.grain is Grain.DAY
    assert duration.values == 298 * 4 + 2, "yesterday is read from the copies"
    first, rate = duration.known[0], throughput.known[0]
    assert (first.low, first.value, first.high) == (10, 25, 40)
    assert (rate.low, rate.value, rate.high) == (1, 10, 30)
    assert duration.known[-1].high == 500
    assert duration.last == 20
    assert throughput.last == 50
    assert len(duration.points) <= 300


def test_a_day_without_a_success_is_a_gap(db: None) -> None:
    names = [f"{figure}_{part}" for figure in ("duration_seconds", "throughput") for part in ("min", "avg", "max")]
    run_day(day_of(NOW) - 50 * DAY, duration_seconds_known=0, throughput_known=0, **dict.fromkeys(names))
    duration, throughput = execution_trends(NAME, "1y", NOW)
    assert (duration.known, throughput.known, duration.values) == ((), (), 0)


def test_a_shorter_retention_of_copies_asks_the_days(db: None, settings: Any) -> None:
    settings.COPY_RETENTION_DAYS = 10
    run_day(day_of(NOW) - 20 * DAY)
    assert execution_trends(NAME, "30d", NOW)[0].values == 4
    assert execution_trends(NAME, "7d", NOW)[0].grain is Grain.RAW


OLDEST = "SCAN monitoring_pipelinesample USING COVERING INDEX sample_time"
"""The oldest sample is the first entry of its index: a walk that ends at once."""
WALKED = re.compile(r"SCAN (monitoring_\w+)")


@pytest.mark.parametrize("window", list(RANGES))
def test_every_trend_is_sought_by_an_index(db: None, window: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the plan is SQLite's")
    CollectorState.objects.create()
    sample(ago(hours=1))
    with counted() as seen:
        sample_trends(NAME, window, NOW)
        execution_trends(NAME, window, NOW)
        sample_trend(NOW, window)
    assert len(seen.of("default")) >= 4
    for statement in seen.of("default"):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = "\n".join(str(row[3]) for row in cursor.fetchall())
        assert not WALKED.findall(plan.replace(OLDEST, "")), (statement, plan)
        for line in plan.splitlines():
            # Of one pipeline the time is sought too: the rest of its history is not read.
            assert "entity_name=?)" not in line, (statement, plan)


@pytest.mark.parametrize(
    ("language", "window", "said"),
    [
        ("en", "30d", "hourly averages (roll-up), the band from lowest to highest · each point stands for 3 h"),
        (
            "en",
            "5y",
            "daily averages (roll-up) of UTC days, the band from lowest to highest · each point stands for 7 d",
        ),
        ("pt-br", "7d", "médias por hora (consolidado), com a faixa do menor ao maior"),
        ("pt-br", "1y", "médias por dia (consolidado) de dias UTC"),
    ],
)
def test_a_chart_says_that_it_is_a_roll_up(db: None, language: str, window: str, said: str) -> None:
    at = day_of(NOW) - (5 if window == "7d" else 9) * DAY
    hour(at, eligible_known=10, eligible_min=1, eligible_avg=2, eligible_max=30)
    day(at, eligible_known=10, eligible_min=1, eligible_avg=2, eligible_max=30)
    run_day(at - 40 * DAY)
    with override(language):
        found = charts(window, (12, None, None))
    eligible = found["eligible"]
    assert said in eligible["note"]
    assert eligible["data"]["band"]["low"][1] == 1
    assert eligible["data"]["band"]["high"][1] == 30
    assert eligible["rows"][-1][1] == ["2", "1", "30"]
    assert len(eligible["columns"]) == 3
    if language == "en":
        assert "Last 12, lowest 1, highest 30." in eligible["sentence"], "the last is the newest sample's"
        assert "Last unknown, lowest" in found["served-lag"]["sentence"]
    if window == "5y":
        assert found["duration"]["note"] == eligible["note"]
        assert found["duration"]["sentence"].startswith("Lowest 10 s, highest 40 s."), "no execution is that new"


def charts(window: str, latest: tuple[float | None, ...] = (None, None, None)) -> dict[str, Any]:
    found = [*execution_trends(NAME, window, NOW), *sample_trends(NAME, window, NOW, latest)]
    return {trend.figure: chart(trend, NOW - RANGES[window], NOW) for trend in found}


def test_an_empty_history_has_no_values_and_says_so(db: None) -> None:
    found = charts("24h")
    assert list(found) == ["duration", "throughput", "eligible", "served-lag", "coverage"]
    for drawn in found.values():
        assert drawn["rows"] == []
        assert "band" not in drawn["data"]
        assert drawn["sentence"] == "No values in this period."
