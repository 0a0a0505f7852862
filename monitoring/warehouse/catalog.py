"""Read which of the wanted tables exist, with columns, indexes and SELECT permission.

One statement per database, and one more per database that a synonym refers to. SQL Server hides the metadata of tables
without permission, so such a table looks missing.

SQL Server compares names in the collation of the database, so each row contains the wanted name that it matches: in a
case-sensitive database `core.Customers` is not core.customers. SQLite compares names without case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from django.db import connections

from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse.dialect import Sql, dialect_of, joined, values
from monitoring.warehouse.names import MAX_PART, USUAL, Naming, TableName
from monitoring.warehouse.reader import ReadFailed, Row, rows

_NUMBERS = {"TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "DECIMAL", "NUMERIC"}
_MOMENTS = {"DATE", "DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET"}
_WITH_SCALE = {"DATETIME2", "DATETIMEOFFSET"}
_CHUNK = 600
"""Wanted tables per statement: at most three parameters each, under SQL Server's limit of 2,100."""


@dataclass(frozen=True, slots=True)
class Column:
    """`declared`: the type in upper case, without length. `scale`: fractional digits of a datetime type."""

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
        """Return the type for a parameter compared with the column, so that the column is not converted."""
        if self.declared in _WITH_SCALE:
            return f"{self.declared}({7 if self.scale is None else int(self.scale)})"
        return self.declared if self.is_moment else "DATETIME2(0)"


@dataclass(frozen=True, slots=True)
class Table:
    """An existing table or view, spelled as in the database. `readable`: the login may SELECT from it.

    `base`: the table behind a synonym. Names of columns and indexes are folded by `naming`.
    """

    name: TableName
    is_view: bool = False
    readable: bool = True
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: tuple[tuple[str, ...], ...] = ()
    base: TableName | None = None
    naming: Naming = USUAL

    @property
    def counted(self) -> TableName:
        """Return the table whose row count metadata is read."""
        return self.base or self.name

    def column(self, name: str) -> Column | None:
        return self.columns.get(self.naming.fold(name))

    def indexed_by(self, *names: str) -> bool:
        """Return whether an index begins with these columns in this order."""
        wanted = tuple(self.naming.fold(name) for name in names)
        return any(index[: len(wanted)] == wanted for index in self.indexes)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The existing tables by wanted name, and the existing schemas. `refused`: why a synonym cannot be followed."""

    schemas: frozenset[str] = frozenset()
    tables: dict[TableName, Table] = field(default_factory=dict)
    refused: dict[TableName, Problem] = field(default_factory=dict)

    def find(self, name: TableName) -> Table | None:
        """Return the table, or None if it does not exist or is hidden from the login."""
        return self.tables.get(name)


def read_catalog(alias: str, wanted: Iterable[TableName]) -> Catalog:
    """Return which of the `wanted` tables exist. Raises ReadFailed."""
    names = sorted(set(wanted))
    read = _read_sqlserver if dialect_of(alias).vendor == "microsoft" else _read_sqlite
    found: list[Row] = []
    for start in range(0, max(1, len(names)), _CHUNK):
        chunk = names[start : start + _CHUNK]
        found += [(None if row[0] is None else chunk[row[0]], *row[1:]) for row in read(alias, chunk)]
    catalog, synonyms = _assembled(found)
    return _followed(alias, catalog, synonyms) if synonyms else catalog


def _followed(alias: str, catalog: Catalog, synonyms: dict[TableName, TableName | Problem]) -> Catalog:
    """Return the catalog with the tables behind its synonyms: one statement per database."""
    tables, refused = dict(catalog.tables), dict(catalog.refused)
    bases = {name: base for name, base in synonyms.items() if isinstance(base, TableName)}
    refused |= {name: base for name, base in synonyms.items() if isinstance(base, Problem)}
    for database in sorted({base.database for base in bases.values()}):
        own = {name: base for name, base in bases.items() if base.database == database}
        try:
            chunk = sorted(set(own.values()))[:_CHUNK]
            found, _ = _assembled(
                [(None if row[0] is None else chunk[row[0]], *row[1:]) for row in _read_sqlserver(alias, chunk)]
            )
        except ReadFailed as failure:
            refused |= dict.fromkeys(own, failure.problem)
            continue
        for name, base in own.items():
            table = found.find(base)
            if table is None:
                refused[name] = Problem(code=ProblemCode.OBJECT_MISSING, detail=f"{name} → {base}"[:300])
            else:
                tables[name] = replace(table, name=name, base=base)
    return Catalog(catalog.schemas, tables, refused)


def _assembled(found: list[Row]) -> tuple[Catalog, dict[TableName, TableName | Problem]]:
    """Return the catalog and its synonyms from rows of (wanted name, kind, schema, table, ...)."""
    schemas: set[str] = set()
    tables: dict[TableName, Table] = {}
    indexes: dict[TableName, dict[str, list[tuple[int, str]]]] = {}
    synonyms: dict[TableName, TableName | Problem] = {}
    naming = next((Naming(bool(row[7]), bool(row[10])) for row in found if row[1] == "naming"), USUAL)
    for wanted, kind, schema, table, is_view, readable, index, position, column, declared, scale, nullable in found:
        if kind == "schema":
            schemas.add(schema.casefold())
        elif kind == "synonym":
            synonyms[wanted] = base_of(TableName(schema, table), index, declared)
        elif kind == "index":
            indexes.setdefault(wanted, {}).setdefault(index, []).append((position, naming.fold(column)))
        elif kind == "column":
            name = TableName(schema, table, wanted.database)
            entry = tables.setdefault(wanted, Table(name, bool(is_view), readable != 0, naming=naming))
            entry.columns[naming.fold(column)] = _column(column, declared, scale, nullable)
    for wanted, by_index in indexes.items():
        if wanted in tables:
            keys = tuple(tuple(part for _, part in sorted(parts)) for _, parts in sorted(by_index.items()))
            tables[wanted] = replace(tables[wanted], indexes=keys)
    return Catalog(frozenset(schemas), tables), synonyms


def _column(name: str, declared: str | None, scale: int | None, nullable: int) -> Column:
    # SQLite returns "DATETIME2(0)", SQL Server "datetime2" and the scale in a separate column.
    text, _, rest = (declared or "").upper().partition("(")
    if rest and scale is None:
        digits = rest.rstrip(")").split(",")[-1].strip()
        scale = int(digits) if digits.isdigit() else None
    return Column(name, text.strip(), scale, bool(nullable))


# `{sys}` is the sys schema of this database, or of the database that a synonym refers to.
# HAS_PERMS_BY_NAME does not work across databases: visible columns are assumed to be readable.
_SQLSERVER = """
), found AS (
  SELECT w.place, s.name AS schema_name, o.name AS table_name, o.object_id, RTRIM(o.type) AS kind
  FROM wanted AS w
  JOIN {sys}.schemas AS s ON s.name = w.schema_name COLLATE DATABASE_DEFAULT
  JOIN {sys}.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name COLLATE DATABASE_DEFAULT
    AND o.type IN ('U', 'V', 'SN')
)
SELECT f.place, 'column' AS what, f.schema_name, f.table_name, CASE WHEN f.kind = 'V' THEN 1 ELSE 0 END AS is_view,
  {readable} AS readable, CAST('' AS NVARCHAR(1035)) AS index_name, c.column_id AS position,
  c.name AS column_name, CAST(TYPE_NAME(c.system_type_id) AS NVARCHAR(128)) AS declared,
  CAST(c.scale AS INT) AS scale, CAST(c.is_nullable AS INT) AS nullable
FROM found AS f
JOIN {sys}.columns AS c ON c.object_id = f.object_id
WHERE f.kind <> 'SN'
UNION ALL
SELECT f.place, 'index', f.schema_name, f.table_name, 0, 1, CAST(i.index_id AS NVARCHAR(128)),
  CAST(k.key_ordinal AS INT), c.name, NULL, NULL, 0
FROM found AS f
JOIN {sys}.indexes AS i ON i.object_id = f.object_id AND i.type IN (1, 2) AND i.is_disabled = 0 AND i.has_filter = 0
JOIN {sys}.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
JOIN {sys}.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
UNION ALL
SELECT f.place, 'synonym', f.schema_name, f.table_name, 0, 1, y.base_object_name, 0, '',
  CAST(SCHEMA_NAME() AS NVARCHAR(128)), NULL, 0
FROM found AS f
JOIN {sys}.synonyms AS y ON y.object_id = f.object_id
UNION ALL
SELECT NULL, 'naming', '', '', 0, 1, '', CASE WHEN N'a' = N'A' COLLATE DATABASE_DEFAULT THEN 0 ELSE 1 END, '', NULL,
  CASE WHEN N'a' = N'\u00e1' COLLATE DATABASE_DEFAULT THEN 0 ELSE 1 END, 0
UNION ALL
SELECT NULL, 'schema', s.name, '', 0, 1, '', 0, '', NULL, NULL, 0
FROM {sys}.schemas AS s WHERE s.name IN (
"""
_READABLE = "HAS_PERMS_BY_NAME(QUOTENAME(f.schema_name) + N'.' + QUOTENAME(f.table_name), 'OBJECT', 'SELECT')"


def _read_sqlserver(alias: str, wanted: list[TableName]) -> list[Row]:
    """Return rows of (index in `wanted` or None, kind, schema, table, ...), all of one database."""
    if not wanted:
        return []
    listed = joined(
        (
            Sql(f"({place}, CAST(%s AS NVARCHAR(128)), CAST(%s AS NVARCHAR(128)))", (name.schema, name.table))
            for place, name in enumerate(wanted)
        ),
        ", ",
    )
    database = wanted[0].database
    sys = f"{dialect_of(alias).quote(database)}.sys" if database else "sys"
    return rows(
        alias,
        "WITH wanted AS (SELECT v.place, v.schema_name, v.table_name FROM (VALUES "
        + listed
        + ") AS v (place, schema_name, table_name)"
        + _SQLSERVER.format(sys=sys, readable="1" if database else _READABLE)
        + values(sorted({name.schema for name in wanted}))
        + ")",
    )


def base_of(synonym: TableName, text: str, default_schema: str | None) -> TableName | Problem:
    """Return the table behind a synonym, or the problem with it, such as a table on another server.

    `text`: the base object name as stored by the server, with up to four parts, possibly in brackets.
    """
    parts = _parts(text)
    told = f"{synonym} → {text}"[:300]
    if len(parts) == 4 and parts[0]:
        return Problem(code=ProblemCode.REMOTE_SYNONYM, detail=told)
    *_, database, schema, table = ["", "", *parts][-3:]
    name = TableName(schema or default_schema or "dbo", table, database)
    if not table or any(len(part) > MAX_PART or not part.isprintable() for part in parts):
        return Problem(code=ProblemCode.OBJECT_MISSING, detail=told)
    return name


def _parts(text: str) -> list[str]:
    """Split a name into its parts: `[a.b].c` has two; `a..c` has three, one of them empty."""
    parts: list[str] = []
    part, quoted, at = "", False, 0
    while at < len(text):
        character = text[at]
        if quoted and character == "]":
            if text[at + 1 : at + 2] == "]":
                part, at = part + "]", at + 1
            else:
                quoted = False
        elif quoted:
            part += character
        elif character == "[":
            quoted = True
        elif character == ".":
            parts, part = [*parts, part], ""
        else:
            part += character
        at += 1
    return [*parts, part]


# The embedded warehouse stores times as TEXT and other texts as VARCHAR.
_SQLITE_TYPE = "CASE c.type WHEN 'TEXT' THEN 'DATETIME2(0)' ELSE c.type END"


def _read_sqlite(alias: str, wanted: list[TableName]) -> list[Row]:
    """Return the same rows as _read_sqlserver, from SQLite's pragma functions."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, name in enumerate(wanted):
        places.setdefault(name.key, []).append(place)
    found: list[Row] = []
    for row in _sqlite_tables(alias, wanted):
        if row[0] == "schema":
            found.append((None, *row))
        else:
            found += [(place, *row) for place in places.get((row[1].casefold(), row[2].casefold()), ())]
    return found


def _sqlite_tables(alias: str, wanted: list[TableName]) -> list[Row]:
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
    tables = [row for row in found if row[0] != "view"]
    return tables + [row for view in views if view.key in keys for row in _sqlite_view(alias, view)]


def _sqlite_view(alias: str, view: TableName) -> list[Row]:
    """Return the columns of one view. Read separately, because a broken view makes the whole statement fail."""
    statement = Sql(
        f"SELECT 'column', %s, %s, 1, 1, '', c.cid, c.name, {_SQLITE_TYPE}, NULL, 1 "
        "FROM pragma_table_info(%s, %s) AS c",
        (view.schema, view.table, view.table, view.schema),
    )
    try:
        return rows(alias, statement)
    except ReadFailed:
        return [("column", view.schema, view.table, 1, 1, "", 0, "", None, None, 1)]
