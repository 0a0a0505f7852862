"""The SQL that differs between SQLite (the demo) and SQL Server (`demo_etl --sqlserver` and tests/sqlserver)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any


class Sqlite:
    def time(self, moment: datetime) -> Any:
        return moment.isoformat(sep=" ", timespec="seconds")

    def limit(self, rows: int) -> str:
        return f"LIMIT {rows:d}"

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(columns)}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        )

    def insert(self, cursor: Any, table: str, identity: str, row: dict[str, Any]) -> int:
        cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks(row)})", tuple(row.values()))
        return int(cursor.lastrowid)


class SqlServer(Sqlite):
    def time(self, moment: datetime) -> Any:
        return moment.replace(microsecond=0)

    def limit(self, rows: int) -> str:
        return f"OFFSET 0 ROWS FETCH NEXT {rows:d} ROWS ONLY"

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        names = ", ".join(columns)
        match = " AND ".join(f"t.{name} = s.{name}" for name in key)
        changes = ", ".join(f"{name} = s.{name}" for name in columns if name not in key)
        values = ", ".join(f"s.{name}" for name in columns)
        # HOLDLOCK: no other session may insert the key between the search and the insert.
        return (
            f"MERGE {table} WITH (HOLDLOCK) AS t USING (VALUES ({marks(columns)})) AS s ({names}) ON {match} "
            f"WHEN MATCHED THEN UPDATE SET {changes} WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values});"
        )

    def insert(self, cursor: Any, table: str, identity: str, row: dict[str, Any]) -> int:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(row)}) OUTPUT INSERTED.{identity} VALUES ({marks(row)})",
            tuple(row.values()),
        )
        return int(cursor.fetchone()[0])


def marks(items: Iterable[Any]) -> str:
    return ", ".join("?" for _ in items)
