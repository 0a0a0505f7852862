"""The built warehouse: deterministic, consistent with itself, and of the promised size."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.build import DAYS, Built, build
from demo.dialects import SqliteDialect
from demo.files import WarehouseFiles
from demo.jobs import JOBS
from demo.runner import extract
from monitoring.enums import ErrorClass
from monitoring.rules.error_text import parse

NOW = datetime.fromisoformat("2026-03-10 15:00:20")
TEXT = NOW.isoformat(sep=" ")


@dataclass
class Warehouse:
    built: Built
    cpu_seconds: float
    dw: sqlite3.Connection
    oltp: sqlite3.Connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.dw.execute(sql).fetchall()

    def controls(self) -> dict[str, dict[str, Any]]:
        cursor = self.dw.execute("SELECT * FROM ctl.etl_control")
        names = [column[0] for column in cursor.description]
        return {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}

    def pending(self, entity: str, newest: str = "9999") -> list[Any]:
        control = self.controls()[entity]
        watermark = (control["watermark_updated_at"], control["watermark_id"])
        return extract(self.oltp, SqliteDialect(), JOBS[entity], watermark=watermark, newest=newest, rows=10**6)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The demo's own warehouse: thirty days, once for this module."""
    folder = tmp_path_factory.mktemp("built") / "warehouse"
    before = os.times()
    built = build(folder, NOW)
    after = os.times()
    files = WarehouseFiles(folder)
    cpu = after.user - before.user + after.system - before.system
    made = Warehouse(built, cpu, files.connect("dw"), files.connect("oltp"))
    yield made
    made.dw.close()
    made.oltp.close()


def test_the_promised_size(warehouse: Warehouse) -> None:
    rows = warehouse.built.rows
    assert 1400 <= rows["audit.etl_run"] <= 1700
    assert 11_500 <= rows["audit.etl_run_entity"] <= 13_500
    assert 37_000 <= rows["audit.connection_login_events"] <= 44_000
    assert DAYS == 30


def test_it_is_built_in_time(warehouse: Warehouse) -> None:
    """Processor time, so that a busy machine does not fail the test: 5 to 7 s here, 15 s are allowed."""
    assert warehouse.cpu_seconds < 15


def test_its_history_spans_thirty_days_and_ends_now(warehouse: Warehouse) -> None:
    ((first, last),) = warehouse.rows("SELECT MIN(started_at), MAX(started_at) FROM audit.etl_run")
    assert first[:10] == (NOW - timedelta(days=30)).isoformat()[:10]
    assert (NOW - timedelta(minutes=3)).isoformat(sep=" ") <= last < TEXT
    for table, column in (("etl_run", "finished_at"), ("etl_run_entity", "entity_finished_at")):
        ((latest,),) = warehouse.rows(f"SELECT MAX({column}) FROM audit.{table}")
        assert latest <= TEXT
    ((latest,),) = warehouse.rows("SELECT MAX(event_time_utc) FROM audit.connection_login_events")
    assert latest[:19] <= TEXT
    changed = max(
        warehouse.oltp.execute(f"SELECT MAX(updated_at) FROM core.{table}").fetchone()[0]
        for table in ("orders", "order_items", "customers", "products", "seller_targets_monthly")
    )
    assert (NOW - timedelta(seconds=50)).isoformat(sep=" ") < changed <= TEXT


def test_run_numbers_grow_with_time(warehouse: Warehouse) -> None:
    starts = [start for (start,) in warehouse.rows("SELECT started_at FROM audit.etl_run ORDER BY run_id")]
    assert starts == sorted(starts)


def test_counts_and_statuses_of_runs_agree_with_their_entities(warehouse: Warehouse) -> None:
    by_run: dict[int, Counter[str]] = {}
    for run_id, status in warehouse.rows("SELECT run_id, status FROM audit.etl_run_entity"):
        by_run.setdefault(run_id, Counter())[status] += 1
    runs = warehouse.rows(
        "SELECT run_id, status, entities_succeeded, entities_failed, entities_requested, error_message "
        "FROM audit.etl_run"
    )
    for run_id, status, succeeded, failed, requested, message in runs:
        found = by_run[run_id]
        if status == "running":
            assert found["running"] == 1
            continue
        assert (found["success"], found["failed"]) == (succeeded, failed)
        assert sum(found.values()) == len(requested.split(","))
        assert status == ("success" if not failed else "partial" if succeeded else "failed")
        assert bool(message) == bool(failed)


def test_the_stories_are_told(warehouse: Warehouse) -> None:
    statuses = dict(warehouse.rows("SELECT status, COUNT(*) FROM audit.etl_run GROUP BY status"))
    assert statuses["running"] == 1
    assert statuses["failed"] >= 3
    assert 30 <= statuses["partial"] <= 200
    ((killed, started),) = warehouse.rows("SELECT run_id, started_at FROM audit.etl_run WHERE status = 'running'")
    assert started < (NOW - timedelta(days=1)).isoformat(sep=" ")
    entities = warehouse.rows(f"SELECT * FROM audit.etl_run_entity WHERE run_id = {killed} AND status = 'running'")
    assert len(entities) == 1
    assert entities[0][6:9] == (0, 0, 0)
    messages = warehouse.rows("SELECT error_message FROM audit.etl_run_entity WHERE error_message IS NOT NULL")
    classes = {parse(message).error_class for (message,) in messages}
    assert classes == {
        ErrorClass.DEADLOCK, ErrorClass.UNIQUE, ErrorClass.FOREIGN_KEY, ErrorClass.TRUNCATION, ErrorClass.CONVERSION,
        ErrorClass.PERMISSION, ErrorClass.LOCK_TIMEOUT, ErrorClass.TIMEOUT, ErrorClass.NETWORK,
        ErrorClass.MISSING_DIMENSION_ROW,
    }  # fmt: skip


def test_odd_control_rows(warehouse: Warehouse) -> None:
    controls = warehouse.controls()
    assert len(controls) == 11
    assert [name for name, row in controls.items() if not row["is_active"]] == ["dim_equipe"]
    never = {name for name, row in controls.items() if row["last_run_id"] is None}
    assert never == {"dim_transportadora", "fact_devolucoes"}
    oldest, carriers = warehouse.oltp.execute("SELECT MIN(updated_at), COUNT(*) FROM core.carriers").fetchone()
    assert carriers == 6
    assert controls["dim_transportadora"]["created_at"] < oldest
    assert warehouse.built.rows["dim.DIM_TRANSPORTADORA"] == 0
    assert "core.order_returns" not in warehouse.built.rows
    assert "fact.FACT_DEVOLUCOES" not in warehouse.built.rows


def test_somebody_sees_a_failure_at_once(warehouse: Warehouse) -> None:
    newest = dict(
        warehouse.rows(
            "SELECT entity_name, status FROM audit.etl_run_entity e WHERE run_entity_id = "
            "(SELECT MAX(run_entity_id) FROM audit.etl_run_entity WHERE entity_name = e.entity_name)"
        )
    )
    assert [name for name, status in newest.items() if status == "failed"] == ["fact_descontos"]


@pytest.mark.parametrize("entity", JOBS)
def test_the_watermark_says_what_is_loaded(warehouse: Warehouse, entity: str) -> None:
    """Below the watermark everything is in the target as the source has it; above it nothing newer is."""
    job, control = JOBS[entity], warehouse.controls()[entity]
    assert control["watermark_updated_at"] > "2026-02-01"
    pending = {row[1] for row in warehouse.pending(entity)}
    source = warehouse.oltp.execute(f"SELECT COUNT(*) FROM {control['source_table']}").fetchone()[0]
    ((target,),) = warehouse.rows(f"SELECT COUNT(*) FROM {job.target}")
    assert source - len(pending) <= target <= source
    if job.natural_key[0].endswith("_original_id"):
        loaded = {key for (key,) in warehouse.rows(f"SELECT {job.natural_key[0]} FROM {job.target}")}
        keys = {key for (key,) in warehouse.oltp.execute(f"SELECT {job.key_name} FROM {control['source_table']}")}
        assert keys - loaded <= pending
    if job.columns[-1] == "data_ultima_atualizacao":
        ((newest,),) = warehouse.rows(f"SELECT MAX(data_ultima_atualizacao) FROM {job.target}")
        assert newest == control["watermark_updated_at"]


def test_only_what_is_young_or_failing_is_pending(warehouse: Warehouse) -> None:
    cutoff = (NOW - timedelta(minutes=4)).isoformat(sep=" ")
    for entity in JOBS:
        eligible = warehouse.pending(entity, newest=cutoff)
        assert bool(eligible) == (entity in {"fact_descontos", "dim_equipe"}), entity


def test_the_last_run_entity_says_what_control_says(warehouse: Warehouse) -> None:
    for entity, control in warehouse.controls().items():
        rows = warehouse.rows(
            f"SELECT run_id, status, watermark_from_updated_at, watermark_from_id, watermark_to_updated_at, "
            f"watermark_to_id FROM audit.etl_run_entity WHERE entity_name = '{entity}' "
            "ORDER BY run_entity_id DESC LIMIT 1"
        )
        for run_id, status, *marks in rows:
            assert (control["last_run_id"], control["last_status"]) == (run_id, status)
            mark = marks[2:] if status == "success" else marks[:2]
            assert mark == [control["watermark_updated_at"], control["watermark_id"]]


def test_each_execution_begins_where_the_last_success_ended(warehouse: Warehouse) -> None:
    reached: dict[str, Any] = {}
    for entity, status, *marks in warehouse.rows(
        "SELECT entity_name, status, watermark_from_updated_at, watermark_from_id, watermark_to_updated_at, "
        "watermark_to_id FROM audit.etl_run_entity ORDER BY run_entity_id"
    ):
        assert marks[:2] == reached.get(entity, ["1900-01-01 00:00:00", 0]), entity
        if status == "success":
            assert marks[2:] >= marks[:2]
            reached[entity] = marks[2:]


def test_every_change_of_an_order_moves_its_sales_again(warehouse: Warehouse) -> None:
    """An order is created, paid, shipped and delivered: its items are loaded three or four times."""
    moved = dict(
        warehouse.rows(
            "SELECT entity_name, SUM(upserted_count) FROM audit.etl_run_entity WHERE status = 'success' GROUP BY 1"
        )
    )
    for entity, table in (("fact_vendas", "core.order_items"), ("fact_descontos", "core.order_item_discounts")):
        assert 3 < moved[entity] / warehouse.built.rows[table] < 4.2
    deleted = dict(
        warehouse.rows("SELECT entity_name, SUM(soft_deleted_count) FROM audit.etl_run_entity GROUP BY entity_name")
    )
    assert all(deleted[entity] for entity in ("dim_cliente", "dim_produto", "fact_vendas", "fact_descontos"))


def test_sessions_are_fewer_than_samples(warehouse: Warehouse) -> None:
    ((events, sessions),) = warehouse.rows(
        "SELECT COUNT(*), COUNT(DISTINCT session_id || login_time) FROM audit.connection_login_events"
    )
    assert 5 * sessions < events
    ((runner,),) = warehouse.rows(
        "SELECT COUNT(DISTINCT session_id || login_time) FROM audit.connection_login_events "
        "WHERE program_name = 'etl-runner'"
    )
    assert runner > 0.95 * warehouse.built.rows["audit.etl_run"]


def test_no_file_is_left_beside(warehouse: Warehouse, tmp_path: Path) -> None:
    (folder,) = {Path(row[2]).parent.parent for row in warehouse.oltp.execute("PRAGMA database_list") if row[2]}
    assert [path.name for path in folder.parent.iterdir()] == ["warehouse"]


def dump(folder: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for schema, path in WarehouseFiles(folder).all().items():
        connection = sqlite3.connect(path)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            found[f"{schema}.{name}"] = connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
        connection.close()
    return found


def test_the_same_seed_and_time_build_the_same_warehouse(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        build(tmp_path / name, NOW, seed=seed, days=1)
    first, second, other = (dump(tmp_path / name) for name in "abc")
    assert first == second
    assert first["core.customers"] != other["core.customers"]


def test_building_replaces_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "w" / "dw").mkdir(parents=True)
    (tmp_path / "w" / "dw" / "ctl.sqlite3").write_text("not a database")
    build(tmp_path / "w", NOW, days=1)
    assert WarehouseFiles(tmp_path / "w").missing() == []
    assert len(dump(tmp_path / "w")["ctl.etl_control"]) == 11
