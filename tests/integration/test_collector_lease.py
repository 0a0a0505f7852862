"""Two collectors at once do no harm: one holds the lease, the other takes over when it stops."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from monitoring.actions import lease as lease_actions
from monitoring.actions.lease import LEASE, claim_lease, release_lease
from monitoring.actions.samples import LeaseLost
from monitoring.collector import loop
from monitoring.collector.loop import STANDBY_SECONDS, Collector
from monitoring.models import CollectorState, PipelineSample, RunCopy
from tests.support.collecting import Watcher, in_real_time
from tests.support.queries import queries
from tests.support.warehouse import Warehouse


@pytest.fixture
def busy(warehouse: Warehouse) -> Warehouse:
    in_real_time(warehouse).control()
    return warehouse


def test_one_holds_it(db: None) -> None:
    now = timezone.now()
    assert claim_lease(holder="a", now=now)
    assert not claim_lease(holder="b", now=now + LEASE / 2)
    assert claim_lease(holder="a", now=now + LEASE / 2), "its holder renews it"
    assert not claim_lease(holder="b", now=now + LEASE), "counted from the renewal"


def test_it_ends_by_itself(db: None) -> None:
    now = timezone.now()
    claim_lease(holder="a", now=now)
    assert not claim_lease(holder="b", now=now + LEASE - timedelta(seconds=1))
    assert claim_lease(holder="b", now=now + LEASE)
    assert not claim_lease(holder="a", now=now + LEASE)


def test_it_is_given_back(db: None) -> None:
    now = timezone.now()
    claim_lease(holder="a", now=now)
    assert not release_lease(holder="b"), "only by its holder"
    assert release_lease(holder="a")
    assert claim_lease(holder="b", now=now)


def test_a_clock_that_went_back_locks_nobody_out(db: None) -> None:
    now = timezone.now()
    claim_lease(holder="a", now=now + timedelta(hours=5))
    assert claim_lease(holder="b", now=now)


def test_one_collects_and_the_other_takes_over(busy: Warehouse) -> None:
    first, second = Collector("first"), Collector("second")
    first.turn()
    assert first.sampled
    assert second.turn() == STANDBY_SECONDS
    assert not second.sampled
    first.close()
    second.turn()
    assert second.sampled
    assert first.turn() == STANDBY_SECONDS
    assert PipelineSample.objects.count() == 2


def test_a_holder_that_vanished_is_replaced(busy: Warehouse) -> None:
    first, second = Collector("first"), Collector("second")
    first.turn()
    CollectorState.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
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


def test_a_slow_tick_renews_its_lease(busy: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    claims: list[str] = []

    def claim(*, holder: str, now: object) -> bool:
        claims.append(holder)
        return lease_actions.claim_lease(holder=holder, now=now)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "claim_lease", claim)
    collector = Collector("a")
    collector.turn()
    assert len(claims) == 1
    monkeypatch.setattr(loop, "RENEW_SECONDS", 0.0)
    collector.turn()
    assert len(claims) > 3


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
        """A warehouse that is lost is told within a peek, not at the end of an idle pause; then it is left in peace."""
        collector = Collector("a")
        collector.turn()
        busy.execute("dw", "ALTER TABLE audit.etl_run RENAME TO gone")
        assert collector._news()
        assert not collector._news()

    def test_one_that_stands_by_does_not_peek(self, busy: Warehouse) -> None:
        claim_lease(holder="other", now=timezone.now())
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
        assert collector.turn() == loop.FAILED_SECONDS
        assert not collector.sampled
    monkeypatch.undo()
    collector.turn()
    assert collector.sampled


def test_once(busy: Warehouse) -> None:
    call_command("collect", "--once")
    assert PipelineSample.objects.count() == 1
    assert CollectorState.objects.get().lease_until is None
    claim_lease(holder="other", now=timezone.now())
    with pytest.raises(CommandError):
        call_command("collect", "--once")
