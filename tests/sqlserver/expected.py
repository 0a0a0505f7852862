"""The expected value of every figure, in plain T-SQL written from CONTRACT.md and METRICS.md.

It shares no SQL with the portal. The statements are simple and slow: they read whole tables. `now` is the snapshot's
time, so that both sides use the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sqlserver.differences import ESTIMATED_TOTALS
from tests.sqlserver.server import DW, OLTP, Server

LATEST_OF_TWO = "CASE WHEN o.updated_at > i.updated_at THEN o.updated_at ELSE i.updated_at END"
SALES = f"""SELECT i.order_item_id AS k, {LATEST_OF_TWO} AS ts
FROM core.order_items i JOIN core.orders o ON o.order_id = i.order_id"""
DISCOUNTS = f"""SELECT d.order_item_discount_id AS k,
CASE WHEN d.updated_at > {LATEST_OF_TWO} THEN d.updated_at ELSE {LATEST_OF_TWO} END AS ts
FROM core.order_item_discounts d JOIN core.order_items i ON i.order_item_id = d.order_item_id
JOIN core.orders o ON o.order_id = i.order_id"""

SOURCES = {
    "dim_cliente": "SELECT customer_id AS k, updated_at AS ts FROM core.customers",
    "dim_produto": "SELECT product_id AS k, updated_at AS ts FROM core.products",
    "dim_regiao": "SELECT region_id AS k, updated_at AS ts FROM core.regions",
    "dim_equipe": "SELECT team_id AS k, updated_at AS ts FROM core.teams",
    "dim_vendedor": "SELECT seller_id AS k, updated_at AS ts FROM core.sellers",
    "dim_desconto": "SELECT discount_id AS k, updated_at AS ts FROM core.discount_campaigns",
    "fact_vendas": SALES,
    "fact_metas": "SELECT seller_target_id AS k, updated_at AS ts FROM core.seller_targets_monthly",
    "fact_descontos": DISCOUNTS,
    "dim_transportadora": "SELECT carrier_id AS k, updated_at AS ts FROM core.carriers",
    "visao_clientes": "SELECT customer_id AS k, updated_at AS ts FROM core.customers WHERE customer_id % 3 = 0",
    "letras": "SELECT customer_id AS k, updated_at AS ts FROM core.customers",
}
TARGETS = {
    "dim_cliente": ("dim.DIM_CLIENTE", "data_ultima_atualizacao"),
    "dim_produto": ("dim.DIM_PRODUTO", "data_ultima_atualizacao"),
    "dim_regiao": ("dim.DIM_REGIAO", "data_ultima_atualizacao"),
    "dim_equipe": ("dim.DIM_EQUIPE", "data_ultima_atualizacao"),
    "dim_vendedor": ("dim.DIM_VENDEDOR", "data_ultima_atualizacao"),
    "dim_desconto": ("dim.DIM_DESCONTO", "data_ultima_atualizacao"),
    "fact_vendas": ("fact.FACT_VENDAS", None),
    "fact_metas": ("fact.FACT_METAS", "data_ultima_atualizacao"),
    "fact_descontos": ("fact.FACT_DESCONTOS", None),
    "dim_transportadora": ("dim.DIM_TRANSPORTADORA", "data_ultima_atualizacao"),
    "visao_clientes": ("(SELECT * FROM dim.DIM_CLIENTE WHERE cliente_original_id % 3 = 0) AS v",
                       "data_ultima_atualizacao"),
    "letras": ("dim.DIM_CLIENTE", "data_ultima_atualizacao"),
}  # fmt: skip
"""Table and update column; None where it holds the load time (no latency from that)."""

SOURCE_TABLES = {
    "dim_cliente": "core.customers", "dim_produto": "core.products", "dim_regiao": "core.regions",
    "dim_equipe": "core.teams", "dim_vendedor": "core.sellers", "dim_desconto": "core.discount_campaigns",
    "fact_vendas": "core.order_items", "fact_metas": "core.seller_targets_monthly",
    "fact_descontos": "core.order_item_discounts", "dim_transportadora": "core.carriers", "letras": "core.customers",
}  # fmt: skip

VIEWS = frozenset({"visao_clientes"})
"""The engine's metadata have no row count of a view: its totals are unknown until they are counted on demand."""
MISSING = frozenset({"fact_devolucoes", "nonsense"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One source: all rows, the newest ts, and what waits."""

    total: int
    newest_at: datetime | None
    eligible: int
    cooling: int
    oldest_eligible_at: datetime | None


def controls(server: Server) -> dict[str, dict[str, Any]]:
    """Return the control rows by name."""
    names = ("entity_name", "watermark_updated_at", "watermark_id", "cutoff_minutes", "is_active", "last_status")
    found = server.rows(DW, f"SELECT {', '.join(names)} FROM ctl.etl_control")
    return {row[0]: dict(zip(names, row, strict=True)) for row in found}


def waiting(server: Server, entity: str, control: dict[str, Any], now: datetime) -> Waiting:
    """Return what METRICS calls source total, pending (eligible, cooling), and the oldest eligible ts."""
    cutoff = naive(now) - timedelta(minutes=control["cutoff_minutes"])
    w, key = control["watermark_updated_at"], control["watermark_id"]
    sql = f"""
    SELECT COUNT(*), MAX(x.ts),
      SUM(CASE WHEN x.pending = 1 AND x.ts <= ? THEN 1 ELSE 0 END),
      SUM(CASE WHEN x.pending = 1 AND x.ts > ? THEN 1 ELSE 0 END),
      MIN(CASE WHEN x.pending = 1 AND x.ts <= ? THEN x.ts END)
    FROM (SELECT s.ts, CASE WHEN s.ts > ? OR (s.ts = ? AND s.k > ?) THEN 1 ELSE 0 END AS pending
          FROM ({SOURCES[entity]}) AS s) AS x"""
    total, newest, eligible, cooling, oldest = server.rows(OLTP, sql, cutoff, cutoff, cutoff, w, w, key)[0]
    return Waiting(
        total=total, newest_at=aware(newest), eligible=eligible or 0, cooling=cooling or 0,
        oldest_eligible_at=aware(oldest),
    )  # fmt: skip


def metadata_total(server: Server, database: str, entity: str, counted: int) -> int | None:
    """Return what a list may show as a table's total: its rows, as the engine's metadata count them.

    None for a view. Where the metadata only estimate, their own number: then the portal must show just that.
    """
    if entity in VIEWS:
        return None
    if server.family not in ESTIMATED_TOTALS:
        return counted
    name = TARGETS[entity][0] if database == DW else SOURCE_TABLES[entity]
    sql = "SELECT SUM(rows) FROM sys.partitions WHERE index_id IN (0, 1) AND object_id = OBJECT_ID(?)"
    return int(server.rows(database, sql, name)[0][0])


def target(server: Server, entity: str) -> tuple[int, datetime | None]:
    """Return a target's rows, and its newest update time (None where that is the load time)."""
    table, column = TARGETS[entity]
    newest = f"MAX({column})" if column else "NULL"
    total, moment = server.rows(DW, f"SELECT COUNT(*), {newest} FROM {table}")[0]
    return total, aware(moment)


EXECUTION = (
    "run_entity_id, run_id, entity_name, entity_started_at, entity_finished_at, status, extracted_count, "
    "upserted_count, soft_deleted_count, watermark_from_updated_at, watermark_from_id, watermark_to_updated_at, "
    "watermark_to_id, error_message"
)


def executions(server: Server, where: str = "1 = 1", *params: Any) -> list[dict[str, Any]]:
    """Return run entities, newest first."""
    sql = f"SELECT {EXECUTION} FROM audit.etl_run_entity WHERE {where} ORDER BY run_id DESC, run_entity_id"
    names = [name.strip() for name in EXECUTION.split(",")]
    return [dict(zip(names, row, strict=True)) for row in server.rows(DW, sql, *params)]


def newest_executions(server: Server) -> dict[str, dict[str, Any]]:
    """Return each pipeline's newest run entity."""
    newest = "run_entity_id IN (SELECT MAX(run_entity_id) FROM audit.etl_run_entity GROUP BY entity_name)"
    return {row["entity_name"]: row for row in executions(server, newest)}


def status(control: dict[str, Any], newest: dict[str, Any] | None) -> str:
    """Return METRICS' status: of the newest execution, else control's status, else never run."""
    if control["entity_name"] in MISSING:
        return "structure_missing"
    if newest is not None:
        return {"running": "running", "failed": "failed", "success": "ok"}[newest["status"]]
    said = control["last_status"]
    return {None: "never_run", "failed": "failed", "partial": "failed", "success": "ok"}[said]


RUN = (
    "run_id, entities_requested, started_by, started_at, finished_at, status, entities_succeeded, entities_failed, "
    "error_message"
)


def runs(server: Server, where: str = "1 = 1", *params: Any) -> list[dict[str, Any]]:
    """Return runs, newest first."""
    names = [name.strip() for name in RUN.split(",")]
    found = server.rows(DW, f"SELECT {RUN} FROM audit.etl_run WHERE {where} ORDER BY run_id DESC", *params)
    return [dict(zip(names, row, strict=True)) for row in found]


def run_counts(server: Server, since: datetime) -> dict[str, int]:
    """Return how many runs started at or after `since`, by status."""
    sql = "SELECT status, COUNT(*) FROM audit.etl_run WHERE started_at >= ? GROUP BY status"
    return dict(server.rows(DW, sql, naive(since)))


def mean_throughput(server: Server, since: datetime) -> float | None:
    """Return the mean of upserted / max(1, seconds) of the window's successes that moved rows."""
    sql = """
    SELECT AVG(CAST(upserted_count AS FLOAT) / CASE WHEN seconds < 1 THEN 1 ELSE seconds END) FROM
    (SELECT upserted_count, DATEDIFF(SECOND, entity_started_at, entity_finished_at) AS seconds
     FROM audit.etl_run_entity
     WHERE status = 'success' AND upserted_count > 0 AND entity_started_at >= ?) AS x"""
    return server.rows(DW, sql, naive(since))[0][0]


def volumes(server: Server, since: datetime) -> dict[str, tuple[int, int, int, int]]:
    """Return (extracted, upserted, executions, failed ones) by pipeline since then."""
    sql = """
    SELECT entity_name, SUM(extracted_count), SUM(upserted_count), COUNT(*),
      SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END)
    FROM audit.etl_run_entity WHERE entity_started_at >= ? GROUP BY entity_name"""
    return {row[0]: tuple(row[1:]) for row in server.rows(DW, sql, naive(since))}


_SESSION = "CAST(session_id AS VARCHAR(10)) + '|' + CONVERT(VARCHAR(30), login_time, 121)"


def event_hours(server: Server, since: datetime, until: datetime) -> dict[datetime, tuple[int, int]]:
    """Return (events, distinct sessions) by hour, UTC, of the hours that have any."""
    hour = "CONVERT(VARCHAR(13), event_time_utc, 121)"
    sql = f"""
    SELECT {hour}, COUNT(*), COUNT(DISTINCT {_SESSION}) FROM audit.connection_login_events
    WHERE event_time_utc >= ? AND event_time_utc <= ? GROUP BY {hour}"""
    found = server.rows(DW, sql, naive(since), naive(until))
    return {datetime.fromisoformat(f"{row[0]}:00:00").replace(tzinfo=UTC): (row[1], row[2]) for row in found}


def event_logins(server: Server, since: datetime, until: datetime) -> dict[str | None, tuple[int, int, int]]:
    """Return (events, distinct sessions, events of the portal's own programs) by login."""
    sql = f"""
    SELECT login_name, COUNT(*), COUNT(DISTINCT {_SESSION}),
      SUM(CASE WHEN program_name LIKE N'etlportal-%' THEN 1 ELSE 0 END)
    FROM audit.connection_login_events WHERE event_time_utc >= ? AND event_time_utc <= ? GROUP BY login_name"""
    return {row[0]: tuple(row[1:]) for row in server.rows(DW, sql, naive(since), naive(until))}


def event_sessions(server: Server, since: datetime, until: datetime) -> tuple[int, int]:
    """Return (events, distinct sessions) of the whole window."""
    sql = f"""
    SELECT COUNT(*), COUNT(DISTINCT {_SESSION}) FROM audit.connection_login_events
    WHERE event_time_utc >= ? AND event_time_utc <= ?"""
    return server.rows(DW, sql, naive(since), naive(until))[0]


def naive(moment: datetime) -> datetime:
    """Return the moment in UTC without an offset, as the contract's columns hold it."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
