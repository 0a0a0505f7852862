"""Two collectors at once: one holds the lease, the other takes over when it stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from monitoring.collector import copies, loop
from monitoring.collector import copies as copying
from monitoring.collector import lease as heartbeat_module
from monitoring.collector import login_history as seen
from monitoring.collector.lease import (
    Heartbeat,
    LeaseLost,
    claim_lease,
    collecting_as,
    lease_length,
    release_lease,
    renew_lease,
    renew_seconds,
    standby_seconds,
)
from monitoring.collector.loop import Collector
from monitoring.models import CollectorState, PipelineSample, RunCopy, SeenHistory
from monitoring.models.lookups import DatabaseTime
from tests.factories import run
from tests.support.collecting import Watcher, in_real_time
from tests.support.queries import queries
from tests.support.warehouse import Warehouse


@pytest.fixture
def busy(warehouse: Warehouse) -> Warehouse:
    in_real_time(warehouse).control()
    return warehouse


def ends_in(**what: float) -> None:
    """Let the lease end so far from now by the database's clock; less than nothing: it ended."""
    CollectorState.objects.update(lease_until=DatabaseTime(timedelta(**what)))


def test_one_holds_it(db: None) -> None:
    assert claim_lease(holder="a")
    assert not claim_lease(holder="b")
    ends_in(seconds=0.5)
    assert claim_lease(holder="a"), "its holder renews it"
    time.sleep(0.6)
    assert not claim_lease(holder="b"), "counted from the renewal"


def test_it_ends_by_itself(db: None) -> None:
    claim_lease(holder="a")
    ends_in(seconds=0.2)
    assert not claim_lease(holder="b")
    time.sleep(0.3)
    assert claim_lease(holder="b")
    assert not claim_lease(holder="a")


def test_it_lasts_less_than_a_tick_takes_to_come_again(db: None, settings: Any) -> None:
    for every, seconds in ((1, 2.0), (10, 6.0), (600, 15.0)):
        settings.COLLECT_BUSY_SECONDS = every
        assert lease_length().total_seconds() == seconds
        assert 2 * renew_seconds() < seconds
        claim_lease(holder="a")
        left = CollectorState.objects.annotate(now=DatabaseTime()).values_list("lease_until", "now").get()
        assert abs((left[0] - left[1]).total_seconds() - seconds) < 1


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_machine_whose_clock_is_wrong_takes_nothing(db: None, hours: int) -> None:
    """The lease is counted by the database's clock alone."""
    claim_lease(holder="a")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
        assert not claim_lease(holder="b")
        assert renew_lease(holder="a")
    assert not claim_lease(holder="b")
    ends_in(seconds=-1)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
        assert claim_lease(holder="b")
    assert not claim_lease(holder="a")


def test_it_is_given_back(db: None) -> None:
    claim_lease(holder="a")
    assert not release_lease(holder="b"), "only by its holder"
    assert release_lease(holder="a")
    assert claim_lease(holder="b")


def test_a_database_whose_clock_went_back_locks_nobody_out(db: None) -> None:
    claim_lease(holder="a")
    ends_in(hours=5)
    assert claim_lease(holder="b")


def test_renewing_takes_nothing(db: None) -> None:
    """A collector that was suspended while another held and released the lease does not hold it again."""
    claim_lease(holder="a")
    ends_in(seconds=-1)
    assert renew_lease(holder="a"), "nobody took it"
    ends_in(seconds=-1)
    claim_lease(holder="b")
    release_lease(holder="b")
    assert not renew_lease(holder="a")


def test_one_collects_and_the_other_takes_over(busy: Warehouse) -> None:
    first, second = Collector("first"), Collector("second")
    first.turn()
    assert first.sampled
    assert second.turn() == standby_seconds()
    assert not second.sampled
    first.close()
    second.turn()
    assert second.sampled
    assert first.turn() == standby_seconds()
    assert PipelineSample.objects.count() == 2


def test_a_holder_that_vanished_is_replaced(busy: Warehouse) -> None:
    first, second = Collector("first"), Collector("second")
    first.turn()
    ends_in(seconds=-1)
    second.turn()
    assert second.sampled
    first.turn()
    assert not first.sampled
    assert not first.collecting


def test_a_result_that_comes_too_late_is_dropped(busy: Warehouse) -> None:
    """Taken over in the middle of a slow tick: nothing of it is stored, the other's stays."""
    watcher = Watcher()
    watcher.tick()
    before = CollectorState.objects.get()

    def taken_over() -> None:
        CollectorState.objects.update(lease_holder="other")

    from monitoring.collector.tick import tick

    with pytest.raises(LeaseLost):
        tick(watcher.memory, holder="test", between=taken_over)
    after = CollectorState.objects.get()
    assert (after.ticked_at, after.payload) == (before.ticked_at, before.payload)
    assert PipelineSample.objects.count() == 1


def test_one_that_was_stopped_between_ticks_remembers_nothing(busy: Warehouse) -> None:
    """Another one collected and went away meanwhile: what is remembered here is not what is stored."""
    first, second = Collector("first"), Collector("second")
    first.turn()
    memory = first._memory
    first.turn()
    assert first._memory is memory
    ends_in(seconds=-1)
    second.turn()
    second.close()
    first.turn()
    assert first.sampled
    assert first._memory is not memory


WRITES: dict[str, Callable[[], object]] = {
    "store_runs": lambda: copies.store_runs(runs=[run(run_id=7)]),
    "forget_runs": lambda: copies.forget_runs(run_ids=[7]),
    "drop_copies": copies.drop_copies,
    "set_cursors": lambda: copies.set_cursors(CollectorState(), copied_to_run_id=1, copied_all=True),
    "store_seen": lambda: seen.store_seen(
        found=[], history=SeenHistory(from_key=1, to_key=1, read_until=timezone.now())
    ),
    "forget_seen": seen.forget_seen,
}


@pytest.mark.parametrize("write", WRITES)
def test_one_that_lost_the_lease_writes_nothing(db: None, write: str) -> None:
    """It woke up in the middle of a tick: what it read before is older than what the other one wrote since."""
    claim_lease(holder="b")
    copies.store_runs(runs=[run(run_id=6), run(run_id=7)])
    before = CollectorState.objects.values().get(), list(RunCopy.objects.order_by("run_id").values())
    with collecting_as("a"), pytest.raises(LeaseLost):
        WRITES[write]()
    assert before == (CollectorState.objects.values().get(), list(RunCopy.objects.order_by("run_id").values()))
    assert not SeenHistory.objects.exists()
    with collecting_as("b"):
        WRITES[write]()


def test_a_tick_is_fenced(busy: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the control rows were read, while another one copied on: its old number drops no copies."""
    busy.execution()
    first, second = Collector("first"), Collector("second")
    first.turn()
    assert RunCopy.objects.count() == 1
    stops = iter([True])

    def stopped() -> None:
        if next(stops, False):
            busy.execution()
            ends_in(seconds=-1)
            second.turn()
            assert second.sampled
            monkeypatch.setattr(copying, "newest_runs", lambda *_: pytest.fail("every copy was dropped"))

    first._renew = stopped  # type: ignore[method-assign]
    assert first.turn() == standby_seconds()
    assert not first.sampled
    assert RunCopy.objects.count() == 2
    assert CollectorState.objects.get().lease_holder == "second"
    assert PipelineSample.objects.count() == 2


def test_a_slow_tick_renews_its_lease(busy: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[str] = []

    def renew(*, holder: str) -> bool:
        renewed.append(holder)
        return renew_lease(holder=holder)

    monkeypatch.setattr(loop, "renew_lease", renew)
    collector = Collector("a")
    collector.turn()
    assert renewed == []
    monkeypatch.setattr(loop, "renew_seconds", lambda: 0.0)
    collector.turn()
    assert len(renewed) > 3


class TestHeartbeat:
    def test_it_renews_what_is_held(self, db: None) -> None:
        heartbeat = Heartbeat("a")
        heartbeat.beat()
        assert not CollectorState.objects.exists(), "nothing is held"
        claim_lease(holder="a")
        heartbeat.held = True
        ends_in(seconds=-1)
        heartbeat.beat()
        assert not claim_lease(holder="b")

    def test_it_takes_nothing_from_another(self, db: None) -> None:
        heartbeat = Heartbeat("a")
        heartbeat.held = True
        claim_lease(holder="b")
        heartbeat.beat()
        assert not heartbeat.held
        assert CollectorState.objects.get().lease_holder == "b"

    def test_work_that_hangs_loses_it(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        heartbeat = Heartbeat("a")
        heartbeat.held = claim_lease(holder="a")
        ends_in(seconds=-1)
        monkeypatch.setattr(heartbeat_module, "HANGS_SECONDS", -1.0)
        heartbeat.beat()
        assert claim_lease(holder="b")

    def test_a_database_that_is_away_does_not_end_it(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*, holder: str) -> bool:
            raise DatabaseError("away")

        monkeypatch.setattr(heartbeat_module, "renew_lease", fail)
        heartbeat = Heartbeat("a")
        heartbeat.held = True
        heartbeat.beat()
        assert heartbeat.held

    @pytest.mark.django_db(transaction=True)
    def test_it_is_a_thread_of_its_own(self, settings: Any) -> None:
        """A statement that takes longer than the lease does not lose it; the process's end does."""
        settings.COLLECT_BUSY_SECONDS = 1
        claim_lease(holder="a")
        with Heartbeat("a") as heartbeat:
            heartbeat.held = True
            ends_in(seconds=0.9)
            time.sleep(1.2)
            assert not claim_lease(holder="b")
        ends_in(seconds=-1)
        assert claim_lease(holder="b")


class TestLoop:
    """The loop with a wait that a test counts instead of sitting through."""

    def run(self, collector: Collector, waits: int, during: dict[int, Callable[[], object]] | None = None) -> float:
        """Run until that many waits were asked for; return how many seconds they would have been."""
        asked: list[float] = []

        def wait(seconds: float) -> None:
            asked.append(seconds)
            (during or {}).get(len(asked), lambda: None)()
            if len(asked) == waits:
                collector.stop()

        collector.run(wait)
        assert len(asked) == waits
        return sum(asked)

    def test_stopping_ends_it_and_gives_the_lease_back(self, busy: Warehouse) -> None:
        self.run(Collector("a"), waits=1)
        state = CollectorState.objects.get()
        assert (state.lease_until, state.lease_holder) == (None, "")
        assert PipelineSample.objects.count() == 1

    def test_nothing_new_waits_for_the_next_tick(self, busy: Warehouse) -> None:
        waited = self.run(Collector("a"), waits=10)
        assert 28 <= waited <= 30
        assert PipelineSample.objects.count() == 1

    def test_a_run_that_begins_is_news_at_once(self, busy: Warehouse) -> None:
        began = {2: lambda: busy.run(status="running", finished_at=None, started_at=busy.now)}
        self.run(Collector("a"), waits=3, during=began)
        assert PipelineSample.objects.count() == 2
        assert RunCopy.objects.get().status == "running"

    def test_a_peek_is_one_statement(self, busy: Warehouse) -> None:
        collector = Collector("a")
        collector.turn()
        with queries(dw=1, oltp=0, default=0):
            assert not collector._news()
        busy.execution()
        assert collector._news()

    def test_a_warehouse_that_does_not_answer_is_left_in_peace(self, busy: Warehouse) -> None:
        busy.execute("dw", "ALTER TABLE ctl.etl_control RENAME TO gone")
        collector = Collector("a")
        collector.turn()
        with queries(dw=0):
            assert not collector._news()

    def test_a_peek_that_fails_is_news_once(self, busy: Warehouse) -> None:
        """A lost warehouse is noticed at the next peek, not at the next idle tick; then peeks stop."""
        collector = Collector("a")
        collector.turn()
        busy.execute("dw", "ALTER TABLE audit.etl_run RENAME TO gone")
        assert collector._news()
        assert not collector._news()

    def test_one_that_stands_by_does_not_peek(self, busy: Warehouse) -> None:
        claim_lease(holder="other")
        with queries(dw=0, oltp=0):
            self.run(Collector("a"), waits=4)


def test_it_looks_more_often_while_something_runs(busy: Warehouse, settings: object) -> None:
    settings.COLLECT_BUSY_SECONDS, settings.COLLECT_IDLE_SECONDS = 10, 30  # type: ignore[attr-defined]
    collector = Collector("a")
    assert 20 < collector.turn() <= 30
    run_id = busy.run(status="running", finished_at=None, started_at=busy.now)
    busy.run_entity(run_id, status="running", entity_finished_at=None, entity_started_at=busy.now)
    assert 1 <= collector.turn() <= 10


def test_a_failing_tick_does_not_end_the_loop(busy: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector("a")
    for error in (RuntimeError("?"), DatabaseError("locked")):
        monkeypatch.setattr(loop, "tick", lambda *args, error=error, **kwargs: (_ for _ in ()).throw(error))
        assert 0 < collector.turn() <= loop.FAILED_SECONDS
        assert not collector.sampled
    monkeypatch.undo()
    collector.turn()
    assert collector.sampled


def test_once(busy: Warehouse) -> None:
    call_command("collect", "--once")
    assert PipelineSample.objects.count() == 1
    assert CollectorState.objects.get().lease_until is None
    claim_lease(holder="other")
    with pytest.raises(CommandError):
        call_command("collect", "--once")
