"""Rows in the embedded test warehouse, as the ETL would have left them.

The only place in the tests that lifts the guard. Rows go in through the test's own connection and
transaction, so that they vanish with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connections

from etlportal.guard import writable

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
"""The usual "now" of a test."""

PIPELINES = {
    "dim_cliente": ("core.customers", "customer_id", "dim.DIM_CLIENTE"),
    "dim_produto": ("core.products", "product_id", "dim.DIM_PRODUTO"),
    "dim_regiao": ("core.regions", "region_id", "dim.DIM_REGIAO"),
    "dim_equipe": ("core.teams", "team_id", "dim.DIM_EQUIPE"),
    "dim_vendedor": ("core.sellers", "seller_id", "dim.DIM_VENDEDOR"),
    "dim_desconto": ("core.discount_campaigns", "discount_id", "dim.DIM_DESCONTO"),
    "fact_vendas": ("core.order_items", "order_item_id", "fact.FACT_VENDAS"),
    "fact_metas": ("core.seller_targets_monthly", "seller_target_id", "fact.FACT_METAS"),
    "fact_descontos": ("core.order_item_discounts", "order_item_discount_id", "fact.FACT_DESCONTOS"),
}
"""CONTRACT's nine pipelines: source, key, target. Written here by hand, so that tests do not echo the code."""


class Warehouse:
    """Inserts rows into `dw` and `oltp`. Every method returns the new row's key."""

    now = NOW

    def insert(self, table: str, **values: Any) -> int:
        """Insert one row into `schema.table`; return its rowid (the identity, where there is one)."""
        schema, name = table.split(".")
        columns = ", ".join(f"[{column}]" for column in values)
        marks = ", ".join("?" for _ in values)
        alias = "oltp" if schema == "core" else "dw"
        sql = f"INSERT INTO [{schema}].[{name}] ({columns}) VALUES ({marks})"
        return self._raw(alias, sql, [_stored(value, column) for column, value in values.items()]).lastrowid

    def execute(self, alias: str, sql: str, params: Iterable[Any] = ()) -> Any:
        """Run any statement with `?` marks; return the cursor."""
        return self._raw(alias, sql, [_stored(value) for value in params])

    def control(self, entity_name: str = "dim_cliente", **changes: Any) -> str:
        """One control row; an entity of the contract gets its own tables."""
        source, key, target = PIPELINES.get(entity_name, ("core.nothing", "id", "dim.NOTHING"))
        row = {
            "entity_name": entity_name,
            "source_table": source,
            "target_table": target,
            "source_pk_column": key,
            "watermark_updated_at": self.now - timedelta(hours=1),
            "watermark_id": 0,
            "cutoff_minutes": 2,
            "batch_size": 1000,
            "is_active": 1,
            "created_at": self.now - timedelta(days=30),
            "updated_at": self.now - timedelta(hours=1),
            **changes,
        }
        self.insert("ctl.etl_control", **row)
        return entity_name

    def all_controls(self, **changes: Any) -> list[str]:
        """The nine control rows of the contract."""
        return [self.control(name, **changes) for name in PIPELINES]

    def run(self, **changes: Any) -> int:
        """Insert a run, by default a success of one minute; return its run_id."""
        started = changes.get("started_at", self.now - timedelta(minutes=10))
        row = {
            "entities_requested": "dim_cliente",
            "started_by": "etl_runner",
            "started_at": started,
            "finished_at": started + timedelta(minutes=1),
            "status": "success",
            "entities_succeeded": 1,
            "entities_failed": 0,
            "error_message": None,
            "created_at": started,
            **changes,
        }
        return self.insert("audit.etl_run", **row)

    def run_entity(self, run_id: int, entity_name: str = "dim_cliente", **changes: Any) -> int:
        """Insert an execution, by default a success of 30 seconds and 100 rows; return its key."""
        started = changes.get("entity_started_at", self.now - timedelta(minutes=10))
        row = {
            "run_id": run_id,
            "entity_name": entity_name,
            "entity_started_at": started,
            "entity_finished_at": started + timedelta(seconds=30),
            "status": "success",
            "extracted_count": 100,
            "upserted_count": 100,
            "soft_deleted_count": 0,
            "watermark_from_updated_at": started - timedelta(hours=1),
            "watermark_from_id": 1,
            "watermark_to_updated_at": started,
            "watermark_to_id": 100,
            "error_message": None,
            "created_at": started,
            "updated_at": started,
            **changes,
        }
        return self.insert("audit.etl_run_entity", **row)

    def execution(self, entity_name: str = "dim_cliente", **changes: Any) -> int:
        """A run with one run entity of the same time and status; returns run_id."""
        started = changes.get("entity_started_at", self.now - timedelta(minutes=10))
        status = changes.get("status", "success")
        finished = changes.get("entity_finished_at", started + timedelta(seconds=30))
        run_id = self.run(
            entities_requested=entity_name,
            started_at=started,
            finished_at=finished,
            status=status,
            entities_succeeded=int(status == "success"),
            entities_failed=int(status == "failed"),
            error_message=changes.get("error_message"),
        )
        self.run_entity(run_id, entity_name, **changes)
        return run_id

    def login_event(self, **changes: Any) -> int:
        """One sampled session of the runner; returns connection_event_id."""
        row = {
            "event_time_utc": self.now - timedelta(minutes=5),
            "captured_by": "SNAPSHOT_DMV",
            "session_id": 51,
            "login_name": "etl_runner",
            "host_name": "etl-host-01",
            "program_name": "etl-runner",
            "database_name": "DW_ECOMMERCE",
            "status": "running",
            "login_time": self.now - timedelta(minutes=6),
            "net_transport": "TCP",
            "protocol_type": "TSQL",
            "client_net_address": "10.0.0.5",
            "client_tcp_port": 50001,
            "encrypt_option": "TRUE",
            "auth_scheme": "SQL",
            **changes,
        }
        return self.insert("audit.connection_login_events", **row)

    def empty(self) -> None:
        """Delete every row of both databases (after a test that really committed)."""
        for alias in ("dw", "oltp"):
            # Parents go before their children here.
            self._raw(alias, "PRAGMA foreign_keys = OFF", [])
            for schema, name in tables(alias):
                self._raw(alias, f"DELETE FROM [{schema}].[{name}]", [])
            for schema in {schema for schema, _ in tables(alias)}:
                # The next test's first row is number 1 again, as it is after a rollback.
                if self._raw(
                    alias, f"SELECT 1 FROM [{schema}].sqlite_master WHERE name = 'sqlite_sequence'", []
                ).fetchone():
                    self._raw(alias, f"DELETE FROM [{schema}].sqlite_sequence", [])
            self._raw(alias, "PRAGMA foreign_keys = ON", [])

    def _raw(self, alias: str, sql: str, params: list[Any]) -> Any:
        connection = connections[alias]
        with writable(alias):
            return connection.connection.execute(sql, params)


def tables(alias: str) -> list[tuple[str, str]]:
    """Return (schema, table) for every table attached to `alias`."""
    connection = connections[alias]
    connection.ensure_connection()
    schemas = connection.settings_dict["OPTIONS"]["schemas"]
    return [
        (schema, name)
        for schema in schemas
        for (name,) in connection.connection.execute(
            f"SELECT name FROM [{schema}].sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]


MILLISECONDS = frozenset({"event_time_utc", "login_time"})
"""The contract's columns that hold more than whole seconds."""


def _stored(value: Any, column: str = "") -> Any:
    """Return a value as the embedded tables hold it: UTC text without an offset."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return value.isoformat(sep=" ", timespec="milliseconds" if column in MILLISECONDS else "seconds")
    return int(value) if isinstance(value, bool) else value


def window_start(now: datetime, hours: int) -> datetime:
    """Return the start of a window of login events: it ends with the current hour."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
