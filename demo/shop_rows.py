"""The shop's rows in memory: as `core` has them, with what is needed to find them again."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

Row = dict[str, Any]
Changed = Callable[[str, Row], None]

KEYS = {
    "regions": "region_id",
    "teams": "team_id",
    "sellers": "seller_id",
    "customers": "customer_id",
    "products": "product_id",
    "discount_campaigns": "discount_id",
    "orders": "order_id",
    "order_items": "order_item_id",
    "order_item_discounts": "order_item_discount_id",
    "seller_targets_monthly": "seller_target_id",
    "carriers": "carrier_id",
}
"""The key of every table of `core`, in an order that foreign keys allow."""


class ShopRows:
    """Rows per table and key. `changed(table, row)` is called for every row that is made or changed."""

    def __init__(self, rng: random.Random, changed: Changed) -> None:
        self.rng = rng
        self.changed = changed
        self.rows: dict[str, dict[int, Row]] = {table: {} for table in KEYS}
        self.last_key: dict[str, int] = dict.fromkeys(KEYS, 0)
        self.items_of: dict[int, list[Row]] = defaultdict(list)
        self.discounts_of: dict[int, list[Row]] = defaultdict(list)
        self.living: dict[str, list[int]] = {table: [] for table in KEYS}

    def add(self, table: str, values: Row, at: datetime) -> Row:
        """Return a new row with the next key, created at `at`."""
        key = self.last_key[table] + 1
        moment = at.isoformat(sep=" ")
        row = {KEYS[table]: key, **values, "created_at": moment, "updated_at": moment, "deleted_at": None}
        self.adopt(table, row)
        self.changed(table, row)
        return row

    def adopt(self, table: str, row: Row) -> None:
        """Take a row as it is, new or read from the database."""
        key = row[KEYS[table]]
        self.rows[table][key] = row
        self.last_key[table] = max(self.last_key[table], key)
        if row["deleted_at"] is None:
            self.living[table].append(key)
        if table == "order_items":
            self.items_of[row["order_id"]].append(row)
        elif table == "order_item_discounts":
            self.discounts_of[row["order_item_id"]].append(row)

    def change(self, table: str, row: Row, at: datetime, **values: Any) -> None:
        """Give a row new values, updated at `at`."""
        row.update(values, updated_at=at.isoformat(sep=" "))
        self.changed(table, row)

    def leave(self, table: str, at: datetime, **values: Any) -> None:
        """Soft-delete one living row."""
        living = self.living[table]
        if len(living) < 2:
            return
        row = self.rows[table][living.pop(self.rng.randrange(len(living)))]
        self.change(table, row, at, deleted_at=at.isoformat(sep=" "), **values)

    def any(self, table: str) -> Row:
        """Return any living row of the table."""
        return self.rows[table][self.rng.choice(self.living[table])]
