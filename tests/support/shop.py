"""A few rows of the shop, in `oltp`, with the update times that a test wants."""

from __future__ import annotations

from datetime import datetime

from tests.support.warehouse import Warehouse


def customer(warehouse: Warehouse, updated_at: datetime, region_id: int | None = None) -> int:
    """One customer (and a region where none is given); returns customer_id."""
    number = f"{customer.count:011}"
    customer.count += 1
    return warehouse.insert(
        "core.customers",
        full_name=f"Cliente {number}",
        customer_type="PESSOA_FISICA",
        document_number=number,
        email=f"c{number}@example.com",
        region_id=region_id or region(warehouse, updated_at),
        status="ATIVO",
        created_at=updated_at,
        updated_at=updated_at,
    )


customer.count = 0  # type: ignore[attr-defined]


def region(warehouse: Warehouse, updated_at: datetime) -> int:
    """One region; returns region_id."""
    return warehouse.insert(
        "core.regions",
        region_name="Sul",
        state_name="Paraná",
        state_code="PR",
        city="Curitiba",
        status="ATIVO",
        created_at=updated_at,
        updated_at=updated_at,
    )


class Orders:
    """Orders, items and discounts over one customer, seller, product and campaign."""

    def __init__(self, warehouse: Warehouse, at: datetime) -> None:
        self.warehouse = warehouse
        self.region = region(warehouse, at)
        self.customer = customer(warehouse, at, self.region)
        stamps = {"status": "ATIVO", "created_at": at, "updated_at": at}
        team = warehouse.insert("core.teams", team_name="A", team_type="LOJA", region_id=self.region, **stamps)
        self.seller = warehouse.insert(
            "core.sellers", full_name="V", document_number="1", email="v@example.com", team_id=team,
            hired_on="2020-01-01", **stamps,
        )  # fmt: skip
        self.product = warehouse.insert(
            "core.products", sku="1", product_name="P", category="C", brand="B", cost_price=1, list_price=2, **stamps
        )
        self.campaign = warehouse.insert(
            "core.discount_campaigns", campaign_code="1", campaign_name="C", discount_type="T", percentage=5,
            starts_on="2020-01-01", **stamps,
        )  # fmt: skip
        self.count = 0

    def order(self, at: datetime) -> int:
        self.count += 1
        return self.warehouse.insert(
            "core.orders", order_number=str(self.count), customer_id=self.customer, seller_id=self.seller,
            region_id=self.region, ordered_at=at, status="PAGO", total_amount=1, created_at=at, updated_at=at,
        )  # fmt: skip

    def item(self, order_id: int, at: datetime) -> int:
        return self.warehouse.insert(
            "core.order_items", order_id=order_id, product_id=self.product, quantity=1, unit_price=1, created_at=at,
            updated_at=at,
        )  # fmt: skip

    def discount(self, order_item_id: int, at: datetime) -> int:
        return self.warehouse.insert(
            "core.order_item_discounts", order_item_id=order_item_id, discount_id=self.campaign, percentage=5,
            discount_amount=1, created_at=at, updated_at=at,
        )  # fmt: skip
