"""The shop: what happens, in order, the same for the same seed, and only what the tables can hold."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from demo import ddl
from demo.people import People
from demo.shop import Shop
from demo.shop_rows import KEYS

START = datetime.fromisoformat("2026-03-09 03:00")


def opened(seed: int = 7, bustle: float = 1, log: list[tuple[str, dict[str, Any]]] | None = None) -> Shop:
    changes = log if log is not None else []
    shop = Shop(People(seed), random.Random(seed), START, lambda table, row: changes.append((table, dict(row))), bustle)
    shop.open(customers=80, products=40)
    return shop


def test_the_same_seed_makes_the_same_shop() -> None:
    logs: list[list[Any]] = [[], [], []]
    for log, seed in zip(logs, (7, 7, 8), strict=True):
        opened(seed, log=log).advance(START + timedelta(hours=20))
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


def test_one_long_step_or_many_short_ones() -> None:
    """The live shop looks every few seconds, the history every half hour: both sell about as much."""
    long, short = opened(), opened()
    long.advance(START + timedelta(days=2))
    while short.now < START + timedelta(days=2):
        short.advance(short.now + timedelta(seconds=20))
    orders = [len(shop.rows["orders"]) for shop in (long, short)]
    assert min(orders) > 0.8 * max(orders)


def test_changes_come_in_the_order_of_time() -> None:
    log: list[tuple[str, dict[str, Any]]] = []
    opened(log=log).advance(START + timedelta(days=3))
    times = [row["updated_at"] for _table, row in log]
    assert times == sorted(times)
    assert all(row["created_at"] <= row["updated_at"] for _table, row in log)


def test_inserts_updates_and_soft_deletes() -> None:
    log: list[tuple[str, dict[str, Any]]] = []
    shop = opened(bustle=2, log=log)
    shop.advance(START + timedelta(days=6))
    seen = Counter((table, "new" if row["created_at"] == row["updated_at"] else "changed") for table, row in log)
    for table in set(KEYS) - {"carriers"}:
        assert seen[table, "new"], table
    for table in ("customers", "products", "sellers", "orders", "order_items", "seller_targets_monthly"):
        assert seen[table, "changed"], table
    deleted = {table for table, rows in shop.rows.items() for row in rows.values() if row["deleted_at"]}
    assert {"customers", "products", "order_items", "order_item_discounts"} <= deleted
    statuses = {row["status"] for row in shop.rows["orders"].values()}
    assert statuses == {"CRIADO", "PAGO", "ENVIADO", "ENTREGUE", "CANCELADO"}


def test_the_day_has_a_rhythm() -> None:
    shop = opened(bustle=2)
    shop.advance(START + timedelta(days=1))
    hours = Counter(int(row["ordered_at"][11:13]) for row in shop.rows["orders"].values())
    night = sum(hours[hour] for hour in (5, 6, 7))  # 2 to 5 in the morning in São Paulo
    noon = sum(hours[hour] for hour in (13, 14, 15))
    assert noon > 5 * max(1, night)


def test_every_row_fits_its_table() -> None:
    shop = opened(bustle=2)
    shop.advance(START + timedelta(days=2))
    for name, rows in shop.rows.items():
        table = ddl.tables(extras=True)[f"core.{name}"]
        for row in rows.values():
            assert set(row) == {column.name for column in table.columns}
            for column in table.columns:
                value = row[column.name]
                assert value is not None or column.nullable, (name, column.name)
                if column.type in {"VARCHAR", "NVARCHAR", "CHAR"} and value is not None:
                    assert len(value) <= (column.size or 0), (name, column.name, value)


def test_nobody_real_can_be_reached() -> None:
    shop = opened()
    for table in ("customers", "sellers"):
        for row in shop.rows[table].values():
            assert row["email"].endswith(("@example.com", "@loja.example.com"))


def test_document_numbers_are_never_given_twice() -> None:
    first = People(7)
    numbers = {first._document(person=True) for _ in range(50)}
    again = People(7, known_documents=set(numbers))
    assert not numbers & {again._document(person=True) for _ in range(50)}


def test_after_a_long_stop_what_is_due_is_spread() -> None:
    shop = opened()
    shop.advance(START + timedelta(days=1))
    waiting = sum(row["status"] != "ENTREGUE" for row in shop.rows["orders"].values())
    assert waiting > 60
    log: list[Any] = []
    shop.changed = lambda table, row: log.append(row["updated_at"])
    shop.now += timedelta(days=9)  # nobody was running
    shop.advance(shop.now + timedelta(seconds=5), most=20)
    assert 0 < len(log) <= 60
    assert min(log) >= shop.now.isoformat(sep=" ")[:16]


def test_a_month_begins_with_new_targets() -> None:
    shop = opened()
    shop.now = datetime.fromisoformat("2026-04-01 02:55")  # midnight in São Paulo is at 3
    shop.advance(datetime.fromisoformat("2026-04-01 02:59"))
    assert {row["month_start"] for row in shop.rows["seller_targets_monthly"].values()} == {"2026-03-01"}
    shop.advance(datetime.fromisoformat("2026-04-01 03:05"))
    months = Counter(row["month_start"] for row in shop.rows["seller_targets_monthly"].values())
    assert months == {"2026-03-01": 60, "2026-04-01": len(shop.living["sellers"])}
