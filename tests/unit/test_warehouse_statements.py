"""Every statement for SQL Server: valid T-SQL, read-only to the guard, without a value in its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot

from etlportal.guard import is_read
from monitoring.rules.facts import Watermark
from monitoring.warehouse import audit, catalog, permissions, probes
from monitoring.warehouse import audit as control
from monitoring.warehouse import catalog as catalog_sqlserver
from monitoring.warehouse.catalog import Column, Table
from monitoring.warehouse.dialect import Sql, Sqlite, SqlServer
from monitoring.warehouse.names import TableName
from monitoring.warehouse.probes import Linked, SourceProbe

W = Watermark(datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC), 987654321)
STAMP = Column("updated_at", "DATETIME2", 0, False)


def table(name: str, *columns: Column) -> Table:
    return Table(TableName("core", name), columns={each.name: each for each in (STAMP, *columns)})


def source_probe(*links: Linked, ts: Column = STAMP) -> SourceProbe:
    first = Linked(table=table("it]em's"), ts=ts)
    return SourceProbe(chain=(first, *links), key="ke]y", watermark=W, cutoff_minutes=7)


LINKS = (
    Linked(table=table("items"), ts=STAMP, on="item_id"),
    Linked(table=table("orders"), ts=STAMP, on="order_id"),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sql]:
    """The statements that would have gone to a SQL Server; every answer is empty."""
    seen: list[Sql] = []

    def rows(alias: str, sql: Sql) -> list[Any]:
        seen.append(sql)
        if "HAS_PERMS_BY_NAME(NULL" in sql.text:
            return [(None,) * 10]
        return [(None, None, None)] if "clock" in sql.text and "part" not in sql.text else []

    for module in (audit, catalog_sqlserver, control, permissions, probes):
        monkeypatch.setattr(module, "rows", rows)
        monkeypatch.setattr(module, "dialect_of", lambda alias: SqlServer())
    monkeypatch.setattr(catalog, "dialect_of", lambda alias: SqlServer())
    return seen


def statements(asked: list[Sql]) -> Iterator[Sql]:
    control.read_control()
    audit.newest_runs("dw", 500)
    audit.runs_since("dw", 5, {1, 2, 3}, 500)
    audit.runs_since("dw", 5, (), 500)
    audit.runs_before("dw", 5, W.updated_at, 500)
    audit.session_samples("dw", 2000)
    catalog.read_catalog("dw", [TableName("ctl", "etl_control"), TableName("d'im", "x]y")])
    permissions.read_rights("dw")
    yield from asked
    for part in probes.source_parts(SqlServer(), source_probe(*LINKS), 100_000):
        yield part
    for part in probes.source_parts(SqlServer(), source_probe(ts=Column("t", "DATETIMEOFFSET", 3)), 100_000):
        yield part
    yield probes.target_part(SqlServer(), (table("x"), STAMP))
    yield probes.target_part(SqlServer(), (table("x"), Column("t", "DATETIMEOFFSET", 7)))
    yield probes.target_part(SqlServer(), (Table(TableName("dim", "v"), is_view=True), None))


def test_they_are_tsql_that_only_reads(asked: list[Sql]) -> None:
    count = 0
    for sql in statements(asked):
        count += 1
        assert sql.text.count("%s") == len(sql.params)
        assert is_read(sql.text), sql.text
        # What the driver gets: question marks, and single per cent signs.
        text = sql.text % tuple("?" * len(sql.params)) if sql.params else sql.text.replace("%%", "%")
        (tree,) = sqlglot.parse(text, read="tsql")
        assert tree is not None
        assert "GROUP BY" not in text  # mssql-django rewrites the parameters of such statements
        assert not re.search(r"\b(LIMIT|strftime|sqlite_|pragma_)", text)
    assert count > 12


def test_no_value_is_in_their_text(asked: list[Sql]) -> None:
    """But whole numbers that stay: how many rows, how many minutes."""
    for sql in statements(asked):
        for value in ("2026", "987654321", "d'im"):
            assert value not in sql.text


def test_what_is_in_the_text_is_a_whole_number() -> None:
    """A cutoff below zero is no comment, and what is no number goes no further."""
    for dialect, minutes in ((SqlServer(), "DATEADD(MINUTE, 5, "), (Sqlite(), "'5 minutes'")):
        assert minutes in dialect.cutoff(-5).text
        assert "--" not in dialect.cutoff(-5).text
        for made in (dialect.cutoff, lambda value, dialect=dialect: dialect.first(value, "x", "FROM t")):
            with pytest.raises(ValueError, match="invalid literal"):
                made("1) x FROM t --")  # type: ignore[arg-type]


def test_two_hundred_pipelines_are_one_statement() -> None:
    """Nine of them as the contract's: two facts whose sources are three tables. (SQL Server takes 2,100 parameters.)"""
    links = {"p0": LINKS, "p1": LINKS}
    parts = {
        name: probes.source_parts(SqlServer(), source_probe(*links.get(name, ())), 10)
        for name in (f"p{number}" for number in range(250))
    }
    assert len(probes._chunks(parts)) == 1
    targets = {name: [probes.target_part(SqlServer(), (table("x"), None))] for name in parts}
    assert len(probes._chunks(targets)) == 1


def test_names_are_quoted(asked: list[Sql]) -> None:
    text = probes.source_parts(SqlServer(), source_probe(), 10)[0].text
    assert "[core].[it]]em's]" in text
    assert "[ke]]y]" in text


def test_the_tuple_comparison_can_be_sought() -> None:
    text = probes.source_parts(SqlServer(), source_probe(), 10)[0].text
    w = "CAST(%s AS DATETIME2(0))"
    assert f"t0.[updated_at] >= {w} AND (t0.[updated_at] > {w} OR t0.[ke]]y] > %s)" in text


def test_a_parameter_has_its_columns_own_type() -> None:
    """Else SQL Server would convert the column, row by row, and scan."""
    for declared, scale, expected in (
        ("DATETIME", None, "CAST(%s AS DATETIME)"),
        ("SMALLDATETIME", None, "CAST(%s AS SMALLDATETIME)"),
        ("DATETIME2", 3, "CAST(%s AS DATETIME2(3))"),
        ("DATETIMEOFFSET", 7, "CAST(%s AS DATETIMEOFFSET(7))"),
    ):
        text = probes.source_parts(SqlServer(), source_probe(ts=Column("t", declared, scale)), 10)[0].text
        assert f"t0.[t] >= {expected}" in text


def test_a_row_count_comes_from_metadata() -> None:
    """All partitions of the heap or the clustered index (columnstore too); a plain view has none: NULL."""
    part = probes.target_part(SqlServer(), (table("x"), None))
    assert "SELECT SUM(p.rows) FROM sys.partitions AS p WHERE p.index_id IN (0, 1)" in part.text
    assert part.params == ("[core].[x]",)


def test_the_rows_of_a_synonyms_table_are_counted_where_it_is() -> None:
    base = TableName("dbo", "y]z", "other 100%")
    part = probes.target_part(SqlServer(), (replace(table("x"), base=base), STAMP))
    assert "FROM [other 100%%].sys.partitions AS p" in part.text
    assert part.params == ("[other 100%].[dbo].[y]]z]",)
    assert "FROM [core].[x] AS t" in part.text, "it is read by its own name, with its own rights"


def test_long_statements_are_cut_before_the_parameters_run_out() -> None:
    parts = {f"p{number}": probes.source_parts(SqlServer(), source_probe(*LINKS), 10) for number in range(200)}
    chunks = probes._chunks(parts)
    assert [name for chunk in chunks for name in chunk] == list(parts)
    for chunk in chunks:
        assert sum(len(part.params) for own in chunk.values() for part in own) <= 2000
        assert sum(len(own) for own in chunk.values()) <= 400
    assert len(probes._chunks(dict(list(parts.items())[:50]))) <= 3
    assert probes._chunks({}) == []
