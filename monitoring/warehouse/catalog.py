"""Which of the wanted tables exist in a watched database, with columns, indexes and the right to read.

One statement per database on SQL Server (its sys views), one on SQLite (its pragma functions). What a
login may not see at all looks missing: SQL Server hides the metadata too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connections

from monitoring.warehouse.dialect import Sql, dialect_of, joined, values
from monitoring.warehouse.names import TableName
from monitoring.warehouse.reader import ReadFailed, Row, rows

_NUMBERS = {"TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "DECIMAL", "NUMERIC"}
_MOMENTS = {"DATE", "DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET"}
_WITH_SCALE = {"DATETIME2", "DATETIMEOFFSET"}
_CHUNK = 600
"""Wanted tables per statement: three parameters each, under SQL Server's 2,100."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as stored. `declared` is its type without length, upper case; `scale` of a datetime."""

    name: str
    declared: str
    scale: int | None = None
    nullable: bool = True

    @property
    def is_number(self) -> bool:
        return self.declared in _NUMBERS

    @property
    def is_moment(self) -> bool:
        return self.declared in _MOMENTS

    @property
    def moment_type(self) -> str:
        """The type to cast a compared parameter to, so that the column itself is not converted."""
        if self.declared in _WITH_SCALE:
            return f"{self.declared}({7 if self.scale is None else int(self.scale)})"
        return self.declared if self.is_moment else "DATETIME2(0)"


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view that exists. `readable`: whether this login may SELECT from it."""

    name: TableName
    is_view: bool = False
    readable: bool = True
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: tuple[tuple[str, ...], ...] = ()

    def column(self, name: str) -> Column | None:
        """Return the column of that name, case ignored, or None."""
        return self.columns.get(name.casefold())

    def indexed_by(self, *names: str) -> bool:
        """Return whether an index begins with exactly these columns in this order."""
        wanted = tuple(name.casefold() for name in names)
        return any(index[: len(wanted)] == wanted for index in self.indexes)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The wanted tables that exist, by the key of their name; which of the wanted schemas exist."""

    schemas: frozenset[str] = frozenset()
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)

    def find(self, name: TableName) -> Table | None:
        """Return the table, or None where it does not exist (or is hidden from this login)."""
        return self.tables.get(name.key)


def read_catalog(alias: str, wanted: Iterable[TableName]) -> Catalog:
    """Return what exists of the `wanted` tables. Raises ReadFailed."""
    names = sorted({name.key: name for name in wanted}.values())
    read = _sqlserver if dialect_of(alias).vendor == "microsoft" else _sqlite
    found: list[Row] = []
    for start in range(0, max(1, len(names)), _CHUNK):
        found += read(alias, names[start : start + _CHUNK])
    return _assembled(found, {name.key for name in names})


_SQLSERVER_COLUMNS = """
SELECT 'column' AS kind, s.name AS schema_name, o.name AS table_name,
  CASE WHEN o.type = 'V' THEN 1 ELSE 0 END AS is_view,
  HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(o.name), 'OBJECT', 'SELECT') AS readable,
  CAST('' AS NVARCHAR(128)) AS index_name, c.column_id AS position, c.name AS column_name,
  CAST(TYPE_NAME(c.system_type_id) AS NVARCHAR(128)) AS declared, CAST(c.scale AS INT) AS scale,
  CAST(c.is_nullable AS INT) AS nullable
FROM wanted AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name AND o.type IN ('U', 'V')
JOIN sys.columns AS c ON c.object_id = o.object_id
"""
_SQLSERVER_INDEXES = """
SELECT 'index', s.name, o.name, 0, 1, CAST(i.index_id AS NVARCHAR(128)), CAST(k.key_ordinal AS INT), c.name,
  NULL, NULL, 0
FROM wanted AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name AND o.type IN ('U', 'V')
JOIN sys.indexes AS i ON i.object_id = o.object_id AND i.type IN (1, 2) AND i.is_disabled = 0 AND i.has_filter = 0
JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
"""


def _sqlserver(alias: str, wanted: list[TableName]) -> list[Row]:
    if not wanted:
        return []
    listed = joined(
        (Sql("(CAST(%s AS NVARCHAR(128)), CAST(%s AS NVARCHAR(128)))", (name.schema, name.table)) for name in wanted),
        ", ",
    )
    schemas = values(sorted({name.schema for name in wanted}))
    statement = (
        "WITH wanted AS (SELECT v.schema_name, v.table_name FROM (VALUES "
        + listed
        + ") AS v (schema_name, table_name)) "
        + _SQLSERVER_COLUMNS
        + "UNION ALL"
        + _SQLSERVER_INDEXES
        + "UNION ALL SELECT 'schema', s.name, '', 0, 1, '', 0, '', NULL, NULL, 0 "
        + "FROM sys.schemas AS s WHERE s.name IN ("
        + schemas
        + ")"
    )
    return rows(alias, statement)


# The embedded warehouse keeps its times as TEXT; its other texts are VARCHAR.
_SQLITE_TYPE = "CASE c.type WHEN 'TEXT' THEN 'DATETIME2(0)' ELSE c.type END"


def _sqlite(alias: str, wanted: list[TableName]) -> list[Row]:
    attached: list[str] = sorted(connections.settings[alias]["OPTIONS"]["schemas"])
    asked = {name.schema.casefold() for name in wanted}
    dialect = dialect_of(alias)
    parts = [Sql("SELECT 'schema', %s, '', 0, 1, '', 0, '', NULL, NULL, 0", (name,)) for name in attached]
    for schema in (name for name in attached if name.casefold() in asked):
        master = f"{dialect.quote(schema)}.sqlite_master"
        parts.append(
            Sql(
                f"SELECT 'column', %s, m.name, 0, 1, '', c.cid, c.name, {_SQLITE_TYPE}, NULL, 1 - c.\"notnull\" "
                f"FROM {master} AS m JOIN pragma_table_info(m.name, %s) AS c "
                "WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_'",
                (schema, schema),
            )
        )
        parts.append(
            Sql(
                f"SELECT 'view', %s, m.name, 1, 1, '', 0, '', NULL, NULL, 0 FROM {master} AS m WHERE m.type = 'view'",
                (schema,),
            )
        )
        parts.append(
            Sql(
                "SELECT 'index', %s, m.name, 0, 1, i.name, k.seqno, k.name, NULL, NULL, 0 "
                f"FROM {master} AS m JOIN pragma_index_list(m.name, %s) AS i JOIN pragma_index_info(i.name, %s) AS k "
                "WHERE m.type = 'table' AND i.partial = 0 AND k.name IS NOT NULL",
                (schema, schema, schema),
            )
        )
    found = rows(alias, joined(parts, " UNION ALL "))
    keys = {name.key for name in wanted}
    views = [TableName(row[1], row[2]) for row in found if row[0] == "view"]
    return found + [row for view in views if view.key in keys for row in _sqlite_view(alias, view)]


def _sqlite_view(alias: str, view: TableName) -> list[Row]:
    """The columns of one view: asked by itself, because a broken view makes the whole statement fail."""
    statement = Sql(
        f"SELECT 'column', %s, %s, 1, 1, '', c.cid, c.name, {_SQLITE_TYPE}, NULL, 1 "
        "FROM pragma_table_info(%s, %s) AS c",
        (view.schema, view.table, view.table, view.schema),
    )
    try:
        return rows(alias, statement)
    except ReadFailed:
        return [("column", view.schema, view.table, 1, 1, "", 0, "", None, None, 1)]


def _assembled(found: list[Row], wanted: set[tuple[str, str]]) -> Catalog:
    schemas: set[str] = set()
    tables: dict[tuple[str, str], Table] = {}
    indexes: dict[tuple[str, str], dict[str, list[tuple[int, str]]]] = {}
    for kind, schema, table, is_view, readable, index, position, column, declared, scale, nullable in found:
        name = TableName(schema, table)
        if kind == "schema":
            schemas.add(schema.casefold())
        elif name.key not in wanted or kind == "view":
            continue
        elif kind == "index":
            indexes.setdefault(name.key, {}).setdefault(index, []).append((position, column.casefold()))
        else:
            entry = tables.setdefault(name.key, Table(name, is_view=bool(is_view), readable=readable != 0))
            entry.columns[column.casefold()] = _column(column, declared, scale, nullable)
    for key, by_index in indexes.items():
        if key in tables:
            keys = tuple(tuple(part for _, part in sorted(parts)) for _, parts in sorted(by_index.items()))
            tables[key] = Table(tables[key].name, tables[key].is_view, tables[key].readable, tables[key].columns, keys)
    return Catalog(schemas=frozenset(schemas), tables=tables)


def _column(name: str, declared: str | None, scale: int | None, nullable: int) -> Column:
    # SQLite says "DATETIME2(0)", SQL Server "datetime2" and the scale beside it.
    text, _, rest = (declared or "").upper().partition("(")
    if rest and scale is None:
        digits = rest.rstrip(")").split(",")[-1].strip()
        scale = int(digits) if digits.isdigit() else None
    return Column(name, text.strip(), scale, bool(nullable))
