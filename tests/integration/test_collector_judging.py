"""Results of a tick beyond the figures: isolation, orphans, arrival and coverage, large targets, groups."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from etlportal import budget as budgets
from monitoring.collector import read as reading
from monitoring.collector import tick as judging
from monitoring.models import PipelineRollup, PipelineSample
from monitoring.rules import overview as rules_overview
from monitoring.rules.enums import PipelineStatus, ProblemCode, Rule, Severity
from monitoring.rules.facts import Count, Problem, Verdict
from monitoring.warehouse import catalog as warehouse_catalog
from monitoring.warehouse.reader import ReadFailed
from tests.support.collecting import Watcher, in_real_time
from tests.support.queries import counted
from tests.support.shop import customer, region
from tests.support.warehouse import Warehouse


@pytest.fixture
def watcher(warehouse: Warehouse) -> Watcher:
    in_real_time(warehouse)
    return Watcher()


def test_one_that_cannot_be_judged_spoils_no_other(
    watcher: Watcher, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.control("dim_cliente")
    warehouse.control("dim_produto")
    warehouse.execution("dim_produto")
    original = rules_overview.judged

    def judged(found: Any, **parts: Any) -> Any:
        if found.name == "dim_cliente":
            raise ZeroDivisionError("a rule is wrong")
        return original(found, **parts)

    monkeypatch.setattr(judging, "judged", judged)
    snapshot = watcher.snapshot()
    broken, fine = snapshot.pipelines
    assert broken.status is PipelineStatus.UNKNOWN
    assert broken.severity is Severity.UNKNOWN
    assert broken.source.problem is not None
    assert "a rule is wrong" in broken.source.problem.detail
    assert fine.status is PipelineStatus.OK
    assert "dim_cliente could not be judged" in caplog.text
    assert PipelineSample.objects.count() == 2


def test_what_nobody_can_see_does_not_grow_older(watcher: Watcher, warehouse: Warehouse) -> None:
    """While the control rows cannot be read, pipelines are judged as of the last time they could."""
    snapshot = watcher.snapshot()
    looked = reading.read_warehouse(watcher.memory, {})
    earlier = looked.now - timedelta(days=5)
    before = replace(snapshot, sampled_at=earlier)
    assert judging.as_of(looked, before) == looked.now
    blind = replace(looked, control=None)
    assert judging.as_of(blind, before) == earlier
    assert judging.as_of(blind, replace(snapshot, stale_since=earlier)) == earlier
    assert judging.as_of(blind, None) == looked.now


def test_a_dw_that_uses_up_its_time_leaves_some_for_oltp(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    time = [0.0]
    monkeypatch.setattr(budgets, "clock", lambda: time[0])

    def hangs(*_arguments: Any) -> None:
        limit = budgets.current()
        assert limit is not None
        with limit.spending():
            time[0] += limit.left()
        raise ReadFailed(Problem(code=ProblemCode.TIMEOUT))

    monkeypatch.setattr(reading, "read_control", hangs)
    with budgets.budget(30):
        found = reading.read_warehouse(watcher.memory, {}, copying=False)
    assert found.problem == Problem(code=ProblemCode.TIMEOUT)
    assert found.structure.connections["oltp"].reachable


class TestOrphans:
    """A stuck run, and whether its session still exists."""

    @pytest.fixture
    def stuck(self, watcher: Watcher, warehouse: Warehouse) -> Warehouse:
        warehouse.control()
        for back in range(6):
            warehouse.execution(entity_started_at=warehouse.now - timedelta(hours=30 + back))
        started = warehouse.now - timedelta(hours=2)
        run_id = warehouse.run(status="running", finished_at=None, started_at=started)
        warehouse.run_entity(run_id, status="running", entity_finished_at=None, entity_started_at=started)
        return warehouse

    def verdict(self, watcher: Watcher) -> Verdict:
        return next(each for each in watcher.pipeline().verdicts if each.rule == Rule.STUCK_RUN)

    def test_without_samples_nobody_knows(self, watcher: Watcher, stuck: Warehouse) -> None:
        found = self.verdict(watcher)
        assert found.severity is Severity.WARNING

    def test_its_session_is_there(self, watcher: Watcher, stuck: Warehouse) -> None:
        for minutes in (10, 5):
            stuck.login_event(event_time_utc=stuck.now - timedelta(minutes=minutes), program_name="ETL-Runner 2.1")
        assert self.verdict(watcher).severity is Severity.WARNING

    def test_two_samples_without_it(self, watcher: Watcher, stuck: Warehouse) -> None:
        stuck.login_event(event_time_utc=stuck.now - timedelta(hours=3), program_name="etl-runner")
        for minutes in (10, 5):
            stuck.login_event(event_time_utc=stuck.now - timedelta(minutes=minutes), program_name="etlportal-web")
        found = self.verdict(watcher)
        assert found.severity is Severity.CRITICAL
        assert (found.values or {})["orphan"] == "no_session"

    def test_a_runner_under_another_name_accuses_nobody(self, watcher: Watcher, stuck: Warehouse) -> None:
        for minutes in (10, 5):
            stuck.login_event(event_time_utc=stuck.now - timedelta(minutes=minutes), program_name="our loader")
        assert self.verdict(watcher).severity is Severity.WARNING


def test_arrival_and_samples_survive_a_restart(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control(watermark_updated_at=warehouse.now - timedelta(days=2))
    customer(warehouse, warehouse.now - timedelta(hours=3))
    for minutes, eligible in ((40, 1), (30, 1)):
        PipelineSample.objects.create(
            entity_name="dim_cliente",
            sampled_at=warehouse.now - timedelta(minutes=minutes),
            status="ok",
            is_active=True,
            eligible=eligible,
            watermark_updated_at=warehouse.now - timedelta(days=2),
            watermark_id=0,
        )
    watcher.tick()
    remembered = (watcher.memory.samples or {})["dim_cliente"]
    assert [each[1] for each in remembered] == [1, 1, 1]
    restarted = Watcher()
    restarted.tick()
    again = (restarted.memory.samples or {})["dim_cliente"]
    assert [each[1] for each in again] == [1, 1, 1, 1]


def test_the_coverage_median_comes_from_the_hours(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control()
    customer(warehouse, warehouse.now - timedelta(hours=2))
    warehouse.execution()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for back in range(1, 6):
        start = hour - timedelta(hours=back)
        PipelineRollup.objects.create(
            entity_name="dim_cliente", grain="hour", start=start, samples=1, coverage_percent_last=100.0
        )
    verdicts = {each.rule: each for each in watcher.pipeline().verdicts}
    assert verdicts[Rule.COVERAGE_DROP].severity is Severity.CRITICAL
    PipelineRollup.objects.order_by("start")[0].delete()
    assert Rule.COVERAGE_DROP not in {each.rule for each in watcher.fresh().pipeline().verdicts}, "four are too few"


class TestBigTarget:
    """A big target without an index on its update column is walked after a run, not in every tick."""

    @pytest.fixture(autouse=True)
    def _small_is_big(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "BIG_TARGET_ROWS", 1)

    @pytest.fixture
    def loaded(self, watcher: Watcher, warehouse: Warehouse) -> Warehouse:
        warehouse.control("dim_regiao")
        self.target(warehouse, 1, warehouse.now - timedelta(hours=5))
        watcher.tick()
        return warehouse

    def target(self, warehouse: Warehouse, key: int, at: Any) -> None:
        columns = warehouse.execute("dw", "SELECT name FROM pragma_table_info('DIM_REGIAO', 'dim')").fetchall()
        values = dict.fromkeys((name for (name,) in columns if not name.endswith("_id")), "x")
        values |= {"data_ultima_atualizacao": at, "regiao_original_id": key, "eh_ativo": 1}
        known = {name for (name,) in columns}
        warehouse.insert("dim.DIM_REGIAO", **{name: value for name, value in values.items() if name in known})

    def walks(self, watcher: Watcher) -> int:
        with counted() as seen:
            watcher.tick()
        return sum("MAX(t." in sql for sql in seen.of("dw"))

    def test_it(self, watcher: Watcher, loaded: Warehouse) -> None:
        at = loaded.now - timedelta(hours=5)
        assert self.walks(watcher) == 0
        assert watcher.pipeline("dim_regiao").target.newest_at == at
        loaded.execution("dim_regiao")
        watcher.tick()
        self.target(loaded, 2, loaded.now)
        loaded.execution("dim_regiao")
        found = watcher.pipeline("dim_regiao")
        assert found.target.newest_at == loaded.now
        assert found.target.total == 2

    def test_with_an_index_it_is_cheap(self, watcher: Watcher, loaded: Warehouse) -> None:
        loaded.execute("dw", "CREATE INDEX dim.by_update ON DIM_REGIAO (data_ultima_atualizacao)")
        watcher.look_over()
        assert self.walks(watcher) == 1
        assert self.walks(watcher) == 1


def test_a_table_that_may_not_be_read(watcher: Watcher, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog of SQL Server has the permission, so no statement is tried, and the reason is known."""
    from monitoring.warehouse.catalog import Catalog

    original = warehouse_catalog.read_catalog

    def denied(alias: str, wanted: Any) -> Catalog:
        catalog = original(alias, wanted)
        tables = {
            key: replace(table, readable=False) if key.table in {"customers", "etl_run"} else table
            for key, table in catalog.tables.items()
        }
        return Catalog(schemas=catalog.schemas, tables=tables)

    monkeypatch.setattr(reading, "read_catalog", denied)
    warehouse.control()
    snapshot = watcher.snapshot()
    (pipeline,) = snapshot.pipelines
    assert pipeline.source.exists is True
    assert pipeline.source.problem is not None
    assert pipeline.source.problem.code is ProblemCode.PERMISSION_DENIED
    assert pipeline.source.total is None
    failed = {check.code for check in snapshot.preflight.failed}
    assert {"dw.permission.audit.etl_run", "pipeline.source_permission"} <= failed


def test_the_watermark_of_a_broken_control_row(watcher: Watcher, warehouse: Warehouse) -> None:
    """Only SQLite accepts a word in a time column, and only without its CHECK."""
    warehouse.control("dim_cliente")
    warehouse.control("dim_regiao", watermark_updated_at=warehouse.now - timedelta(days=1))
    region(warehouse, warehouse.now - timedelta(hours=1))
    warehouse.execute("dw", "PRAGMA ignore_check_constraints = ON")
    warehouse.execute(
        "dw", "UPDATE [ctl].[etl_control] SET watermark_updated_at = 'soon' WHERE entity_name = 'dim_cliente'"
    )
    warehouse.execute("dw", "PRAGMA ignore_check_constraints = OFF")
    snapshot = watcher.snapshot()
    broken, fine = snapshot.pipeline("dim_cliente"), snapshot.pipeline("dim_regiao")
    assert broken is not None
    assert fine is not None
    assert broken.source.eligible is None
    assert broken.source.problem is not None
    assert "soon" in broken.source.problem.detail
    assert fine.source.eligible == Count(1)


@pytest.mark.django_db
def test_groups_and_what_they_may(db: None) -> None:
    may = {group.name: {each.codename for each in group.permissions.all()} for group in Group.objects.all()}
    assert set(may) == {"viewer", "operator", "auditor", "admin"}
    assert may["viewer"] == {"view_pipelines"}
    assert may["operator"] == {"view_pipelines", "capture_connections", "run_checks"}
    assert may["auditor"] >= {"view_connections", "unmask"}
    assert may["admin"] >= may["operator"] | may["auditor"] | {"change_pipelinesettings", "view_etlrun", "view_runcopy"}
    changed = {name for name in may["admin"] if name.startswith(("add_", "change_", "delete_"))}
    assert not {
        name
        for name in changed
        if name.endswith(("run", "runentity", "etlcontrol", "copy", "sample", "hour", "trailentry"))
    }
