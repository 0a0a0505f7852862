"""The shop: what happens, in order, the same for the same seed, in rows that the tables accept."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from demo.shop import EVENTS, KEYS, STORY_EVERY, STORY_LASTS, Shop
from demo.warehouse import EmbeddedWarehouse, Sqlite
from etlportal.backends.embedded.base import create_schema

START = datetime.fromisoformat("2026-03-09 03:00")


@pytest.fixture
def oltp(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    files = EmbeddedWarehouse(tmp_path)
    create_schema(files.path("oltp", "core"), "core")
    connection = files.connect("oltp", building=True)
    yield connection
    connection.close()


def opened(oltp: sqlite3.Connection, seed: int = 7, bustle: float = 1, most: int = 10_000) -> Shop:
    shop = Shop(oltp, Sqlite(), random.Random(seed), now=START, bustle=bustle, most=most)
    shop.open(customers=80, products=40)
    return shop


def count(oltp: sqlite3.Connection, table: str, where: str = "1 = 1") -> int:
    return int(oltp.execute(f"SELECT COUNT(*) FROM core.{table} WHERE {where}").fetchone()[0])


def test_inserts_updates_and_soft_deletes(oltp: sqlite3.Connection) -> None:
    opened(oltp, bustle=4).advance(START + timedelta(days=6))
    for table in KEYS:
        assert count(oltp, table), table
    for table in ("customers", "products", "sellers", "orders", "seller_targets_monthly"):
        assert count(oltp, table, "updated_at > created_at"), table
    for table in ("customers", "products", "order_items", "order_item_discounts"):
        assert count(oltp, table, "deleted_at IS NOT NULL"), table
    statuses = {status for (status,) in oltp.execute("SELECT DISTINCT status FROM core.orders")}
    assert statuses == {"CRIADO", "PAGO", "ENVIADO", "ENTREGUE", "CANCELADO"}
    assert not count(oltp, "orders", "updated_at > '2026-03-15 03:00:00'")


@pytest.mark.parametrize("kind", EVENTS)
def test_everything_may_happen_before_the_first_order(oltp: sqlite3.Connection, kind: str) -> None:
    opened(oltp).happen(kind, START + timedelta(minutes=1))


@pytest.mark.parametrize("kind", EVENTS)
def test_everything_that_may_happen_changes_something(oltp: sqlite3.Connection, kind: str) -> None:
    shop = opened(oltp, bustle=8)
    shop.advance(START + timedelta(hours=12))
    before = oltp.total_changes
    for _ in range(4):
        shop.happen(kind, START + timedelta(hours=13))
    assert oltp.total_changes > before


def test_many_short_steps_sell_as_much_as_long_ones(oltp: sqlite3.Connection) -> None:
    """The live shop looks every few seconds, the history every half hour."""
    shop, sold = opened(oltp), []
    for days, step in ((1, 1800), (2, 30)):
        before = count(oltp, "orders")
        while shop.now < START + timedelta(days=days):
            shop.advance(shop.now + timedelta(seconds=step))
        sold.append(count(oltp, "orders") - before)
    assert min(sold) > 0.8 * max(sold)


def test_the_day_has_a_rhythm(oltp: sqlite3.Connection) -> None:
    shop = opened(oltp, bustle=4)
    for hour in range(1, 25):
        shop.advance(START + timedelta(hours=hour))
    hours = Counter(int(at[11:13]) for (at,) in oltp.execute("SELECT ordered_at FROM core.orders"))
    night = sum(hours[hour] for hour in (5, 6, 7))  # 2 to 5 in the morning in São Paulo
    afternoon = sum(hours[hour] for hour in (17, 18, 19))
    assert afternoon > 2 * max(1, night)


def test_nobody_real_can_be_reached(oltp: sqlite3.Connection) -> None:
    opened(oltp)
    for table in ("customers", "sellers"):
        for (email,) in oltp.execute(f"SELECT email FROM core.{table}"):
            assert email.endswith(("@example.com", "@loja.example.com"))


def test_people_and_teams_have_whole_names(oltp: sqlite3.Connection) -> None:
    opened(oltp)
    for table, column in (("customers", "full_name"), ("sellers", "full_name"), ("teams", "team_name")):
        for (name,) in oltp.execute(f"SELECT {column} FROM core.{table}"):
            assert [part for part in name.split(" ") if len(part) >= 3] == name.split(" "), name
            assert len(name.split(" ")) == 2


def test_a_long_stop_is_not_made_up_for_at_once(oltp: sqlite3.Connection) -> None:
    shop = opened(oltp, most=20)
    shop.advance(START + timedelta(days=9))
    assert 0 < count(oltp, "orders") <= 20
    assert shop.now == START + timedelta(days=9)


def test_another_shop_goes_on(oltp: sqlite3.Connection) -> None:
    first = opened(oltp, bustle=4)
    first.advance(START + timedelta(days=1))
    second = Shop(oltp, Sqlite(), random.Random(1), now=START + timedelta(days=1))
    assert second._waiting.keys() == first._waiting.keys()
    assert all(set(second._waiting[status]) == set(queue) for status, queue in first._waiting.items())
    assert second.month == first.month == "2026-03-01"
    second.advance(START + timedelta(days=2))  # numbers and documents are unique: nothing is refused


def test_a_month_begins_with_new_targets(oltp: sqlite3.Connection) -> None:
    shop = opened(oltp)
    shop.now = datetime.fromisoformat("2026-03-31 23:55")
    shop.advance(datetime.fromisoformat("2026-03-31 23:59"))
    assert count(oltp, "seller_targets_monthly") == 60
    shop.advance(datetime.fromisoformat("2026-04-01 00:05"))
    assert count(oltp, "seller_targets_monthly", "month_start = '2026-04-01'") == 60


def test_the_story_begins_ends_and_begins_again(oltp: sqlite3.Connection) -> None:
    shop = opened(oltp, bustle=4)
    at = START + timedelta(days=1)
    shop.advance(at)
    imported = "discount_type = 'IMPORTADO'"
    missed = f"{imported} AND updated_at < created_at"
    shop.tell_story(at)
    assert (count(oltp, "discount_campaigns", imported), count(oltp, "discount_campaigns", missed)) == (1, 1)
    ((campaign,),) = oltp.execute(f"SELECT discount_id FROM core.discount_campaigns WHERE {missed}").fetchall()
    assert count(oltp, "order_item_discounts", f"discount_id = {campaign}") == 1
    shop.tell_story(at + STORY_LASTS - timedelta(minutes=1))
    assert count(oltp, "discount_campaigns", missed) == 1
    shop.tell_story(at + STORY_LASTS)
    assert count(oltp, "discount_campaigns", missed) == 0
    shop.tell_story(at + STORY_EVERY - timedelta(minutes=1))
    assert count(oltp, "discount_campaigns", imported) == 1
    shop.tell_story(at + STORY_EVERY)
    assert (count(oltp, "discount_campaigns", imported), count(oltp, "discount_campaigns", missed)) == (2, 1)
