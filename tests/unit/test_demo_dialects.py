"""The ETL's SQL is T-SQL too: every statement of every pipeline parses for SQL Server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from demo.pipelines import PIPELINES, Pipeline
from demo.warehouse import Sqlite, SqlServer
from tests.support import ddl

AT = datetime.fromisoformat("2026-03-10 12:00:00.900000")
ALL = pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=list(PIPELINES))


@ALL
def test_an_extraction_is_tsql(pipeline: Pipeline) -> None:
    (statement,) = sqlglot.parse(f"{pipeline.extract} {SqlServer().limit(50)}", read="tsql")
    assert isinstance(statement, exp.Select)
    marks = len(list(statement.find_all(exp.Placeholder)))
    assert marks == len(pipeline.parameters((AT, 1), AT))
    # What is read of a table by its alias is a column of it. (`s` is the source's only without a CTE.)
    for table in statement.find_all(exp.Table):
        if table.db:
            known = ddl.tables()[f"{table.db}.{table.name}"]
            for column in statement.find_all(exp.Column):
                if column.table == table.alias_or_name:
                    known.column(column.name)


@ALL
def test_an_upsert_names_the_targets_columns(pipeline: Pipeline) -> None:
    table, columns = ddl.tables()[pipeline.target], pipeline.target_columns
    assert tuple(pipeline.natural_key) in table.uniques
    for name in columns:
        assert not table.column(name).identity
    required = {column.name for column in table.columns if not (column.nullable or column.identity or column.default)}
    assert required <= set(columns)
    (merge,) = sqlglot.parse(SqlServer().upsert(pipeline.target, columns, pipeline.natural_key), read="tsql")
    assert isinstance(merge, exp.Merge)
    assert len(list(merge.find_all(exp.Placeholder))) == len(columns)
    (insert,) = sqlglot.parse(Sqlite().upsert(pipeline.target, columns, pipeline.natural_key), read="sqlite")
    assert isinstance(insert, exp.Insert)


def test_an_upsert_never_changes_the_key() -> None:
    for dialect in (Sqlite(), SqlServer()):
        sql = dialect.upsert("dim.T", ["k", "a", "b"], ["k"])
        assert "k = " not in sql.split("UPDATE SET")[1].split("WHEN")[0]


class Cursor:
    """Remembers what was executed."""

    lastrowid = 7

    def __init__(self) -> None:
        self.executed: list[tuple[str, Any]] = []

    def execute(self, sql: str, params: Any) -> Cursor:
        self.executed.append((sql, params))
        return self

    def fetchone(self) -> tuple[int]:
        return (8,)


@pytest.mark.parametrize(("dialect", "key"), [(Sqlite(), 7), (SqlServer(), 8)])
def test_an_insert_returns_the_identity(dialect: Sqlite, key: int) -> None:
    cursor = Cursor()
    assert dialect.insert(cursor, "audit.etl_run", "run_id", {"a": 1, "b": None}) == key
    ((sql, params),) = cursor.executed
    assert params == (1, None)
    assert sql.startswith("INSERT INTO audit.etl_run (a, b) ")
    assert ("OUTPUT INSERTED.run_id" in sql) == isinstance(dialect, SqlServer)


def test_times_as_parameters() -> None:
    assert Sqlite().time(AT) == "2026-03-10 12:00:00"
    assert SqlServer().time(AT) == AT.replace(microsecond=0)
