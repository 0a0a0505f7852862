"""One table as its database describes it: columns, what is unique, what a CHECK allows.

For the questions that are asked on demand about one pipeline. What the collector reads every tick
for all of them is in catalog.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from monitoring.policies.facts import Problem
from monitoring.warehouse.catalog import Column
from monitoring.warehouse.catalog_sqlserver import base_of
from monitoring.warehouse.dialect import Dialect, Sql, dialect_of
from monitoring.warehouse.names import USUAL, Naming, TableName
from monitoring.warehouse.reader import ReadFailed, Row, rows

_ALLOWED = re.compile(r"^\(?\[?(?P<column>\w+)\]?\s+IN\s*\((?P<list>.*?)\)\)?$", re.IGNORECASE | re.DOTALL)
_EQUALS = re.compile(r"\[(?P<column>[^\]]+)\]\s*=\s*N?'(?P<word>(?:[^']|'')*)'")
_WORD = re.compile(r"N?'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A table that exists. `unique`: the column sets (in lower case) that its indexes keep unique.

    `domains`: for a column (lower case) the words that a trusted CHECK constraint allows. `base`: what
    the table's name is a synonym for.
    """

    table: TableName
    columns: tuple[Column, ...]
    unique: tuple[frozenset[str], ...] = ()
    domains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    naming: Naming = USUAL
    base: TableName | None = None

    def column(self, name: str) -> Column | None:
        """Return the column of that name as the database compares names."""
        fold = self.naming.fold
        return next((column for column in self.columns if fold(column.name) == fold(name)), None)

    def keeps_unique(self, names: Iterable[str]) -> bool:
        """Whether an index refuses two rows with the same values in `names`."""
        wanted = frozenset(name.casefold() for name in names)
        return any(keys <= wanted for keys in self.unique)


def describe(alias: str, table: TableName) -> Description | None:
    """Return what `alias` says of the table, None when it shows none of that name.

    One statement; two more where the name is a synonym (or nothing). Raises ReadFailed, also for a
    synonym of a table on another server.
    """
    dialect = dialect_of(alias)
    if dialect.vendor != "microsoft":
        return _read(table, rows(alias, _sqlite(table)))
    found = _read(table, rows(alias, _sqlserver(dialect, table)))
    base = _base(alias, dialect, table) if found is None else None
    if base is not None and (found := _read(table, rows(alias, _sqlserver(dialect, base)))) is not None:
        return replace(found, base=base)
    return found


def _base(alias: str, dialect: Dialect, table: TableName) -> TableName | None:
    """Return what the name is a synonym for, None where it is none."""
    sql = Sql(
        "SELECT TOP (1) y.base_object_name, SCHEMA_NAME() FROM sys.synonyms AS y WHERE y.object_id = OBJECT_ID(%s)",
        (_plain(dialect, table),),
    )
    for text, default_schema in rows(alias, sql):
        base = base_of(table, text, default_schema)
        if isinstance(base, Problem):
            raise ReadFailed(base)
        return base
    return None


def _plain(dialect: Dialect, table: TableName) -> str:
    """Return the quoted name as a value: its per cent signs stand for themselves."""
    return dialect.table(table).replace("%%", "%")


# Names are cast: catalog collations may differ in a union. System type 240 is that of every CLR type.
_SQLSERVER = """
SELECT 'column' AS what, c.column_id AS place, CAST(c.name AS NVARCHAR(4000)) COLLATE DATABASE_DEFAULT AS name,
  CAST(CASE c.system_type_id WHEN 240 THEN 'CLR' ELSE TYPE_NAME(c.system_type_id) END AS NVARCHAR(128))
    COLLATE DATABASE_DEFAULT AS declared, CAST(c.is_nullable AS INT) AS nullable, CAST(c.scale AS INT) AS scale
FROM {sys}.columns AS c WHERE c.object_id = OBJECT_ID(%s)
UNION ALL
SELECT 'unique', k.index_id, CAST(c.name AS NVARCHAR(4000)) COLLATE DATABASE_DEFAULT, NULL, 0, NULL
FROM {sys}.indexes AS i
JOIN {sys}.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
JOIN {sys}.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
WHERE i.object_id = OBJECT_ID(%s) AND i.is_unique = 1 AND i.has_filter = 0 AND i.is_disabled = 0
UNION ALL
SELECT 'check', d.object_id, CAST(d.definition AS NVARCHAR(4000)) COLLATE DATABASE_DEFAULT, NULL, 0, NULL
FROM {sys}.check_constraints AS d
WHERE d.parent_object_id = OBJECT_ID(%s) AND d.is_disabled = 0 AND d.is_not_trusted = 0
UNION ALL
SELECT 'naming', 0, '', NULL, CASE WHEN N'a' = N'A' COLLATE DATABASE_DEFAULT THEN 0 ELSE 1 END,
  CASE WHEN N'a' = N'\u00e1' COLLATE DATABASE_DEFAULT THEN 0 ELSE 1 END
ORDER BY what, place
"""


def _sqlserver(dialect: Dialect, table: TableName) -> Sql:
    """Rows of (what, group, name, type, nullable, scale)."""
    sys = f"{dialect.quote(table.database)}.sys" if table.database else "sys"
    return Sql(_SQLSERVER.format(sys=sys), (_plain(dialect, table),) * 3)


def _sqlite(table: TableName) -> Sql:
    # An INTEGER PRIMARY KEY is the rowid: never NULL, unique, without an index of its own.
    return Sql(
        "SELECT 'column' AS what, c.cid AS place, c.name AS name, c.type AS type,"
        " CASE WHEN c.\"notnull\" = 1 OR (c.pk = 1 AND UPPER(c.type) = 'INTEGER') THEN 0 ELSE 1 END AS nullable,"
        " NULL AS scale"
        " FROM pragma_table_info(%s, %s) AS c"
        " UNION ALL SELECT 'unique', i.seq, k.name, NULL, 0, NULL"
        " FROM pragma_index_list(%s, %s) AS i, pragma_index_info(i.name, %s) AS k"
        ' WHERE i."unique" = 1 AND i.partial = 0'
        " UNION ALL SELECT 'unique', -1, c.name, NULL, 0, NULL FROM pragma_table_info(%s, %s) AS c"
        " WHERE c.pk = 1 AND UPPER(c.type) = 'INTEGER'"
        " ORDER BY what, place",
        (
            *(table.table, table.schema),
            *(table.table, table.schema, table.schema),
            *(table.table, table.schema),
        ),
    )


def _read(table: TableName, found: list[Row]) -> Description | None:
    columns: list[Column] = []
    unique: dict[int, set[str]] = {}
    domains: dict[str, tuple[str, ...]] = {}
    naming = USUAL
    for what, place, name, declared, nullable, scale in found:
        if what == "column":
            kind = str(declared or "").split("(")[0].strip().upper()
            columns.append(Column(str(name), kind, scale, nullable=bool(nullable)))
        elif what == "naming":
            naming = Naming(bool(nullable), bool(scale))
        elif what == "unique":
            # An index over an expression has no column name: it guarantees nothing here.
            unique.setdefault(place, set()).add(str(name).casefold() if name is not None else "\0")
        else:
            domains.update(allowed_words(str(name or "")))
    if not columns:
        return None
    return Description(
        table=table,
        columns=tuple(columns),
        unique=tuple(frozenset(names) for names in unique.values()),
        domains=domains,
        naming=naming,
    )


def allowed_words(definition: str) -> dict[str, tuple[str, ...]]:
    """Return {column: words} when a CHECK's definition is a plain list of words for one column, else {}.

    SQL Server stores `c IN ('A', 'B')` as `([c]='B' OR [c]='A')`.
    """
    text = definition.strip()
    if (match := _ALLOWED.match(text)) is not None:
        return {match["column"].casefold(): tuple(_unescaped(word) for word in _WORD.findall(match["list"]))}
    parts = re.split(r"\s+OR\s+", text.strip("()"), flags=re.IGNORECASE)
    found = [_EQUALS.fullmatch(part.strip("() ")) for part in parts]
    if any(match is None for match in found):
        return {}
    columns = {match["column"].casefold() for match in found if match}
    if len(columns) != 1:
        return {}
    return {columns.pop(): tuple(_unescaped(match["word"]) for match in found if match)}


def _unescaped(word: str) -> str:
    return word.replace("''", "'")
