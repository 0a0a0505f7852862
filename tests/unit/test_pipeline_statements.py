"""The statements about one pipeline as SQL Server gets them: T-SQL, reading only, bounded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from etlportal.guard import is_read
from monitoring.models import PipelineSettings
from monitoring.rules.facts import Watermark
from monitoring.warehouse import catalog, integrity, source_rows
from monitoring.warehouse.catalog import Column, Table, allowed_words
from monitoring.warehouse.dialect import Sql, SqlServer
from monitoring.warehouse.integrity import run_checks
from monitoring.warehouse.names import TableName
from tests.factories import control_row

TYPES = (
    *("BIGINT", "INT", "DECIMAL", "BIT", "DATE", "DATETIME2", "FLOAT", "UNIQUEIDENTIFIER", "CHAR", "VARCHAR"),
    *("NVARCHAR", "NTEXT", "XML", "VARBINARY", "IMAGE", "ROWVERSION", "GEOGRAPHY", "HIERARCHYID", "SQL_VARIANT"),
    *("DATETIMEOFFSET", "JSON", "VECTOR"),
)


def description(table: TableName) -> Table:
    """A table with a column of every type, and every column that a check asks about, all of them nullable."""
    named = {
        "it]em_id": "BIGINT", "updated_at": "DATETIME2", "deleted_at": "DATETIME2", "status": "VARCHAR",
        "it]em_original_id": "BIGINT", "eh_ativo": "BIT", "data_ultima_atualizacao": "DATETIME2",
        "cliente_id": "BIGINT",
        "valor_100%": "DECIMAL", "percentual_x": "FLOAT",
    }  # fmt: skip
    typed = {f"c_{name.lower()}": name for name in TYPES}
    return Table(table, columns={name: Column(name, kind) for name, kind in {**named, **typed}.items()})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sql]:
    """The statements that would have gone to a SQL Server."""
    seen: list[Sql] = []

    def answer(alias: str, sql: Sql) -> list[Any]:
        seen.append(sql)
        return [(7,)] if "deleted_at" in sql.text else []

    for module in (catalog, integrity, source_rows):
        monkeypatch.setattr(module, "rows", answer)
        monkeypatch.setattr(module, "dialect_of", lambda alias: SqlServer())
    return seen


def run_all(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.describe("dw", TableName("fact", "x]y'z%"))
    for module in (integrity, source_rows):
        monkeypatch.setattr(module, "describe", lambda alias, table: description(table))
    run_checks(
        control_row(
            entity_name="fact_x",
            source_table="[core].[it]]em's]",
            target_table="fact.[x]]y]",
            source_pk_column="[it]]em_id]",
            watermark=Watermark(datetime(2026, 3, 10, tzinfo=UTC), 987654321),
        ),
        PipelineSettings(),
    )
    source_rows.newest_rows(TableName("core", "it]em's"), "[it]]em_id]", "updated_at")


def test_they_are_bounded_tsql_that_only_reads(asked: list[Sql], monkeypatch: pytest.MonkeyPatch) -> None:
    run_all(monkeypatch)
    assert len(asked) == 14  # one describes, two look for deletions, ten other checks, one reads rows
    for sql in asked:
        assert sql.text.count("%s") == len(sql.params)
        assert is_read(sql.text), sql.text
        text = sql.text % tuple("?" * len(sql.params)) if sql.params else sql.text.replace("%%", "%")
        (tree,) = sqlglot.parse(text, read="tsql")
        assert tree is not None
        assert not any(group.find(exp.Placeholder) for group in tree.find_all(exp.Group))
        assert not re.search(r"\b(LIMIT|substr\(|typeof|pragma_)", text)
        if "sys." not in text:
            assert re.match(r"SELECT TOP \(\d+\)", text)
            assert 987654321 not in sql.params or "deleted_at" in text
            for select in tree.find_all(exp.Select):
                assert select.args.get("limit") is not None, text


def test_types_that_no_driver_carries_come_as_text(asked: list[Sql], monkeypatch: pytest.MonkeyPatch) -> None:
    run_all(monkeypatch)
    text = asked[-1].text
    assert "LEFT(s.[c_geography].ToString(), 201)" in text
    assert "ELSE TRY_CAST(s.[c_sql_variant] AS NVARCHAR(201)) END" in text
    assert "SUBSTRING(CAST(s.[c_image] AS VARBINARY(MAX)), 1, 33)" in text
    assert "LEFT(TRY_CAST(s.[c_vector] AS NVARCHAR(MAX)), 201)" in text
    assert ", s.[c_decimal]," in text
    assert text.endswith("ORDER BY s.[updated_at] DESC, s.[it]]em_id] DESC")


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        ("([situacao]='INATIVO' OR [situacao]='ATIVO')", {"situacao": ("INATIVO", "ATIVO")}),
        ("([Situacao]=N'O''Neil')", {"situacao": ("O'Neil",)}),
        ("([credit_score]>=(0) AND [credit_score]<=(1000))", {}),
        ("([a]='x' OR [b]='y')", {}),
        ("([a]='x' OR [a]>'y')", {}),
        ("", {}),
    ],
)
def test_words_that_a_constraint_allows(definition: str, found: dict[str, tuple[str, ...]]) -> None:
    assert allowed_words(definition) == found
