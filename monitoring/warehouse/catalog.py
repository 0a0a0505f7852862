"""Read which of the wanted tables exist, with columns, indexes, CHECK constraints and SELECT permission.

One statement per database, and one more per database that a synonym refers to. SQL Server hides the metadata of tables
without permission, so such a table looks missing.

SQL Server compares names in the collation of the database, so each row contains the wanted name that it matches: in a
case-sensitive database `core.Customers` is not core.customers. SQLite compares names without case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from operator import itemgetter

from django.db import connections

from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse.dialect import Sql, dialect_of, joined, values
from monitoring.warehouse.names import MAX_PART, USUAL, InvalidName, TableName, folding, parse_column
from monitoring.warehouse.reader import ReadFailed, Row, rows

_NUMBERS = {"TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "DECIMAL", "NUMERIC"}
_MOMENTS = {"DATE", "DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET"}
_WITH_SCALE = {"DATETIME2", "DATETIMEOFFSET"}
_CHUNK = 600
"""Wanted tables per statement: at most three parameters each, under SQL Server's limit of 2,100."""
_BASE_PART = re.compile(r"(?:\[((?:[^\]]|\]\])*)\]|([^.]*))\.")
_EQUALS = re.compile(r"\[(?P<column>[^\]]+)\]\s*=\s*N?'(?P<word>(?:[^']|'')*)'")


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

    `unique`: the indexes that are unique. `domains`: by column (lower case), the values that a trusted CHECK constraint
    allows. `base`: the table behind a synonym. `fold` makes names of columns and indexes comparable.
    """

    name: TableName
    is_view: bool = False
    readable: bool = True
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: tuple[tuple[str, ...], ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    domains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    base: TableName | None = None
    fold: Callable[[str], str] = USUAL

    @property
    def counted(self) -> TableName:
        """Return the table whose row count metadata is read."""
        return self.base or self.name

    def column(self, name: str) -> Column | None:
        return self.columns.get(self.fold(name))

    def indexed_by(self, *names: str) -> bool:
        """Return whether an index begins with these columns in this order."""
        wanted = tuple(self.fold(name) for name in names)
        return any(index[: len(wanted)] == wanted for index in self.indexes)

    def keeps_unique(self, names: Iterable[str]) -> bool:
        """Return whether a unique index covers `names` or a part of them."""
        wanted = {self.fold(name) for name in names}
        return any(wanted.issuperset(index) for index in self.unique)


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
    if dialect_of(alias).vendor == "sqlite":
        return _assembled(_read_sqlite(alias, names))[0]
    catalog, synonyms = _assembled(_read_sqlserver(alias, names))
    bases: dict[str, dict[TableName, TableName]] = {}
    for name, base in synonyms.items():
        if isinstance(base, Problem):
            catalog.refused[name] = base
        else:
            bases.setdefault(base.database, {})[name] = base
    for own in bases.values():
        try:
            found, _ = _assembled(_read_sqlserver(alias, sorted(set(own.values()))))
        except ReadFailed as failure:
            catalog.refused.update(dict.fromkeys(own, failure.problem))
            continue
        for name, base in own.items():
            if (table := found.find(base)) is not None:
                catalog.tables[name] = replace(table, name=name, base=base)
            else:
                detail = f"{name} → {base}"[:300]
                catalog.refused[name] = Problem(code=ProblemCode.OBJECT_MISSING, detail=detail)
    return catalog


def describe(alias: str, name: TableName) -> Table | None:
    """Return one table, or None if the login sees none of that name. Raises ReadFailed, also for a synonym of a table
    that cannot be read."""
    catalog = read_catalog(alias, [name])
    problem = catalog.refused.get(name)
    if problem is not None and problem.code is not ProblemCode.OBJECT_MISSING:
        raise ReadFailed(problem)
    return catalog.find(name)


def named(table: Table, name: str) -> Column:
    """Return the column with this name, written as in a control row. Raises ReadFailed."""
    try:
        column = table.column(parse_column(name))
    except InvalidName:
        column = None
    if column is None:
        raise ReadFailed(Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{table.name}: {name[:128]}"))
    return column


def _assembled(found: list[Row]) -> tuple[Catalog, dict[TableName, TableName | Problem]]:
    """Return the catalog and its synonyms from rows of (wanted name, kind, schema, table, ...)."""
    catalog = Catalog(frozenset(row[2].casefold() for row in found if row[1] == "schema"))
    indexes: dict[TableName, dict[tuple[str, bool], list[str]]] = {}
    domains: dict[TableName, dict[str, tuple[str, ...]]] = {}
    synonyms: dict[TableName, TableName | Problem] = {}
    fold = next((folding(bool(row[7]), bool(row[10])) for row in found if row[1] == "naming"), USUAL)
    for wanted, kind, schema, table, is_view, readable, text, _, column, declared, scale, flag in sorted(
        found, key=itemgetter(7)
    ):
        if kind == "synonym":
            synonyms[wanted] = base_of(TableName(schema, table), text, declared)
        elif kind == "index":
            indexes.setdefault(wanted, {}).setdefault((text, bool(flag)), []).append(fold(column))
        elif kind == "check":
            domains.setdefault(wanted, {}).update(allowed_words(text))
        elif kind == "column":
            name = TableName(schema, table, wanted.database)
            entry = catalog.tables.setdefault(wanted, Table(name, bool(is_view), readable != 0, fold=fold))
            entry.columns[fold(column)] = _column(column, declared, scale, flag)
    for wanted, entry in catalog.tables.items():
        own = [(tuple(columns), unique) for (_, unique), columns in indexes.get(wanted, {}).items()]
        catalog.tables[wanted] = replace(
            entry,
            indexes=tuple(columns for columns, _ in own),
            unique=tuple(columns for columns, unique in own if unique),
            domains=domains.get(wanted, {}),
        )
    return catalog, synonyms


def _column(name: str, declared: str | None, scale: int | None, nullable: int) -> Column:
    # SQLite returns "DATETIME2(0)", SQL Server "datetime2" and the scale in a separate column.
    text, _, rest = (declared or "").upper().partition("(")
    if rest and scale is None:
        digits = rest.rstrip(")").split(",")[-1].strip()
        scale = int(digits) if digits.isdigit() else None
    return Column(name, text.strip(), scale, bool(nullable))


def allowed_words(definition: str) -> dict[str, tuple[str, ...]]:
    """Return {column: words} if a CHECK's definition is a plain list of words for one column, else {}.

    SQL Server stores `c IN ('A', 'B')` as `([c]='B' OR [c]='A')`.
    """
    parts = re.split(r"\s+OR\s+", definition.strip("() "), flags=re.IGNORECASE)
    matches = [match for part in parts if (match := _EQUALS.fullmatch(part.strip("() "))) is not None]
    columns = {match["column"].casefold() for match in matches}
    if len(matches) < len(parts) or len(columns) != 1:
        return {}
    return {columns.pop(): tuple(match["word"].replace("''", "'") for match in matches)}


# `{sys}` is the sys schema of this database, or of the database that a synonym refers to.
# HAS_PERMS_BY_NAME does not work across databases: visible columns are assumed to be readable. System type 240 is every
# CLR type. Texts are collated because catalog collations may differ in a union.
_SQLSERVER = """
), found AS (
  SELECT w.place, s.name AS schema_name, o.name AS table_name, o.object_id, RTRIM(o.type) AS kind
  FROM wanted AS w
  JOIN {sys}.schemas AS s ON s.name = w.schema_name COLLATE DATABASE_DEFAULT
  JOIN {sys}.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name COLLATE DATABASE_DEFAULT
    AND o.type IN ('U', 'V', 'SN')
)
SELECT f.place, 'column' AS what, f.schema_name, f.table_name, CASE WHEN f.kind = 'V' THEN 1 ELSE 0 END AS is_view,
  {readable} AS readable, CAST('' AS NVARCHAR(4000)) COLLATE DATABASE_DEFAULT AS text, c.column_id AS position,
  c.name AS column_name,
  CAST(CASE c.system_type_id WHEN 240 THEN 'CLR' ELSE TYPE_NAME(c.system_type_id) END AS NVARCHAR(128)) AS declared,
  CAST(c.scale AS INT) AS scale, CAST(c.is_nullable AS INT) AS flag
FROM found AS f
JOIN {sys}.columns AS c ON c.object_id = f.object_id
WHERE f.kind <> 'SN'
UNION ALL
SELECT f.place, 'index', f.schema_name, f.table_name, 0, 1, CAST(i.index_id AS NVARCHAR(128)),
  CAST(k.key_ordinal AS INT), c.name, NULL, NULL, CAST(i.is_unique AS INT)
FROM found AS f
JOIN {sys}.indexes AS i ON i.object_id = f.object_id AND i.type IN (1, 2) AND i.is_disabled = 0 AND i.has_filter = 0
JOIN {sys}.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
JOIN {sys}.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
UNION ALL
SELECT f.place, 'check', f.schema_name, f.table_name, 0, 1,
  CAST(d.definition AS NVARCHAR(4000)) COLLATE DATABASE_DEFAULT, 0, '', NULL, NULL, 0
FROM found AS f
JOIN {sys}.check_constraints AS d ON d.parent_object_id = f.object_id AND d.is_disabled = 0 AND d.is_not_trusted = 0
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


def _read_sqlserver(alias: str, names: list[TableName]) -> list[Row]:
    """Return rows of (wanted name or None, kind, schema, table, ...). All `names` are of one database."""
    found: list[Row] = []
    for start in range(0, len(names), _CHUNK):
        wanted = names[start : start + _CHUNK]
        listed = joined(
            (
                Sql(f"({place}, CAST(%s AS NVARCHAR(128)), CAST(%s AS NVARCHAR(128)))", (name.schema, name.table))
                for place, name in enumerate(wanted)
            ),
            ", ",
        )
        database = wanted[0].database
        sys = f"{dialect_of(alias).quote(database)}.sys" if database else "sys"
        statement = (
            "WITH wanted AS (SELECT v.place, v.schema_name, v.table_name FROM (VALUES "
            + listed
            + ") AS v (place, schema_name, table_name)"
            + _SQLSERVER.format(sys=sys, readable="1" if database else _READABLE)
            + values(sorted({name.schema for name in wanted}))
            + ")"
        )
        found += [(None if row[0] is None else wanted[row[0]], *row[1:]) for row in rows(alias, statement)]
    return found


def base_of(synonym: TableName, text: str, default_schema: str | None) -> TableName | Problem:
    """Return the table behind a synonym, or the problem with it, such as a table on another server.

    `text`: the base object name as stored by the server, with up to four parts, possibly in brackets.
    """
    parts = [quoted.replace("]]", "]") or plain for quoted, plain in _BASE_PART.findall(f"{text}.")]
    told = f"{synonym} → {text}"[:300]
    if len(parts) == 4 and parts[0]:
        return Problem(code=ProblemCode.REMOTE_SYNONYM, detail=told)
    *_, database, schema, table = ["", "", *parts][-3:]
    name = TableName(schema or default_schema or "dbo", table, database)
    if not table or any(len(part) > MAX_PART or not part.isprintable() for part in parts):
        return Problem(code=ProblemCode.OBJECT_MISSING, detail=told)
    return name


# The embedded warehouse stores times as TEXT and other texts as VARCHAR. An INTEGER PRIMARY KEY is the rowid: unique
# and never NULL, but without an index. A part of an index that is an expression has no name.
_SQLITE = """
SELECT 'column', %s, m.name, m.type = 'view', 1, '', c.cid, c.name,
  CASE c.type WHEN 'TEXT' THEN 'DATETIME2(0)' ELSE c.type END, NULL,
  CASE WHEN c."notnull" = 1 OR (c.pk = 1 AND UPPER(c.type) = 'INTEGER') THEN 0 ELSE 1 END
FROM {master} AS m JOIN pragma_table_info(m.name, %s) AS c
WHERE m.type IN ('table', 'view') AND substr(m.name, 1, 7) <> 'sqlite_'
UNION ALL
SELECT 'index', %s, m.name, 0, 1, i.name, k.seqno, COALESCE(k.name, ''), NULL, NULL, i."unique"
FROM {master} AS m JOIN pragma_index_list(m.name, %s) AS i JOIN pragma_index_info(i.name, %s) AS k
WHERE m.type = 'table' AND i.partial = 0
UNION ALL
SELECT 'index', %s, m.name, 0, 1, '', 0, c.name, NULL, NULL, 1
FROM {master} AS m JOIN pragma_table_info(m.name, %s) AS c
WHERE m.type = 'table' AND c.pk = 1 AND UPPER(c.type) = 'INTEGER'
"""


def _read_sqlite(alias: str, wanted: list[TableName]) -> list[Row]:
    """Return the same rows as _read_sqlserver, from SQLite's pragma functions. CHECK constraints are not read."""
    by_key: dict[tuple[str, str], list[TableName]] = {}
    for name in wanted:
        by_key.setdefault(name.key, []).append(name)
    asked = {schema for schema, _ in by_key}
    parts: list[Sql] = []
    for schema in sorted(connections.settings[alias]["OPTIONS"]["schemas"]):
        parts.append(Sql("SELECT 'schema', %s, '', 0, 1, '', 0, '', NULL, NULL, 0", (schema,)))
        if schema.casefold() in asked:
            text = _SQLITE.format(master=f"{dialect_of(alias).quote(schema)}.sqlite_master")
            parts.append(Sql(text, (schema,) * text.count("%s")))
    found: list[Row] = []
    for row in rows(alias, joined(parts, " UNION ALL ")):
        names = [None] if row[0] == "schema" else by_key.get(TableName(row[1], row[2]).key, [])
        found += [(name, *row) for name in names]
    return found
