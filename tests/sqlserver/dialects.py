"""How the demo's ETL writes on the server under test, where its own dialect does not suffice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from demo.warehouse import SqlServer
from tests.support.ddl import Column, tables


class WithoutMerge(SqlServer):
    """UPDATE, then INSERT what was not there, for a server that has no MERGE. One writer only."""

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        known = tables(extras=True)[table]
        declared = ", ".join(f"@{name} {declared_type(known.column(name))} = ?" for name in columns)
        changes = ", ".join(f"{name} = @{name}" for name in columns if name not in key)
        match = " AND ".join(f"{name} = @{name}" for name in key)
        # NOCOUNT: the count of a first statement would hide the error of the second from executemany.
        return (
            f"SET NOCOUNT ON; DECLARE {declared}; UPDATE {table} SET {changes} WHERE {match}; IF @@ROWCOUNT = 0 "
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f'@{name}' for name in columns)});"
        )


def declared_type(column: Column) -> str:
    """Return the column's type as T-SQL declares it: DECIMAL(18, 2), NVARCHAR(200), BIGINT."""
    sizes = [str(size) for size in (column.size, column.scale) if size is not None]
    return f"{column.type}({', '.join(sizes)})" if sizes else column.type


def dialect_for(cursor: Any) -> SqlServer:
    """Return the ETL's own dialect where the server understands its MERGE, else the next best."""
    import pyodbc

    try:
        cursor.execute(
            "MERGE ctl.etl_control AS t USING (SELECT 'x' AS n WHERE 1 = 0) AS s ON t.entity_name = s.n "
            "WHEN MATCHED THEN UPDATE SET watermark_id = 0;"
        )
    except pyodbc.Error:
        return WithoutMerge()
    return SqlServer()
