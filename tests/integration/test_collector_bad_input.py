"""Invalid values in the warehouse give a clear problem for their own pipeline only, and lose no data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from monitoring.models import PipelineSample, PipelineSettings, RunCopy
from monitoring.rules.enums import CheckState, PipelineStatus, ProblemCode, Severity, WatermarkState
from monitoring.rules.facts import Count
from tests.support.collecting import HOLDER, Watcher, in_real_time, problem_codes
from tests.support.shop import customer
from tests.support.warehouse import Warehouse

HOSTILE = [
    "core.customers; DROP TABLE x",
    "[a].[b].[c]",
    "",
    "x" * 200,  # (cut where the column is shorter: then it is the name of a column that is not there)
    "ECOMMERCE_OLTP.core.customers",
    "master..spt_values",
    "core.'customers'",
    'core."customers"',
    "core.[customers",
    "core.customers' OR '1'='1",
    "core.customers--",
    "core.cust\u00f6mers\u2028",
    "%s",
    "core.%s",
    "core.?",
    "(SELECT 1)",
]
ABSENT = [
    "core.nothing",
    "nowhere.customers",
    "sqlite_master.x",
    "main.sqlite_master",
    "core.sqlite_master",
    "core.sqlite_sequence",
    "temp.sqlite_master",
    "sys.objects",
    "dim.DIM_CLIENTE",
    "core.[100% of it]",
    "core.[what?]",
    "core.[it's]",
    'core.["]',
    "core.[a]]b]",
    "core.[customers; DROP TABLE x]",
    "core.ünïcödé",
]


@pytest.fixture
def watcher(warehouse: Warehouse) -> Watcher:
    in_real_time(warehouse).control("dim_regiao", watermark_updated_at=warehouse.now - timedelta(days=1))
    customer(warehouse, warehouse.now - timedelta(hours=1))
    warehouse.execution("dim_regiao")
    return Watcher()


def others_are_fine(watcher: Watcher) -> None:
    assert watcher.memory.snapshot is not None
    other = watcher.memory.snapshot.pipeline("dim_regiao")
    assert other is not None
    assert other.status is PipelineStatus.OK
    assert other.source.eligible == Count(1)
    assert watcher.memory.snapshot.problem is None
    assert watcher.memory.snapshot.stale_since is None


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("column", ["source_table", "target_table", "source_pk_column"])
def test_a_name_that_is_none(watcher: Watcher, warehouse: Warehouse, column: str, text: str) -> None:
    warehouse.control("odd", **{"source_table": "core.customers", "source_pk_column": "customer_id",
                                "target_table": "dim.DIM_CLIENTE", column: text[:128]})  # fmt: skip
    odd = watcher.pipeline("odd")
    if column == "source_pk_column" and text.isalpha():
        assert problem_codes(odd)[0] is ProblemCode.COLUMN_MISSING
        others_are_fine(watcher)
        return
    assert odd.status is PipelineStatus.STRUCTURE_MISSING
    assert not odd.mapping_valid
    assert odd.severity in (Severity.WARNING, Severity.CRITICAL)
    assert ProblemCode.NAME_INVALID in problem_codes(odd)
    others_are_fine(watcher)
    assert warehouse.execute("oltp", "SELECT count(*) FROM [core].[customers]").fetchone() == (1,)


@pytest.mark.parametrize("text", ABSENT)
@pytest.mark.parametrize("column", ["source_table", "target_table"])
def test_a_table_that_is_not_there(watcher: Watcher, warehouse: Warehouse, column: str, text: str) -> None:
    if column == "target_table" and text == "dim.DIM_CLIENTE":
        text = "core.customers"
    warehouse.control("odd", **{"source_table": "core.customers", "source_pk_column": "customer_id",
                                "target_table": "dim.DIM_CLIENTE", column: text})  # fmt: skip
    odd = watcher.pipeline("odd")
    assert odd.mapping_valid
    assert odd.status is PipelineStatus.STRUCTURE_MISSING
    assert (odd.source if column == "source_table" else odd.target).exists is False
    assert ProblemCode.OBJECT_MISSING in problem_codes(odd)
    others_are_fine(watcher)


@pytest.mark.parametrize(
    "name", ["a/b", "it's", "100%", "%s", "[x]", "x" * 100, "😀", "a,b", "<script>", "  ", "O'R; --", "a\x00b"]
)
def test_any_name_of_a_pipeline(watcher: Watcher, warehouse: Warehouse, name: str) -> None:
    warehouse.control(
        name, source_table="core.customers", source_pk_column="customer_id", target_table="dim.DIM_CLIENTE"
    )
    warehouse.execution(name)
    found = watcher.pipeline(name)
    assert found.status is PipelineStatus.OK
    assert found.source.total == 1
    assert found.newest is not None
    others_are_fine(watcher)


@pytest.mark.parametrize(
    ("ddl", "key", "code"),
    [
        ("CREATE TABLE core.odd (odd_id INTEGER PRIMARY KEY)", "odd_id", ProblemCode.COLUMN_MISSING),
        ("CREATE TABLE core.odd (updated_at TEXT)", "odd_id", ProblemCode.COLUMN_MISSING),
        ("CREATE TABLE core.odd (odd_id VARCHAR(9), updated_at TEXT)", "odd_id", ProblemCode.OTHER),
        ("CREATE TABLE core.odd (odd_id INT, updated_at INT)", "odd_id", ProblemCode.OTHER),
        ("CREATE VIEW core.odd AS SELECT customer_id AS odd_id FROM customers", "odd_id", ProblemCode.COLUMN_MISSING),
    ],
)
def test_a_source_without_what_it_needs(
    watcher: Watcher, warehouse: Warehouse, ddl: str, key: str, code: ProblemCode
) -> None:
    warehouse.control("odd", source_table="core.odd", source_pk_column=key, target_table="dim.DIM_CLIENTE")
    watcher.tick()
    warehouse.execute("oltp", ddl)
    found = watcher.look_over().pipeline("odd")
    assert found.source.eligible is None
    assert found.figures.served_lag_seconds is None
    assert found.severity is not Severity.OK
    assert found.source.exists is True
    assert found.source.problem is not None
    assert found.source.problem.code is code
    assert "core.odd" in found.source.problem.detail
    others_are_fine(watcher)


def test_a_column_that_vanishes_between_two_looks(watcher: Watcher, warehouse: Warehouse) -> None:
    """The catalog of a minute ago has the table: the statement fails, and only its pipeline is unknown."""
    warehouse.execute("oltp", "CREATE TABLE core.odd (odd_id INTEGER PRIMARY KEY, updated_at TEXT)")
    warehouse.control("odd", source_table="core.odd", source_pk_column="odd_id", target_table="dim.DIM_CLIENTE")
    assert watcher.pipeline("odd").source.total == 0
    warehouse.execute("oltp", "ALTER TABLE core.odd RENAME COLUMN updated_at TO changed_at")
    found = watcher.pipeline("odd")
    assert found.source.problem is not None
    assert found.source.problem.code is ProblemCode.COLUMN_MISSING
    assert found.source.eligible is None
    others_are_fine(watcher)
    # It is not asked again in every tick, and forgiven when it is mended.
    from tests.support.queries import queries

    with queries(oltp=1):
        watcher.tick()
    warehouse.execute("oltp", "ALTER TABLE core.odd RENAME COLUMN changed_at TO updated_at")
    assert watcher.look_over().pipeline("odd").source.problem is None


def test_a_joined_table_that_is_missing(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control("fact_vendas")
    warehouse.execute("oltp", "ALTER TABLE core.orders RENAME TO orders_old")
    found = watcher.pipeline("fact_vendas")
    assert found.source.exists is True
    assert found.source.problem is not None
    assert (found.source.problem.code, found.source.problem.detail) == (ProblemCode.OBJECT_MISSING, "core.orders")
    PipelineSettings.objects.create(entity_name="fact_vendas", watermark_expression="updated_at")
    assert watcher.pipeline("fact_vendas").source.problem is None, "a configured column needs no other table"


@pytest.mark.parametrize(
    "column", ["entity_finished_at", "watermark_from_updated_at", "watermark_to_id", "error_message"]
)
def test_nulls_in_an_execution(watcher: Watcher, warehouse: Warehouse, column: str) -> None:
    warehouse.control("dim_cliente")
    warehouse.execution("dim_cliente", **{column: None})
    assert watcher.pipeline("dim_cliente").newest is not None
    others_are_fine(watcher)


def test_nulls_in_control(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control("dim_cliente", last_run_id=None, last_status=None, last_success_at=None)
    assert watcher.pipeline("dim_cliente").status is PipelineStatus.NEVER_RUN


@pytest.mark.parametrize("text", ["FAILED", " Success ", "success"])
def test_a_status_in_other_letters_is_known(watcher: Watcher, warehouse: Warehouse, text: str) -> None:
    warehouse.control("dim_cliente")
    warehouse.execution("dim_cliente", status=text)
    status = watcher.pipeline("dim_cliente").status
    assert status is (PipelineStatus.FAILED if "FAIL" in text else PipelineStatus.OK)
    assert RunCopy.objects.get(entities_requested="dim_cliente").status == text.strip().lower()


@pytest.mark.parametrize("text", ["", "?", "cancelled", "sucesso", "x" * 20])
def test_an_unheard_of_status_is_unknown(watcher: Watcher, warehouse: Warehouse, text: str) -> None:
    warehouse.control("dim_cliente")
    warehouse.execution("dim_cliente", status=text)
    found = watcher.pipeline("dim_cliente")
    assert found.status is PipelineStatus.UNKNOWN
    assert found.severity is not Severity.OK
    assert found.newest is not None
    assert found.newest.status_text == text
    others_are_fine(watcher)


def test_a_watermark_in_the_future(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control("dim_cliente", watermark_updated_at=warehouse.now + timedelta(days=3650))
    found = watcher.pipeline("dim_cliente")
    assert found.source.eligible == Count(0)
    assert found.source.cooling == Count(0)
    assert found.figures.served_lag_seconds == 0
    warehouse.execute(
        "dw",
        "UPDATE [ctl].[etl_control] SET watermark_updated_at = '9999-12-31 23:59:59', watermark_id = ?",
        [2**63 - 1],
    )
    assert watcher.pipeline("dim_cliente").source.eligible == Count(0)


def test_a_row_dated_in_the_future_is_cooling(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control("dim_cliente", watermark_updated_at=warehouse.now)
    customer(warehouse, warehouse.now + timedelta(days=3))
    found = watcher.pipeline("dim_cliente")
    assert (found.source.eligible, found.source.cooling) == (Count(0), Count(1))
    assert found.figures.served_lag_seconds == 0


def test_a_finish_before_its_start(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.control("dim_cliente")
    start = warehouse.now - timedelta(hours=1)
    warehouse.execution("dim_cliente", entity_started_at=start, entity_finished_at=start - timedelta(hours=2))
    found = watcher.pipeline("dim_cliente")
    assert found.status is PipelineStatus.OK
    assert found.figures.duration_seconds is None
    assert found.figures.throughput is None
    others_are_fine(watcher)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda w: w.execute("dw", "UPDATE [ctl].[etl_control] SET cutoff_minutes = 1440"),
        lambda w: w.execute("dw", "UPDATE [ctl].[etl_control] SET batch_size = 1, watermark_id = -5"),
        lambda w: w.execute("dw", "UPDATE [audit].[etl_run] SET status = 'running', finished_at = NULL"),
        lambda w: w.execute("dw", "DELETE FROM [audit].[etl_run_entity]"),
        lambda w: w.execute("dw", "UPDATE [audit].[etl_run_entity] SET upserted_count = 9000000000000000000"),
        lambda w: w.execute("dw", "UPDATE [audit].[etl_run_entity] SET error_message = ?", ["\u0001😀" * 40]),
    ],
)
def test_extremes_within_the_contract(
    watcher: Watcher, warehouse: Warehouse, spoil: Callable[[Warehouse], Any]
) -> None:
    watcher.tick()
    spoil(warehouse)
    assert watcher.snapshot().problem is None
    assert watcher.fresh().snapshot().problem is None


class TestTablesMissing:
    """Whole tables of the contract are gone: what is left is still shown."""

    def test_control(self, watcher: Watcher, warehouse: Warehouse) -> None:
        good = watcher.snapshot()
        warehouse.execute("dw", "ALTER TABLE ctl.etl_control RENAME TO gone")
        snapshot = watcher.snapshot()
        assert snapshot.problem is not None
        assert snapshot.problem.code is ProblemCode.OBJECT_MISSING
        assert snapshot.stale_since == good.sampled_at
        assert {each.status for each in snapshot.pipelines} == {PipelineStatus.UNKNOWN}
        failed = {check.code for check in snapshot.preflight.failed}
        assert "dw.table.ctl.etl_control" in failed
        assert "dw.connection" not in failed
        warehouse.execute("dw", "ALTER TABLE ctl.gone RENAME TO etl_control")
        assert watcher.snapshot().problem is None

    @pytest.mark.parametrize("table", ["etl_run", "etl_run_entity"])
    def test_audit(self, watcher: Watcher, warehouse: Warehouse, table: str) -> None:
        watcher.tick()
        warehouse.execute("dw", "PRAGMA foreign_keys = OFF")
        warehouse.execute("dw", f"ALTER TABLE audit.{table} RENAME TO gone")
        snapshot = watcher.look_over().snapshot()
        assert snapshot.problem is not None
        assert snapshot.problem.code is ProblemCode.OBJECT_MISSING
        regiao = snapshot.pipeline("dim_regiao")
        assert regiao is not None
        assert regiao.source.eligible == Count(1), "control and sources are read all the same"
        assert regiao.source.problem is None
        states = {check.code: check.state for check in snapshot.preflight.checks}
        assert states["pipelines.active"] is CheckState.PASSED
        assert f"dw.table.audit.{table}" in {check.code for check in snapshot.preflight.failed}
        assert snapshot.preflight.ready_for_monitoring is False

    def test_login_events(self, watcher: Watcher, warehouse: Warehouse) -> None:
        watcher.tick()
        warehouse.execute("dw", "ALTER TABLE audit.connection_login_events RENAME TO gone")
        snapshot = watcher.look_over().snapshot()
        assert snapshot.problem is None
        assert "dw.table.audit.connection_login_events" in {check.code for check in snapshot.preflight.failed}
        others_are_fine(watcher)

    def test_a_column_of_the_contract(self, watcher: Watcher, warehouse: Warehouse) -> None:
        warehouse.execute("dw", "ALTER TABLE ctl.etl_control RENAME COLUMN batch_size TO lot_size")
        snapshot = watcher.snapshot()
        assert snapshot.problem is not None
        assert snapshot.problem.code is ProblemCode.COLUMN_MISSING
        check = next(each for each in snapshot.preflight.checks if each.code == "dw.table.ctl.etl_control")
        assert (check.values or {})["missing"] == "batch_size"


class TestClockThatWentBack:
    def test_samples_of_the_future_are_kept_and_not_believed(self, watcher: Watcher, warehouse: Warehouse) -> None:
        ahead = warehouse.now + timedelta(hours=2)
        PipelineSample.objects.create(
            entity_name="dim_regiao", sampled_at=ahead, status="ok", is_active=True, eligible=0, watermark_id=1
        )
        found = watcher.pipeline("dim_regiao")
        assert found.watermark_state is WatermarkState.NOT_ENOUGH_HISTORY
        assert found.source.eligible == Count(1)
        assert PipelineSample.objects.filter(sampled_at=ahead).exists()

    def test_a_time_that_was_sampled_before(
        self, watcher: Watcher, warehouse: Warehouse, caplog: pytest.LogCaptureFixture
    ) -> None:
        watcher.tick()
        PipelineSample.objects.update(sampled_at=warehouse.now)
        from monitoring.collector.lease import claim_lease, release_lease
        from monitoring.collector.store import store_tick

        release_lease(holder=HOLDER)
        assert claim_lease(holder="x")
        store_tick(
            holder="x",
            now=warehouse.now,
            milliseconds=1,
            sampled_at=warehouse.now,
            version="v",
            payload=b"{}",
            pipelines=watcher.memory.previous.values(),
        )
        assert "was sampled before" in caplog.text
        assert PipelineSample.objects.count() == 1

    def test_a_clock_far_ahead_prunes_nothing(
        self, watcher: Watcher, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from monitoring.warehouse.dialect import Sqlite

        watcher.tick()
        monkeypatch.setattr(Sqlite, "now", "'2099-01-01 00:00:00.000'")
        watcher.memory.pruned_at = None
        snapshot = watcher.snapshot()
        assert snapshot.sampled_at.year == 2099
        assert PipelineSample.objects.count() == 2
        assert RunCopy.objects.exists()
        assert "dw.clock" in {check.code for check in watcher.look_over().snapshot().preflight.failed}
