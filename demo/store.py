"""The shop's rows in `core`: written in bulk or as they change, and read back after a restart."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from demo.ddl import tables
from demo.dialects import Dialect
from demo.people import People
from demo.shop import Shop
from demo.shop_rows import KEYS

Row = dict[str, Any]

_OPEN = ("CRIADO", "PAGO", "ENVIADO")


class Changes:
    """Collects changed rows, each once, until they are written."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, Row]] = defaultdict(dict)

    def changed(self, table: str, row: Row) -> None:
        self._rows[table][row[KEYS[table]]] = row

    def write(self, oltp: Any, dialect: Dialect) -> int:
        """Upsert what changed, in one transaction; return how many rows. They are kept if it fails."""
        written = 0
        for table in KEYS:
            rows = self._rows.get(table)
            if rows:
                upsert(oltp, dialect, table, rows.values())
                written += len(rows)
        oltp.commit()
        self._rows.clear()
        return written


def upsert(oltp: Any, dialect: Dialect, table: str, rows: Iterable[Row]) -> None:
    """Insert or update rows of one table of `core` by its key, not committing."""
    columns = [column.name for column in tables(extras=True)[f"core.{table}"].columns]
    sql = dialect.upsert(f"core.{table}", columns, [KEYS[table]])
    oltp.cursor().executemany(sql, [tuple(row[column] for column in columns) for row in rows])


def load(
    oltp: Any, *, now: datetime, seed: int, changes: Changes, bustle: float, keys: Mapping[str, str] = KEYS
) -> Shop:
    """Return the shop as the database has it: all people and goods, but only orders still under way.

    `keys`: the tables that this database has, with their keys.
    """
    documents = {row["document_number"] for table in ("customers", "sellers") for row in _read(oltp, table)}
    # Another stream of chance than the one that made the history, or it would be repeated.
    mark = f"{seed}:{now.isoformat()}"
    rng = random.Random(mark)
    shop = Shop(People(rng.getrandbits(32), documents), rng, now, changes.changed, bustle)
    whole = ("regions", "teams", "sellers", "customers", "products", "discount_campaigns", "carriers")
    for table in (name for name in whole if name in keys):
        for row in _read(oltp, table):
            shop.adopt(table, row)
    for row in _read(oltp, "seller_targets_monthly"):
        shop.adopt("seller_targets_monthly", row)
        shop.month = max(shop.month, row["month_start"])
    _load_open_orders(oltp, shop)
    for table, key in keys.items():
        cursor = oltp.cursor()
        cursor.execute(f"SELECT MAX({key}) FROM core.{table}")
        shop.last_key[table] = cursor.fetchone()[0] or 0
    return shop


def _load_open_orders(oltp: Any, shop: Shop) -> None:
    is_open = f"status IN ({', '.join(repr(status) for status in _OPEN)})"
    orders = f"SELECT order_id FROM core.orders WHERE {is_open}"
    items = f"SELECT order_item_id FROM core.order_items WHERE order_id IN ({orders})"
    for row in _read(oltp, "orders", is_open):
        shop.adopt("orders", row)
        shop.expect(row)
    for row in _read(oltp, "order_items", f"order_id IN ({orders})"):
        shop.adopt("order_items", row)
        shop.open_items.append(row["order_item_id"])
    for row in _read(oltp, "order_item_discounts", f"order_item_id IN ({items})"):
        shop.adopt("order_item_discounts", row)


def _read(oltp: Any, table: str, where: str = "1 = 1") -> list[Row]:
    names = [column.name for column in tables(extras=True)[f"core.{table}"].columns]
    cursor = oltp.cursor()
    cursor.execute(f"SELECT {', '.join(names)} FROM core.{table} WHERE {where} ORDER BY {KEYS[table]}")
    return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    """Return a value as the shop keeps it and SQLite has it: pyodbc gives times, dates and decimals."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
