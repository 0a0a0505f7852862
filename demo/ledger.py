"""What each pipeline has not loaded yet, kept while history is simulated: what a run would have found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from demo.shop import Shop
from demo.shop_rows import KEYS

SOURCES = {
    "regions": "dim_regiao",
    "teams": "dim_equipe",
    "customers": "dim_cliente",
    "products": "dim_produto",
    "sellers": "dim_vendedor",
    "discount_campaigns": "dim_desconto",
    "order_items": "fact_vendas",
    "seller_targets_monthly": "fact_metas",
    "order_item_discounts": "fact_descontos",
}
"""The table of `core` that each pipeline reads, in the order of a run."""

_TABLES = {entity: table for table, entity in SOURCES.items()}


class Ledger:
    """Pending rows per pipeline: key to watermark time, as CONTRACT.md defines it for each pipeline."""

    def __init__(self) -> None:
        self.pending: dict[str, dict[int, str]] = {entity: {} for entity in SOURCES.values()}
        self.shop: Shop | None = None

    def changed(self, table: str, row: dict[str, Any]) -> None:
        """Note a new or changed row. An order or an item also makes what hangs on it pending."""
        at = row["updated_at"]
        if table in SOURCES:
            self.pending[SOURCES[table]][row[KEYS[table]]] = at
        if self.shop is None:
            return
        items: Sequence[dict[str, Any]]
        if table == "orders":
            items = self.shop.items_of.get(row["order_id"], ())
            for item in items:
                self.pending["fact_vendas"][item["order_item_id"]] = at
        elif table == "order_items":
            items = (row,)
        else:
            return
        for item in items:
            for discount in self.shop.discounts_of.get(item["order_item_id"], ()):
                self.pending["fact_descontos"][discount["order_item_discount_id"]] = at

    def eligible(self, entity: str, newest: str) -> list[tuple[str, int]]:
        """Return (ts, key) of what a run may take, in its order; `newest` is the cutoff, as text."""
        return sorted((at, key) for key, at in self.pending[entity].items() if at <= newest)

    def load(self, entity: str, rows: list[tuple[str, int]]) -> None:
        """Take these rows as loaded."""
        pending = self.pending[entity]
        for _, key in rows:
            del pending[key]

    def soft_deleted(self, entity: str, rows: list[tuple[str, int]]) -> int:
        """Return how many of the rows are soft-deleted in the source."""
        table = self.shop.rows[_TABLES[entity]] if self.shop else {}
        return sum(table[key]["deleted_at"] is not None for _, key in rows)
