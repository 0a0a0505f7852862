"""Read the newest rows of a table on demand.

The database cuts long values. Types that the driver cannot return (geography, sql_variant) are cast to text. Personal
data is not masked here.
"""

from __future__ import annotations

from etlportal.budget import budget
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse.catalog import Column, Table, describe
from monitoring.warehouse.dialect import Dialect, dialect_of
from monitoring.warehouse.names import InvalidName, TableName, parse_column
from monitoring.warehouse.reader import ReadFailed, Row, rows

_TEXT = frozenset({"CHAR", "VARCHAR", "NCHAR", "NVARCHAR", "TEXT", "NTEXT", "XML"})
_BINARY = frozenset({"BINARY", "VARBINARY", "IMAGE", "TIMESTAMP", "ROWVERSION"})
_CLR = frozenset({"CLR", "GEOGRAPHY", "GEOMETRY", "HIERARCHYID"})
CARRIED = frozenset(
    {
        *("BIT", "TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY", "FLOAT", "REAL"),
        *("DATE", "TIME", "DATETIME", "DATETIME2", "SMALLDATETIME", "UNIQUEIDENTIFIER"),
    }
)
"""Types that the driver returns unchanged and that are never long."""


def readable(name: str, declared: str, *, text: int, binary: int) -> str:
    """Return T-SQL for the column `name` of type `declared`, cut at `text` characters and `binary` bytes."""
    if declared in CARRIED:
        return name
    cut = {
        **dict.fromkeys(_TEXT, f"LEFT(CAST({name} AS NVARCHAR(MAX)), {text})"),
        **dict.fromkeys(_BINARY, f"SUBSTRING(CAST({name} AS VARBINARY(MAX)), 1, {binary})"),
        **dict.fromkeys(_CLR, f"LEFT({name}.ToString(), {text})"),
        "DATETIMEOFFSET": f"CAST({name} AS NVARCHAR(40))",
        # Binary values are written as hexadecimal digits.
        "SQL_VARIANT": (
            f"CASE WHEN SQL_VARIANT_PROPERTY({name}, 'BaseType') IN ('binary', 'varbinary', 'timestamp')"
            f" THEN CONVERT(NVARCHAR({text}), CONVERT(VARBINARY({binary}), {name}), 1)"
            f" ELSE TRY_CAST({name} AS NVARCHAR({text})) END"
        ),
    }
    # A newer type (json, vector): text if the server can convert it, else NULL.
    return cut.get(declared) or f"LEFT(TRY_CAST({name} AS NVARCHAR(MAX)), {text})"


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
        listed = ", ".join(_expression(dialect, column) for column in list(table.columns.values())[:COLUMNS])
        ordered = ", ".join(f"s.{dialect.quote(name)} DESC" for name in order)
        rest = f"FROM {dialect.table(table.name)} AS s ORDER BY {ordered}"
        return table, order, rows("oltp", dialect.first(limit, listed, rest))


def named(table: Table, name: str) -> Column:
    """Return the column with this name, written as in a control row. Raises ReadFailed."""
    try:
        column = table.column(parse_column(name))
    except InvalidName:
        column = None
    if column is None:
        raise ReadFailed(Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{table.name}: {name[:128]}"))
    return column


def _expression(dialect: Dialect, column: Column) -> str:
    """Return the column cut to the shown length. A SQLite column may contain values of any type."""
    name = f"s.{dialect.quote(column.name)}"
    if dialect.vendor == "sqlite":
        return (
            f"CASE typeof({name}) WHEN 'text' THEN substr({name}, 1, {TEXT + 1})"
            f" WHEN 'blob' THEN substr({name}, 1, {BYTES + 1}) ELSE {name} END"
        )
    return readable(name, column.declared, text=TEXT + 1, binary=BYTES + 1)
