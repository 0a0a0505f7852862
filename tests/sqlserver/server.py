"""The server under test: its product and features, and the two temporary databases.

Names have a random suffix, so that two runs on one server do not collide and no other database is touched. Uses
pyodbc only, because the portal's SQL is under test.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SQL_FOLDER = Path(__file__).resolve().parents[2] / "sql" / "sqlserver"
OLTP_FILES = ("10_oltp_core.sql", "90_oltp_access.sql")
DW_FILES = (
    *("20_dw_ctl.sql", "30_dw_audit.sql", "40_dw_dim.sql", "50_dw_fact.sql"),
    *("60_dw_procedures.sql", "70_dw_pipelines.sql", "91_dw_access.sql"),
)
EXTRAS = Path(__file__).parent / "extras.sql"

SUFFIX = secrets.token_hex(4)
DW, OLTP = f"etlportal_test_dw_{SUFFIX}", f"etlportal_test_oltp_{SUFFIX}"
LOGIN, PASSWORD = f"etl_monitor_{SUFFIX}", f"Aa1;{{}}= {secrets.token_urlsafe(18)}"
"""The portal's login. Its password has what a connection string must not trip over."""

RUNNER_PROGRAM = "etl-runner"
"""The program name of the connection that plays the ETL (CONTRACT 6)."""

_GO = re.compile(r"^\s*GO\s*;?\s*$", re.IGNORECASE | re.MULTILINE)
_COMMENTS = re.compile(r"--[^\n]*")


@dataclass(frozen=True, slots=True)
class Address:
    """The account of TEST_SQLSERVER_*, which may create databases and logins."""

    host: str
    port: str
    user: str
    password: str
    encrypt: str
    trust: str


def address() -> Address | None:
    """Return the server to test against; None where TEST_SQLSERVER_HOST is not set."""
    value = {name: os.environ.get(f"TEST_SQLSERVER_{name}", "") for name in ("HOST", "PORT", "USER", "PASSWORD")}
    if not value["HOST"]:
        return None
    return Address(
        host=value["HOST"],
        port=value["PORT"] or "1433",
        user=value["USER"],
        password=value["PASSWORD"],
        encrypt=os.environ.get("TEST_SQLSERVER_ENCRYPT") or "yes",
        trust=os.environ.get("TEST_SQLSERVER_TRUST") or "no",
    )


def patience() -> float:
    """Return how many times longer than usual the portal may wait: TEST_SQLSERVER_PATIENCE, for a slow server."""
    return float(os.environ.get("TEST_SQLSERVER_PATIENCE") or 1)


def portal_environment() -> dict[str, str]:
    """Return the environment that leads the portal to the test's two databases, as the least of logins."""
    server = address()
    if server is None:
        return {}
    return {
        "ETL_SQL_SERVER": server.host,
        "ETL_SQL_PORT": server.port,
        "ETL_SQL_USER": LOGIN,
        "ETL_SQL_PASSWORD": PASSWORD,
        "ETL_SQL_ENCRYPT": server.encrypt,
        "ETL_SQL_TRUST_SERVER_CERTIFICATE": server.trust,
        "ETL_DW_DB": DW,
        "ETL_OLTP_DB": OLTP,
        # The test client speaks HTTP, and the viewer's days are not the server's.
        "PORTAL_HTTPS": "no",
        "PORTAL_TIME_ZONE": "America/Sao_Paulo",
    }


@dataclass(slots=True)
class Server:
    """One server. `adapted`: what had to be said differently on it, by a short name."""

    address: Address
    driver: str
    adapted: set[str] = field(default_factory=set)
    version: str = ""
    family: str = ""
    _asking: dict[str, Any] = field(default_factory=dict)

    def connect(
        self,
        database: str = "master",
        *,
        program: str = "etlportal-tests",
        commit: bool = True,
        login: str = "",
        password: str = "",
    ) -> Any:
        """Return a connection, by default of the administrative account. The caller closes it."""
        import pyodbc

        parts = {
            "DRIVER": self.driver,
            "SERVER": f"{self.address.host},{self.address.port}",
            "DATABASE": database,
            "UID": login or self.address.user,
            "PWD": password or self.address.password,
            "Encrypt": self.address.encrypt,
            "TrustServerCertificate": self.address.trust,
            "APP": program,
        }
        text = ";".join(f"{name}={{{value.replace('}', '}}')}}}" for name, value in parts.items())
        return pyodbc.connect(text, autocommit=commit, timeout=15)

    def rows(self, database: str, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return what a statement finds, by one connection per database that stays open."""
        if database not in self._asking:
            self._asking[database] = self.connect(database)
        return [tuple(row) for row in self._asking[database].cursor().execute(sql, params).fetchall()]

    def execute(self, database: str, sql: str, *params: Any) -> None:
        with self.open(database) as connection:
            run_batch(connection.cursor(), sql, params)

    @contextmanager
    def open(self, database: str, **options: Any) -> Iterator[Any]:
        connection = self.connect(database, **options)
        try:
            yield connection
        finally:
            connection.close()

    def look(self) -> None:
        """Return the server's product: "sqlserver", "azure" or "babelfish" (PostgreSQL with TDS)."""
        self.version = " ".join(str(self.rows("master", "SELECT @@VERSION")[0][0]).split())
        edition = self.rows("master", "SELECT CAST(SERVERPROPERTY('EngineEdition') AS INT)")[0][0]
        if "babelfish" in self.version.casefold():
            self.family = "babelfish"
        else:
            self.family = "azure" if edition in (5, 8) else "sqlserver"

    def create(self) -> None:
        """Make the two databases, the contract's tables in them, and the portal's login."""
        for database in (DW, OLTP):
            self.execute("master", f"CREATE DATABASE [{database}]")
        self.execute("master", f"CREATE LOGIN [{LOGIN}] WITH PASSWORD = '{PASSWORD}'")
        self._grant_server_state()
        for database, files in ((OLTP, OLTP_FILES), (DW, DW_FILES)):
            for name in files:
                self.apply(database, (SQL_FOLDER / name).read_text(encoding="utf-8"), name)

    def _grant_server_state(self) -> None:
        import pyodbc

        try:
            self.execute("master", f"GRANT VIEW SERVER STATE TO [{LOGIN}]")
        except pyodbc.Error:
            if self.family == "sqlserver":
                raise
            self.adapted.add("no VIEW SERVER STATE to grant")

    def apply(self, database: str, script: str, name: str) -> None:
        """Run a script of batches as sqlcmd does, with replacements for syntax that the server lacks."""
        script = script.replace("etl_monitor", LOGIN)
        with self.open(database) as connection:
            for batch in batches(script):
                self._apply_batch(connection.cursor(), batch, name)

    def _apply_batch(self, cursor: Any, batch: str, name: str) -> None:
        import pyodbc

        for words, simpler in ((None, None), *SIMPLER):
            said = batch if words is None else batch.replace(words, simpler)
            if words is not None and said == batch:
                continue
            try:
                run_batch(cursor, said)
            except pyodbc.Error as error:
                failure = error
                continue
            if words is not None:
                self.adapted.add(f"{name}: {words} said as {simpler}")
            return
        raise failure

    def drop(self) -> None:
        """Drop what `create` made, also while sessions are connected."""
        import pyodbc

        for database in (DW, OLTP):
            if database in self._asking:
                self._asking.pop(database).close()
            if not self.rows("master", "SELECT 1 FROM sys.databases WHERE name = ?", database):
                continue
            with suppress(pyodbc.Error):  # not every server has it, and not every one needs it
                self.execute("master", f"ALTER DATABASE [{database}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
            self.execute("master", f"DROP DATABASE [{database}]")
        if self.rows("master", "SELECT 1 FROM sys.server_principals WHERE name = ?", LOGIN):
            self.execute("master", f"DROP LOGIN [{LOGIN}]")


SIMPLER = (("CREATE OR ALTER", "CREATE"),)
"""Syntax that some servers lack, and the equivalent on an empty database."""


def batches(script: str) -> list[str]:
    """Return the batches between the GO lines, without those of comments only."""
    return [batch for batch in _GO.split(script) if _COMMENTS.sub("", batch).strip()]


def run_batch(cursor: Any, sql: str, params: Sequence[Any] = ()) -> None:
    """Run a batch to its end: an error of its second statement comes with the second result only."""
    cursor.execute(sql, *params)
    while cursor.nextset():
        pass
