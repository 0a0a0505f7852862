"""Names typed by people: two proper parts or nothing; quoted so that nothing gets out of the quotes."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.warehouse.dialect import Sqlite, SqlServer
from monitoring.warehouse.names import InvalidName, TableName, bracketed, double_quoted, parse_column, parse_table

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no finding."""

NONSENSE = [
    "",
    "   ",
    ".",
    "core.",
    ".customers",
    "customers",
    "core.customers; DROP TABLE x",
    "core.customers--",
    "core.customers/*",
    "core.customers x",
    "core.customers, core.orders",
    "[a].[b].[c]",
    "OTHER_DB.core.customers",
    "server.db.core.customers",
    "OTHER_DB..customers",
    "core..customers",
    "[core.customers]",
    "[core].[customers",
    "core].[customers",
    "[].[customers]",
    "[ ].[customers]",
    "[co[re].[customers]",
    "core.'customers'",
    "core.customers'",
    'core."customers"',
    "core.`customers`",
    "core.#temporary",
    "core.@variable",
    "core.1customers",
    "core.cust omers",
    "core.cust\nomers",
    "core.[cust\nomers]",
    "core.[cust\x00omers]",
    "core.customers\x00",
    "core.[\u202ecustomers]",
    "core.[\ud800]",
    "core.customers)",
    "(core.customers)",
    "core.customers%",
    "x" * 200,
    "core." + "x" * 200,
    "core." + "x" * 129,
    "[" + "x" * 129 + "].[a]",
    "1=1",
    "NULL",
]

NAMES = {
    "core.customers": TableName("core", "customers"),
    " core.customers ": TableName("core", "customers"),
    "core . customers": TableName("core", "customers"),
    "dim.DIM_CLIENTE": TableName("dim", "DIM_CLIENTE"),
    "[core].[customers]": TableName("core", "customers"),
    "[core].customers": TableName("core", "customers"),
    "core.[order items]": TableName("core", "order items"),
    "core.[a]]b]": TableName("core", "a]b"),
    "core.[it's; DROP TABLE x --]": TableName("core", "it's; DROP TABLE x --"),
    'core.["quoted"]': TableName("core", '"quoted"'),
    "core.a$b#c@d": TableName("core", "a$b#c@d"),
    # A letter to Unicode, a quote to a careless code page: harmless inside brackets.
    "core.\u02bccustomers": TableName("core", "\u02bccustomers"),
    "fato.DEVOLUÇÕES": TableName("fato", "DEVOLUÇÕES"),
    "core." + "x" * 128: TableName("core", "x" * 128),
}


@pytest.mark.parametrize("text", [*NONSENSE, None])
def test_nonsense_is_no_table(text: str | None) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_table(text)
    assert len(caught.value.text) <= 200


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_two_proper_parts_are_a_table(text: str, name: TableName) -> None:
    assert parse_table(text) == name


@pytest.mark.parametrize("text", ["a.b", "", "a b", "a;b", "[a", "a]", "[a].[b]", "'a'", "x" * 131, "1a"])
def test_nonsense_is_no_column(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_column(text)


def test_columns() -> None:
    assert parse_column("customer_id") == "customer_id"
    assert parse_column(" [customer id] ") == "customer id"


def test_spellings_of_one_table_share_a_key() -> None:
    assert parse_table("[Core].[CUSTOMERS]").key == parse_table("core.customers").key


def test_quoting() -> None:
    assert bracketed("a]b") == "[a]]b]"
    assert bracketed("100%") == "[100%%]"
    assert double_quoted('a"b') == '"a""b"'
    assert SqlServer().table(TableName("co]re", "x")) == "[co]]re].[x]"
    assert Sqlite().table(TableName('co"re', "x")) == '"co""re"."x"'


@pytest.mark.parametrize("name", ["", "a\x00b", "a\nb", "x" * 129])
@pytest.mark.parametrize("quote", [bracketed, double_quoted])
def test_what_a_catalog_should_never_hold_is_not_quoted(quote: object, name: str) -> None:
    with pytest.raises(InvalidName):
        quote(name)  # type: ignore[operator]


@PATIENT
@given(st.text(max_size=250))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        name = parse_table(text)
    except InvalidName:
        return
    assert 0 < len(name.schema) <= 128
    assert 0 < len(name.table) <= 128
    # What was parsed once, quoted, is the same name again.
    assert parse_table(f"[{name.schema.replace(']', ']]')}].[{name.table.replace(']', ']]')}]") == name or (
        len(name.schema) + len(name.table) > 190
    )


@PATIENT
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=60).filter(str.isprintable))
def test_sqlite_reads_a_quoted_name_as_exactly_that_name(name: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        row = connection.execute(f"SELECT 1 AS {double_quoted(name).replace('%%', '%')}")
        assert row.description[0][0] == name
    connection.close()
