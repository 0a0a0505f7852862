"""Read the newest rows of a table on demand. Personal data is not masked here."""

from __future__ import annotations

from etlportal.budget import budget
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse.catalog import Table, describe, named
from monitoring.warehouse.dialect import dialect_of
from monitoring.warehouse.names import TableName
from monitoring.warehouse.reader import ReadFailed, Row, rows

ROWS = 20
COLUMNS = 60
"""Maximum number of columns read; the page says when there are more."""

TEXT, BYTES = 200, 32
"""Characters of a text and bytes of a binary value shown. One more is read to detect that the value was cut."""

SECONDS = 5.0
"""Time limit for both statements together."""


def newest_rows(
    source: TableName, key: str, updated: str, limit: int = ROWS
) -> tuple[Table, tuple[str, ...], list[Row]]:
    """Return the table, its order (updated, key), and its newest `limit` rows: the values of the first COLUMNS columns.

    Two statements on oltp. Raises ReadFailed, also for a missing table or column.
    """
    with budget(SECONDS):
        table = describe("oltp", source)
        if table is None:
            raise ReadFailed(Problem(code=ProblemCode.OBJECT_MISSING, detail=str(source)))
        order = tuple(named(table, name).name for name in (updated, key))
        dialect = dialect_of("oltp")
        listed = ", ".join(
            dialect.cut(f"s.{dialect.quote(column.name)}", column.declared, text=TEXT + 1, binary=BYTES + 1)
            for column in list(table.columns.values())[:COLUMNS]
        )
        ordered = ", ".join(f"s.{dialect.quote(name)} DESC" for name in order)
        rest = f"FROM {dialect.table(table.name)} AS s ORDER BY {ordered}"
        return table, order, rows("oltp", dialect.first(limit, listed, rest))
