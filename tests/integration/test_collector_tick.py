"""Ticks in sequence: stored data, changes of the version, and the state after a database failed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from monitoring.collector.snapshot import current
from monitoring.models import CollectorState, PipelineRollup, PipelineSample, PipelineSettings, RunCopy, RunEntityCopy
from monitoring.rules.enums import CheckState, PipelineStatus, ProblemCode, Rule, Severity
from monitoring.rules.facts import Count
from tests.support.collecting import Watcher, in_real_time, problem_codes
from tests.support.queries import queries
from tests.support.shop import customer, region
from tests.support.warehouse import Warehouse


@pytest.fixture
def watcher(warehouse: Warehouse) -> Watcher:
    in_real_time(warehouse)
    return Watcher()


def test_an_empty_warehouse_is_seen_as_empty(watcher: Watcher) -> None:
    snapshot = watcher.snapshot()
    assert snapshot.pipelines == ()
    assert snapshot.overview.pipelines == 0
    assert snapshot.problem is None
    assert snapshot.stale_since is None
    assert "pipelines.active" in {check.code for check in snapshot.preflight.failed}


def test_figures_of_a_healthy_pipeline(watcher: Watcher, warehouse: Warehouse) -> None:
    now = warehouse.now
    place = region(warehouse, now - timedelta(days=2))
    for minutes in (90, 50, 40, 1):
        customer(warehouse, now - timedelta(minutes=minutes), place)
    warehouse.control(watermark_updated_at=now - timedelta(hours=1), watermark_id=0)
    run_id = warehouse.execution(entity_started_at=now - timedelta(minutes=20))
    pipeline = watcher.pipeline()
    assert pipeline.status is PipelineStatus.OK
    assert pipeline.source.total == 4
    assert pipeline.source.eligible == Count(2)
    assert pipeline.source.cooling == Count(1)
    assert pipeline.source.oldest_eligible_at == now - timedelta(minutes=50)
    assert pipeline.source.newest_at == now - timedelta(minutes=1)
    assert pipeline.source.has_watermark_index is True
    assert pipeline.target.total == 0
    assert pipeline.figures.coverage_percent == 0
    assert pipeline.newest is not None
    assert (pipeline.newest.run_id, pipeline.newest.upserted) == (run_id, 100)
    assert pipeline.figures.duration_seconds == 30
    lag = pipeline.figures.served_lag_seconds
    assert lag is not None
    assert abs(lag - 3000) < 30
    sample = PipelineSample.objects.get()
    assert (sample.eligible, sample.cooling, sample.source_total, sample.status) == (2, 1, 4, "ok")


def test_a_tick_is_what_pages_read(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.all_controls()
    ticked = watcher.tick()
    state = current()
    assert state.snapshot == ticked.snapshot
    assert state.version == ticked.version
    assert not state.stale


def test_a_control_row_added_a_moment_ago_works_at_once(watcher: Watcher, warehouse: Warehouse) -> None:
    watcher.tick()
    warehouse.control("dim_produto")
    assert watcher.pipeline("dim_produto").source.total == 0
    warehouse.control(
        "my own", source_table="core.regions", source_pk_column="region_id", target_table="dim.DIM_REGIAO"
    )
    region(warehouse, warehouse.now - timedelta(minutes=10))
    assert watcher.pipeline("my own").source.total == 1


def test_each_pipeline_has_its_own_settings(watcher: Watcher, warehouse: Warehouse) -> None:
    at = warehouse.now - timedelta(hours=3)
    warehouse.control("dim_cliente", watermark_updated_at=warehouse.now - timedelta(days=1))
    PipelineSettings.objects.create(
        entity_name="dim_cliente", late_warning_minutes=200, owner="Ana", watermark_expression="created_at"
    )
    customer(warehouse, at)
    pipeline = watcher.pipeline()
    assert pipeline.owner == "Ana"
    assert Rule.LATE_WATERMARK not in {verdict.rule for verdict in pipeline.verdicts}
    PipelineSettings.objects.update(late_warning_minutes=100)
    assert Rule.LATE_WATERMARK in {verdict.rule for verdict in watcher.pipeline().verdicts}
    warehouse.execute("oltp", "UPDATE [core].[customers] SET created_at = updated_at, updated_at = ?", [at])
    PipelineSettings.objects.update(watermark_expression="nothing_like_it")
    assert problem_codes(watcher.pipeline())[0] is ProblemCode.COLUMN_MISSING


def test_the_load_time_of_a_fact_gives_no_latency(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control("fact_vendas")
    warehouse.control("dim_regiao", watermark_updated_at=warehouse.now)
    region(warehouse, warehouse.now - timedelta(minutes=30))
    with queries() as seen:
        snapshot = watcher.snapshot()
    assert sum(sql.count("MAX(t.") for sql in seen.of("dw")) == 1, "the fact's load time is not asked for"
    vendas, regiao = snapshot.pipeline("fact_vendas"), snapshot.pipeline("dim_regiao")
    assert vendas is not None
    assert regiao is not None
    assert vendas.target.is_load_time
    assert not regiao.target.is_load_time


class TestVersion:
    def test_nothing_new_keeps_it(self, watcher: Watcher, warehouse: Warehouse) -> None:
        warehouse.all_controls()
        warehouse.execution()
        at = warehouse.now - timedelta(hours=10)
        customer(warehouse, at)
        warehouse.execute("dw", "UPDATE [ctl].[etl_control] SET watermark_updated_at = ?", [at - timedelta(hours=1)])
        run_id = warehouse.run(status="running", finished_at=None, started_at=warehouse.now)
        warehouse.run_entity(run_id, status="running", entity_finished_at=None, entity_started_at=warehouse.now)
        first = watcher.tick()
        second = watcher.tick()
        third = watcher.fresh().tick()
        assert first.version == second.version == third.version
        assert second.snapshot.sampled_at > first.snapshot.sampled_at
        assert any(verdict.rule == Rule.LATE_WATERMARK for verdict in first.snapshot.verdicts)
        assert CollectorState.objects.get().sampled_at == third.snapshot.sampled_at

    @pytest.mark.parametrize(
        "change",
        [
            lambda w: w.execution(),
            lambda w: customer(w, w.now - timedelta(hours=1)),
            lambda w: w.execute("dw", "UPDATE [ctl].[etl_control] SET is_active = 0"),
            lambda w: w.execute("dw", "UPDATE [ctl].[etl_control] SET watermark_id = 7"),
            lambda w: w.control("dim_produto"),
            lambda w: w.run(status="running", finished_at=None),
            lambda w: w.execute("dw", "UPDATE [audit].[etl_run_entity] SET upserted_count = 99"),
            lambda w: w.execute("dw", "DELETE FROM [ctl].[etl_control]"),
            lambda w: PipelineSettings.objects.create(entity_name="dim_cliente", owner="Ana"),
        ],
    )
    def test_news_change_it(self, watcher: Watcher, warehouse: Warehouse, change: object) -> None:
        warehouse.control()
        warehouse.run_entity(
            warehouse.run(status="running", finished_at=None), entity_finished_at=None, status="running"
        )
        before = watcher.tick().version
        change(warehouse)  # type: ignore[operator]
        assert watcher.tick().version != before


class TestRuns:
    def test_a_run_from_start_to_finish(self, watcher: Watcher, warehouse: Warehouse) -> None:
        warehouse.control()
        assert watcher.pipeline().status is PipelineStatus.NEVER_RUN
        run_id = warehouse.run(status="running", finished_at=None, started_at=warehouse.now)
        ticked = watcher.tick()
        assert ticked.busy
        assert [run.run_id for run in ticked.snapshot.running] == [run_id]
        entity = warehouse.run_entity(
            run_id,
            status="running",
            entity_finished_at=None,
            extracted_count=0,
            upserted_count=0,
            entity_started_at=warehouse.now,
        )
        assert watcher.pipeline().status is PipelineStatus.RUNNING
        self._end(warehouse, run_id, entity)
        ticked = watcher.tick()
        assert not ticked.busy
        assert ticked.snapshot.running == ()
        pipeline = ticked.snapshot.pipelines[0]
        assert pipeline.status is PipelineStatus.FAILED
        assert pipeline.newest is not None
        assert pipeline.newest.shown_error is not None
        assert pipeline.newest.shown_error.text == "Boom: x"
        assert ticked.snapshot.overview.failed_24h == 1
        assert any(verdict.rule == Rule.FAILED for verdict in ticked.snapshot.verdicts)

    def _end(self, warehouse: Warehouse, run_id: int, entity: int) -> None:
        end = warehouse.now + timedelta(seconds=1)
        warehouse.execute(
            "dw",
            "UPDATE [audit].[etl_run_entity] SET status='failed', entity_finished_at=?, error_message='Boom: x' "
            "WHERE run_entity_id = ?",
            [end, entity],
        )
        warehouse.execute(
            "dw", "UPDATE [audit].[etl_run] SET status='failed', finished_at=? WHERE run_id=?", [end, run_id]
        )

    def test_control_points_to_an_execution_older_than_the_copies(self, watcher: Watcher, warehouse: Warehouse) -> None:
        warehouse.control(last_run_id=1, last_status="success")
        old = warehouse.now - timedelta(days=200)
        assert warehouse.execution(entity_started_at=old) == 1
        for _ in range(3):
            warehouse.execution("dim_produto")
        watcher.tick()
        RunCopy.objects.filter(run_id=1).delete()
        RunEntityCopy.objects.filter(run_id=1).delete()
        pipeline = watcher.fresh().pipeline()
        assert pipeline.newest is not None
        assert pipeline.newest.started_at == old
        assert pipeline.status is PipelineStatus.OK

    def test_history_is_read_again_only_for_what_changed(self, watcher: Watcher, warehouse: Warehouse) -> None:
        warehouse.all_controls()
        for name in ("dim_cliente", "dim_produto"):
            warehouse.execution(name)
        watcher.tick()
        before = dict(watcher.memory.histories)
        warehouse.execution("dim_produto")
        watcher.tick()
        changed = {name for name, past in watcher.memory.histories.items() if past is not before[name]}
        assert changed == {"dim_produto"}


class TestDeadDatabase:
    """The files are missing, so a new connection cannot open them."""

    pytestmark = pytest.mark.django_db(databases=("default", "dw", "oltp"), transaction=True)

    @pytest.fixture
    def seen(self, watcher: Watcher, warehouse: Warehouse) -> Watcher:
        warehouse.all_controls(watermark_updated_at=warehouse.now - timedelta(days=1))
        customer(warehouse, warehouse.now - timedelta(hours=1))
        for name in ("dim_cliente", "fact_vendas"):
            warehouse.execution(name)
        _commit()
        watcher.tick()
        return watcher

    def test_a_dead_dw_keeps_the_figures_and_judges_nothing(
        self, seen: Watcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = seen.memory.snapshot
        assert good is not None
        samples = PipelineSample.objects.count()
        with _gone("dw", monkeypatch):
            dead = seen.snapshot()
            later = seen.snapshot()
            restarted = seen.fresh().snapshot()
        for snapshot in (dead, later, restarted):
            assert snapshot.stale_since == good.sampled_at
            assert snapshot.problem is not None
            assert snapshot.problem.code is ProblemCode.DATABASE_UNAVAILABLE
            assert [each.name for each in snapshot.pipelines] == [each.name for each in good.pipelines]
            assert {each.status for each in snapshot.pipelines} == {PipelineStatus.UNKNOWN}
            assert snapshot.preflight.ready_for_monitoring is False
            assert snapshot.preflight.ready_for_all_active is None
            assert snapshot.recent_runs == good.recent_runs
            cliente, before = snapshot.pipeline("dim_cliente"), good.pipeline("dim_cliente")
            assert cliente is not None
            assert before is not None
            assert cliente.source.total == before.source.total == 1
            assert cliente.figures == before.figures
            assert cliente.source.problem is not None
            assert all(each.severity is not Severity.OK for each in snapshot.pipelines)
        dw = next(each for each in later.verdicts if (each.values or {}).get("check") == "dw.connection")
        assert dw.severity is Severity.WARNING
        dw = next(each for each in restarted.verdicts if (each.values or {}).get("check") == "dw.connection")
        assert dw.severity is Severity.CRITICAL, "the third sample in a row, whoever took it"
        unread = PipelineSample.objects.order_by("-pk")[0]
        assert (unread.eligible, unread.source_total, unread.status) == (None, None, "unknown")
        assert PipelineSample.objects.count() == samples * 4
        alive = seen.snapshot()
        assert alive.stale_since is None
        assert alive.problem is None
        assert {each.status for each in alive.pipelines} != {PipelineStatus.UNKNOWN}

    def test_a_dead_oltp_keeps_its_part(self, seen: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
        good = seen.memory.snapshot
        assert good is not None
        with _gone("oltp", monkeypatch):
            dead = seen.snapshot()
        assert dead.problem is None
        assert dead.stale_since == good.sampled_at
        assert {each.status for each in dead.pipelines} == {PipelineStatus.UNKNOWN}
        cliente = dead.pipeline("dim_cliente")
        assert cliente is not None
        assert cliente.source.total == 1
        assert cliente.source.problem is not None
        assert cliente.target.problem is None
        assert cliente.newest is not None
        failed = {check.code: check.state for check in dead.preflight.checks}
        assert failed["oltp.connection"] is CheckState.FAILED
        assert failed["dw.connection"] is CheckState.PASSED
        assert failed["pipeline.source"] is CheckState.UNKNOWN
        assert seen.snapshot().stale_since is None

    def test_nothing_was_ever_seen(self, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
        with _gone("dw", monkeypatch), _gone("oltp", monkeypatch):
            snapshot = watcher.snapshot()
        assert snapshot.pipelines == ()
        assert snapshot.overview.pipelines is None
        assert snapshot.overview.finished_24h is None
        assert snapshot.stale_since is None
        assert snapshot.problem is not None

    def test_a_locked_file(self, seen: Watcher, warehouse: Warehouse) -> None:
        """Another program holds one schema's file exclusively: the others are read all the same."""
        import sqlite3

        path = connections["oltp"].settings_dict["OPTIONS"]["schemas"]["core"]
        connections["oltp"].close()
        connections["dw"].close()
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN IMMEDIATE")
        try:
            locked = seen.look_over().snapshot()
        finally:
            holder.close()
        cliente = locked.pipeline("dim_cliente")
        assert cliente is not None
        assert problem_codes(cliente)[0] in (ProblemCode.LOCKED, ProblemCode.DATABASE_UNAVAILABLE)
        assert cliente.target.problem is None
        assert seen.look_over().pipeline().source.problem is None


def _commit() -> None:
    for alias in ("dw", "oltp"):
        connections[alias].close()


class _gone:
    """Move the files of one alias away inside the block."""

    def __init__(self, alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alias, self.patch = alias, monkeypatch

    def __enter__(self) -> None:
        options = connections[self.alias].settings_dict["OPTIONS"]
        self.kept = options["schemas"]
        options["schemas"] = {name: f"{path}.deleted" for name, path in self.kept.items()}
        connections[self.alias].close()

    def __exit__(self, *_: object) -> None:
        connections[self.alias].settings_dict["OPTIONS"]["schemas"] = self.kept
        connections[self.alias].close()


@pytest.mark.parametrize("pipelines", [1, 200])
def test_what_a_tick_costs_the_warehouse(watcher: Watcher, warehouse: Warehouse, pipelines: int) -> None:
    """Three statements on dw, one on oltp, however many pipelines there are."""
    for number in range(pipelines):
        warehouse.control(
            f"p{number:02}",
            source_table="core.customers",
            source_pk_column="customer_id",
            target_table="dim.DIM_CLIENTE",
        )
        warehouse.execution(f"p{number:02}")
    watcher.tick()
    with queries(dw=3, oltp=1):
        watcher.tick()
    # Something runs: not one more.
    run_id = warehouse.run(status="running", finished_at=None)
    warehouse.run_entity(run_id, "p00", status="running", entity_finished_at=None)
    watcher.tick()
    with queries(dw=3, oltp=1):
        watcher.tick()


def test_what_a_tick_costs_default_does_not_grow(watcher: Watcher, warehouse: Warehouse) -> None:
    costs = []
    for number in range(30):
        warehouse.control(f"p{number:02}", source_table="core.regions", source_pk_column="region_id")
        warehouse.execution(f"p{number:02}")
        if number in (0, 29):
            watcher.tick()
            with queries() as seen:
                watcher.tick()
            costs.append(seen.counts()["default"])
    assert costs[0] == costs[1]


def test_the_structure_is_looked_over_once_a_minute(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control()
    watcher.tick()
    checked = watcher.memory.snapshot
    assert checked is not None
    watcher.tick()
    assert watcher.memory.snapshot is not None
    assert watcher.memory.snapshot.preflight.checked_at == checked.preflight.checked_at
    with queries(dw=range(5, 7), oltp=range(3, 4)):
        watcher.look_over().tick()


def test_hours_are_rolled_up_and_old_rows_pruned(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    _samples("dim_cliente", hour - timedelta(hours=2), eligible=(5, 9, 7))
    _samples("dim_cliente", hour - timedelta(days=8), eligible=(1,))
    PipelineRollup.objects.create(entity_name="dim_cliente", grain="hour", start=hour - timedelta(days=401), samples=1)
    for _ in range(3):
        watcher.tick()
    rolled = PipelineRollup.objects.get(grain="hour", start=hour - timedelta(hours=2))
    assert (rolled.samples, rolled.eligible_max, rolled.coverage_percent_last) == (3, 9, 50.0)
    assert not PipelineRollup.objects.filter(grain="hour", start__lt=hour - timedelta(days=400)).exists()
    assert not PipelineSample.objects.filter(sampled_at__lt=hour - timedelta(days=7)).exists()
    assert not PipelineRollup.objects.filter(grain="hour", start=hour).exists(), "the running hour is not over"


def _samples(name: str, start: datetime, eligible: tuple[int, ...]) -> None:
    for number, rows in enumerate(eligible):
        PipelineSample.objects.create(
            entity_name=name,
            sampled_at=start + timedelta(minutes=10 * number),
            status="ok",
            is_active=True,
            source_total=10,
            target_total=5,
            eligible=rows,
        )
