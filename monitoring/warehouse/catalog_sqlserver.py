"""What exists of the wanted tables in a SQL Server database, by its sys views. See catalog.py.

Names are compared by the server, in the collation of its database: each row says which wanted name it
answers. In a database that tells upper from lower case, `core.Customers` is not core.customers.
"""

from __future__ import annotations

from monitoring.enums import ProblemCode
from monitoring.policies.facts import Problem
from monitoring.warehouse.dialect import Sql, dialect_of, joined, values
from monitoring.warehouse.names import MAX_PART, TableName
from monitoring.warehouse.reader import Row, rows

# `{sys}` is the schema of the catalog: of this database, or of another one that a synonym leads into.
# There HAS_PERMS_BY_NAME does not look: whoever sees the columns is taken for a reader.
_WANTED = """
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


def read(alias: str, wanted: list[TableName]) -> list[Row]:
    """Return rows of (place in `wanted` or None, kind, schema, table, ...). All of one database. Raises ReadFailed."""
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
        + _WANTED.format(sys=sys, readable="1" if database else _READABLE)
        + values(sorted({name.schema for name in wanted}))
        + ")",
    )


def base_of(synonym: TableName, text: str, default_schema: str | None) -> TableName | Problem:
    """Return the table that a synonym stands for, or why it is not read: it is on another server.

    `text` is what the server keeps: up to four parts, bracketed where they were typed so.
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
    """Return the parts of a name of several parts: `[a.b].c` has two, `a..c` three of which one is empty."""
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
