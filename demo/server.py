"""The demonstration's shop and ETL against a real SQL Server: `manage.py demo_etl --sqlserver`.

A stranger to the portal, as any ETL: a login and a program name of its own, and none of the portal's
connections. It writes only into databases that were made for it. The environment must name both, each must
carry the mark that docker/databases.sql puts there, and nobody else's pipelines or runs may be in them.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from demo.build import BUSTLE, SEED
from demo.clock import RealClock
from demo.ddl import tables
from demo.dialects import Dialect, SqlServerDialect
from demo.events import RETENTION_DAYS
from demo.history import SCHEDULER
from demo.jobs import JOBS
from demo.live import BY_HAND, EVERY_SECONDS, MOST_AT_ONCE, SHOP_SECONDS, WAIT_SECONDS, who
from demo.mishaps import Mishaps
from demo.pacing import Pacing
from demo.people import People
from demo.runner import Runner
from demo.sessions import RUNNER_PROGRAM
from demo.shop import Shop
from demo.shop_rows import KEYS
from demo.store import Changes, load
from demo.users import DemoRefused
from etlportal.backends.sqlserver.connection_string import connection_string

logger = logging.getLogger(__name__)

MARK = "etlportal_demo"
"""The extended property of a database that was made for the demonstration."""
CONNECT_SECONDS = 10

_NEEDED = ("ETL_RUNNER_SERVER", "ETL_RUNNER_USER", "ETL_RUNNER_PASSWORD", "ETL_RUNNER_DW_DB", "ETL_RUNNER_OLTP_DB")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to write, and as whom. The databases have no default: whoever starts this names them."""

    server: str
    port: str
    user: str
    password: str
    dw: str
    oltp: str
    encrypt: str
    trust: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Target:
        """Return what the environment says (the password also as ETL_RUNNER_PASSWORD_FILE). Raises DemoRefused."""
        found = dict(environ)
        if path := found.get("ETL_RUNNER_PASSWORD_FILE"):
            try:
                found["ETL_RUNNER_PASSWORD"] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except OSError as error:
                raise DemoRefused(f"ETL_RUNNER_PASSWORD_FILE cannot be read: {error.strerror}.") from error
        if missing := [name for name in _NEEDED if not found.get(name)]:
            raise DemoRefused(f"Set {', '.join(missing)}: which server and databases, and as whom.")
        return cls(
            *(found["ETL_RUNNER_SERVER"], found.get("ETL_RUNNER_PORT") or "1433"),
            *(found[name] for name in _NEEDED[1:]),
            encrypt=found.get("ETL_RUNNER_ENCRYPT") or "yes",
            trust=found.get("ETL_RUNNER_TRUST_SERVER_CERTIFICATE") or "no",
        )

    def text(self, database: str, driver: str) -> str:
        """Return the ODBC connection string."""
        return connection_string(
            {
                "DRIVER": driver,
                "SERVER": f"{self.server},{self.port}",
                "DATABASE": database,
                "UID": self.user,
                "PWD": self.password,
                "Encrypt": self.encrypt,
                "TrustServerCertificate": self.trust,
                "APP": RUNNER_PROGRAM,
            }
        )


def connector(target: Target, folder: Path) -> tuple[Callable[[str], Any], type[Exception]]:
    """Return how to connect to a database, and the driver's error. `folder` may get an odbcinst.ini."""
    from etlportal.backends.sqlserver import odbc

    odbc.register(folder)  # before pyodbc loads
    if problem := odbc.driver_manager_problem():
        raise DemoRefused(problem)
    import pyodbc

    pyodbc.pooling = False

    def connect(database: str) -> Any:
        return pyodbc.connect(target.text(database, odbc.driver_name()), timeout=CONNECT_SECONDS)

    return connect, pyodbc.Error


class ShopDialect(SqlServerDialect):
    """For the shop's own tables: it numbers its rows itself, which SQL Server wants to be told."""

    def upsert(self, table: str, columns: Any, key: Any) -> str:
        merge = super().upsert(table, columns, key)
        return f"SET IDENTITY_INSERT {table} ON; {merge} SET IDENTITY_INSERT {table} OFF;"


def refuse_others(connections: Mapping[str, Any]) -> None:
    """Raise DemoRefused unless both databases are the demonstration's and nobody else works in them."""
    for name, connection in connections.items():
        found = _all(connection, "SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = ?", MARK)
        if not found:
            raise DemoRefused(
                f"The {name} database does not carry the mark {MARK}: it was not made for the demonstration "
                "(docker/databases.sql). Nothing was written."
            )
    strange = sorted({row[0] for row in _all(connections["dw"], "SELECT entity_name FROM ctl.etl_control")} - set(JOBS))
    if strange:
        raise DemoRefused(f"ctl.etl_control has pipelines that are not the demonstration's: {', '.join(strange)}.")
    ours = (SCHEDULER, *BY_HAND)
    marks = ", ".join("?" for _ in ours)
    others = _all(
        connections["dw"], f"SELECT TOP (1) started_by FROM audit.etl_run WHERE started_by NOT IN ({marks})", *ours
    )
    if others:
        raise DemoRefused(f"audit.etl_run has runs that {others[0][0]} started: another ETL works here.")
    lock = "SET NOCOUNT ON; DECLARE @got INT; EXEC @got = sp_getapplock ?, 'Exclusive', 'Session', 0; SELECT @got"
    if _all(connections["dw"], lock, MARK)[0][0] < 0:
        raise DemoRefused("Another demonstration's ETL works in this database.")


def _all(connection: Any, sql: str, *params: Any) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(sql, params) if params else cursor.execute(sql)
    return list(cursor.fetchall())


@dataclass(slots=True)
class ServerEtl:
    """Shop and runner in turns, as in live.py, over connections that may break."""

    connect: Callable[[str], Any]  # "dw" or "oltp"
    error: type[Exception]
    clock: RealClock
    pace: float = 1.0
    admit: Callable[[Mapping[str, Any]], None] = refuse_others
    dialect: Dialect = field(default_factory=SqlServerDialect)
    shop_dialect: Dialect = field(default_factory=ShopDialect)
    snapshot: str = "EXEC audit.sp_capture_connection_snapshot"
    clean_up: str = f"EXEC audit.sp_connection_audit_cleanup {RETENTION_DAYS:d}"
    waits: int = 0

    def run_forever(self) -> None:
        """Work until the clock is stopped; outlive a server that is away. Raises DemoRefused."""
        while not self.clock.stopped:
            try:
                with closing(self.connect("dw")) as dw, closing(self.connect("oltp")) as oltp:
                    self._work(dw, oltp)
            except self.error as error:
                logger.error("The SQL Server cannot be used (%s). Trying again.", error)
                self.waits += 1
                self.clock.sleep(min(WAIT_SECONDS, 2.0**self.waits) * self.pace)

    def _work(self, dw: Any, oltp: Any) -> None:
        self.admit({"dw": dw, "oltp": oltp})
        dw.commit()
        keys = {table: key for table, key in KEYS.items() if f"core.{table}" in tables()}
        changes = Changes()
        if not _all(oltp, "SELECT MAX(region_id) FROM core.regions")[0][0]:
            self._open_shop(oltp, changes)
        bustle = BUSTLE * self.pace
        shop = load(oltp, now=self.clock.now(), seed=SEED, changes=changes, bustle=bustle, keys=keys)
        runner = Runner(
            dw=dw,
            oltp=oltp,
            dialect=self.dialect,
            clock=self.clock,
            snapshot=lambda _: self._call(dw, self.snapshot),
            mishap=Mishaps(SEED).of,
            pauses=Pacing(SEED).of,
        )
        next_run, started = self.clock.now(), False
        while not self.clock.stopped:
            shop.advance(self.clock.now(), most=MOST_AT_ONCE)
            changes.write(oltp, self.shop_dialect)
            if self.clock.now() >= next_run:
                # The first is of everything: somebody's run of two facts would miss their dimensions.
                chance = random.Random(f"{SEED}:{self.clock.now()}")
                run_id = runner.run(*who(chance) if started else (SCHEDULER, None))
                started = True
                oltp.commit()  # its reads opened a transaction
                self.waits = 0
                logger.info("Run %d finished.", run_id)
                if run_id % 60 == 0:
                    self._call(dw, self.clean_up)
                next_run = max(next_run + timedelta(seconds=EVERY_SECONDS / self.pace), self.clock.now())
            left = (next_run - self.clock.now()).total_seconds() * self.pace
            self.clock.sleep(min(SHOP_SECONDS, max(0.0, left)))

    def _open_shop(self, oltp: Any, changes: Changes) -> None:
        """Fill the empty sources: the shop opened yesterday."""
        logger.info("Filling the sources.")
        now = self.clock.now()
        shop = Shop(People(SEED), random.Random(SEED), now - timedelta(days=1), changes.changed)
        shop.open()
        shop.advance(now)
        rows = changes.write(oltp, self.shop_dialect)
        logger.info("The shop is open: %d rows.", rows)

    @staticmethod
    def _call(dw: Any, procedure: str) -> None:
        dw.cursor().execute(procedure)
        dw.commit()
