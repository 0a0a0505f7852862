"""The copies of runs: newest first, then backwards, open ones again, and over again in a rebuilt warehouse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.collector import copies as copying
from monitoring.collector import store as history
from monitoring.collector.copies import update_errors
from monitoring.models import CollectorState, RunCopy, RunEntityCopy
from monitoring.rules import facts as rules_facts
from monitoring.rules.enums import ExecutionStatus, PipelineStatus
from monitoring.rules.error_text import FINGERPRINT_VERSION
from monitoring.rules.rollups import day_of
from tests import factories
from tests.support.collecting import Watcher, in_real_time
from tests.support.queries import queries
from tests.support.warehouse import Warehouse


@pytest.fixture
def watcher(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    in_real_time(warehouse).control()
    monkeypatch.setattr(copying, "RUNS_AT_ONCE", 20)
    return Watcher()


def copied() -> list[int]:
    return list(RunCopy.objects.order_by("run_id").values_list("run_id", flat=True))


def executions(warehouse: Warehouse, count: int, minutes_apart: int = 60) -> list[int]:
    """Runs of dim_cliente, oldest first, the newest an hour ago."""
    return [
        warehouse.execution(entity_started_at=warehouse.now - timedelta(hours=1, minutes=minutes_apart * back))
        for back in reversed(range(count))
    ]


def cursors() -> tuple[int | None, int | None, bool]:
    state = CollectorState.objects.get()
    return state.copied_from_run_id, state.copied_to_run_id, state.copied_all


def test_the_newest_come_first(watcher: Watcher, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = executions(warehouse, 50)
    monkeypatch.setattr(copying, "BUDGET_SECONDS", -1.0)
    watcher.tick()
    assert copied() == ids[-20:]
    assert cursors() == (ids[-20], ids[-1], False)
    monkeypatch.setattr(copying, "BUDGET_SECONDS", 60.0)
    watcher.tick()
    assert copied() == ids
    assert cursors() == (ids[0], ids[-1], True)
    with queries(dw=3):
        watcher.tick()


def test_not_further_back_than_it_is_kept(watcher: Watcher, warehouse: Warehouse, settings: object) -> None:
    settings.COPY_RETENTION_DAYS = 10  # type: ignore[attr-defined]
    executions(warehouse, 40, minutes_apart=24 * 60)
    watcher.tick()
    assert cursors()[2] is True
    oldest = RunCopy.objects.order_by("started_at").values_list("started_at", flat=True)[0]
    assert oldest >= day_of(warehouse.now - timedelta(days=10)), "whole days: they are rolled up as days"


def test_what_is_new_is_copied_whole(watcher: Watcher, warehouse: Warehouse) -> None:
    watcher.tick()
    run_id = warehouse.execution(error_message="Boom: it's 100 %", status="failed", extracted_count=7)
    watcher.tick()
    run = RunCopy.objects.get()
    entity = RunEntityCopy.objects.get()
    assert (run.run_id, run.status, run.entities_failed, run.started_by) == (run_id, "failed", 1, "etl_runner")
    assert (entity.extracted, entity.status, entity.error_message) == (7, "failed", "Boom: it's 100 %")
    assert (entity.watermark_from_id, entity.watermark_to_id) == (1, 100)
    assert entity.started_at == warehouse.now - timedelta(minutes=10)


def test_many_new_ones_are_caught_up_with(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.execution()
    watcher.tick()
    ids = executions(warehouse, 90, minutes_apart=1)
    watcher.tick()
    assert copied()[1:] == ids


def test_a_lower_id_that_is_committed_later_is_found(watcher: Watcher, warehouse: Warehouse) -> None:
    first = warehouse.execution()
    warehouse.run(run_id=first + 2)
    watcher.tick()
    assert copied() == [first, first + 2]
    warehouse.run(run_id=first + 1)
    watcher.tick()
    assert copied() == [first, first + 1, first + 2]


def test_open_runs_are_read_until_they_end(watcher: Watcher, warehouse: Warehouse) -> None:
    run_id = warehouse.run(status="running", finished_at=None)
    entity = warehouse.run_entity(run_id, status="running", entity_finished_at=None)
    executions(warehouse, 30, minutes_apart=1)
    watcher.tick()
    assert RunEntityCopy.objects.get(pk=entity).finished_at is None
    warehouse.execute(
        "dw",
        "UPDATE [audit].[etl_run_entity] SET status='success', entity_finished_at=? WHERE run_entity_id=?",
        [warehouse.now, entity],
    )
    watcher.tick()
    assert RunEntityCopy.objects.get(pk=entity).finished_at == warehouse.now
    assert RunCopy.objects.get(pk=run_id).finished_at is None
    warehouse.execute(
        "dw", "UPDATE [audit].[etl_run] SET status='success', finished_at=? WHERE run_id=?", [warehouse.now, run_id]
    )
    watcher.tick()
    assert RunCopy.objects.get(pk=run_id).finished_at == warehouse.now


def test_old_orphans_are_looked_at_once_an_hour(watcher: Watcher, warehouse: Warehouse) -> None:
    old = warehouse.now - timedelta(days=3)
    orphan = warehouse.run(status="running", finished_at=None, started_at=old)
    executions(warehouse, 30, minutes_apart=1)
    watcher.tick()
    watcher.tick()
    warehouse.execute("dw", "UPDATE [audit].[etl_run] SET status='failed', finished_at=? WHERE run_id=?", [old, orphan])
    watcher.tick()
    assert RunCopy.objects.get(pk=orphan).status == "running"
    assert watcher.memory.orphans_read_at is not None
    watcher.memory.orphans_read_at -= 3600
    watcher.tick()
    assert RunCopy.objects.get(pk=orphan).status == "failed"


def test_an_open_run_that_was_rolled_back_is_forgotten(watcher: Watcher, warehouse: Warehouse) -> None:
    ids = executions(warehouse, 3)
    open_id = warehouse.run(status="running", finished_at=None)
    watcher.tick()
    assert open_id in copied()
    warehouse.execute("dw", "DELETE FROM [audit].[etl_run] WHERE run_id = ?", [open_id])
    watcher.tick()
    assert copied() == ids, "the finished ones stay"
    assert watcher.snapshot().running == ()


def test_also_when_a_later_run_came_meanwhile(watcher: Watcher, warehouse: Warehouse) -> None:
    open_id = warehouse.run(status="running", finished_at=None)
    later = warehouse.execution()
    watcher.tick()
    warehouse.execute("dw", "DELETE FROM [audit].[etl_run] WHERE run_id = ?", [open_id])
    assert watcher.snapshot().running == ()
    assert copied() == [later]


def test_one_that_the_dba_pruned_over_there_stays_here(watcher: Watcher, warehouse: Warehouse) -> None:
    ids = executions(warehouse, 5)
    watcher.tick()
    warehouse.execute("dw", "DELETE FROM [audit].[etl_run_entity] WHERE run_id = ?", [ids[0]])
    warehouse.execute("dw", "DELETE FROM [audit].[etl_run] WHERE run_id = ?", [ids[0]])
    watcher.tick()
    assert copied() == ids


class TestRebuilt:
    """Run ids started again, so the copies belong to other runs."""

    def test_with_fewer_runs(self, watcher: Watcher, warehouse: Warehouse) -> None:
        executions(warehouse, 5)
        watcher.tick()
        self._empty(warehouse)
        run_id = warehouse.execution(status="failed")
        found = watcher.pipeline()
        assert copied() == [run_id]
        assert found.status is PipelineStatus.FAILED
        assert len(watcher.memory.histories["dim_cliente"][1].recent) == 1

    def test_with_an_id_that_was_never_copied(self, watcher: Watcher, warehouse: Warehouse) -> None:
        for run_id in (10, 11, 13, 14):
            warehouse.run(run_id=run_id)
        watcher.tick()
        self._empty(warehouse)
        warehouse.run(run_id=12)
        watcher.tick()
        assert copied() == [12]

    def test_with_none_yet(self, watcher: Watcher, warehouse: Warehouse) -> None:
        executions(warehouse, 5)
        watcher.tick()
        self._empty(warehouse)
        assert watcher.pipeline().newest is None
        assert copied() == []
        run_id = warehouse.execution()
        watcher.tick()
        assert copied() == [run_id]

    def test_with_more_runs(self, watcher: Watcher, warehouse: Warehouse) -> None:
        executions(warehouse, 5, minutes_apart=7)
        watcher.tick()
        self._empty(warehouse)
        ids = executions(warehouse, 9, minutes_apart=11)
        watcher.tick()
        assert copied() == ids
        there = warehouse.execute("dw", "SELECT started_at FROM [audit].[etl_run] ORDER BY run_id").fetchall()
        here = RunCopy.objects.order_by("run_id").values_list("started_at", flat=True)
        assert [f"{at:%Y-%m-%d %H:%M:%S}" for at in here] == [at for (at,) in there]
        newest = watcher.pipeline().newest
        assert newest is not None
        assert newest.run_id == ids[-1]

    def _empty(self, warehouse: Warehouse) -> None:
        for table in ("etl_run_entity", "etl_run"):
            warehouse.execute("dw", f"DELETE FROM [audit].[{table}]")
        warehouse.execute("dw", "DELETE FROM [audit].sqlite_sequence")


class TestPast:
    """The history of one pipeline from the copies."""

    @pytest.fixture
    def ran(self, watcher: Watcher, warehouse: Warehouse) -> Warehouse:
        for back, (status, rows) in enumerate(
            [("failed", 0), ("failed", 0), ("success", 10), ("failed", 0), ("success", 30), ("success", 20)]
        ):
            _execution(warehouse, 100 - back, back, status, rows)
        warehouse.execution("other")
        watcher.tick()
        return warehouse

    def test_it(self, ran: Warehouse) -> None:
        own = history.execution_history("dim_cliente", timezone.now())
        assert [each.run_id for each in own.recent] == [100, 99, 98, 97, 96, 95]
        assert own.durations == (12.0, 14.0, 15.0)
        assert own.volumes == (10, 30, 20)
        assert own.gaps == (86399.0,) * 5
        assert (own.executions_7d, own.failures_7d) == (6, 3)
        assert own.failing_since == ran.now - timedelta(days=1, hours=1) + timedelta(seconds=11)
        assert [rows for _, rows in own.taken] == [10, 30, 20]

    def test_the_week_is_a_window(self, ran: Warehouse) -> None:
        later = ran.now + timedelta(days=3)
        own = history.execution_history("dim_cliente", later, history.first_run_since(later - history.WEEK))
        assert (own.executions_7d, own.failures_7d) == (4, 3)
        assert history.execution_history("nobody", later) == rules_facts.History()

    def test_a_streak_longer_than_what_is_looked_at(
        self, watcher: Watcher, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(history, "EXAMINED", 4)
        for back in range(9):
            _execution(warehouse, 100 - back, back, "failed" if back < 8 else "success", 0)
        watcher.tick()
        own = history.execution_history("dim_cliente", timezone.now())
        assert own.failing_since == warehouse.now - timedelta(days=7, hours=1) + timedelta(seconds=17)

    def test_windows_over_all_runs(self, ran: Warehouse) -> None:
        week, day = (history.run_counts(ran.now - timedelta(days=days)) for days in (7, 1))
        assert (week["success"], week["failed"], week.get("partial", 0)) == (4, 3, 0)
        assert (day["success"], day["failed"]) == (1, 1)
        assert sorted(history.throughputs(ran.now - timedelta(days=7))) == [
            (10, 12.0),
            (20, 15.0),
            (30, 14.0),
            (100, 30.0),
        ]

    def test_open_executions(self, watcher: Watcher, warehouse: Warehouse) -> None:
        for _ in range(2):
            run_id = warehouse.run(status="running", finished_at=None)
            warehouse.run_entity(run_id, status="running", entity_finished_at=None)
        warehouse.run_entity(run_id, "odd", status="???", entity_finished_at=None)
        watcher.tick()
        found = history.open_executions()
        assert [each.run_id for each in found["dim_cliente"]] == [run_id, run_id - 1]
        assert "odd" not in found
        assert {each.status for each in found["dim_cliente"]} == {ExecutionStatus.RUNNING}


def _execution(warehouse: Warehouse, run_id: int, days_back: int, status: str, rows: int) -> None:
    started = warehouse.now - timedelta(days=days_back, hours=1)
    finished = started + timedelta(seconds=10 + days_back)
    warehouse.run(run_id=run_id, started_at=started, finished_at=finished, status=status)
    warehouse.run_entity(
        run_id,
        status=status,
        entity_started_at=started,
        entity_finished_at=finished,
        extracted_count=rows,
        upserted_count=rows,
    )


UNIQUE_ERROR = factories.UNIQUE_ERROR


def fingerprints() -> list[tuple[str, str | None]]:
    return list(RunEntityCopy.objects.order_by("run_id").values_list("error_class", "fingerprint"))


def test_what_failed_is_copied_with_its_fingerprint(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.execution()
    warehouse.execution(status="failed", error_message=UNIQUE_ERROR)
    warehouse.execution(status="failed", error_message=UNIQUE_ERROR.replace("4711", "4712"))
    warehouse.execution(status="FAILED", error_message=None)
    watcher.tick()
    (none, *failed) = fingerprints()
    assert none == ("", None)
    assert [error_class for error_class, _ in failed] == ["unique", "unique", "other"]
    assert failed[0] == failed[1] != failed[2]
    assert all(failed[2])


def test_earlier_fingerprints_are_worked_through_a_part_at_a_time(
    watcher: Watcher, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        warehouse.execution(status="failed", error_message=UNIQUE_ERROR)
    warehouse.execution()
    watcher.tick()
    right = fingerprints()
    RunEntityCopy.objects.filter(status="failed").update(fingerprint="0" * 16, error_class="")
    CollectorState.objects.update(fingerprint_version=0)
    assert not update_errors(limit=2)
    assert [known == wanted for known, wanted in zip(fingerprints(), right, strict=True)] == [False] * 3 + [True] * 3
    assert not update_errors(limit=2)
    assert update_errors(limit=2)
    assert fingerprints() == right
    state = CollectorState.objects.get()
    assert (state.fingerprint_version, state.fingerprinted_from) == (FINGERPRINT_VERSION, None)
    RunEntityCopy.objects.filter(status="failed").update(fingerprint="0" * 16)
    watcher.tick()
    assert "0" * 16 in dict(fingerprints()).values(), "worked through although nothing changed"


def test_a_collector_of_a_new_release_does_it_by_itself(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.execution(status="failed", error_message=UNIQUE_ERROR)
    watcher.tick()
    right = fingerprints()
    RunEntityCopy.objects.update(fingerprint=None, error_class="")
    CollectorState.objects.update(fingerprint_version=FINGERPRINT_VERSION + 1)
    watcher.memory.fingerprinted = False
    watcher.tick()
    assert fingerprints() == right
