"""The derived figures: exact values, the edges, and None where there is no value."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Count, Figures, History, SourceReading, TargetReading
from monitoring.rules.figures import (
    coverage_percent,
    drain,
    duration_seconds,
    figures,
    latency_seconds,
    percentile,
    served_lag_seconds,
    usual_band,
)
from tests import factories as make
from tests.factories import NOW, ago, ahead


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (1000, 990, 99.0),
        (1000, 0, 0.0),
        (1000, 1200, 120.0),
        (3, 1, 100 / 3),
        (1, 1, 100.0),
        (0, 0, None),
        (0, 5, None),
        (None, 5, None),
        (5, None, None),
        (-1, 5, None),
        (5, -1, None),
    ],
)
def test_coverage(source, target, expected):
    assert coverage_percent(make.source(total=source), make.target(total=target)) == expected


@pytest.mark.parametrize(
    ("source", "target", "load_time", "expected"),
    [
        (ago(minutes=10), ago(minutes=30), False, 1200.0),
        (ago(minutes=10), ago(minutes=10), False, 0.0),
        (ago(minutes=30), ago(minutes=10), False, 0.0),
        (ago(minutes=10), ago(minutes=30), True, None),
        (None, ago(minutes=30), False, None),
        (ago(minutes=10), None, False, None),
        # A source row of the future counts as of now; a target of the future hides everything.
        (ahead(days=900), ago(minutes=30), False, 1800.0),
        (NOW, NOW, False, 0.0),
        (ahead(days=900), ahead(seconds=1), False, None),
    ],
)
def test_latency(source, target, load_time, expected):
    readings = make.source(newest_at=source), make.target(newest_at=target, is_load_time=load_time)
    assert latency_seconds(*readings, NOW) == expected


@pytest.mark.parametrize(
    ("eligible", "oldest", "expected"),
    [
        (Count(0), None, 0.0),
        (Count(0), ago(hours=9), 0.0),
        (Count(1), ago(minutes=3), 180.0),
        (Count(100_000, capped=True), ago(hours=2), 7200.0),
        (Count(0, capped=True), ago(hours=2), 7200.0),
        (Count(1), None, None),
        (None, ago(hours=2), None),
        (Count(1), ahead(minutes=5), 0.0),
    ],
)
def test_served_lag(eligible, oldest, expected):
    assert served_lag_seconds(make.source(eligible=eligible, oldest_eligible_at=oldest), NOW) == expected


@pytest.mark.parametrize(
    ("status", "started", "finished", "expected"),
    [
        (ExecutionStatus.SUCCESS, ago(minutes=2), ago(minutes=1), 60.0),
        (ExecutionStatus.FAILED, ago(minutes=2), ago(minutes=2), 0.0),
        (ExecutionStatus.SUCCESS, ago(minutes=1), ago(minutes=2), None),
        (ExecutionStatus.SUCCESS, ago(minutes=1), None, None),
        (ExecutionStatus.UNKNOWN, ago(minutes=1), None, None),
        (ExecutionStatus.RUNNING, ago(minutes=1), None, 60.0),
        (ExecutionStatus.RUNNING, ahead(minutes=1), None, 0.0),
        (ExecutionStatus.RUNNING, ago(minutes=2), ago(minutes=1), 60.0),
    ],
)
def test_duration(status, started, finished, expected):
    execution = make.execution(status=status, started_at=started, finished_at=finished)
    assert duration_seconds(execution, NOW) == expected


def test_no_execution_has_no_duration():
    assert duration_seconds(None, NOW) is None


@pytest.mark.parametrize(
    ("status", "seconds", "upserted", "expected"),
    [
        (ExecutionStatus.SUCCESS, 30, 300, 10.0),
        (ExecutionStatus.SUCCESS, 0, 300, 300.0),
        (ExecutionStatus.SUCCESS, 1, 300, 300.0),
        (ExecutionStatus.SUCCESS, 30, 0, 0.0),
        (ExecutionStatus.SUCCESS, -30, 300, None),
        (ExecutionStatus.SUCCESS, 30, -1, None),
        (ExecutionStatus.FAILED, 30, 300, None),
        (ExecutionStatus.RUNNING, 30, 300, None),
        (ExecutionStatus.UNKNOWN, 30, 300, None),
    ],
)
def test_throughput(status, seconds, upserted, expected):
    execution = make.execution(
        status=status, started_at=ago(hours=1), finished_at=ago(hours=1) + timedelta(seconds=seconds), upserted=upserted
    )
    assert execution.throughput == expected


def test_a_success_without_a_finish_has_no_throughput():
    assert make.execution(finished_at=None).throughput is None


def test_the_usual_band_needs_five_executions():
    assert usual_band([10, 20, 30, 40]) is None
    assert usual_band([50, 10, 20, 40, 30]) == (14.0, 30.0, 46.0)


def test_the_usual_band_leaves_out_what_is_no_duration():
    assert usual_band([10, 20, 30, 40, None, -5, float("nan"), float("inf")]) is None


def test_percentile_interpolates_between_neighbours():
    assert percentile([1, 2, 3, 4, 5], 95) == pytest.approx(4.8)
    assert percentile([7, 7, 7, 7, 7], 10) == 7.0
    assert percentile([1, 2], 50, minimum=1) == 1.5
    assert percentile([], 50, minimum=0) is None


class TestDrain:
    """B / (v - a) of running time plus the wait for the next start."""

    def history(self, **changes) -> History:
        # Speed 10 rows/s over the last 5 successes, one run every 10 minutes, the newest 5 minutes ago.
        return make.history(**{"arrival_per_second": 2.0, **changes})

    def test_running_time_plus_wait(self):
        assert drain(make.pending_source(800), None, self.history(), NOW) == (800 / 8 + 300, False)

    def test_no_wait_while_it_runs(self):
        running = make.execution(101, status=ExecutionStatus.RUNNING)
        assert drain(make.pending_source(800), running, self.history(), NOW) == (100.0, False)

    def test_no_wait_when_the_next_start_is_overdue(self):
        late = self.history(gaps=(60.0,) * 6)
        assert drain(make.pending_source(800), None, late, NOW) == (100.0, False)

    def test_nothing_eligible_is_drained(self):
        assert drain(make.source(), None, History(), NOW) == (0.0, False)

    @pytest.mark.parametrize(("arrival", "never"), [(9.99, False), (10.0, True), (10.01, True)])
    def test_never_when_rows_arrive_as_fast_as_they_go(self, arrival, never):
        seconds, says_never = drain(make.pending_source(800), None, self.history(arrival_per_second=arrival), NOW)
        assert says_never is never
        assert (seconds is None) is never

    @pytest.mark.parametrize(
        ("source", "history"),
        [
            (make.unread_source(), make.history()),
            (make.pending_source(800), make.history(arrival_per_second=None)),
            (make.pending_source(800), make.history(arrival_per_second=-1.0)),
            (make.pending_source(800), make.history(gaps=(600.0,) * 3)),
            (make.pending_source(800), History(arrival_per_second=0.1)),
            (make.pending_source(800), make.history(recent=make.executions(5, upserted=0))),
            (make.pending_source(eligible=Count(100_000, capped=True)), make.history()),
        ],
        ids=["unread", "no arrival", "clock back", "few gaps", "no executions", "no rows moved", "capped"],
    )
    def test_unknown_parts_give_no_estimate(self, source, history):
        assert drain(source, None, history, NOW) == (None, False)

    def test_a_capped_count_can_still_be_hopeless(self):
        source = make.pending_source(eligible=Count(100_000, capped=True))
        assert drain(source, None, self.history(arrival_per_second=50.0), NOW) == (None, True)

    def test_a_single_row_waits_too_and_nothing_need_arrive(self):
        calm = self.history(arrival_per_second=0.0)
        assert drain(make.pending_source(1), None, calm, NOW) == (0.1 + 300, False)

    def test_the_wait_is_the_median_gap(self):
        uneven = self.history(gaps=(60.0, 400.0, 600.0, 700.0, 9000.0))
        assert drain(make.pending_source(800), None, uneven, NOW) == (100 + 300, False)

    def test_instant_successes_count_a_second_each(self):
        instant = make.executions(3, upserted=20, started_at=ago(minutes=5), finished_at=ago(minutes=5))
        assert drain(make.pending_source(1800), None, self.history(recent=instant), NOW) == (100 + 300, False)

    def test_speed_is_of_all_five_together(self):
        halves = tuple(make.execution(100 - number, upserted=rows) for number, rows in enumerate((600, 0, 300, 0, 600)))
        assert drain(make.pending_source(800), None, self.history(recent=halves), NOW) == (100 + 300, False)

    def test_speed_is_measured_over_the_last_five_successes(self):
        newest = make.executions(5)
        older = tuple(make.execution(90 - number, upserted=900_000) for number in range(5))
        failed = make.execution(101, status=ExecutionStatus.FAILED, upserted=700)
        history = self.history(recent=(failed, *newest, *older))
        assert drain(make.pending_source(800), None, history, NOW) == (400.0, False)


def test_figures_of_a_healthy_pipeline():
    found = figures(
        source=make.source(), target=make.target(), newest=make.execution(), history=make.history(), now=NOW
    )
    assert found == Figures(
        coverage_percent=99.0,
        latency_seconds=0.0,
        served_lag_seconds=0.0,
        duration_seconds=30.0,
        throughput=10.0,
        usual_duration=(30.0, 30.0, 30.0),
        drain_seconds=0.0,
        drains_never=False,
    )


def test_figures_of_what_could_not_be_read_are_none():
    found = figures(source=SourceReading(), target=TargetReading(), newest=None, history=History(), now=NOW)
    assert found == Figures()
