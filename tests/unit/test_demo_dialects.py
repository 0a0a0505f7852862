"""The ETL's SQL is T-SQL too: every statement of every job parses for SQL Server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from demo import ddl
from demo.dialects import Dialect, SqliteDialect, SqlServerDialect
from demo.jobs import JOBS

AT = datetime.fromisoformat("2026-03-10 12:00:00.900000")


@pytest.mark.parametrize("entity", JOBS)
def test_an_extraction_is_tsql(entity: str) -> None:
    job = JOBS[entity]
    sql = f"{job.extract} {SqlServerDialect().limit(50)}"
    (statement,) = sqlglot.parse(sql, read="tsql")
    assert isinstance(statement, exp.Select)
    marks = len(list(statement.find_all(exp.Placeholder)))
    assert marks == len(job.parameters((AT, 1), AT))
    for table in statement.find_all(exp.Table):
        if table.db:
            known = ddl.tables()[f"{table.db}.{table.name}"]
            aliases = {table.alias_or_name}
            for column in statement.find_all(exp.Column):
                if column.table in aliases:
                    known.column(column.name)


@pytest.mark.parametrize("entity", JOBS)
def test_an_upsert_names_the_targets_columns(entity: str) -> None:
    job = JOBS[entity]
    table = ddl.tables()[job.target]
    assert tuple(job.natural_key) in table.uniques
    for name in job.columns:
        assert not table.column(name).identity
    required = {column.name for column in table.columns if not (column.nullable or column.identity or column.default)}
    assert required <= set(job.columns)
    (merge,) = sqlglot.parse(SqlServerDialect().upsert(job.target, job.columns, job.natural_key), read="tsql")
    assert isinstance(merge, exp.Merge)
    assert len(list(merge.find_all(exp.Placeholder))) == len(job.columns)
    (insert,) = sqlglot.parse(SqliteDialect().upsert(job.target, job.columns, job.natural_key), read="sqlite")
    assert isinstance(insert, exp.Insert)


def test_an_upsert_never_changes_the_key() -> None:
    for dialect in (SqliteDialect(), SqlServerDialect()):
        sql = dialect.upsert("dim.T", ["k", "a", "b"], ["k"])
        assert "k = " not in sql.split("UPDATE SET")[1].split("WHEN")[0]


class Cursor:
    """Remembers what was executed."""

    lastrowid = 7

    def __init__(self) -> None:
        self.executed: list[tuple[str, Any]] = []

    def execute(self, sql: str, params: Any) -> None:
        self.executed.append((sql, params))

    def fetchone(self) -> tuple[int]:
        return (8,)


@pytest.mark.parametrize(("dialect", "key"), [(SqliteDialect(), 7), (SqlServerDialect(), 8)])
def test_an_insert_returns_the_identity(dialect: Dialect, key: int) -> None:
    cursor = Cursor()
    assert dialect.insert(cursor, "audit.etl_run", "run_id", {"a": 1, "b": None}) == key
    ((sql, params),) = cursor.executed
    assert params == (1, None)
    assert sql.startswith("INSERT INTO audit.etl_run (a, b) ")
    assert ("OUTPUT INSERTED.run_id" in sql) == isinstance(dialect, SqlServerDialect)


def test_times_as_parameters() -> None:
    assert SqliteDialect().time(AT) == "2026-03-10 12:00:00"
    assert SqlServerDialect().time(AT) == AT.replace(microsecond=0)


def test_transforms_take_what_either_driver_gives() -> None:
    """pyodbc gives datetime and Decimal where SQLite gives text and float."""
    from decimal import Decimal

    from demo import transforms

    found = {"customer": {1: (11,)}, "product": {2: (22,)}, "region": {3: (33,)}, "seller": {4: (44, 55)}}
    row = (AT, 9, None, AT, 1, 2, 3, 4, 3, Decimal("10.10"), "PAGO", Decimal("3.03"))
    assert transforms.sale(row, found, AT) == (
        9, 20260310, 11, 22, 33, 44, 55, 3, Decimal("10.10"), Decimal("30.30"), Decimal("3.03"), Decimal("27.27"),
        Decimal("10.00"), "PAGO", 0, AT,
    )  # fmt: skip
    nothing_off = transforms.sale((*row[:9], 0.0, "PAGO", None), found, AT)
    assert nothing_off[9:13] == (0, 0, 0, 0)
