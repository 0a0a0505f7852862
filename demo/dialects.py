"""What the ETL says differently on SQLite and on SQL Server. Everything else is the same SQL.

The demonstration runs on SQLite. The other dialect lets the very same ETL fill a real test server
through any DB-API connection with `?` parameters (pyodbc).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol


class Dialect(Protocol):
    def time(self, moment: datetime) -> Any:
        """Return a naive UTC time as a parameter for a DATETIME2(0) column."""
        ...

    def limit(self, rows: int) -> str:
        """Return what follows ORDER BY to get the first `rows` rows."""
        ...

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        """Return the statement that inserts one row, or updates the row with the same `key`."""
        ...

    def insert(self, cursor: Any, table: str, identity: str, row: dict[str, Any]) -> int:
        """Insert one row; return what its identity column got."""
        ...


class SqliteDialect:
    """The embedded warehouse: times are text, schemas are attached files."""

    def time(self, moment: datetime) -> str:
        return moment.isoformat(sep=" ", timespec="seconds")

    def limit(self, rows: int) -> str:
        return f"LIMIT {rows:d}"

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({_marks(columns)}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        )

    def insert(self, cursor: Any, table: str, identity: str, row: dict[str, Any]) -> int:
        cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({_marks(row)})", tuple(row.values()))
        return int(cursor.lastrowid)


class SqlServerDialect:
    """SQL Server 2017 and later through pyodbc."""

    def time(self, moment: datetime) -> datetime:
        return moment.replace(microsecond=0)

    def limit(self, rows: int) -> str:
        return f"OFFSET 0 ROWS FETCH NEXT {rows:d} ROWS ONLY"

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        names = ", ".join(columns)
        match = " AND ".join(f"t.{name} = s.{name}" for name in key)
        changes = ", ".join(f"{name} = s.{name}" for name in columns if name not in key)
        values = ", ".join(f"s.{name}" for name in columns)
        # HOLDLOCK: between not finding the key and inserting it, nobody else may insert it.
        return (
            f"MERGE {table} WITH (HOLDLOCK) AS t USING (VALUES ({_marks(columns)})) AS s ({names}) ON {match} "
            f"WHEN MATCHED THEN UPDATE SET {changes} WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values});"
        )

    def insert(self, cursor: Any, table: str, identity: str, row: dict[str, Any]) -> int:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(row)}) OUTPUT INSERTED.{identity} VALUES ({_marks(row)})",
            tuple(row.values()),
        )
        return int(cursor.fetchone()[0])


def _marks(items: Any) -> str:
    return ", ".join("?" for _ in items)
