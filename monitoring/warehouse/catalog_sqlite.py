"""What exists of the wanted tables in an embedded database, by SQLite's pragma functions. See catalog.py."""

from __future__ import annotations

from django.db import connections

from monitoring.warehouse.dialect import Sql, dialect_of, joined
from monitoring.warehouse.names import TableName
from monitoring.warehouse.reader import ReadFailed, Row, rows

# The embedded warehouse keeps its times as TEXT; its other texts are VARCHAR.
_SQLITE_TYPE = "CASE c.type WHEN 'TEXT' THEN 'DATETIME2(0)' ELSE c.type END"


def read(alias: str, wanted: list[TableName]) -> list[Row]:
    """Return rows of (place in `wanted` or None, kind, schema, table, ...). SQLite's names have no case."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, name in enumerate(wanted):
        places.setdefault(name.key, []).append(place)
    found: list[Row] = []
    for row in _found(alias, wanted):
        if row[0] == "schema":
            found.append((None, *row))
        else:
            found += [(place, *row) for place in places.get((row[1].casefold(), row[2].casefold()), ())]
    return found


def _found(alias: str, wanted: list[TableName]) -> list[Row]:
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
