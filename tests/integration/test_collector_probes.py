"""The probes' figures, compared with figures counted by hand over random rows at every boundary."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Count, Problem, SourceReading, Watermark
from monitoring.warehouse import probes
from monitoring.warehouse.catalog import Table, read_catalog
from monitoring.warehouse.names import TableName, parse_table
from monitoring.warehouse.probes import Linked, SourceProbe, probe_sources, probe_targets
from tests.support.queries import counted, queries
from tests.support.shop import Orders, customer, region
from tests.support.warehouse import Warehouse

CUTOFF = 30
"""Minutes; far from the steps of the rows below, so that a second more does not matter."""


@pytest.fixture
def now(warehouse: Warehouse) -> datetime:
    warehouse.now = timezone.now().replace(microsecond=0)
    return warehouse.now


@pytest.fixture
def place(warehouse: Warehouse, now: datetime) -> int:
    """A region, for the customers."""
    return region(warehouse, now)


def tables(*names: str) -> list[Table]:
    catalog = read_catalog("oltp" if names[0].startswith("core") else "dw", [parse_table(name) for name in names])
    found = [catalog.find(parse_table(name)) for name in names]
    assert all(found)
    return [each for each in found if each is not None]


def chain(*names: str) -> tuple[Linked, ...]:
    """The tables joined by the columns that CONTRACT's facts join by."""
    ons = {"core.orders": "order_id", "core.order_items": "order_item_id"}
    links = []
    for position, (name, table) in enumerate(zip(names, tables(*names), strict=True)):
        ts = table.column("updated_at")
        assert ts is not None
        on = ons[name] if position else ""
        links.append(Linked(table=table, ts=ts, on=on))
    return tuple(links)


def probe(key: str, watermark: Watermark, *names: str) -> SourceProbe:
    return SourceProbe(chain=chain(*names), key=key, watermark=watermark, cutoff_minutes=CUTOFF)


def ask(each: SourceProbe, cap: int = 1000) -> SourceReading:
    answer = probe_sources("oltp", {"x": each}, cap)["x"]
    assert isinstance(answer, SourceReading), answer
    return answer


def by_hand(rows: list[tuple[datetime, int]], watermark: Watermark, now: datetime) -> dict[str, object]:
    """METRICS' definitions over (ts, key), in plain Python."""
    pending = [row for row in rows if row > (watermark.updated_at, watermark.id)]
    eligible = [ts for ts, _ in pending if ts <= now - timedelta(minutes=CUTOFF)]
    return {
        "total": len(rows),
        "newest_at": max((ts for ts, _ in rows), default=None),
        "eligible": Count(len(eligible)),
        "cooling": Count(len(pending) - len(eligible)),
        "oldest_eligible_at": min(eligible, default=None),
        "oldest_pending_at": min((ts for ts, _ in pending), default=None),
    }


def as_dict(answer: SourceReading) -> dict[str, object]:
    return {name: getattr(answer, name) for name in by_hand([], Watermark(timezone.now(), 0), timezone.now())}


@pytest.mark.parametrize("seed", range(8))
def test_one_table(warehouse: Warehouse, now: datetime, place: int, seed: int) -> None:
    rng = random.Random(seed)
    times = [now - timedelta(minutes=10 * rng.randint(0, 9) + 5) for _ in range(40)]
    rows = [(at, customer(warehouse, at, place)) for at in times]
    for watermark in (
        Watermark(now - timedelta(minutes=45), 0),
        Watermark(rows[7][0], rows[7][1]),  # a tie: rows of the same second, before and after it
        Watermark(now - timedelta(days=900), 0),
        Watermark(max(rows)[0], max(rows)[1]),
        Watermark(now + timedelta(days=2), 0),
    ):
        answer = ask(probe("customer_id", watermark, "core.customers"))
        assert as_dict(answer) == by_hand(rows, watermark, now)


@pytest.mark.parametrize("seed", range(12))
def test_the_latest_over_joined_tables(warehouse: Warehouse, now: datetime, seed: int) -> None:
    rng = random.Random(seed)

    def some_time() -> datetime:
        return now - timedelta(minutes=10 * rng.randint(0, 7) + 5)

    shop = Orders(warehouse, now - timedelta(days=1))
    vendas: list[tuple[datetime, int]] = []
    descontos: list[tuple[datetime, int]] = []
    for _ in range(12):
        ordered = some_time()
        order = shop.order(ordered)
        for _ in range(rng.randint(1, 3)):
            sold = some_time()
            item = shop.item(order, sold)
            vendas.append((max(ordered, sold), item))
            for _ in range(rng.randint(0, 2)):
                given = some_time()
                descontos.append((max(ordered, sold, given), shop.discount(item, given)))
    for rows, key, names in (
        (vendas, "order_item_id", ("core.order_items", "core.orders")),
        (descontos, "order_item_discount_id", ("core.order_item_discounts", "core.order_items", "core.orders")),
    ):
        for watermark in (Watermark(some_time(), rng.randint(0, 20)), Watermark(now - timedelta(days=900), 0)):
            answer = ask(probe(key, watermark, *names))
            assert as_dict(answer) == by_hand(rows, watermark, now), (key, watermark)


def test_counting_stops_at_the_cap(warehouse: Warehouse, now: datetime, place: int) -> None:
    for minutes in range(40, 50):
        customer(warehouse, now - timedelta(minutes=minutes), place)
    never = Watermark(now - timedelta(days=900), 0)
    asked = probe("customer_id", never, "core.customers")
    assert ask(asked, cap=11).eligible == Count(10)
    assert ask(asked, cap=10).eligible == Count(10)
    assert ask(asked, cap=9).eligible == Count(9, capped=True)
    # The oldest is still the oldest: rows are looked at in the order of time.
    assert ask(asked, cap=1).oldest_eligible_at == now - timedelta(minutes=49)


def test_a_joined_count_left_early_is_at_least(warehouse: Warehouse, now: datetime) -> None:
    """Many rows of another table before the cap: the count must not claim to be complete."""
    shop = Orders(warehouse, now - timedelta(days=1))
    at = now - timedelta(hours=2)
    for _ in range(6):
        shop.item(shop.order(at + timedelta(minutes=1)), at)
    found = ask(probe("order_item_id", Watermark(at, 0), "core.order_items", "core.orders"), cap=4)
    assert found.eligible.capped
    assert found.eligible.value <= 4


def test_the_exact_boundaries_of_watermark_and_cutoff(warehouse: Warehouse, now: datetime, place: int) -> None:
    at = now - timedelta(hours=2)
    first, second = customer(warehouse, at, place), customer(warehouse, at, place)
    assert ask(probe("customer_id", Watermark(at, first), "core.customers")).eligible == Count(1)
    assert ask(probe("customer_id", Watermark(at, second), "core.customers")).eligible == Count(0)
    assert ask(probe("customer_id", Watermark(at, 0), "core.customers")).eligible == Count(2)
    # Ten seconds on either side of the cutoff; each pipeline has its own.
    edge = timezone.now().replace(microsecond=0) - timedelta(minutes=CUTOFF)
    customer(warehouse, edge - timedelta(seconds=10), place)
    customer(warehouse, edge + timedelta(seconds=10), place)
    young = probe("customer_id", Watermark(at, second), "core.customers")
    assert (ask(young).eligible, ask(young).cooling) == (Count(1), Count(1))
    other = SourceProbe(chain=young.chain, key=young.key, watermark=young.watermark, cutoff_minutes=0)
    both = probe_sources("oltp", {"young": young, "old": other}, 1000)
    assert [both[name].eligible for name in ("young", "old")] == [Count(1), Count(2)]  # type: ignore[union-attr]


def test_an_empty_source_has_no_times(warehouse: Warehouse, now: datetime) -> None:
    answer = ask(probe("customer_id", Watermark(now, 0), "core.customers"))
    assert (answer.total, answer.newest_at, answer.eligible, answer.oldest_pending_at) == (0, None, Count(0), None)


def test_every_walk_uses_its_index(warehouse: Warehouse, now: datetime) -> None:
    """SQLite shows its plan: no table is scanned but for its row count."""
    from django.db import connections

    from monitoring.warehouse.dialect import Sqlite

    asked = probe(
        "order_item_discount_id",
        Watermark(now, 0),
        *("core.order_item_discounts", "core.order_items", "core.orders"),
    )
    for part in probes.source_parts(Sqlite(), asked, 100):
        sql = part.text.replace("%s", "?").replace("%%", "%")
        plan = [row[3] for row in connections["oltp"].connection.execute(f"EXPLAIN QUERY PLAN {sql}", part.params)]
        walks = [line for line in plan if line.startswith("SCAN") and " t" in line]
        assert all("INDEX" in line for line in walks), plan
        assert not any("TEMP B-TREE" in line for line in plan), plan


class TestOneBadPartAmongMany:
    """A statement that fails is asked again part by part: only the guilty one stays unknown."""

    @pytest.fixture
    def asked(self, warehouse: Warehouse, now: datetime, place: int) -> dict[str, SourceProbe]:
        customer(warehouse, now - timedelta(hours=1), place)
        good = probe("customer_id", Watermark(now - timedelta(hours=2), 0), "core.customers")
        gone = Table(TableName("core", "gone"), columns=good.chain[0].table.columns)
        bad = SourceProbe(
            chain=(Linked(table=gone, ts=good.chain[0].ts),),
            key="customer_id",
            watermark=good.watermark,
            cutoff_minutes=CUTOFF,
        )
        return {"a": good, "bad": bad, "b": good}

    def test_only_it_is_unknown(self, asked: dict[str, SourceProbe]) -> None:
        answers = probe_sources("oltp", asked, 100)
        assert isinstance(answers["bad"], Problem)
        assert answers["bad"].code is ProblemCode.OBJECT_MISSING
        for name in ("a", "b"):
            answer = answers[name]
            assert isinstance(answer, SourceReading)
            assert answer.eligible == Count(1)

    def test_it_is_asked_alone_when_it_is_known(self, asked: dict[str, SourceProbe]) -> None:
        with queries(oltp=2):
            probe_sources("oltp", asked, 100, alone=frozenset({"bad"}))
        with counted() as seen:
            probe_sources("oltp", asked, 100)
        assert seen.counts()["oltp"] == 4

    def test_there_is_a_limit_to_the_search(
        self, asked: dict[str, SourceProbe], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(probes, "FALLBACK_SECONDS", -1.0)
        answers = probe_sources("oltp", asked, 100)
        assert {answer.code for answer in answers.values() if isinstance(answer, Problem)} == {ProblemCode.NOT_READ}


def test_a_value_that_is_no_time_is_one_pipelines_problem(warehouse: Warehouse, now: datetime) -> None:
    """Only SQLite can hold it, and only where the CHECK was not made."""
    warehouse.execute("oltp", "CREATE TABLE core.odd (odd_id INTEGER PRIMARY KEY, updated_at TEXT)")
    warehouse.execute("oltp", "INSERT INTO core.odd (updated_at) VALUES ('not a time')")
    odd = probe("odd_id", Watermark(now - timedelta(days=1), 0), "core.odd")
    good = probe("customer_id", Watermark(now, 0), "core.customers")
    answers = probe_sources("oltp", {"odd": odd, "good": good}, 10)
    assert isinstance(answers["odd"], Problem)
    assert isinstance(answers["good"], SourceReading)


def test_targets(warehouse: Warehouse, now: datetime) -> None:
    (regiao,) = tables("dim.DIM_REGIAO")
    column = regiao.column("DATA_ULTIMA_ATUALIZACAO")
    assert column is not None
    asked = {"x": (regiao, column), "y": (regiao, None)}
    empty = probe_targets("dw", asked)
    assert [(each.total, each.newest_at) for each in empty.values()] == [(0, None)] * 2  # type: ignore[union-attr]


def test_nothing_to_ask_asks_nothing(warehouse: Warehouse) -> None:
    with queries(dw=0, oltp=0):
        assert probe_sources("oltp", {}, 10) == {}
        assert probe_targets("dw", {}) == {}
