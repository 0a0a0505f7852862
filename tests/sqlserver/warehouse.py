"""Nine days of a warehouse, loaded by the demo's ETL with pyodbc, with every status at the end.

Time is virtual and ends now by the server's clock. Failures come from the server, which enforces a CHECK constraint.
Before the nine days there is a long history, inserted in bulk, so that a scan of the audit tables is visible.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from demo.pipelines import PIPELINES
from demo.runner import Runner, VirtualClock
from demo.sessions import insert_events, runner_session, sessions_at
from demo.shop import Shop
from demo.warehouse import SqlServer
from tests.sqlserver.dialects import WithoutMerge, dialect_for
from tests.sqlserver.server import DW, EXTRAS, LOGIN, OLTP, RUNNER_PROGRAM, Server, batches, run_batch

SEED = 20_260_401
DAYS = 9
OLD_RUNS, OLD_EVENTS = 4000, 10_000
BATCH = 20
SLOW = ("dim_cliente", "dim_transportadora", "fact_vendas", "fact_descontos", "fact_metas")
"""Pipelines with a cutoff of 45 minutes: what cools when the tests start still cools when they end."""
CARRIER = "carrier_appears"
"""A row of tests/sqlserver/extras.sql, which the demo's shop does not know."""
EVERYTHING = (
    *("customer_changes", "product_changes", "seller_changes", "team_changes", "region_changes", "campaign_appears"),
    *("target_changes", "order", "order", "item_removed", "discount_removed", CARRIER),
)

EXTRA_CONTROLS = {
    # entity: source, target, key, active, last_status
    "dim_transportadora": ("core.carriers", "dim.DIM_TRANSPORTADORA", "carrier_id", 1, None),
    "fact_devolucoes": ("core.order_returns", "fact.FACT_DEVOLUCOES", "order_return_id", 1, None),
    "nonsense": ("core.customers; DROP TABLE core.customers --", "dim.DIM_CLIENTE", "customer_id", 1, None),
    "visao_clientes": ("vendas.clientes_sp", "dim.VW_CLIENTE_SP", "customer_id", 0, "success"),
    "letras": ("Core.CUSTOMERS", "DIM.dim_cliente", "Customer_Id", 0, "failed"),
}
"""Beside the nine: never run, tables missing, a name that is none, views, another spelling."""

VIEWS = (
    (OLTP, "CREATE SCHEMA vendas"),
    (OLTP, "CREATE VIEW vendas.clientes_sp AS SELECT customer_id, full_name, updated_at, deleted_at "
           "FROM core.customers WHERE customer_id % 3 = 0"),
    (DW, "CREATE VIEW dim.VW_CLIENTE_SP AS SELECT cliente_original_id, nome_cliente, data_ultima_atualizacao "
         "FROM dim.DIM_CLIENTE WHERE cliente_original_id % 3 = 0"),
)  # fmt: skip


class Killed(BaseException):
    """The runner's process ends here: no handler of its own may see it."""


@dataclass(slots=True)
class Loading:
    """The ETL at work on the server. `now`: the server's clock when it began, where history ends."""

    dw: Any
    oltp: Any
    dialect: SqlServer
    now: datetime
    clock: VirtualClock
    shop: Shop
    rng: random.Random
    killing: bool = False
    runs: int = 0

    def runner(self) -> Runner:
        return Runner(
            dw=self.dw,
            oltp=self.oltp,
            dialect=self.dialect,
            clock=self.clock,
            capture=self._sample,
            pause=self._pause,
        )

    def _sample(self, dw: Any, now: datetime) -> None:
        insert_events(dw, [*sessions_at(now), runner_session(self.shop.now, self.runs)], now)
        dw.commit()

    def _pause(self, entity: str, batch: int) -> float:
        """Return how long work takes. Killing: the runner is gone in the middle of its second batch."""
        if self.killing and entity == "fact_vendas" and batch == 2:
            raise Killed
        return self.rng.uniform(0.6, 1.0) if batch else self.rng.uniform(0.9, 2.1)

    def advance(self, moment: datetime, *things: str) -> None:
        """Advance the shop to `moment`; the given events happen three minutes before it."""
        self.shop.advance(moment)
        for kind in things:
            at = moment - timedelta(minutes=3)
            self._carrier(at) if kind == CARRIER else self.shop.happen(kind, at)
        self.oltp.commit()
        self.clock.advance_to(moment)

    def _carrier(self, at: datetime) -> None:
        time = self.dialect.time(at)
        row = {"carrier_name": "Transportes", "status": "ATIVA", "created_at": time, "updated_at": time}
        self.dialect.insert(self.oltp, "core.carriers", "carrier_id", row)

    def pause(self, until: datetime) -> None:
        """Nothing changes until then: what was due in between happens at its end."""
        self.shop.now = until

    def run(self, started_by: str = "svc_etl", only: Iterable[str] | None = None) -> None:
        self.runs += 1
        self.runner().run(started_by, only)
        self.oltp.commit()

    @contextmanager
    def refusing(self, table: str, column: str) -> Iterator[None]:
        """Let the server refuse what is newer than everything in the table."""
        cursor = self.dw.cursor()
        newest = cursor.execute(f"SELECT MAX({column}) FROM {table}").fetchone()[0].isoformat(sep=" ")
        self.say(f"ALTER TABLE {table} ADD CONSTRAINT CK_test_deadline CHECK ({column} <= '{newest}')")
        yield
        self.say(f"ALTER TABLE {table} DROP CONSTRAINT CK_test_deadline")

    def say(self, sql: str, *params: Any) -> None:
        run_batch(self.dw.cursor(), sql, params)
        self.dw.commit()


def load(server: Server) -> datetime:
    """Fill the two databases; return the server's UTC time at which history ends."""
    _extras(server)
    now = server.rows(DW, "SELECT SYSUTCDATETIME()")[0][0].replace(microsecond=0)
    with server.open(DW) as probe:
        dialect = dialect_for(probe.cursor())
    with server.open(DW, program=RUNNER_PROGRAM, commit=False) as dw, server.open(OLTP, commit=False) as oltp:
        if isinstance(dialect, WithoutMerge):
            server.adapted.add("MERGE said as UPDATE, then INSERT")
        rng, start = random.Random(SEED), now - timedelta(days=DAYS)
        shop = Shop(oltp, dialect, rng, now=start, bustle=0.2)
        loading = Loading(dw, oltp, dialect, now, VirtualClock(start), shop, rng)
        _old_times(loading)
        with _quiet():
            _history(loading)
        loading.say("UPDATE fact.FACT_VENDAS SET valor_liquido = -1 WHERE venda_id <= 3")
        loading.say("UPDATE dim.DIM_PRODUTO SET eh_ativo = 1 WHERE eh_ativo = 0")
        loading.say("EXEC audit.sp_capture_connection_snapshot")
    return now


def _extras(server: Server) -> None:
    """Make what the contract's scripts do not: the pipelines that any row may add, and their tables."""
    for batch in batches(EXTRAS.read_text(encoding="utf-8")):
        server.execute(OLTP if "core.carriers" in batch else DW, batch)
    for database, statement in VIEWS:
        server.execute(database, statement)
    server.execute(OLTP, f"GRANT SELECT ON SCHEMA::vendas TO [{LOGIN}]")
    for entity, (source, target, key, active, status) in EXTRA_CONTROLS.items():
        server.execute(
            DW,
            "INSERT INTO ctl.etl_control (entity_name, source_table, target_table, source_pk_column, is_active, "
            "last_status, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, SYSUTCDATETIME(), SYSUTCDATETIME())",
            *(entity, source, target, key, active, status),
        )
    server.execute(DW, f"UPDATE ctl.etl_control SET batch_size = {BATCH}, cutoff_minutes = 2")
    marks = ", ".join("?" for _ in SLOW)
    server.execute(DW, f"UPDATE ctl.etl_control SET cutoff_minutes = 45 WHERE entity_name IN ({marks})", *SLOW)


_NUMBERS = (
    "(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM "
    + " CROSS JOIN ".join(f"(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS {name} (d)" for name in "abce")
    + ") AS x"
)


def _old_times(loading: Loading) -> None:
    """A past beyond every window, in three statements: runs, run entities, login events."""
    newest = loading.now - timedelta(days=40)
    loading.say(
        "INSERT INTO audit.etl_run (entities_requested, started_by, started_at, finished_at, status, "
        "entities_succeeded, entities_failed, created_at) SELECT 'dim_cliente', 'svc_antigo', "
        "DATEADD(MINUTE, -30 * (? - x.n), ?), DATEADD(MINUTE, 5 - 30 * (? - x.n), ?), 'success', 1, 0, "
        f"DATEADD(MINUTE, -30 * (? - x.n), ?) FROM {_NUMBERS} WHERE x.n < ? ORDER BY x.n",
        *(OLD_RUNS, newest) * 3,
        OLD_RUNS,
    )
    entities = ", ".join(f"('{entity}')" for entity in PIPELINES)
    loading.say(
        "INSERT INTO audit.etl_run_entity (run_id, entity_name, entity_started_at, entity_finished_at, status, "
        "extracted_count, upserted_count, soft_deleted_count, created_at, updated_at) "
        "SELECT r.run_id, p.entity_name, r.started_at, r.finished_at, 'success', 7, 7, 0, r.started_at, r.finished_at "
        f"FROM audit.etl_run AS r CROSS JOIN (VALUES {entities}) AS p (entity_name) ORDER BY r.run_id, p.entity_name"
    )
    loading.say(
        "INSERT INTO audit.connection_login_events (event_time_utc, session_id, login_name, program_name, "
        "database_name, status, login_time) SELECT DATEADD(MINUTE, x.n - ?, ?), 60, N'svc_antigo', N'antigo', "
        f"N'master', N'sleeping', DATEADD(DAY, -1, ?) FROM {_NUMBERS} WHERE x.n < ? ORDER BY x.n",
        *(OLD_EVENTS, loading.now - timedelta(days=12), newest, OLD_EVENTS),
    )


def _history(loading: Loading) -> None:
    """Nine days: every eight hours, then oftener; what goes wrong is written beside it."""
    now = loading.now
    loading.shop.open(customers=120, products=50)
    for hours in range(DAYS * 24 - 2, 26, -8):
        at = now - timedelta(hours=hours)
        if hours < 150 and hours + 8 >= 150:
            loading.advance(at, "customer_changes", "target_changes")
            with loading.refusing("dim.DIM_CLIENTE", "data_ultima_atualizacao"):
                loading.run()
        elif hours < 100 and hours + 8 >= 100:
            loading.advance(at)
            loading.run()
            loading.say("UPDATE ctl.etl_control SET is_active = 0 WHERE entity_name = 'dim_equipe'")
        else:
            loading.advance(at)
            loading.run()
    for hours in (25, 23, 20, 17, 14, 11, 9, 7, 5, 4, 3, 2):
        at = now - timedelta(hours=hours)
        loading.advance(at, "team_changes", "target_changes", "customer_changes", "order", "product_leaves")
        if hours in (20, 3):
            with loading.refusing("fact.FACT_METAS", "data_ultima_atualizacao"):
                loading.run("ana.souza", ["fact_metas"] if hours == 20 else None)
        elif hours == 2:
            with loading.refusing("fact.FACT_METAS", "data_ultima_atualizacao"):
                loading.run()
        else:
            loading.run()
    _last_hour(loading)


def _last_hour(loading: Loading) -> None:
    """The backlog: older than 50 minutes or younger than 30. None between, so that clocks need not agree."""
    now = loading.now
    loading.shop.bustle = 2
    loading.advance(now - timedelta(minutes=50), *EVERYTHING, *["order"] * 15)
    loading.pause(now - timedelta(minutes=30))
    loading.advance(now - timedelta(minutes=8), *EVERYTHING)
    loading.killing = True
    try:
        loading.run()
    except Killed:
        loading.dw.rollback()
    loading.advance(now - timedelta(minutes=4), *EVERYTHING)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the runner from reporting the failures that are wanted here."""
    logger = logging.getLogger("demo.runner")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
