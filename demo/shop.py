"""The source shop: draws random EVENTS and writes them into `core`."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from demo.warehouse import Sqlite

Row = dict[str, Any]

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
}
"""Primary keys of the `core` tables, in an order that foreign keys allow."""

_NEXT = {"CRIADO": "PAGO", "PAGO": "ENVIADO", "ENVIADO": "ENTREGUE"}
_WAITING = {"CRIADO": 2, "PAGO": 60, "ENVIADO": 250}
"""Number of orders that stay in each status. Above it, the oldest moves on."""

STORY_EVERY, STORY_LASTS = timedelta(hours=72), timedelta(hours=8)

_STATES = {
    "Norte": "AC Acre, AM Amazonas, AP Amapá, PA Pará, RO Rondônia, RR Roraima, TO Tocantins",
    "Nordeste": "AL Alagoas, BA Bahia, CE Ceará, MA Maranhão, PB Paraíba, PE Pernambuco, PI Piauí, "
    "RN Rio Grande do Norte, SE Sergipe",
    "Centro-Oeste": "DF Distrito Federal, GO Goiás, MS Mato Grosso do Sul, MT Mato Grosso",
    "Sudeste": "ES Espírito Santo, MG Minas Gerais, RJ Rio de Janeiro, SP São Paulo",
    "Sul": "PR Paraná, RS Rio Grande do Sul, SC Santa Catarina",
}
_FIRST = (
    *("Ana", "Beatriz", "Bruno", "Camila", "Carlos", "Daniela", "Eduardo", "Fernanda"),
    *("Gabriel", "Helena", "Igor", "Juliana", "Lucas", "Mariana", "Rafael", "Sofia"),
)
_LAST = (
    *("Almeida", "Barbosa", "Cardoso", "Costa", "Dias", "Ferreira", "Gomes", "Lima"),
    *("Martins", "Moreira", "Nunes", "Oliveira", "Pereira", "Rocha", "Silva", "Souza"),
)
_CITIES = ("Boa Vista", "Campo Alegre", "Nova Esperança", "Porto Belo", "Santa Rita", "São João", "Vila Nova")
_GOODS = {
    "Casa": ("Jogo de panelas", "Cafeteira elétrica", "Liquidificador", "Luminária de mesa", "Tapete"),
    "Eletrônicos": ("Fone de ouvido", "Carregador portátil", "Caixa de som", "Teclado sem fio", "Monitor"),
    "Moda": ("Camiseta", "Calça jeans", "Tênis", "Mochila", "Jaqueta"),
    "Esporte": ("Bola", "Garrafa térmica", "Bicicleta", "Colchonete", "Corda de pular"),
    "Livros": ("Romance", "Livro de receitas", "Guia de viagem", "Biografia", "Agenda"),
}
_CAMPAIGNS = ("Semana do frete", "Volta às aulas", "Liquida estoque", "Aniversário da loja", "Fim de semana")
_KINDS = ("VENDA_DIRETA", "TELEVENDAS", "CONTAS_CHAVE")


class Shop:
    """The shop over a connection to `core`, at `now` (naive UTC). `bustle` multiplies the number of events.

    All state is in the tables, so another Shop can continue. `most` limits the events of one call of `advance`, so
    that a long stop is not caught up at once.
    """

    def __init__(
        self, oltp: Any, dialect: Sqlite, rng: random.Random, *, now: datetime, bustle: float = 1.0, most: int = 10_000
    ) -> None:
        self.oltp, self.dialect, self.rng = oltp, dialect, rng
        self.now = now.replace(microsecond=0)
        self.bustle, self.most = bustle, most
        self.month = str(self._value("SELECT MAX(month_start) FROM core.seller_targets_monthly") or "")[:10]
        self._due = 0.0  # events, with the fraction that is left for the next step
        orders = "SELECT order_id FROM core.orders WHERE status = ? ORDER BY updated_at, order_id"
        self._waiting = {
            status: deque(row[0] for row in oltp.execute(orders, (status,)).fetchall()) for status in _NEXT
        }

    def open(self, customers: int = 600, products: int = 200) -> None:
        rng, at = self.rng, self.now
        for region, states in _STATES.items():
            for code, name in (state.split(" ", 1) for state in states.split(", ")):
                self._add("regions", at, region_name=region, state_name=name, state_code=code,
                          city=rng.choice(_CITIES), status="ATIVA")  # fmt: skip
        for name in _LAST[:12]:
            self._add("teams", at, team_name=f"Equipe {name}", team_type=rng.choice(_KINDS),
                      region_id=self._some("regions", at)["region_id"], status="ATIVA")  # fmt: skip
        for number in range(60):
            hired = at - timedelta(days=rng.randint(40, 3000))
            self._add("sellers", at, **self._person(9_000_000 + number, "loja.example.com"),
                      personal_email=f"vendedor{number}@example.com", commercial_phone=self._phone(),
                      team_id=self._some("teams", at)["team_id"], status="ATIVO",
                      hired_on=hired.date().isoformat())  # fmt: skip
        for make, count in ((self._product, products), (self._campaign, 14), (self._customer, customers)):
            for _ in range(count):
                make(at)
        self._month_begins(at)
        self.oltp.commit()

    def advance(self, to: datetime) -> None:
        to = to.replace(microsecond=0)
        seconds = int((to - self.now).total_seconds())
        if seconds <= 0:
            return
        if to.strftime("%Y-%m-01") > self.month:
            self._month_begins(to)
        rhythm = 1 - 0.7 * math.cos(2 * math.pi * (to.hour - 6) / 24)  # lowest at 3 in the morning in São Paulo
        weights = [per_day for per_day, _ in EVENTS.values()]
        usual = sum(weights) * seconds / 86_400 * rhythm * self.bustle
        self._due += usual * self.rng.uniform(0.5, 1.5)
        count = min(self.most, int(self._due))
        self._due -= int(self._due)
        moments = sorted(self.rng.randint(1, seconds) for _ in range(count))
        kinds = self.rng.choices(list(EVENTS), weights, k=count)
        for moment, kind in zip(moments, kinds, strict=True):
            self.happen(kind, self.now + timedelta(seconds=moment))
        self.now = to
        self.oltp.commit()

    def happen(self, kind: str, at: datetime) -> None:
        EVENTS[kind][1](self, at)

    def tell_story(self, at: datetime) -> None:
        """Import a campaign that the ETL misses every STORY_EVERY, correct it STORY_LASTS later, and commit."""
        newest = self.oltp.execute(
            "SELECT discount_id, created_at, updated_at FROM core.discount_campaigns "
            "WHERE discount_type = 'IMPORTADO' ORDER BY discount_id DESC"
        ).fetchone()
        age = at - datetime.fromisoformat(str(newest[1])) if newest else STORY_EVERY
        if newest and age >= STORY_LASTS and newest[2] < newest[1]:
            self._change("discount_campaigns", newest[0], at)
        elif age >= STORY_EVERY:
            # With the update time of its old system. The watermark of dim_desconto is already past that time, so the
            # row is never loaded, and fact_descontos fails at the campaign's first discount until the row is changed.
            campaign = self._campaign(at)
            self._change("discount_campaigns", campaign, at - timedelta(days=90), discount_type="IMPORTADO")
            discount = self._value("SELECT MAX(order_item_discount_id) FROM core.order_item_discounts")
            self._change("order_item_discounts", discount, at, discount_id=campaign)
        self.oltp.commit()

    def _order(self, at: datetime) -> None:
        rng = self.rng
        customer = self._customer(at) if rng.random() < 0.1 else self._some("customers", at)
        order_id = self._add(
            "orders", at, order_number=f"P{self._next_number('orders'):09}", customer_id=customer["customer_id"],
            seller_id=self._some("sellers", at)["seller_id"], region_id=customer["region_id"],
            ordered_at=self.dialect.time(at), status="CRIADO", total_amount=0,
        )  # fmt: skip
        total = sum(self._item(order_id, at) for _ in range(rng.choices((1, 2, 3, 4, 6), (30, 28, 20, 14, 8))[0]))
        self._change("orders", order_id, at, total_amount=round(total, 2))
        self._waiting["CRIADO"].append(order_id)

    def _item(self, order_id: int, at: datetime) -> float:
        rng, product = self.rng, self._some("products", at)
        quantity, price = rng.choices((1, 2, 3, 5), (72, 18, 7, 3))[0], float(product["list_price"])
        item_id = self._add("order_items", at, order_id=order_id, product_id=product["product_id"],
                            quantity=quantity, unit_price=price)  # fmt: skip
        if rng.random() > 0.28:
            return quantity * price
        campaign = self._some("discount_campaigns", at)
        amount = round(quantity * price * float(campaign["percentage"]) / 100, 2)
        self._add("order_item_discounts", at, order_item_id=item_id, discount_id=campaign["discount_id"],
                  percentage=campaign["percentage"], discount_amount=amount)  # fmt: skip
        return quantity * price - amount

    def _order_moves(self, at: datetime) -> None:
        ready = [status for status, queue in self._waiting.items() if len(queue) > _WAITING[status]]
        if ready:
            status = self.rng.choice(ready)
            order_id = self._waiting[status].popleft()
            to = "CANCELADO" if status == "CRIADO" and self.rng.random() < 0.04 else _NEXT[status]
            self._change("orders", order_id, at, status=to)
            if to in self._waiting:
                self._waiting[to].append(order_id)

    def _customer(self, at: datetime) -> Row:
        rng, region = self.rng, self._some("regions", at)
        row = {
            **self._person(self._next_number("customers"), "example.com"),
            "customer_type": "PESSOA_FISICA" if rng.random() < 0.88 else "PESSOA_JURIDICA",
            "birth_date": f"{rng.randint(1945, 2006)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
            "gender": rng.choice("FM"),
            "credit_score": rng.randint(250, 990),
            "address_line": f"Rua {rng.choice(_LAST)}, {rng.randint(1, 999)}",
            "district": "Centro",
            "city": rng.choice(_CITIES),
            "state_code": region["state_code"],
            "zip_code": f"{rng.randint(1000, 99999):05}-{rng.randint(0, 999):03}",
            "region_id": region["region_id"],
            "status": "ATIVO",
        }
        return {**row, "customer_id": self._add("customers", at, **row)}

    def _product(self, at: datetime) -> None:
        number, price = self._next_number("products"), self._price()
        category, brand = self.rng.choice(list(_GOODS)), self.rng.choice(_LAST)
        self._add("products", at, sku=f"{category[:3].upper()}-{number:06}", category=category, brand=brand,
                  product_name=f"{self.rng.choice(_GOODS[category])} {brand} {number}",
                  cost_price=round(price * 0.6, 2), list_price=price, status="ATIVO")  # fmt: skip

    def _campaign(self, at: datetime) -> int:
        number = self._next_number("discount_campaigns")
        return self._add(
            "discount_campaigns", at, campaign_code=f"PROMO-{number:04}",
            campaign_name=f"{self.rng.choice(_CAMPAIGNS)} {number}", discount_type="PERCENTUAL",
            percentage=self.rng.choice((5, 7.5, 10, 12.5, 15, 20)), starts_on=at.date().isoformat(),
            ends_on=(at + timedelta(days=self.rng.randint(3, 30))).date().isoformat(), status="ATIVA",
        )  # fmt: skip

    def _target_changes(self, at: datetime) -> None:
        self._change_some("seller_targets_monthly", at, achieved_amount=round(self.rng.uniform(5_000, 90_000), 2))

    def _month_begins(self, at: datetime) -> None:
        self.month = at.strftime("%Y-%m-01")
        sellers = "SELECT seller_id FROM core.sellers WHERE deleted_at IS NULL ORDER BY seller_id"
        for (seller_id,) in self.oltp.execute(sellers).fetchall():
            self._add("seller_targets_monthly", at, seller_id=seller_id, month_start=self.month, period_type="MENSAL",
                      target_amount=self.rng.randint(20, 90) * 1000, target_quantity=self.rng.randint(80, 400),
                      achieved_amount=0)  # fmt: skip

    def _add(self, table: str, at: datetime, **values: Any) -> int:
        moment = self.dialect.time(at)
        row = {**values, "created_at": moment, "updated_at": moment}
        return self.dialect.insert(self.oltp, f"core.{table}", KEYS[table], row)

    def _change(self, table: str, key: int, at: datetime, **values: Any) -> None:
        values["updated_at"] = self.dialect.time(at)
        sql = f"UPDATE core.{table} SET {', '.join(f'{name} = ?' for name in values)} WHERE {KEYS[table]} = ?"
        self.oltp.execute(sql, (*values.values(), key))

    def _change_some(self, table: str, at: datetime, **values: Any) -> None:
        self._change(table, self._some(table, at)[KEYS[table]], at, **values)

    def _leave(self, table: str, at: datetime, recent: int = 0, **values: Any) -> None:
        """Soft-delete a live row, one of the `recent` newest if given. Does nothing while the table has none."""
        try:
            row = self._some(table, at, recent)
        except LookupError:
            return
        self._change(table, row[KEYS[table]], at, deleted_at=self.dialect.time(at), **values)

    def _some(self, table: str, at: datetime, recent: int = 0) -> Row:
        """Return a random live row that an ETL with a cutoff has already loaded. LookupError: there is none."""
        key = KEYS[table]
        newest = self._value(f"SELECT MAX({key}) FROM core.{table}") or 1
        first = self.rng.randint(max(1, newest - recent) if recent else 1, newest)
        old = self.dialect.time(at - timedelta(hours=1))
        for start, created in ((first, old), (1, old), (1, self.dialect.time(at))):
            found = self.oltp.execute(
                f"SELECT * FROM core.{table} WHERE {key} >= ? AND deleted_at IS NULL AND created_at <= ? "
                f"ORDER BY {key} {self.dialect.limit(1)}",
                (start, created),
            )
            if row := found.fetchone():
                return dict(zip((column[0] for column in found.description), row, strict=True))
        raise LookupError(f"core.{table} has no living row")

    def _value(self, sql: str) -> Any:
        return self.oltp.execute(sql).fetchone()[0]

    def _next_number(self, table: str) -> int:
        return int(self._value(f"SELECT MAX({KEYS[table]}) FROM core.{table}") or 0) + 1

    def _person(self, number: int, domain: str) -> Row:
        """The domains are reserved, so no mail is delivered."""
        first, last = self.rng.choice(_FIRST), self.rng.choice(_LAST)
        return {
            "full_name": f"{first} {last}",
            "document_number": f"{number:09}{number * 37 % 97:02}",
            "email": f"{first}.{last}{number}@{domain}".lower(),
            "phone": self._phone(),
        }

    def _phone(self) -> str:
        return f"(11) 9{self.rng.randint(1000, 9999)}-{self.rng.randint(1000, 9999)}"

    def _price(self) -> float:
        return round(self.rng.lognormvariate(4.3, 0.9) + 9, 2)


EVENTS: dict[str, tuple[float, Callable[[Shop, datetime], object]]] = {
    "order": (120.0, Shop._order),
    "order_moves": (360.0, Shop._order_moves),
    "customer_changes": (
        60.0,
        lambda shop, at: shop._change_some("customers", at, credit_score=shop.rng.randint(250, 990)),
    ),
    "customer_leaves": (0.7, lambda shop, at: shop._leave("customers", at, status="INATIVO")),
    "product_appears": (2.0, Shop._product),
    "product_changes": (25.0, lambda shop, at: shop._change_some("products", at, list_price=shop._price())),
    "product_leaves": (0.4, lambda shop, at: shop._leave("products", at, status="DESCONTINUADO")),
    "seller_changes": (4.0, lambda shop, at: shop._change_some("sellers", at, phone=shop._phone())),
    "team_changes": (0.3, lambda shop, at: shop._change_some("teams", at, team_type=shop.rng.choice(_KINDS))),
    "region_changes": (0.3, lambda shop, at: shop._change_some("regions", at, city=shop.rng.choice(_CITIES))),
    "campaign_appears": (0.5, Shop._campaign),
    "target_changes": (40.0, Shop._target_changes),
    "item_removed": (5.0, lambda shop, at: shop._leave("order_items", at, recent=200)),
    "discount_removed": (2.0, lambda shop, at: shop._leave("order_item_discounts", at, recent=60)),
}
"""Events on an average day, and what happens. An order moves three times."""
