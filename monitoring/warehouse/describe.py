"""Read one table on demand: its columns, unique keys and CHECK constraints, and its newest rows.

The database cuts long values. Types that the driver cannot return (geography, sql_variant) are cast to text. Personal
data is not masked here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils import timezone

from etlportal.budget import budget
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse.catalog import Column, base_of
from monitoring.warehouse.dialect import Dialect, Sql, dialect_of, joined
from monitoring.warehouse.names import USUAL, InvalidName, Naming, TableName, parse_column
from monitoring.warehouse.reader import ReadFailed, Row, rows

_ALLOWED = re.compile(r"^\(?\[?(?P<column>\w+)\]?\s+IN\s*\((?P<list>.*?)\)\)?$", re.IGNORECASE | re.DOTALL)
_EQUALS = re.compile(r"\[(?P<column>[^\]]+)\]\s*=\s*N?'(?P<word>(?:[^']|'')*)'")
_WORD = re.compile(r"N?'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """An existing table. `unique`: column sets (lower case) with a unique index.

    `domains`: by column (lower case), the values that a trusted CHECK constraint allows. `base`: the table behind a
    synonym.
    """

    table: TableName
    columns: tuple[Column, ...]
    unique: tuple[frozenset[str], ...] = ()
    domains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    naming: Naming = USUAL
    base: TableName | None = None

    def column(self, name: str) -> Column | None:
        fold = self.naming.fold
        return next((column for column in self.columns if fold(column.name) == fold(name)), None)

    def keeps_unique(self, names: Iterable[str]) -> bool:
        """Return whether a unique index covers `names` or a part of them."""
        wanted = frozenset(name.casefold() for name in names)
        return any(keys <= wanted for keys in self.unique)


def describe(alias: str, table: TableName) -> Description | None:
    """Return the description of a table, or None if the login sees none of that name.

    One statement, two more if there is no table of that name. Raises ReadFailed, also for a synonym of a table on
    another server.
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
    """Return the quoted name for use as a parameter value, without doubled percent signs."""
    return dialect.table(table).replace("%%", "%")


# Names are cast because catalog collations may differ in a union. System type 240 is every CLR type.
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
    """Return a statement for rows of (what, group, name, type, nullable, scale)."""
    sys = f"{dialect.quote(table.database)}.sys" if table.database else "sys"
    return Sql(_SQLSERVER.format(sys=sys), (_plain(dialect, table),) * 3)


def _sqlite(table: TableName) -> Sql:
    # An INTEGER PRIMARY KEY is the rowid: unique and never NULL, but without an index.
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
            # An index on an expression has no column name and guarantees nothing here.
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
    """Return {column: words} if a CHECK's definition is a plain list of words for one column, else {}.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """`rows`: one tuple per row, in the order of `columns`, newest first.

    `columns_in_all`: the table's number of columns. `base`: the table behind a synonym, or empty.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    columns_in_all: int
    ordered_by: tuple[str, ...]
    read_at: datetime
    milliseconds: float
    base: str = ""


def newest_rows(source: TableName, key: str, updated: str, limit: int = ROWS) -> SourceRows:
    """Return the newest `limit` rows of `source` by (updated, key). Two statements on oltp.

    Raises ReadFailed, also for a missing table or column.
    """
    started = time.perf_counter()
    with budget(SECONDS):
        table = describe("oltp", source)
        if table is None:
            raise ReadFailed(Problem(code=ProblemCode.OBJECT_MISSING, detail=str(source)))
        order = [_existing(table, name) for name in (updated, key)]
        shown = table.columns[:COLUMNS]
        found = rows("oltp", _statement(dialect_of("oltp"), table, shown, order, limit))
    return SourceRows(
        columns=tuple(column.name for column in shown),
        rows=tuple(found),
        columns_in_all=len(table.columns),
        ordered_by=tuple(column.name for column in order),
        read_at=timezone.now(),
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
        base=str(table.base or ""),
    )


def _existing(table: Description, name: str) -> Column:
    try:
        column = table.column(parse_column(name))
    except InvalidName:
        column = None
    if column is None:
        raise ReadFailed(Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{table.table}: {name[:128]}"))
    return column


def _statement(dialect: Dialect, table: Description, shown: tuple[Column, ...], order: list[Column], limit: int) -> Sql:
    listed = joined((Sql(_expression(dialect, column)) for column in shown), ", ")
    ordered = ", ".join(f"s.{dialect.quote(column.name)} DESC" for column in order)
    return dialect.first(limit, listed, f"FROM {dialect.table(table.table)} AS s ORDER BY {ordered}")


def _expression(dialect: Dialect, column: Column) -> str:
    """Return the column cut to the shown length. A SQLite column may contain values of any type."""
    name = f"s.{dialect.quote(column.name)}"
    if dialect.vendor == "sqlite":
        return (
            f"CASE typeof({name}) WHEN 'text' THEN substr({name}, 1, {TEXT + 1})"
            f" WHEN 'blob' THEN substr({name}, 1, {BYTES + 1}) ELSE {name} END"
        )
    return readable(name, column.declared, text=TEXT + 1, binary=BYTES + 1)
