"""Every hand-written statement of the portal, as SQL Server would get it, goes through the lint.

An inventory of the code finds each place that asks a watched database; a place whose statement was
not seen here fails, so that a new statement cannot stay unseen.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import monitoring
from etlportal.guard import SNAPSHOT_PROCEDURE, is_read
from monitoring import warehouse
from monitoring.models import PipelineSettings
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem, Watermark
from monitoring.warehouse import (
    audit,
    catalog,
    integrity,
    login_events,
    permissions,
    probes,
    reader,
    source_rows,
)
from monitoring.warehouse.catalog import Column, Table
from monitoring.warehouse.dialect import Sql, SqlServer
from monitoring.warehouse.integrity import run_checks
from monitoring.warehouse.names import TableName
from monitoring.warehouse.probes import Linked, SourceProbe
from monitoring.warehouse.reader import ReadFailed
from tests.factories import control_row
from tests.support import tsql

FOLDER = Path(warehouse.__file__).parent
W = Watermark(datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC), 987654321)
NOW = datetime(2026, 3, 10, 12, 40, 0, tzinfo=UTC)
EMBEDDED = {"_read_sqlite"}
"""Functions that ask SQLite only."""
MANY = 600
"""Parameters of a statement about many pipelines."""
Site = tuple[str, int]


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(warehouse.__path__, "monitoring.warehouse."):
        yield importlib.import_module(found.name)


def sites() -> dict[Site, tuple[int, str]]:
    """Every call that sends a statement: `rows(...)` and `session.ask(...)`, by its place: last line and text."""
    found: dict[Site, tuple[int, str]] = {}
    for path in sorted(FOLDER.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        embedded = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and each.name in EMBEDDED]
        skipped = {node for function in embedded for node in ast.walk(function)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or node in skipped:
                continue
            function = node.func
            asks = (isinstance(function, ast.Name) and function.id == "rows") or (
                isinstance(function, ast.Attribute) and function.attr == "ask"
            )
            if asks:
                place = str(path.relative_to(FOLDER)), node.lineno
                found[place] = (node.end_lineno or node.lineno, ast.unparse(node))
    return found


class Recorder:
    """Stands in for a SQL Server: notes each statement and the lines that asked, and answers something that fits."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Sql]] = []
        self.lines: set[Site] = set()
        self.fail_next = 0

    def rows(self, alias: str, sql: Sql) -> list[Any]:
        self.asked.append((alias, sql))
        frame = sys._getframe(1)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(FOLDER):
                self.lines.add((str(path.relative_to(FOLDER)), frame.f_lineno))
            frame = frame.f_back  # type: ignore[assignment]
        if self.fail_next:
            self.fail_next -= 1
            raise ReadFailed(Problem(code=ProblemCode.OTHER))
        return self.answer(sql.text)

    def answer(self, text: str) -> list[Any]:
        if " AS part, q.*" in text:
            parts = [int(piece.split("SELECT ")[-1]) for piece in text.split(" AS part, q.*")[:-1]]
            width = 8 if "e_examined" in text else 2
            return [(part, *((1, NOW, 0, 0, None, 0, 0, None) if width == 8 else (1, NOW))) for part in parts]
        if "capture_allowed" in text:
            return [(1, 1, 1, 1, 1, 1, 3, 16, "login", "user")]
        if "ServerName" in text:
            return [(NOW, "server", "database")]
        if "k.clock" in text:
            return [(NOW, 7) + (None,) * 40]
        if "DATEDIFF(HOUR, '20000101', SYSUTCDATETIME())" in text:
            return [(NOW, NOW, 1, 2, 0)]
        if "ORDER BY connection_event_id DESC)" in text:
            return [(NOW, 1, 2)]
        if "SELECT MAX(event_time_utc)" in text:
            return [(NOW, 1, 2, 0)]
        if text == "SELECT DATEPART(TZOFFSET, SYSDATETIMEOFFSET())":
            return [(-180,)]
        if "GROUP BY" in text or "sys." in text or "[etl_run] ORDER" in text:
            return []
        return [(7,)] if "COUNT(*)" in text or "MAX(run_id)" in text or "deleted_at" in text else []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder, original = Recorder(), reader.rows
    for module in modules():
        if getattr(module, "rows", None) is original:
            monkeypatch.setattr(module, "rows", recorder.rows)
        if hasattr(module, "dialect_of"):
            monkeypatch.setattr(module, "dialect_of", lambda alias: SqlServer())
        if hasattr(module, "patience") and callable(module.patience):
            monkeypatch.setattr(module, "patience", lambda alias, seconds: nullcontext())
    monkeypatch.setattr(reader, "_connect", lambda alias: None)
    monkeypatch.setattr(login_events, "execute_snapshot", lambda alias: None)
    return recorder


STAMP = Column("updated_at", "DATETIME2", 0, False)
TYPES = (
    *("BIGINT", "INT", "DECIMAL", "BIT", "DATE", "DATETIME2", "FLOAT", "UNIQUEIDENTIFIER", "CHAR", "VARCHAR", "MONEY"),
    *("NVARCHAR", "TEXT", "NTEXT", "XML", "VARBINARY", "IMAGE", "TIMESTAMP", "CLR", "SQL_VARIANT", "TIME", "REAL"),
    *("DATETIMEOFFSET", "SMALLDATETIME", "DATETIME", "JSON", "VECTOR"),
)


def table(name: str, *columns: Column) -> Table:
    return Table(TableName("core", name), columns={each.name: each for each in (STAMP, *columns)})


def description(name: TableName, key: str) -> Table:
    """A table with a column of every type, whose key has the type `key`."""
    named = {
        "it]em_id": "BIGINT", "updated_at": "DATETIME2", "deleted_at": "DATETIME2", "status": "VARCHAR",
        "it]em_original_id": key, "eh_ativo": "BIT", "data_ultima_atualizacao": "DATETIME2",
        "cliente_id": "BIGINT", "valor_100%": "DECIMAL", "percentual_x": "FLOAT",
    }  # fmt: skip
    typed = {f"c_{kind.lower()}": kind for kind in TYPES}
    return Table(name, columns={each: Column(each, kind, 0) for each, kind in {**named, **typed}.items()})


def audit_statements(server: Recorder) -> None:
    audit.read_control()
    server.fail_next = 1
    audit.read_control()
    audit.newest_run_id("dw")
    audit.newest_runs("dw", 500)
    for also in ((), (1, 2, 3), tuple(range(500))):
        audit.runs_since("dw", 5, also, 500)
    audit.runs_before("dw", 5, W.updated_at, 500)
    audit.session_samples("dw", 2000)
    permissions.read_rights()
    reader.connection_reading("dw")
    login_events.bounds(24)
    login_events.hours(5, W.updated_at)
    login_events.bounds_between(W.updated_at, NOW)
    login_events.hours(5, W.updated_at, 9, NOW)
    login_events.capture_snapshot()
    login_events.server_offset()
    login_events.ends()
    login_events.seen_between(5, 20_004)
    login_events.factors_in([(W.updated_at, NOW)] * 180)


def catalog_statements() -> None:
    names = [TableName("ctl", "etl_control"), TableName("d'im", "x]y")]
    catalog.read_catalog("dw", names)
    catalog.read_catalog("dw", [TableName("s", f"t{number}") for number in range(601)])
    catalog.read_catalog("dw", [TableName("dbo", "t", "ot]her")])
    catalog.describe("dw", TableName("fact", "x]y'z%"))


def probe_statements(server: Recorder) -> None:
    chain = (
        Linked(table=table("it]em's"), ts=STAMP),
        Linked(table=table("items"), ts=STAMP, on="item_id"),
        Linked(table=table("orders"), ts=STAMP, on="order_id"),
    )
    contract = (
        Linked(table=table("order_items", Column("order_item_id", "BIGINT")), ts=STAMP),
        Linked(table=table("orders"), ts=STAMP, on="order_id"),
    )
    kinds = [Column("t", kind, 3) for kind in ("DATETIME", "DATETIME2", "SMALLDATETIME", "DATE", "DATETIMEOFFSET")]
    sources = {
        "chain": SourceProbe(chain=chain, key="ke]y", watermark=W, cutoff_minutes=7),
        "contract": SourceProbe(chain=contract, key="order_item_id", watermark=W, cutoff_minutes=2),
        **{
            each.declared: SourceProbe(
                chain=(Linked(table=table("x", each), ts=each),), key="id", watermark=W, cutoff_minutes=7
            )
            for each in kinds
        },
    }
    targets = {
        "plain": (table("x"), STAMP),
        "no column": (table("x"), None),
        "view": (Table(TableName("dim", "v"), is_view=True), None),
        "synonym": (Table(TableName("dim", "s"), base=TableName("d", "t", "o]ther")), STAMP),
        **{each.declared: (table("x", each), each) for each in kinds},
    }
    for alone in (frozenset[str](), frozenset({"chain", "plain"})):
        assert all(not isinstance(each, Problem) for each in probes.probe_sources("oltp", sources, 100, alone).values())
        assert all(not isinstance(each, Problem) for each in probes.probe_targets("dw", targets, alone).values())
    many = {f"p{number}": sources["chain"] for number in range(200)}
    probes.probe_sources("oltp", many, 100_000)
    server.fail_next = 1
    probes.probe_sources("oltp", sources, 100)


def checks_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("BIGINT", "VARCHAR", "CLR", "SQL_VARIANT"):
        for module in (integrity, source_rows):
            monkeypatch.setattr(module, "describe", lambda alias, name, key=key: description(name, key))
        run_checks(
            control_row(
                entity_name="fact_x",
                source_table="[core].[it]]em's]",
                target_table="fact.[x]]y]",
                source_pk_column="[it]]em_id]",
                watermark=W,
            ),
            PipelineSettings(),
        )
    source_rows.newest_rows(TableName("core", "it]em's"), "[it]]em_id]", "updated_at")


def test_every_statement_passes_the_lint(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    audit_statements(server)
    catalog_statements()
    probe_statements(server)
    checks_statements(monkeypatch)
    for alias, sql in server.asked:
        assert sql.text.count("%s") - sql.text.count("%%s") == len(sql.params)
        if len(sql.params) > MANY:
            assert is_read(sql.text)  # the same parts once more: parsing hundreds of them takes long
            continue
        wrong = tsql.problems(alias, sql.text, tsql.kinds_of(sql.params))
        assert not wrong, f"{wrong}\n{sql.text}"
        for foreign in ("LIMIT ", "strftime", "pragma_", "typeof("):
            assert foreign not in sql.text
    unseen = {
        f"{file}:{first} {text}"
        for (file, first), (last, text) in sites().items()
        if not any(name == file and first <= line <= last for name, line in server.lines)
    }
    assert not unseen, "asked of no SQL Server in this test:\n" + "\n".join(sorted(unseen))


def test_the_inventory_sees_the_places() -> None:
    files = {file for file, _ in sites()}
    assert {"audit.py", "catalog.py", "integrity.py", "login_events.py", "probes.py", "source_rows.py"} <= files
    assert len(sites()) >= 20


def test_nothing_else_sends_a_statement() -> None:
    """Only reader.py holds a cursor of a watched database, and there is no raw SQL in Django's ORM."""
    allowed = {"warehouse/reader.py", "web/health.py"}
    root = Path(monitoring.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        name = str(path.relative_to(root))
        if name.startswith("migrations/"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"cursor", "executemany", "raw", "extra", "callproc"}:
                found.add(name)
            if isinstance(node, ast.Name) and node.id == "RawSQL":
                found.add(name)
    assert found <= allowed, found - allowed


def test_the_only_procedure_is_the_snapshots() -> None:
    text = (FOLDER / "reader.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    executed = [
        ast.unparse(each) for each in calls if isinstance(each.func, ast.Attribute) and each.func.attr == "execute"
    ]
    reads = ["cursor.execute(sql.text, list[Any](sql.params))", "cursor.execute(sql.text.replace('%%', '%'))"]
    assert sorted(executed) == ["cursor.execute(SNAPSHOT_PROCEDURE)", *reads]
    assert tsql.problems("dw", SNAPSHOT_PROCEDURE) == ()


def test_hours_are_cut_by_date_arithmetic_in_utc(server: Recorder) -> None:
    login_events.bounds(24)
    login_events.hours(5, W.updated_at)
    window, hours = (sql.text for _, sql in server.asked)
    start = "DATEADD(HOUR, DATEDIFF(HOUR, '20000101', SYSUTCDATETIME()) - %s, CAST('20000101' AS DATETIME2(3)))"
    assert start in window
    assert "DATEDIFF(HOUR, '20000101', event_time_utc)" in hours
    for text in (window, hours):
        for conversion in ("CONVERT(", "FORMAT(", "AS VARCHAR", "GETDATE", "SYSDATETIME()"):
            assert conversion not in text


def test_what_a_statement_carries_is_under_the_servers_limit(server: Recorder) -> None:
    audit_statements(server)
    catalog_statements()
    probe_statements(server)
    most = max(len(sql.params) for _, sql in server.asked)
    assert 1000 < most <= tsql.MOST_PARAMETERS


def test_keys_are_compared_as_the_targets_column_holds_them(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = {}
    for key in ("BIGINT", "VARCHAR", "NVARCHAR"):
        server.asked.clear()
        monkeypatch.setattr(integrity, "describe", lambda alias, name, key=key: description(name, key))
        run_checks(
            control_row(
                entity_name="x",
                source_table="core.a",
                target_table="dim.b",
                source_pk_column="[it]]em_id]",
                watermark=W,
            ),
            PipelineSettings(),
        )
        (found,) = [sql for _, sql in server.asked if " IN (" in sql.text]
        marks[key] = (found.text.split(" IN (")[1].split(") AND")[0], found.params[0])
    assert marks == {"BIGINT": ("%s", 7), "VARCHAR": ("CAST(%s AS VARCHAR(8000))", "7"), "NVARCHAR": ("%s", "7")}
