"""Where a pipeline's `ts` comes from: a column of its source, or the latest over joined tables.

CONTRACT: every source has updated_at; two facts take the latest over the tables that they are made
of. Which column of the target tells how far the load came is known by its usual names.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.warehouse.names import TableName

UPDATED_AT = "updated_at"

TARGET_COLUMNS = ("data_ultima_atualizacao", "data_atualizacao")
"""The usual update columns of a target, in the order in which they are looked for."""

LOAD_TIME_COLUMNS = frozenset({"data_atualizacao"})
"""Update columns that hold when a row was loaded, not when its source changed: no latency from these."""


@dataclass(frozen=True, slots=True)
class Join:
    """One more table: `table.column` equals `to_column` of the table before it."""

    table: TableName
    column: str
    to_column: str


_ORDERS = Join(TableName("core", "orders"), "order_id", "order_id")

JOINED_SOURCES: dict[tuple[str, str], tuple[Join, ...]] = {
    TableName("core", "order_items").key: (_ORDERS,),
    TableName("core", "order_item_discounts").key: (
        Join(TableName("core", "order_items"), "order_item_id", "order_item_id"),
        _ORDERS,
    ),
}
"""Sources whose rows change when a joined row does (CONTRACT, "Pipelines")."""


def joins_of(source: TableName, configured_column: str = "") -> tuple[Join, ...]:
    """Return the tables joined to `source` for its ts; none when a column was configured."""
    return () if configured_column else JOINED_SOURCES.get(source.key, ())
