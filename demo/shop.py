"""The shop: orders arrive, are paid, shipped and delivered; people and prices change; rows are soft-deleted.

A simulation in memory that calls `changed(table, row)` for every row it makes or changes, in the order
of time. Rows are dicts as `core` has them, times are texts 'YYYY-MM-DD HH:MM:SS' in UTC.
"""

from __future__ import annotations

import heapq
import math
import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from demo.people import People
from demo.shop_rows import Changed, Row, ShopRows

ZONE = ZoneInfo("America/Sao_Paulo")
_HOURS = (4, 2, 1, 1, 1, 2, 5, 9, 14, 19, 23, 24, 21, 20, 22, 23, 22, 20, 19, 21, 23, 20, 13, 8)
_WEEKDAYS = (1.1, 1.05, 1.0, 1.0, 1.15, 0.95, 0.75)
_MEAN = sum(_HOURS) / 24 * sum(_WEEKDAYS) / 7

PER_DAY = {
    "order": 400.0,
    "customer_changes": 90.0,
    "customer_leaves": 0.7,
    "product_appears": 2.0,
    "product_changes": 25.0,
    "product_leaves": 0.4,
    "seller_joins": 0.25,
    "seller_changes": 4.0,
    "seller_leaves": 0.08,
    "team_changes": 0.15,
    "region_changes": 0.2,
    "campaign_appears": 0.5,
    "campaign_changes": 2.0,
    "target_changes": 60.0,
    "item_removed": 8.0,
    "discount_removed": 3.0,
}
"""How often each thing happens on an average day."""

_KINDS, _WEIGHTS, _ALL_PER_DAY = list(PER_DAY), list(PER_DAY.values()), sum(PER_DAY.values())

_NEXT = {"CRIADO": "PAGO", "PAGO": "ENVIADO", "ENVIADO": "ENTREGUE"}
_DELAY_HOURS = {"CRIADO": (0.03, 0.8), "PAGO": (4, 30), "ENVIADO": (24, 120)}
_CANCELLED_PERCENT = 4


class Shop(ShopRows):
    """The shop at `now` (naive UTC). `bustle` multiplies how much happens."""

    def __init__(self, people: People, rng: random.Random, now: datetime, changed: Changed, bustle: float = 1) -> None:
        super().__init__(rng, changed)
        self.now = now.replace(microsecond=0)
        self.people = people
        self.bustle = bustle
        self.open_items: list[int] = []
        self.month = ""
        self._agenda: list[tuple[datetime, int, str, int]] = []
        self._entries = 0

    def open(self, customers: int = 1200, products: int = 320) -> None:
        """Put in what a shop has on its first day. Everything appears now."""
        rng, at = self.rng, self.now
        for region in self.people.regions():
            self.add("regions", region, at)
        for _ in range(12):
            self.add("teams", self.people.team(rng.choice(self.living["regions"])), at)
        for _ in range(60):
            hired = at.date() - timedelta(days=rng.randint(40, 3000))
            self.add("sellers", self.people.seller(rng.choice(self.living["teams"]), hired.isoformat()), at)
        for _ in range(products):
            self.add("products", self.people.product(self.last_key["products"] + 1), at)
        for _ in range(14):
            self._campaign_appears(at)
        for _ in range(customers):
            self._customer(at)
        self._month_begins(at)

    def advance(self, to: datetime, most: int | None = None) -> None:
        """Let everything happen until `to`, in the order of time; at most `most` things (the rest waits)."""
        done = 0
        while self.now < to:
            end = min(self.now + timedelta(minutes=1), to.replace(microsecond=0))
            if end <= self.now:
                return
            self._plan(end)
            while self._agenda and self._agenda[0][0] <= end and (most is None or done < most):
                at, _, kind, key = heapq.heappop(self._agenda)
                # What should have happened while nobody was running happens now.
                self._happen(kind, key, max(at, self.now))
                done += 1
            self.now = end

    def expect(self, order: Row) -> None:
        """Put the next step of an order on the agenda: always the same moment for the same order and status."""
        status = order["status"]
        if status not in _NEXT or order["deleted_at"]:
            return
        dice = (order["order_id"] * 2_654_435_761 + len(status) * 40_503) % 1_000_003 / 1_000_003
        low, high = _DELAY_HOURS[status]
        at = datetime.fromisoformat(order["updated_at"]) + timedelta(hours=low + (high - low) * dice)
        self._enter(at.replace(microsecond=0), "order_moves", order["order_id"])

    def later(self, kind: str, *delays: timedelta) -> None:
        """Make something happen (a kind of PER_DAY, or "carrier_appears"), once per delay from now."""
        for delay in delays:
            self._enter(self.now + delay, kind, 0)

    def _plan(self, end: datetime) -> None:
        """Draw what happens by chance until `end`."""
        seconds = (end - self.now).total_seconds()
        local = end.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZONE)
        rhythm = _HOURS[local.hour] * _WEEKDAYS[local.weekday()] / _MEAN
        if local.strftime("%Y-%m-01") != self.month:
            self._month_begins(end)
        count = _poisson(self.rng, _ALL_PER_DAY * seconds / 86_400 * rhythm * self.bustle)
        for kind in self.rng.choices(_KINDS, _WEIGHTS, k=count):
            self._enter(self.now + timedelta(seconds=1 + int(self.rng.random() * seconds)), kind, 0)

    def _enter(self, at: datetime, kind: str, key: int) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (at, self._entries, kind, key))

    def _happen(self, kind: str, key: int, at: datetime) -> None:
        if kind == "order_moves":
            self._order_moves(key, at)
        else:
            getattr(self, f"_{kind}")(at)

    def _customer(self, at: datetime) -> Row:
        region = self.any("regions")
        return self.add("customers", self.people.customer(region["region_id"], region["state_code"]), at)

    def _order(self, at: datetime) -> None:
        rng = self.rng
        customer = self._customer(at) if rng.random() < 0.1 else self.any("customers")
        order = self.add(
            "orders",
            {
                "order_number": f"P{self.last_key['orders'] + 1:09}",
                "customer_id": customer["customer_id"],
                "seller_id": self.any("sellers")["seller_id"],
                "region_id": customer["region_id"],
                "ordered_at": at.isoformat(sep=" "),
                "status": "CRIADO",
                "total_amount": 0.0,
            },
            at,
        )
        wanted = {self._favourite_product() for _ in range(rng.choices((1, 2, 3, 4, 6), (30, 28, 20, 14, 8))[0])}
        order["total_amount"] = round(sum(self._item(order["order_id"], key, at) for key in sorted(wanted)), 2)
        self.changed("orders", order)
        self.expect(order)

    def _favourite_product(self) -> int:
        """Return a product's key; some sell far better than others."""
        living = self.living["products"]
        return living[int(self.rng.random() ** 2.2 * len(living))]

    def _item(self, order_id: int, product_id: int, at: datetime) -> float:
        """Add an item, perhaps with a discount; return what it costs."""
        rng = self.rng
        price = self.rows["products"][product_id]["list_price"]
        quantity = rng.choices((1, 2, 3, 5), (72, 18, 7, 3))[0]
        item = self.add(
            "order_items",
            {"order_id": order_id, "product_id": product_id, "quantity": quantity, "unit_price": price},
            at,
        )
        self.open_items.append(item["order_item_id"])
        if rng.random() > 0.28:
            return float(quantity * price)
        campaign = self.any("discount_campaigns")
        amount = round(quantity * price * campaign["percentage"] / 100, 2)
        self.add(
            "order_item_discounts",
            {
                "order_item_id": item["order_item_id"],
                "discount_id": campaign["discount_id"],
                "percentage": campaign["percentage"],
                "discount_amount": amount,
            },
            at,
        )
        return float(quantity * price - amount)

    def _order_moves(self, order_id: int, at: datetime) -> None:
        order = self.rows["orders"][order_id]
        cancelled = order["status"] == "CRIADO" and order_id * 7919 % 100 < _CANCELLED_PERCENT
        self.change("orders", order, at, status="CANCELADO" if cancelled else _NEXT[order["status"]])
        self.expect(order)

    def _customer_changes(self, at: datetime) -> None:
        row = self.any("customers")
        kind = self.rng.random()
        if kind < 0.5:
            self.change("customers", row, at, credit_score=self.rng.randint(250, 990))
        elif kind < 0.75:
            self.change("customers", row, at, phone=self.people.phone())
        else:
            self.change("customers", row, at, **self.people.address(row["state_code"]))

    def _customer_leaves(self, at: datetime) -> None:
        self.leave("customers", at, status="INATIVO")

    def _product_appears(self, at: datetime) -> None:
        self.add("products", self.people.product(self.last_key["products"] + 1), at)

    def _product_changes(self, at: datetime) -> None:
        row = self.any("products")
        price = max(1.0, round(row["list_price"] * self.rng.uniform(0.93, 1.09), 2))
        self.change("products", row, at, list_price=price)

    def _product_leaves(self, at: datetime) -> None:
        self.leave("products", at, status="DESCONTINUADO")

    def _seller_joins(self, at: datetime) -> None:
        # The oldest teams only: dim_equipe is switched off in the demonstration and knows no newer ones.
        team_id = self.rng.choice(self.living["teams"][:10])
        self.add("sellers", self.people.seller(team_id, at.date().isoformat()), at)

    def _seller_changes(self, at: datetime) -> None:
        self.change("sellers", self.any("sellers"), at, phone=self.people.phone())

    def _seller_leaves(self, at: datetime) -> None:
        self.leave("sellers", at, status="DESLIGADO")

    def _team_changes(self, at: datetime) -> None:
        kind = self.rng.choice(("VENDA_DIRETA", "TELEVENDAS", "CONTAS_CHAVE"))
        self.change("teams", self.any("teams"), at, team_type=kind)

    def _region_changes(self, at: datetime) -> None:
        self.change("regions", self.any("regions"), at, city=self.people.city())

    def _campaign_appears(self, at: datetime) -> None:
        starts = at.date()
        ends = starts + timedelta(days=self.rng.randint(3, 30))
        number = self.last_key["discount_campaigns"] + 1
        self.add("discount_campaigns", self.people.campaign(number, starts.isoformat(), ends.isoformat()), at)

    def _campaign_changes(self, at: datetime) -> None:
        row = self.any("discount_campaigns")
        ends = at.date() + timedelta(days=self.rng.randint(3, 30))
        self.change("discount_campaigns", row, at, ends_on=ends.isoformat())

    def _carrier_appears(self, at: datetime) -> None:
        self.add("carriers", self.people.carrier(), at)

    def _month_begins(self, at: datetime) -> None:
        local = at.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZONE)
        self.month = local.strftime("%Y-%m-01")
        for seller_id in self.living["sellers"]:
            self.add(
                "seller_targets_monthly",
                {
                    "seller_id": seller_id,
                    "month_start": self.month,
                    "period_type": "MENSAL",
                    "target_amount": float(self.rng.randint(20, 90) * 1000),
                    "target_quantity": self.rng.randint(80, 400),
                    "achieved_amount": 0.0,
                },
                at,
            )

    def _target_changes(self, at: datetime) -> None:
        newest = self.living["seller_targets_monthly"][-len(self.living["sellers"]) :]
        row = self.rows["seller_targets_monthly"][self.rng.choice(newest)]
        achieved = round(row["achieved_amount"] + self.rng.uniform(100, 2500), 2)
        self.change("seller_targets_monthly", row, at, achieved_amount=achieved)

    def _item_removed(self, at: datetime) -> None:
        self._remove_from_order("order_items", self.open_items[-200:], at)

    def _discount_removed(self, at: datetime) -> None:
        recent = [row for key in self.open_items[-200:] for row in self.discounts_of.get(key, ())]
        keys = [row["order_item_discount_id"] for row in recent]
        self._remove_from_order("order_item_discounts", keys, at)

    def _remove_from_order(self, table: str, keys: list[int], at: datetime) -> None:
        """Soft-delete one of these recent rows, if it is still there."""
        if not keys:
            return
        row = self.rows[table][self.rng.choice(keys)]
        if row["deleted_at"] is None:
            self.change(table, row, at, deleted_at=at.isoformat(sep=" "))


def _poisson(rng: random.Random, mean: float) -> int:
    """Return a Poisson-distributed number (Knuth's method, for small means)."""
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count
