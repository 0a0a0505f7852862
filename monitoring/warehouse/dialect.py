"""The differences between SQL Server and SQLite (the embedded warehouse).

`Sql` fragments hold text with `%s` and the parameters. The only literal values are whole numbers (row limits, minutes)
from the portal or the control row: they do not change from tick to tick, and as parameters they would push a statement
over 200 pipelines past SQL Server's parameter limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connections

from monitoring.warehouse.names import TableName, bracketed, double_quoted


@dataclass(frozen=True, slots=True)
class Sql:
    text: str
    params: tuple[object, ...] = ()

    def __add__(self, other: Sql | str) -> Sql:
        other = Sql(other) if isinstance(other, str) else other
        return Sql(self.text + other.text, self.params + other.params)

    def __radd__(self, other: str) -> Sql:
        return Sql(other) + self


def joined(parts: Iterable[Sql], separator: str) -> Sql:
    listed = list(parts)
    return Sql(separator.join(part.text for part in listed), tuple(value for part in listed for value in part.params))


def values(items: Iterable[object]) -> Sql:
    """Return `%s, %s, ...` for `items`."""
    listed = tuple(items)
    return Sql(", ".join(["%s"] * len(listed)), listed)


_CARRIED = frozenset(
    {
        *("BIT", "TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY", "FLOAT", "REAL"),
        *("DATE", "TIME", "DATETIME", "DATETIME2", "SMALLDATETIME", "UNIQUEIDENTIFIER"),
    }
)
"""Types that the driver returns unchanged and that are never long."""


class SqlServer:
    """T-SQL for SQL Server 2017 to 2025 and Azure SQL."""

    vendor = "microsoft"
    join_in_order = "INNER JOIN"
    now = "SYSUTCDATETIME()"
    quote = staticmethod(bracketed)

    def table(self, name: TableName) -> str:
        parts = (name.database, name.schema, name.table) if name.database else (name.schema, name.table)
        return ".".join(self.quote(part) for part in parts)

    def first(self, limit: int, columns: Sql | str, rest: Sql | str) -> Sql:
        """Return a SELECT of the first `limit` rows; `rest` begins with FROM and contains the ORDER BY."""
        return Sql(f"SELECT TOP ({int(limit)}) ") + columns + " " + rest

    def moment(self, value: datetime, declared: str = "DATETIME2(0)") -> Sql:
        """Return `value` as a parameter of the column's own type, so that the index is seeked, not scanned."""
        return Sql(f"CAST(%s AS {declared})", (value.astimezone(UTC).replace(tzinfo=None),))

    def cutoff(self, minutes: int, declared: str = "DATETIME2(0)") -> Sql:
        """Return now - minutes in whole seconds, rounded down.

        CAST rounds to the nearest second, so half a second is subtracted first.
        """
        return Sql(
            f"CAST(DATEADD(MILLISECOND, -500, DATEADD(MINUTE, {-int(minutes)}, SYSUTCDATETIME())) AS {declared})"
        )

    def read_moment(self, expression: Sql, declared: str = "DATETIME2(0)") -> Sql:
        """Return `expression`, of a column of type `declared`, as UTC without an offset."""
        if declared.startswith("DATETIMEOFFSET"):
            expression = "SWITCHOFFSET(" + expression + ", '+00:00')"
        return "CAST(" + expression + " AS DATETIME2(3))"

    def row_count(self, name: TableName) -> Sql:
        """Return a table's number of rows from metadata: constant cost, no lock, no extra permission.

        sys.dm_db_partition_stats has the same number but needs VIEW DATABASE STATE. A view has rows in sys.partitions
        only if it is indexed, else the result is NULL.
        """
        catalog = f"{self.quote(name.database)}.sys.partitions" if name.database else "sys.partitions"
        return Sql(
            f"(SELECT SUM(p.rows) FROM {catalog} AS p WHERE p.index_id IN (0, 1) AND p.object_id = OBJECT_ID(%s))",
            (self.table(name).replace("%%", "%"),),
        )

    def cut(self, name: str, declared: str, *, text: int, binary: int) -> str:
        """Return the column `name` of type `declared`, cut at `text` characters and `binary` bytes.

        Types that the driver cannot return (geography, sql_variant) are cast to text.
        """
        if declared in _CARRIED:
            return name
        match declared:
            case "CHAR" | "VARCHAR" | "NCHAR" | "NVARCHAR" | "TEXT" | "NTEXT" | "XML":
                expression = f"LEFT(CAST({name} AS NVARCHAR(MAX)), {text})"
            case "BINARY" | "VARBINARY" | "IMAGE" | "TIMESTAMP" | "ROWVERSION":
                expression = f"SUBSTRING(CAST({name} AS VARBINARY(MAX)), 1, {binary})"
            case "CLR" | "GEOGRAPHY" | "GEOMETRY" | "HIERARCHYID":
                expression = f"LEFT({name}.ToString(), {text})"
            case "DATETIMEOFFSET":
                expression = f"CAST({name} AS NVARCHAR(40))"
            case "SQL_VARIANT":  # binary values are written as hexadecimal digits
                expression = (
                    f"CASE WHEN SQL_VARIANT_PROPERTY({name}, 'BaseType') IN ('binary', 'varbinary', 'timestamp')"
                    f" THEN CONVERT(NVARCHAR({text}), CONVERT(VARBINARY({binary}), {name}), 1)"
                    f" ELSE TRY_CAST({name} AS NVARCHAR({text})) END"
                )
            case _:  # a newer type (json, vector): text if the server can convert it, else NULL
                expression = f"LEFT(TRY_CAST({name} AS NVARCHAR(MAX)), {text})"
        return expression


class Sqlite:
    """The embedded warehouse: datetimes are text, `YYYY-MM-DD HH:MM:SS`, UTC."""

    vendor = "sqlite"
    # In SQLite, CROSS JOIN keeps the order of the tables, so the first one is read by its index.
    join_in_order = "CROSS JOIN"
    now = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
    quote = staticmethod(double_quoted)

    def table(self, name: TableName) -> str:
        return f"{self.quote(name.schema)}.{self.quote(name.table)}"

    def first(self, limit: int, columns: Sql | str, rest: Sql | str) -> Sql:
        return "SELECT " + (Sql("") + columns) + " " + rest + Sql(f" LIMIT {int(limit)}")

    def moment(self, value: datetime, declared: str = "") -> Sql:
        """Return `value` as text in the stored format, so that comparing text compares times."""
        return Sql("%s", (value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" "),))

    def cutoff(self, minutes: int, declared: str = "") -> Sql:
        return Sql(f"strftime('%%Y-%%m-%%d %%H:%%M:%%S', 'now', '{-int(minutes)} minutes')")

    def read_moment(self, expression: Sql, declared: str = "") -> Sql:
        return expression

    def row_count(self, name: TableName) -> Sql:
        """SQLite stores no row count and scans the smallest index."""
        return Sql(f"(SELECT COUNT(*) FROM {self.table(name)})")

    def cut(self, name: str, declared: str, *, text: int, binary: int) -> str:
        """A SQLite column may contain values of any type."""
        return (
            f"CASE typeof({name}) WHEN 'text' THEN substr({name}, 1, {text})"
            f" WHEN 'blob' THEN substr({name}, 1, {binary}) ELSE {name} END"
        )


Dialect = SqlServer | Sqlite

_DIALECTS: dict[str, Dialect] = {"microsoft": SqlServer(), "sqlite": Sqlite()}


def dialect_of(alias: str) -> Dialect:
    return _DIALECTS[connections[alias].vendor]


def utc(value: object) -> datetime | None:
    """Return a value of a datetime column as aware UTC. Raises ValueError if it is not a time.

    SQL Server returns naive datetimes (aware ones from DATETIMEOFFSET), SQLite returns text.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError(f"not a date and time: {value!r}")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
