"""Writes sql/embedded/, the SQLite form of the tables of sql/sqlserver/: `make schema` after a change to these.

A schema is one SQLite file that is attached under the schema's name, so its tables have plain names:
`etl_run`, reached as `[audit].[etl_run]`.

CHECK constraints enforce what SQL Server enforces by type: the length of a text, 0 or 1 in a BIT, and one text
form of a time, which makes times sort and compare as text:

- DATETIME2(0) is 'YYYY-MM-DD HH:MM:SS'; DATETIME2(3) and DATETIME are 'YYYY-MM-DD HH:MM:SS.fff'.
"""

from __future__ import annotations

from collections.abc import Iterator

from etlportal.backends.embedded.base import SQL_FOLDER
from etlportal.databases import EMBEDDED_SCHEMAS
from tests.support.ddl import Column, DdlError, Index, Table, tables

_TIME_FORMATS = {0: "%Y-%m-%d %H:%M:%S", 3: "%Y-%m-%d %H:%M:%f"}
SCHEMAS = tuple(schema for schemas in EMBEDDED_SCHEMAS.values() for schema in schemas)


def schema_sql(schema: str) -> str:
    """Return the SQLite statements that make the tables and indexes of `schema`. Raises DdlError."""
    chosen = [table for table in tables().values() if table.schema == schema]
    if not chosen:
        raise DdlError(f"sql/sqlserver/ has no table in schema {schema!r}.")
    head = f"-- Schema {schema} for SQLite, written by tools/embedded_schema.py from sql/sqlserver/. Do not edit.\n"
    return head + "".join(f"\n{statement};\n" for table in chosen for statement in _statements(table))


def _statements(table: Table) -> Iterator[str]:
    yield _create_table(table)
    for index in table.indexes:
        yield _create_index(table, index)


def _create_table(table: Table) -> str:
    parts = [_column(table, column) for column in table.columns]
    if not _is_row_id(table):
        parts.append(f"PRIMARY KEY ({_list(table.primary_key)})")
    parts += [f"UNIQUE ({_list(columns)})" for columns in table.uniques]
    parts += [f"CHECK ({check.sql(dialect='sqlite')})" for check in table.checks]
    parts += [
        f'FOREIGN KEY ({_list(key.columns)}) REFERENCES "{key.table}" ({_list(key.references)})'
        for key in table.foreign_keys
        if key.schema == table.schema  # a key cannot reach into another file
    ]
    body = ",\n  ".join(parts)
    return f'CREATE TABLE IF NOT EXISTS "{table.name}" (\n  {body}\n)'


def _column(table: Table, column: Column) -> str:
    if column.identity:
        return f'"{column.name}" INTEGER PRIMARY KEY AUTOINCREMENT'
    parts = [f'"{column.name}" {_declared(column)}']
    if not column.nullable:
        parts.append("NOT NULL")
    if column.default is not None:
        parts.append(f"DEFAULT {_default(column)}")
    check = _check(column)
    if check:
        parts.append(f"CHECK ({check})")
    return " ".join(parts)


def _is_row_id(table: Table) -> bool:
    return len(table.primary_key) == 1 and table.column(table.primary_key[0]).identity


def _declared(column: Column) -> str:
    """Return the declared type. SQLite uses its affinity only; the rest documents the type on SQL Server."""
    match column.type:
        case "BIGINT" | "INT" | "SMALLINT" | "BIT":
            return column.type
        case "DECIMAL":
            return f"DECIMAL({column.size}, {column.scale})"
        case "VARCHAR" | "NVARCHAR" | "CHAR":
            # SQL Server's usual collation does not tell A from a.
            return f"{column.type}({column.size}) COLLATE NOCASE"
        case "DATETIME2" | "DATETIME" | "DATE":
            return "TEXT"
    raise DdlError(f"{column.name}: no SQLite type for {column.type}")


def _default(column: Column) -> str:
    text = (column.default or "").removeprefix("N")
    if column.type == "DATETIME2" and column.size == 0 and len(text) == len("'YYYY-MM-DD'"):
        return f"{text[:-1]} 00:00:00'"
    return text


def _check(column: Column) -> str:
    name = f'"{column.name}"'
    match column.type:
        case "VARCHAR" | "NVARCHAR" | "CHAR":
            return f"length({name}) <= {column.size}"
        case "BIT":
            return f"{name} IN (0, 1)"
        case "DATE":
            return f"{name} IS strftime('%Y-%m-%d', {name})"
        case "DATETIME2" | "DATETIME":
            precision = 3 if column.type == "DATETIME" else column.size
            return f"{name} IS strftime('{_TIME_FORMATS[precision or 0]}', {name})"
    return ""


def _create_index(table: Table, index: Index) -> str:
    columns = [f'"{name}" DESC' if descending else f'"{name}"' for name, descending in index.columns]
    if not index.unique:
        # SQLite has no INCLUDE: a trailing column covers just as well.
        columns += [f'"{name}"' for name in index.include]
    unique = "UNIQUE " if index.unique else ""
    return f'CREATE {unique}INDEX IF NOT EXISTS "{index.name}" ON "{table.name}" ({", ".join(columns)})'


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def main() -> None:
    SQL_FOLDER.mkdir(exist_ok=True)
    for schema in SCHEMAS:
        (SQL_FOLDER / f"{schema}.sql").write_text(schema_sql(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
