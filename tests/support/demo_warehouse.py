"""A small embedded warehouse in temporary files with the demo's runner, for tests of the demo."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from demo.faults import Fault
from demo.runner import Runner, VirtualClock
from demo.warehouse import EmbeddedWarehouse, Sqlite
from etlportal.backends.embedded.base import create_schema
from tests.support.warehouse import PIPELINES

NOON = datetime.fromisoformat("2026-03-10 12:00:00")
DAY = "2026-03-09 12:00:00"


class SmallWarehouse:
    """`core` rows by hand, nine control rows, a virtual clock at noon. Times are naive UTC."""

    def __init__(self, folder: Path) -> None:
        self.files = EmbeddedWarehouse(folder)
        for schema, path in self.files.files().items():
            create_schema(path, schema)
        self.dw = self.files.connect("dw")
        self.oltp = self.files.connect("oltp")
        self.clock = VirtualClock(NOON)
        self.faults: dict[str, Fault] = {}
        self.pauses: dict[int, float] = {}
        self.captured: list[datetime] = []
        self._next = 0

    def close(self) -> None:
        self.dw.close()
        self.oltp.close()

    def runner(self, **changes: Any) -> Runner:
        values: dict[str, Any] = {
            "dw": self.dw,
            "oltp": self.oltp,
            "dialect": Sqlite(),
            "clock": self.clock,
            "capture": lambda dw, now: self.captured.append(now),
            "fault": self.faults.get,
            "pause": lambda entity, batch: self.pauses.get(min(batch, 1), 0.0),
        }
        return Runner(**{**values, **changes})

    def controls(self, *entities: str, **changes: Any) -> None:
        """Control rows of these pipelines (all nine when none is named), never loaded."""
        for entity in entities or PIPELINES:
            source, key, target = PIPELINES[entity]
            row = {"entity_name": entity, "source_table": source, "target_table": target, "source_pk_column": key}
            self.insert("ctl.etl_control", **row, created_at=DAY, updated_at=DAY, **changes)

    def insert(self, table: str, **values: Any) -> int:
        connection = self.oltp if table.startswith("core.") else self.dw
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' for _ in values)})"
        key = connection.execute(sql, list(values.values())).lastrowid
        connection.commit()
        return int(key or 0)

    def customer(self, at: str = DAY, **changes: Any) -> int:
        self._next += 1
        row = {
            "full_name": f"Cliente {self._next}",
            "customer_type": "PESSOA_FISICA",
            "document_number": f"{self._next:011}",
            "email": "c@example.com",
            "region_id": 1,
            "status": "ATIVO",
            "created_at": at,
            "updated_at": at,
        }
        return self.insert("core.customers", **{**row, **changes})

    def shop(self, at: str = DAY) -> None:
        """One region, team, seller, campaign and product, all with key 1."""
        times = {"created_at": at, "updated_at": at}
        self.insert("core.regions", region_name="Sul", state_name="Paraná", state_code="PR", city="Curitiba",
                    status="ATIVA", **times)  # fmt: skip
        self.insert("core.teams", team_name="A", team_type="X", region_id=1, status="ATIVA", **times)
        self.insert("core.sellers", full_name="V", document_number="v1", email="v@example.com", team_id=1,
                    status="ATIVO", hired_on="2020-01-02", **times)  # fmt: skip
        self.insert("core.discount_campaigns", campaign_code="C1", campaign_name="C", discount_type="CUPOM",
                    percentage=10, starts_on="2026-01-01", status="ATIVA", **times)  # fmt: skip
        self.product(at)

    def product(self, at: str = DAY) -> int:
        self._next += 1
        return self.insert("core.products", sku=f"S{self._next}", product_name="P", category="C", brand="B",
                           cost_price=5, list_price=10, status="ATIVO", created_at=at, updated_at=at)  # fmt: skip

    def order(self, at: str = DAY, items: int = 1, discount: bool = False, product_id: int = 1) -> int:
        """One order of customer 1 with `items` items, each of 3 pieces at 10.10; returns order_id."""
        self._next += 1
        times = {"created_at": at, "updated_at": at}
        order_id = self.insert("core.orders", order_number=f"P{self._next}", customer_id=1, seller_id=1, region_id=1,
                               ordered_at=at, status="CRIADO", total_amount=0, **times)  # fmt: skip
        for _ in range(items):
            item_id = self.insert("core.order_items", order_id=order_id, product_id=product_id, quantity=3,
                                  unit_price=10.1, **times)  # fmt: skip
            if discount:
                self.insert("core.order_item_discounts", order_item_id=item_id, discount_id=1, percentage=10,
                            discount_amount=3.03, **times)  # fmt: skip
        return order_id

    def touch(self, table: str, at: str, where: str = "1 = 1", **values: Any) -> None:
        """Change rows of `core`, updated at `at`."""
        sets = ", ".join(f"{name} = ?" for name in (*values, "updated_at"))
        self.oltp.execute(f"UPDATE core.{table} SET {sets} WHERE {where}", [*values.values(), at])
        self.oltp.commit()

    def rows(self, sql: str, *params: Any) -> list[dict[str, Any]]:
        """Return rows as another process sees them, through a new connection."""
        with self.reader() as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, params)]

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        connection = self.files.connect("dw")
        try:
            yield connection
        finally:
            connection.close()

    def control(self, entity: str) -> dict[str, Any]:
        return self.rows("SELECT * FROM ctl.etl_control WHERE entity_name = ?", entity)[0]

    def last(self, entity: str) -> dict[str, Any]:
        """Return the newest run entity of the pipeline."""
        sql = "SELECT * FROM audit.etl_run_entity WHERE entity_name = ? ORDER BY run_entity_id DESC LIMIT 1"
        return self.rows(sql, entity)[0]

    def last_run(self) -> dict[str, Any]:
        return self.rows("SELECT * FROM audit.etl_run ORDER BY run_id DESC LIMIT 1")[0]

    def later(self, minutes: float = 30) -> datetime:
        """Let time pass; return now."""
        self.clock.advance_to(self.clock.now() + timedelta(minutes=minutes))
        return self.clock.now()
