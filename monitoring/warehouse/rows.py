"""The newest rows of a source, as they stand: a bounded read by its index on (updated_at, key).

Values are cut by the database, so that no row can be longer than a page; types that a driver cannot
carry (geography, sql_variant) come as text. Nothing here is masked: who reads decides.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from etlportal.budget import budget
from monitoring.enums import ProblemCode
from monitoring.policies.facts import Problem
from monitoring.warehouse.catalog import Column
from monitoring.warehouse.describe import Description, describe
from monitoring.warehouse.dialect import Dialect, Sql, dialect_of, joined
from monitoring.warehouse.names import InvalidName, TableName, parse_column
from monitoring.warehouse.readable import readable
from monitoring.warehouse.reader import ReadFailed, Row, rows

ROWS = 20
COLUMNS = 60
"""More columns than this are not read; the sample says that it is cut."""

TEXT, BYTES = 200, 32
"""Characters of a text and bytes of a binary value that are read; one more is read to know that it was cut."""

SECONDS = 5.0
"""How long the database may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """What was read: `rows` has one tuple per row, in the order of `columns`, newest first.

    `columns_in_all` is larger than the number of columns where they were cut. `base`: what the source's
    name is a synonym for, else empty.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    columns_in_all: int
    ordered_by: tuple[str, ...]
    read_at: datetime
    milliseconds: float
    base: str = ""


def newest_rows(source: TableName, key: str, updated: str, limit: int = ROWS) -> SourceRows:
    """Return the newest `limit` rows of `source` by (updated, key). Two statements on oltp.

    Raises ReadFailed: table missing, column missing, timeout, whatever the database says.
    """
    started = time.perf_counter()
    with budget(SECONDS):
        table = describe("oltp", source)
        if table is None:
            raise ReadFailed(Problem(code=ProblemCode.OBJECT_MISSING, detail=str(source)))
        order = [_existing(table, name) for name in (updated, key)]
        shown = table.columns[:COLUMNS]
        found = rows("oltp", _statement(dialect_of("oltp"), table, shown, order, limit))
    return SourceRows(
        columns=tuple(column.name for column in shown),
        rows=tuple(found),
        columns_in_all=len(table.columns),
        ordered_by=tuple(column.name for column in order),
        read_at=timezone.now(),
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
        base=str(table.base or ""),
    )


def _existing(table: Description, name: str) -> Column:
    try:
        column = table.column(parse_column(name))
    except InvalidName:
        column = None
    if column is None:
        raise ReadFailed(Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{table.table}: {name[:128]}"))
    return column


def _statement(dialect: Dialect, table: Description, shown: tuple[Column, ...], order: list[Column], limit: int) -> Sql:
    listed = joined((Sql(_expression(dialect, column)) for column in shown), ", ")
    ordered = ", ".join(f"s.{dialect.quote(column.name)} DESC" for column in order)
    return dialect.first(limit, listed, f"FROM {dialect.table(table.table)} AS s ORDER BY {ordered}")


def _expression(dialect: Dialect, column: Column) -> str:
    """Return the column cut to what is shown. On SQLite any column may hold a value of any type."""
    name = f"s.{dialect.quote(column.name)}"
    if dialect.vendor == "sqlite":
        return (
            f"CASE typeof({name}) WHEN 'text' THEN substr({name}, 1, {TEXT + 1})"
            f" WHEN 'blob' THEN substr({name}, 1, {BYTES + 1}) ELSE {name} END"
        )
    return readable(name, column.declared, text=TEXT + 1, binary=BYTES + 1)
