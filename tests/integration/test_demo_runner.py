"""The demo's runner writes what CONTRACT.md says a runner writes, line by line, into real files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.pipelines import PIPELINES
from demo.runner import ERROR_LENGTH, VirtualClock
from demo.sessions import clean_up
from demo.warehouse import EmbeddedWarehouse
from tests.support.demo_warehouse import DAY, NOON, SmallWarehouse

WHILE_RUNNING = ("status", "extracted_count", "watermark_from_updated_at", "watermark_to_updated_at")
BLOCKED = faults.LOCK_TIMEOUT


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallWarehouse]:
    warehouse = SmallWarehouse(tmp_path / "warehouse")
    yield warehouse
    warehouse.close()


def test_one_run_loads_all_nine(small: SmallWarehouse) -> None:
    small.shop()
    small.customer()
    small.order(items=2, discount=True)
    small.insert("core.seller_targets_monthly", seller_id=1, month_start="2026-03-01", period_type="MENSAL",
                 target_amount=200, target_quantity=9, achieved_amount=50, created_at=DAY, updated_at=DAY)  # fmt: skip
    small.controls()
    run_id = small.runner().run("svc_etl")
    run = small.last_run()
    assert (run["run_id"], run["status"], run["entities_succeeded"], run["entities_failed"]) == (
        run_id,
        "success",
        9,
        0,
    )
    assert run["error_message"] is None
    entities = small.rows("SELECT * FROM audit.etl_run_entity ORDER BY run_entity_id")
    assert [row["entity_name"] for row in entities] == list(PIPELINES) == run["entities_requested"].split(",")
    assert [row["upserted_count"] for row in entities] == [1, 1, 1, 1, 1, 1, 2, 1, 2]
    assert all(row["upserted_count"] == row["extracted_count"] for row in entities)
    (sale, _second) = small.rows("SELECT * FROM fact.FACT_VENDAS")
    assert (sale["valor_bruto"], sale["valor_desconto"], sale["valor_liquido"]) == (30.3, 3.03, 27.27)
    assert (sale["percentual_desconto"], sale["data_id"], sale["eh_cancelada"]) == (10, 20260309, 0)
    (target,) = small.rows("SELECT * FROM fact.FACT_METAS")
    assert (target["percentual_atingido"], target["data_id"], target["tipo_periodo"]) == (25, 20260301, "MENSAL")
    (customer,) = small.rows("SELECT * FROM dim.DIM_CLIENTE")
    assert (customer["eh_ativo"], customer["data_ultima_atualizacao"]) == (1, DAY)
    assert small.captured == [NOON, NOON]


def test_dimensions_come_before_the_facts_that_need_them() -> None:
    order = list(PIPELINES)
    loaded_by = {pipeline.target: entity for entity, pipeline in PIPELINES.items()}
    for entity, pipeline in PIPELINES.items():
        for lookup in pipeline.lookups:
            assert order.index(loaded_by[lookup.table]) < order.index(entity)


def test_a_batch_takes_the_rows_between_watermark_and_cutoff_in_order(small: SmallWarehouse) -> None:
    small.shop()
    for minute in (40, 58, 57, 59):  # 58 is exactly two minutes old
        small.customer(f"2026-03-10 11:{minute}:00")
    small.controls("dim_cliente")
    small.runner().run("svc_etl")
    control = small.control("dim_cliente")
    assert (control["watermark_updated_at"], control["watermark_id"]) == ("2026-03-10 11:58:00", 2)
    assert small.last("dim_cliente")["extracted_count"] == 3
    small.later(1)
    small.runner().run("svc_etl")
    assert small.last("dim_cliente")["extracted_count"] == 1
    assert small.control("dim_cliente")["watermark_id"] == 4


def test_the_watermark_is_a_tuple(small: SmallWarehouse) -> None:
    """Rows of the same second on both sides of a batch's end are neither lost nor taken twice."""
    small.shop()
    for _ in range(5):
        small.customer()
    small.controls("dim_cliente", batch_size=2)
    small.runner().run("svc_etl")
    assert small.last("dim_cliente")["extracted_count"] == 5
    assert (small.control("dim_cliente")["watermark_updated_at"], small.control("dim_cliente")["watermark_id"]) == (
        DAY,
        5,
    )
    small.customer()  # the same second, a greater key
    small.runner().run("svc_etl")
    assert small.last("dim_cliente")["extracted_count"] == 1


def test_a_running_row_has_no_counts_while_batches_are_committed(small: SmallWarehouse) -> None:
    small.shop()
    for _ in range(5):
        small.customer()
    small.controls("dim_cliente", batch_size=2)
    small.pauses = {0: 3, 1: 2}
    seen: list[tuple[Any, ...]] = []

    class Watching(VirtualClock):
        def sleep(self, seconds: float) -> None:
            (entity,) = small.rows("SELECT * FROM audit.etl_run_entity")
            (rows,) = small.rows("SELECT COUNT(*) AS n FROM dim.DIM_CLIENTE")
            run = small.last_run()
            seen.append((run["status"], run["finished_at"], *(entity[name] for name in WHILE_RUNNING), rows["n"]))
            super().sleep(seconds)

    small.runner(clock=Watching(NOON)).run("svc_etl")
    begun = ("running", None, "running", 0, "1900-01-01 00:00:00", None)
    assert seen == [(*begun, 0), (*begun, 0), (*begun, 2), (*begun, 4)]
    done = small.last("dim_cliente")
    assert (done["status"], done["extracted_count"]) == ("success", 5)
    assert (done["entity_started_at"], done["entity_finished_at"]) == ("2026-03-10 12:00:00", "2026-03-10 12:00:09")


def test_a_failure_keeps_committed_batches_and_the_watermark(small: SmallWarehouse) -> None:
    small.shop()
    for _ in range(5):
        small.customer()
    small.controls("dim_cliente", "dim_produto", batch_size=2)
    small.faults["dim_cliente"] = faults.Fault(faults.IntegrityError, "23000", "[23000] x", in_rows=True)
    run_id = small.runner().run("svc_etl")
    failed = small.last("dim_cliente")
    assert (failed["status"], failed["error_message"]) == ("failed", "IntegrityError: ('23000', '[23000] x')")
    assert (failed["extracted_count"], failed["upserted_count"]) == (5, 4)
    assert (failed["watermark_to_updated_at"], failed["watermark_to_id"]) == (DAY, 4)
    assert small.rows("SELECT COUNT(*) AS n FROM dim.DIM_CLIENTE") == [{"n": 4}]
    control = small.control("dim_cliente")
    assert (control["watermark_updated_at"], control["watermark_id"]) == ("1900-01-01 00:00:00", 0)
    assert (control["last_status"], control["last_run_id"], control["last_success_at"]) == ("failed", run_id, None)
    run = small.last_run()
    assert (run["status"], run["entities_succeeded"], run["entities_failed"]) == ("partial", 1, 1)
    assert run["error_message"] == failed["error_message"]

    small.faults.clear()
    small.runner().run("svc_etl")
    assert small.last("dim_cliente")["extracted_count"] == 5
    assert small.rows("SELECT COUNT(*) AS n FROM dim.DIM_CLIENTE") == [{"n": 5}]
    assert small.control("dim_cliente")["last_status"] == "success"


def test_a_batch_that_fails_in_the_middle_leaves_nothing(small: SmallWarehouse) -> None:
    """The second row's team is unknown: not even the first row of its batch stays."""
    small.shop()
    small.controls("dim_regiao", "dim_equipe", "dim_vendedor")
    small.runner().run("svc_etl", only=["dim_regiao", "dim_equipe"])
    small.insert("core.teams", team_name="B", team_type="X", region_id=1, status="A", created_at=DAY, updated_at=DAY)
    small.insert("core.sellers", full_name="W", document_number="v2", email="w@example.com", team_id=2, status="A",
                 hired_on="2020-01-02", created_at=DAY, updated_at=DAY)  # fmt: skip
    small.runner().run("svc_etl", only=["dim_vendedor"])
    failed = small.last("dim_vendedor")
    assert failed["error_message"].startswith("MissingDimensionRow: dim_vendedor: no row in dim.DIM_EQUIPE with ")
    assert (failed["extracted_count"], failed["upserted_count"]) == (2, 0)
    assert small.rows("SELECT * FROM dim.DIM_VENDEDOR") == []
    assert small.last_run()["status"] == "failed"


def test_a_statement_that_fails_half_way_is_rolled_back(small: SmallWarehouse) -> None:
    small.shop()
    for _ in range(4):
        small.customer()
    small.controls("dim_cliente")
    small.dw.execute(
        "CREATE TEMP TRIGGER breaks BEFORE INSERT ON dim.DIM_CLIENTE WHEN NEW.cliente_original_id = 3 "
        "BEGIN SELECT RAISE(FAIL, 'full'); END"  # FAIL keeps the rows before it, as a driver's executemany may
    )
    small.runner().run("svc_etl")
    failed = small.last("dim_cliente")
    assert (failed["error_message"], failed["upserted_count"]) == ("IntegrityError: full", 0)
    assert small.rows("SELECT * FROM dim.DIM_CLIENTE") == []


def test_only_failures_make_a_failed_run_and_messages_are_joined(small: SmallWarehouse) -> None:
    small.shop()
    small.controls("dim_cliente", "dim_produto")
    small.faults |= {"dim_cliente": BLOCKED, "dim_produto": BLOCKED}
    small.runner().run("svc_etl")
    run = small.last_run()
    one = small.last("dim_produto")["error_message"]
    assert (run["status"], run["error_message"]) == ("failed", f"{one} | {one}")


def test_long_messages_are_cut(small: SmallWarehouse) -> None:
    small.shop()
    small.controls("dim_cliente", "dim_produto")
    long = faults.Fault(faults.Error, "40001", "x" * 5000)
    small.faults |= {"dim_cliente": long, "dim_produto": long}
    small.runner().run("svc_etl")
    assert len(small.last("dim_cliente")["error_message"]) == ERROR_LENGTH
    assert len(small.last_run()["error_message"]) == ERROR_LENGTH


def test_a_fact_follows_the_later_of_its_tables(small: SmallWarehouse) -> None:
    small.shop()
    small.customer()
    small.order(items=2, discount=True)
    small.order("2026-03-10 11:00:00", discount=True)  # takes the watermarks past the first order's items
    small.controls()
    small.runner().run("svc_etl")
    small.later()
    small.touch("orders", "2026-03-10 12:10:00", "order_id = 1", status="PAGO")
    small.order("2026-03-10 12:20:00", discount=True)  # and past the changed order too
    small.runner().run("svc_etl")
    for entity in ("fact_vendas", "fact_descontos"):
        assert small.last(entity)["extracted_count"] == 3
        assert small.control(entity)["watermark_updated_at"] == "2026-03-10 12:20:00"
    moved = small.rows("SELECT * FROM fact.FACT_VENDAS WHERE venda_original_id IN (1, 2)")
    assert {(row["situacao_pedido"], row["data_atualizacao"]) for row in moved} == {("PAGO", "2026-03-10 12:30:00")}
    small.later()
    small.touch("order_items", "2026-03-10 12:40:00", "order_item_id = 1", quantity=5)
    small.runner().run("svc_etl")
    assert (small.last("fact_vendas")["extracted_count"], small.last("fact_descontos")["extracted_count"]) == (1, 1)
    small.later()
    small.touch("order_item_discounts", "2026-03-10 13:20:00", "order_item_id = 1", discount_amount=1)
    small.runner().run("svc_etl")
    assert (small.last("fact_vendas")["extracted_count"], small.last("fact_descontos")["extracted_count"]) == (0, 1)


def test_a_soft_delete_is_counted_and_marked(small: SmallWarehouse) -> None:
    small.shop()
    small.customer()
    small.order()
    small.controls()
    small.runner().run("svc_etl")
    small.later()
    small.touch("customers", "2026-03-10 12:10:00", deleted_at="2026-03-10 12:10:00")
    small.touch("order_items", "2026-03-10 12:10:00", deleted_at="2026-03-10 12:10:00")
    small.runner().run("svc_etl")
    assert small.last("dim_cliente")["soft_deleted_count"] == small.last("fact_vendas")["soft_deleted_count"] == 1
    assert [row["eh_ativo"] for row in small.rows("SELECT eh_ativo FROM dim.DIM_CLIENTE")] == [0]
    assert [row["eh_cancelada"] for row in small.rows("SELECT eh_cancelada FROM fact.FACT_VENDAS")] == [1]


def test_a_fact_whose_dimension_row_is_missing_fails_and_heals(small: SmallWarehouse) -> None:
    small.shop()
    small.customer()
    late = small.product()
    small.touch("products", "2026-03-10 11:59:00", f"product_id = {late}")  # changed again: too young to be loaded
    small.order(product_id=late)
    small.controls()
    small.runner().run("svc_etl")
    assert small.last("fact_vendas")["error_message"] == (
        "MissingDimensionRow: fact_vendas: no row in dim.DIM_PRODUTO with produto_original_id = 2; "
        "load the dimension first"
    )
    small.later(2)
    small.runner().run("svc_etl")
    assert small.last("fact_vendas")["status"] == "success"
    assert small.last_run()["status"] == "success"


def test_inactive_and_unknown_pipelines_are_left_out(small: SmallWarehouse) -> None:
    small.shop()
    small.controls("dim_cliente")
    small.controls("dim_produto", is_active=0)
    small.insert("ctl.etl_control", entity_name="fact_devolucoes", source_table="core.returns", target_table="x; DROP",
                 source_pk_column="id", created_at=DAY, updated_at=DAY)  # fmt: skip
    small.runner().run("svc_etl")
    assert small.last_run()["entities_requested"] == "dim_cliente"
    assert small.control("fact_devolucoes")["last_run_id"] is None


def test_a_run_of_some_pipelines(small: SmallWarehouse) -> None:
    small.shop()
    small.controls()
    small.runner().run("ana.souza", only=("dim_produto", "dim_regiao"))
    run = small.last_run()
    assert (run["entities_requested"], run["started_by"]) == ("dim_regiao,dim_produto", "ana.souza")


def test_one_moment_counts_for_the_cutoff_of_all(small: SmallWarehouse) -> None:
    """A slow dimension must not let the facts after it see rows that it could not."""
    small.shop()
    small.customer()
    small.controls()
    small.pauses = {0: 90}
    new = small.product("2026-03-10 11:58:30")
    small.order("2026-03-10 11:58:40", product_id=new)
    small.runner().run("svc_etl")
    assert small.last("fact_vendas")["extracted_count"] == 0
    assert small.last_run()["status"] == "success"


def test_a_short_lock_on_the_audit_tables_is_waited_for(small: SmallWarehouse, tmp_path: Path) -> None:
    small.shop()
    small.controls("dim_cliente")
    small.dw.execute("PRAGMA busy_timeout = 10")
    blocker = sqlite3.connect(small.files.path("dw", "audit"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    class Patient(VirtualClock):
        def sleep(self, seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                blocker.execute("ROLLBACK")
            super().sleep(seconds)

    small.runner(clock=Patient(NOON)).run("svc_etl")
    blocker.close()
    assert waits[:2] == [1, 2]
    assert small.last_run()["status"] == "success"
    assert small.rows("SELECT COUNT(*) AS n FROM audit.etl_run") == [{"n": 1}]


def test_a_long_lock_ends_the_run_with_the_drivers_error(small: SmallWarehouse) -> None:
    small.shop()
    small.controls("dim_cliente")
    small.dw.execute("PRAGMA busy_timeout = 10")
    blocker = sqlite3.connect(small.files.path("dw", "audit"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        small.runner(retries=2).run("svc_etl")
    blocker.close()
    assert not small.dw.in_transaction


def test_a_locked_target_is_that_pipelines_failure_only(small: SmallWarehouse) -> None:
    small.shop()
    small.customer()
    small.controls("dim_cliente", "dim_regiao")
    small.runner().run("svc_etl", only=["dim_regiao"])
    small.dw.execute("PRAGMA busy_timeout = 10")
    blocker = sqlite3.connect(small.files.path("dw", "dim"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    small.runner().run("svc_etl")
    blocker.execute("ROLLBACK")
    blocker.close()
    assert small.last("dim_cliente")["error_message"] == "OperationalError: database is locked"
    assert small.last("dim_regiao")["status"] == "success"
    assert small.last_run()["status"] == "partial"


def test_sessions_are_sampled_at_both_ends(small: SmallWarehouse) -> None:
    small.shop()
    small.controls("dim_cliente")
    small.pauses = {0: 30}

    small.runner(capture=small.files.sample).run("svc_etl")
    events = small.rows("SELECT * FROM audit.connection_login_events ORDER BY connection_event_id")
    own = [event for event in events if event["program_name"] == "etl-runner"]
    assert [event["event_time_utc"] for event in own] == ["2026-03-10 12:00:00.000", "2026-03-10 12:00:30.000"]
    assert len({(event["session_id"], event["login_time"]) for event in own}) == 1
    assert own[0]["login_time"] == "2026-03-10 12:00:00.000"
    sessions = {(event["session_id"], event["login_time"]) for event in events}
    assert len(events) == 2 * len(sessions)
    small.later(60 * 24 * 40)
    assert clean_up(small.dw, small.clock.now()) == len(events)


def test_the_guard_of_the_portal_is_not_in_the_way(tmp_path: Path) -> None:
    """The ETL's connections are its own: Django's guard and query_only are not on them."""
    small = SmallWarehouse(tmp_path / "w")
    assert small.dw.execute("PRAGMA query_only").fetchone() == (0,)
    small.close()


def test_opening_creates_nothing(tmp_path: Path) -> None:
    files = EmbeddedWarehouse(tmp_path / "nowhere")
    with pytest.raises(Exception, match=r"ctl\.sqlite3"):
        files.connect("dw")
    assert list(tmp_path.iterdir()) == []
    assert files.missing() == ["ctl", "audit", "dim", "fact", "core"]


def test_time_is_stored_without_fractions(small: SmallWarehouse) -> None:
    small.shop()
    small.controls("dim_cliente")
    clock = VirtualClock(NOON + timedelta(microseconds=123456))
    small.runner(clock=clock).run("svc_etl")
    assert small.last_run()["started_at"] == "2026-03-10 12:00:00"
