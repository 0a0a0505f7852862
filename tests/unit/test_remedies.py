"""The script for the DBA: valid T-SQL with quoted names and reasons, refused by the guard."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import sqlglot
from django.utils import timezone, translation

from etlportal.guard import is_read
from monitoring.collector.memory import Structure
from monitoring.collector.preflight import remedies
from monitoring.collector.read import CONTRACT_TABLES, WarehouseReading, planned, wanted_tables
from monitoring.management.commands.doctor import script
from monitoring.models import PipelineSettings
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ControlRow, Problem
from monitoring.warehouse import permissions as text
from monitoring.warehouse.catalog import Catalog, Column, Table
from monitoring.warehouse.names import TableName, parse_table
from monitoring.warehouse.permissions import Remedy
from tests import factories as make

STAMP, KEY = Column("updated_at", "DATETIME2", 0), Column("customer_id", "BIGINT")
SOURCE = TableName("core", "customers")
GOOD_INDEXES = {
    "ctl.etl_control": (),
    "audit.etl_run": (("started_at",),),
    "audit.etl_run_entity": (("run_id", "entity_name"),),
    "audit.connection_login_events": (("event_time_utc",),),
}
NOTHING = replace(make.RIGHTS, login="etl_monitor", user="monitor")


def table(name: str | TableName, *columns: Column, **changes: Any) -> Table:
    name = parse_table(name) if isinstance(name, str) else name
    return Table(name, columns={each.name.casefold(): each for each in columns}, **changes)


def source(**changes: Any) -> Table:
    return table(SOURCE, STAMP, KEY, **{"indexes": (("updated_at", "customer_id"),), **changes})


def control(**changes: Any) -> ControlRow:
    row = make.pipeline("dim_cliente").control
    values = {"source_table": "core.customers", "source_pk_column": "customer_id", "target_table": "dim.DIM_CLIENTE"}
    return replace(row, **{**values, **changes})


def catalog(*tables: Table) -> Catalog:
    return Catalog(
        schemas=frozenset(each.name.schema.casefold() for each in tables),
        tables={each.name: each for each in tables},
    )


def dw_tables(**changes: dict[str, Any]) -> list[Table]:
    names = [*GOOD_INDEXES, "dim.DIM_CLIENTE"]
    return [
        table(name, **{"indexes": GOOD_INDEXES.get(name, ()), **changes.get(name.split(".")[1], {})}) for name in names
    ]


def looked(
    dw: Any = None, oltp: Any = None, rights: Any = NOTHING, controls: tuple[ControlRow, ...] = ()
) -> WarehouseReading:
    catalogs = {
        "dw": catalog(*dw_tables()) if dw is None else dw,
        "oltp": catalog(source()) if oltp is None else oltp,
    }
    wanted = wanted_tables(controls or (control(),), {})
    wanted["dw"] |= {parse_table(name) for name in CONTRACT_TABLES}
    structure = Structure(
        at=0.0,
        connections={alias: make.connection(alias) for alias in ("dw", "oltp")},
        catalogs=catalogs,
        wanted=wanted,
        checked_at=timezone.now(),
        rights=rights,
    )
    found = WarehouseReading(now=timezone.now(), structure=structure)
    for row in controls or (control(),):
        _, probe, _ = planned(row, PipelineSettings(), catalogs["oltp"], catalogs["dw"])
        if probe is not None:
            found.source_probes[row.entity_name] = probe
    return found


def statements(found: WarehouseReading) -> list[tuple[str, str]]:
    return [(each.database, each.statement) for each in remedies(found, "from_settings")]


def test_nothing_lacks_nothing_is_said() -> None:
    assert set(GOOD_INDEXES) == set(CONTRACT_TABLES)
    assert remedies(looked(), "etl_monitor") == ()
    assert script(()) == ""


def test_the_watermarks_index() -> None:
    assert statements(looked(oltp=catalog(source(indexes=())))) == [
        (
            "ECOMMERCE_OLTP",
            "CREATE INDEX [IX_customers_updated_at_customer_id] ON [core].[customers] ([updated_at], [customer_id]);",
        )
    ]


def test_an_edition_that_can_builds_it_online() -> None:
    for edition in (3, 5, 8):
        (found,) = statements(looked(oltp=catalog(source(indexes=())), rights=replace(NOTHING, edition=edition)))
        assert found[1].endswith(") WITH (ONLINE = ON);")
        assert sqlglot.parse_one(found[1], read="tsql")


def test_a_synonyms_index_is_that_of_its_table() -> None:
    row = control(source_table="core.alias")
    synonym = replace(source(indexes=()), name=TableName("core", "alias"), base=SOURCE)
    ((_, statement),) = statements(looked(oltp=catalog(synonym), controls=(row,)))
    assert "ON [core].[customers] (" in statement


def test_a_view_gets_no_index_and_two_pipelines_ask_once() -> None:
    assert statements(looked(oltp=catalog(source(indexes=(), is_view=True)))) == []
    two = (control(), replace(control(), entity_name="again"))
    assert len(statements(looked(oltp=catalog(source(indexes=())), controls=two))) == 1


def test_joined_tables_need_theirs() -> None:
    items = table("core.order_items", STAMP, Column("order_item_id", "BIGINT"), Column("order_id", "BIGINT"))
    orders = table("core.orders", STAMP, Column("order_id", "BIGINT"))
    row = control(source_table="core.order_items", source_pk_column="order_item_id")
    found = [statement for _, statement in statements(looked(oltp=catalog(items, orders), controls=(row,)))]
    assert [re.findall(r"ON (.*);", each)[0] for each in found] == [
        "[core].[order_items] ([updated_at], [order_item_id])",
        "[core].[orders] ([updated_at])",
    ]


@pytest.mark.parametrize("name", [name for name in GOOD_INDEXES if GOOD_INDEXES[name]])
def test_an_index_of_the_contract(name: str) -> None:
    (found,) = statements(looked(dw=catalog(*dw_tables(**{name.split(".")[1]: {"indexes": ()}}))))
    keys = ", ".join(f"[{column}]" for column in GOOD_INDEXES[name][0])
    assert found[0] == "DW_ECOMMERCE"
    assert found[1].endswith(f"ON [{name.replace('.', '].[')}] ({keys});")


def test_select_by_schema_where_the_contract_has_one_else_by_table() -> None:
    hidden = catalog(*dw_tables(etl_run={"readable": False}, etl_run_entity={"readable": False}))
    assert statements(looked(dw=hidden)) == [("DW_ECOMMERCE", "GRANT SELECT ON SCHEMA::[audit] TO [monitor];")]
    other = table(TableName("odd]one", "it's"), STAMP, KEY, readable=False)
    row = control(source_table="[odd]]one].[it's]")
    assert statements(looked(oltp=catalog(other), controls=(row,))) == [
        ("ECOMMERCE_OLTP", "GRANT SELECT ON OBJECT::[odd]]one].[it's] TO [etl_monitor];")
    ]


def test_a_schema_that_shows_nothing_may_be_hidden() -> None:
    found = remedies(looked(oltp=catalog()), "x")
    assert [(each.statement, each.why) for each in found] == [
        ("GRANT SELECT ON SCHEMA::[core] TO [etl_monitor];", "hidden")
    ]


def test_a_table_of_the_portals_own_is_asked_for_even_beside_others() -> None:
    some = [each for each in dw_tables() if each.name.table != "etl_run_entity"]
    assert statements(looked(dw=catalog(*some))) == [("DW_ECOMMERCE", "GRANT SELECT ON SCHEMA::[audit] TO [monitor];")]


def test_a_table_that_is_missing_beside_others_is_missing() -> None:
    assert statements(looked(oltp=catalog(source()), controls=(control(source_table="core.nothing"),))) == []


def test_the_procedures() -> None:
    rights = replace(NOTHING, procedures=tuple((name, False) for name, _ in NOTHING.procedures))
    assert statements(looked(rights=rights)) == [
        ("DW_ECOMMERCE", f"GRANT EXECUTE ON OBJECT::[audit].[{name}] TO [monitor];")
        for name in ("sp_capture_connection_snapshot", "sp_connection_audit_cleanup")
    ]


@pytest.mark.parametrize(
    ("permissions", "edition", "expected"),
    [
        (("VIEW SERVER STATE",), 2, [("master", "GRANT VIEW SERVER STATE TO [etl_monitor];")]),
        (
            ("VIEW SERVER PERFORMANCE STATE", "VIEW SERVER SECURITY STATE"),
            3,
            [
                ("master", "GRANT VIEW SERVER PERFORMANCE STATE TO [etl_monitor];"),
                ("master", "GRANT VIEW SERVER SECURITY STATE TO [etl_monitor];"),
            ],
        ),
        (("VIEW DATABASE STATE",), 5, [("DW_ECOMMERCE", "GRANT VIEW DATABASE STATE TO [monitor];")]),
    ],
)
def test_the_sight_of_every_session(permissions: Any, edition: int, expected: Any) -> None:
    rights = replace(NOTHING, sees_sessions=False, sessions_permissions=permissions, edition=edition)
    assert statements(looked(rights=rights)) == expected


def test_a_snapshot_that_is_wanted_and_not_allowed() -> None:
    found = looked()
    found.structure.connections["oltp"] = make.connection(
        "oltp", terms=make.terms(isolation_wanted="snapshot", isolation="x")
    )
    assert statements(found) == [("ECOMMERCE_OLTP", "ALTER DATABASE [ECOMMERCE_OLTP] SET ALLOW_SNAPSHOT_ISOLATION ON;")]
    found.structure.connections["oltp"] = make.connection(
        "oltp", terms=make.terms(isolation_wanted="snapshot", isolation="snapshot")
    )
    assert statements(found) == []


def test_a_database_that_does_not_open_gets_a_user() -> None:
    down = Problem(code=ProblemCode.DATABASE_UNAVAILABLE, native=4060)
    found = statements(_down(down))
    assert found == [
        (
            "ECOMMERCE_OLTP",
            "IF DATABASE_PRINCIPAL_ID(N'from_settings') IS NULL CREATE USER [from_settings] FOR LOGIN [from_settings];",
        ),
        ("ECOMMERCE_OLTP", "GRANT SELECT ON SCHEMA::[core] TO [from_settings];"),
    ]
    assert statements(_down(Problem(code=ProblemCode.UNREACHABLE))) == []


def _down(problem: Problem) -> WarehouseReading:
    found = looked(rights=None)
    found.structure.catalogs["oltp"] = problem
    found.structure.connections["oltp"] = make.unreachable("oltp", problem=problem)
    found.source_probes.clear()
    return found


EVIL = "x'; DROP TABLE t; --]\" %s %%"


def all_kinds(name: str = EVIL) -> tuple[Remedy, ...]:
    where = TableName(name, name)
    made = {
        "index": text.create_index(where, [name, "b"], online=False),
        "index_online": text.create_index(where, [name], online=True),
        "select": text.grant_schema(name, name),
        "hidden": text.grant_object("SELECT", where, name),
        "execute": text.grant_object("EXECUTE", where, name),
        "snapshot": text.allow_snapshot(name),
        "sessions": text.grant("VIEW SERVER STATE", name),
        "user": text.create_user(name),
    }
    values = {"name": f"{name}\r\nDROP TABLE t\u2028DROP TABLE u", "entity": "a\nDROP TABLE v"}
    return tuple(Remedy(database=name, statement=each, why=why, values=values) for why, each in made.items())


@pytest.mark.parametrize("remedy", all_kinds(), ids=lambda remedy: remedy.why)
def test_names_are_quoted_and_the_guard_refuses_it(remedy: Remedy) -> None:
    assert "[x'; DROP TABLE t; --]]\" %s %%" in remedy.statement
    assert not is_read(remedy.statement)
    bare = re.sub(r"\[(?:[^\]]|\]\])*\]|N'(?:[^']|'')*'", "", remedy.statement)
    assert "DROP" not in bare and "--" not in bare


def test_a_long_index_name_is_cut() -> None:
    found = text.create_index(TableName("s", "t" * 128), ["c" * 128], online=False)
    assert len(re.findall(r"\[(\w+)\]", found)[0]) == 128


@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_the_whole_script_is_tsql_in_batches(language: str) -> None:
    with translation.override(language):
        written = script(all_kinds("plain"))
    batches = re.split(r"(?m)^GO$", written)
    assert batches.pop().strip() == ""
    assert batches[0].strip().endswith("USE [plain];")
    for batch in batches:
        for tree in sqlglot.parse(re.sub(r"::", ".", batch), read="tsql"):
            assert tree is not None
        code = [line for line in batch.splitlines() if line and not line.startswith("-- ")]
        assert all(
            re.match(r"(USE|CREATE INDEX|GRANT|ALTER DATABASE|IF DATABASE_PRINCIPAL_ID) ?", line) for line in code
        ), code
    # Every statement has its reason above it.
    assert all("-- " in batch for batch in batches)


def test_what_people_typed_stays_in_the_comment() -> None:
    for line in script(all_kinds("plain")).splitlines():
        assert "DROP" not in line or line.startswith("-- ")
    assert "\u2028" not in script(all_kinds("plain"))
