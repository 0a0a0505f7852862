"""Rolling up: once and completely, also with two collectors and after a kill; rows are deleted only afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.collector import rollup as rollups
from monitoring.collector.copies import drop_copies, forget_runs, prune_copies, store_runs
from monitoring.collector.lease import LeaseLost
from monitoring.collector.rollup import prune_rollups, prune_samples, roll_up
from monitoring.collector.store import store_tick
from monitoring.models import (
    CollectorState,
    PipelineRollup,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
)
from monitoring.models.scope import ReaderScope, limited_to
from monitoring.rules.enums import ExecutionStatus, Grain
from monitoring.rules.rollups import DAY, HOUR
from tests import factories as make
from tests.support.queries import queries

A, B = "one", "other"
T0 = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db(databases=("default", "dw", "oltp"))


@pytest.fixture(autouse=True)
def state() -> CollectorState:
    return CollectorState.objects.create(lease_holder=A, copied_all=True)


def sample(at: datetime, name: str = "dim_cliente", **figures: Any) -> None:
    row = {"status": "ok", "eligible": 5, "source_total": 100, "target_total": 90, **figures}
    PipelineSample.objects.create(entity_name=name, sampled_at=at, is_active=True, **row)


def samples(start: datetime, hours: float, name: str = "dim_cliente", every: float = 10) -> None:
    for number in range(int(hours * 60 / every)):
        sample(start + timedelta(minutes=number * every), name, eligible=number)


def roll(now: datetime, holder: str = A, seconds: float = 10) -> tuple[int, bool]:
    return roll_up(holder=holder, now=now, seconds=seconds)


def rollups_of(grain: Grain) -> Any:
    return PipelineRollup.objects.filter(grain=grain).order_by("start", "entity_name")


def hours() -> Any:
    return rollups_of(Grain.HOUR)


def days() -> Any:
    """The days that have samples."""
    return rollups_of(Grain.DAY).filter(samples__gt=0)


def run_days() -> Any:
    """The days that have executions."""
    return rollups_of(Grain.DAY).filter(executions__isnull=False)


def told() -> list[dict[str, Any]]:
    """All roll-ups without their keys."""
    rows = list(PipelineRollup.objects.values())
    for row in rows:
        del row["id"]
    return sorted(rows, key=str)


def test_hours_that_are_over_are_rolled_up_and_the_running_one_is_not() -> None:
    start = T0 - 2 * HOUR
    samples(start, 2.5)
    assert not roll(start + timedelta(hours=2, minutes=30))[1]
    first, second = hours()
    assert (first.start, second.start) == (start, start + HOUR)
    assert (second.samples, second.eligible_known, second.eligible_min) == (6, 6, 6)
    assert (second.eligible_avg, second.eligible_max, second.eligible_last) == (8.5, 11, 11)
    assert (second.status_worst, second.status_seconds) == ("ok", {"ok": 540})
    assert days().count() == 0, "the day is over only when its last hour is rolled up"


def test_a_day_is_a_utc_day_and_made_of_its_hours() -> None:
    samples(T0, 4)
    roll(T0 + 4 * HOUR)
    day = days().get()
    assert day.start.isoformat() == "2026-03-01T00:00:00+00:00"
    assert (day.samples, day.eligible_min, day.eligible_avg, day.eligible_max, day.eligible_last) == (
        12,
        0,
        5.5,
        11,
        11,
    )
    assert (day.coverage_percent_known, day.coverage_percent_avg, day.source_total) == (12, 90, 100)
    assert day.status_seconds == {"ok": 1080}


def test_unknown_stays_unknown() -> None:
    for minutes in range(0, 60, 10):
        sample(T0 + timedelta(minutes=minutes), status="unknown", eligible=None, source_total=None, target_total=None)
    roll(T0 + DAY)
    for row in (hours().get(), days().get()):
        assert (row.samples, row.eligible_known, row.coverage_percent_known) == (6, 0, 0)
        assert (row.eligible_min, row.eligible_avg, row.eligible_max, row.eligible_last) == (None,) * 4
        assert (row.source_total, row.coverage_percent_avg, row.latency_seconds_max) == (None,) * 3
        assert row.status_worst == "unknown"


def test_doing_it_again_changes_nothing(state: CollectorState) -> None:
    samples(T0, 5)
    roll(T0 + 5 * HOUR)
    before = told()
    CollectorState.objects.update(hours_rolled_to=T0, days_rolled_to=T0 - 22 * HOUR)
    assert roll(T0 + 5 * HOUR)[0] > 0
    assert told() == before


@pytest.mark.parametrize("broken", ["_advance", "_replace"])
@pytest.mark.parametrize("step", range(1, 7))
def test_a_collector_that_is_killed_between_two_steps_loses_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, broken: str, step: int
) -> None:
    samples(T0, 5)
    samples(T0, 5, "fact_vendas", every=7)
    roll(T0 + 5 * HOUR)
    whole = told()
    PipelineRollup.objects.all().delete()
    CollectorState.objects.update(hours_rolled_to=None, days_rolled_to=None)
    real, calls = getattr(rollups, broken), []

    def dies(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        result = real(*args, **kwargs)
        if len(calls) == step:
            raise KeyboardInterrupt  # the process ends here: what the transaction did is undone
        return result

    monkeypatch.setattr(rollups, broken, dies)
    with pytest.raises(KeyboardInterrupt):
        roll(T0 + 5 * HOUR)
    assert len(told()) < len(whole)
    roll(T0 + 5 * HOUR)
    assert told() == whole


def test_two_collectors_that_swap_the_lease_write_each_hour_once(monkeypatch: pytest.MonkeyPatch) -> None:
    samples(T0, 4)
    real, lost = rollups.read_hour, []

    def swapped(start: datetime) -> Any:
        """While one collector reads, the other takes over and does the same hour."""
        found = real(start)
        if not lost:
            lost.append(start)
            CollectorState.objects.update(lease_holder=B)
            roll(T0 + HOUR, holder=B)
        return found

    monkeypatch.setattr(rollups, "read_hour", swapped)
    with pytest.raises(LeaseLost):
        roll(T0 + 4 * HOUR, holder=A)
    assert hours().count() == 1
    roll(T0 + 4 * HOUR, holder=B)
    assert [hour.samples for hour in hours()] == [6] * 4
    assert days().get().samples == 12


def test_a_step_that_another_did_meanwhile_is_not_done_again_by_the_same_holder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples(T0, 2)
    real = rollups.read_hour

    def moved(start: datetime) -> Any:
        CollectorState.objects.update(hours_rolled_to=start + HOUR)
        return real(start)

    monkeypatch.setattr(rollups, "read_hour", moved)
    with pytest.raises(LeaseLost):
        roll(T0 + 2 * HOUR)
    assert not hours().exists()


def tick(at: datetime, eligible: int = 77) -> None:
    pipeline = make.pipeline("dim_cliente", source=make.pending_source(make.Count(eligible), oldest=HOUR, total=100))
    store_tick(holder=A, now=at, milliseconds=1, sampled_at=at, version="v", payload=b"{}", pipelines=[pipeline])


def test_a_late_sample_gets_into_its_hour_and_its_day() -> None:
    samples(T0, 5)
    roll(T0 + 5 * HOUR)
    with queries(default=2):  # the state and the samples: no statement more than any tick
        tick(T0 + timedelta(minutes=35))
    roll(T0 + 5 * HOUR)
    assert hours().get(start=T0).eligible_max == 77
    assert days().get().eligible_max == 77
    assert days().get().samples == 13
    assert hours().count() == 5


def test_a_late_sample_of_an_hour_that_is_no_longer_whole_changes_nothing() -> None:
    samples(T0, 5)
    roll(T0 + 5 * HOUR)
    before = told()
    assert prune_samples(before=T0 + timedelta(hours=1, minutes=59), limit=4) == 4
    tick(T0 + timedelta(minutes=35))
    roll(T0 + 5 * HOUR)
    assert told() == before
    assert CollectorState.objects.get().hours_rolled_to == T0 + 5 * HOUR


def test_a_gap_is_no_row_and_costs_one_step() -> None:
    samples(T0, 1)
    samples(T0 + 24 * 40 * HOUR, 1)
    roll(T0 + HOUR)
    progress = roll(T0 + 24 * 40 * HOUR + HOUR)
    assert hours().count() == 2
    assert [day.start for day in days()] == [T0 - 22 * HOUR]
    assert progress[0] <= 6


def test_a_tick_does_a_bounded_part_and_goes_on_in_the_next() -> None:
    samples(T0, 30)
    turns = 0
    while roll(T0 + 30 * HOUR, seconds=0)[1]:
        turns += 1
        assert hours().count() <= turns
    assert turns >= 30
    assert hours().count() == 30
    assert days().count() == 2


def test_nothing_is_deleted_before_it_is_rolled_up() -> None:
    samples(T0, 3)
    late = T0 + 1000 * DAY
    assert prune_samples(before=late, limit=100) == 0
    roll(T0 + HOUR)
    assert prune_samples(before=late, limit=100) == 6
    assert prune_rollups(Grain.HOUR, before=late, limit=100) == 0, "its day is not over"
    roll(T0 + 2 * DAY)
    assert prune_samples(before=late, limit=100) == 12
    assert prune_rollups(Grain.HOUR, before=late, limit=100) == 3
    assert days().count() == 2
    assert prune_rollups(Grain.DAY, before=T0 + 2 * HOUR, limit=100) == 1
    assert days().get().start == T0 + 2 * HOUR


# Time that was late


def late(row: Any) -> tuple[float, float, float, float]:
    return (row.seconds_measured, row.seconds_late_warning, row.seconds_late_critical, row.seconds_in_maintenance)


def lags(start: datetime, *minutes: float | None, every: int = 60, **figures: Any) -> None:
    """A sample every `every` seconds whose freshness lag is so many minutes."""
    for number, lag in enumerate(minutes):
        seconds = None if lag is None else round(lag * 60)
        sample(start + timedelta(seconds=number * every), served_lag_seconds=seconds, **figures)


def test_hours_and_days_keep_how_long_a_pipeline_was_late() -> None:
    lags(T0, *[0] * 20, *[121] * 30, *[361] * 10)
    lags(T0 + HOUR, *[361] * 15, *[30] * 45)
    roll(T0 + DAY)
    assert [late(hour) for hour in hours()] == [(3600, 1800, 600, 0), (3600, 0, 900, 0)]
    day = days().get()
    assert late(day) == (7200, 1800, 1500, 0)


def test_each_pipeline_has_its_own_limits() -> None:
    PipelineSettings.objects.create(entity_name="dim_cliente", late_warning_minutes=10, late_critical_minutes=20)
    lags(T0, *[15] * 30, *[25] * 30)
    for minute in range(60):
        sample(T0 + timedelta(minutes=minute), "fact_vendas", served_lag_seconds=25 * 60)
    roll(T0 + HOUR)
    assert [late(hour) for hour in hours()] == [(3600, 1800, 1800, 0), (3600, 0, 0, 0)]


def test_time_without_a_known_lag_is_neither_late_nor_on_time() -> None:
    lags(T0, *[None] * 10, *[500] * 10, every=60)
    roll(T0 + HOUR)
    hour = hours().get()
    assert late(hour) == (9 * 60 + 90, 0, 9 * 60 + 90, 0), "the last sample stands for 90 s"
    assert hour.status_seconds == {"ok": 19 * 60 + 90}


def test_an_hour_that_was_made_again_counts_its_seconds_once() -> None:
    lags(T0, *[500] * 60)
    roll(T0 + 5 * HOUR)
    tick(T0 + timedelta(minutes=35, seconds=30))
    roll(T0 + 5 * HOUR)
    assert late(hours().get()) == (3600, 0, 3570, 0)


# Samples and executions of a day share a row


def test_a_days_samples_and_executions_keep_each_other() -> None:
    store_runs(runs=[execution(1, T0)])
    roll(T0 + 2 * HOUR)
    assert (run_days().get().start, days().count()) == (T0 - 22 * HOUR, 0)
    samples(T0, 2)
    roll(T0 + 2 * HOUR)
    day = rollups_of(Grain.DAY).get()
    assert (day.samples, day.executions, day.upserted) == (12, 1, 80)
    forget_runs(run_ids=[1])
    roll(T0 + 3 * DAY)
    day = rollups_of(Grain.DAY).get()
    assert (day.samples, day.eligible_max, day.executions, day.duration_seconds_known) == (12, 11, None, 0)


# Copies of executions


def execution(number: int, started: datetime, status: str = "success", **changes: Any) -> Any:
    ended = status != "running"
    values = {
        "run_entity_id": number,
        "run_id": number,
        "started_at": started,
        "status": ExecutionStatus(status),
        "finished_at": started + timedelta(seconds=40) if ended else None,
        "extracted": 100,
        "upserted": 80,
        **changes,
    }
    found = make.execution(**values)
    return make.run(number, executions=(found,), started_at=started, finished_at=found.finished_at)


def test_executions_are_rolled_up_by_day_before_their_copies_go() -> None:
    store_runs(runs=[execution(number, T0 + number * HOUR) for number in range(1, 5)])
    assert prune_copies(before=T0 + 100 * DAY, limit=100) == 0
    roll(T0 + 2 * DAY)
    first, second = run_days()
    assert (first.executions, second.executions, second.start) == (1, 3, T0 + 2 * HOUR)
    assert (second.succeeded, second.duration_seconds_known, second.duration_seconds_avg, second.upserted) == (
        3,
        3,
        40,
        240,
    )
    assert prune_copies(before=T0 + 100 * DAY, limit=100) == 4
    roll(T0 + 3 * DAY)
    assert run_days().count() == 2, "what is deleted is not forgotten"


def test_an_execution_that_ends_days_later_changes_its_day() -> None:
    store_runs(runs=[execution(1, T0, "running")])
    roll(T0 + 3 * DAY)
    day = run_days().get()
    assert (day.executions, day.succeeded, day.duration_seconds_known, day.duration_seconds_avg) == (1, 0, 0, None)
    store_runs(runs=[execution(1, T0, finished_at=T0 + 2 * DAY)])
    roll(T0 + 3 * DAY)
    day = run_days().get()
    assert (day.executions, day.succeeded, day.duration_seconds_max) == (1, 1, 2 * 86400)


def test_a_run_that_was_rolled_back_leaves_no_day_behind() -> None:
    store_runs(runs=[execution(1, T0, "running"), execution(2, T0 + DAY)])
    roll(T0 + 3 * DAY)
    assert run_days().count() == 2
    forget_runs(run_ids=[1])
    roll(T0 + 3 * DAY)
    assert run_days().get().start == T0 + 2 * HOUR


def test_executions_wait_until_the_copy_reaches_far_enough_back() -> None:
    CollectorState.objects.update(copied_all=False)
    store_runs(runs=[execution(9, T0 + DAY)])
    roll(T0 + 3 * DAY)
    assert not run_days().exists()
    store_runs(runs=[execution(1, T0)])
    CollectorState.objects.update(copied_all=True)
    roll(T0 + 3 * DAY)
    assert run_days().count() == 2


def test_another_warehouse_begins_anew_and_the_old_ones_days_stay() -> None:
    store_runs(runs=[execution(1, T0)])
    roll(T0 + 3 * DAY)
    drop_copies()
    store_runs(runs=[execution(1, T0 + 4 * DAY)])
    CollectorState.objects.update(copied_all=True)
    roll(T0 + 6 * DAY)
    assert run_days().count() == 2
    assert not RunCopy.objects.exclude(run_id=1).exists()
    assert RunEntityCopy.objects.get().started_at == T0 + 4 * DAY


def test_who_may_see_some_pipelines_sees_the_roll_ups_of_those() -> None:
    samples(T0, 3)
    samples(T0, 3, "fact_vendas")
    store_runs(runs=[execution(1, T0), execution(2, T0, entity_name="fact_vendas")])
    roll(T0 + DAY)
    with limited_to(ReaderScope(pipelines=frozenset({"fact_vendas"}))):
        for rows in (hours(), days(), run_days()):
            assert set(rows.values_list("entity_name", flat=True)) == {"fact_vendas"}


def test_only_who_holds_the_lease_rolls_up() -> None:
    samples(T0, 2)
    with pytest.raises(LeaseLost):
        roll(T0 + 2 * HOUR, holder="nobody")
    assert not hours().exists()
