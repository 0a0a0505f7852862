"""The warehouses that the demo writes into: embedded SQLite files, or a SQL Server (`manage.py demo_etl --sqlserver`).

The ETL's connections are its own. They bypass Django and its write guard.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import CommandError

from demo.pipelines import BY_HAND, PIPELINES, SCHEDULER
from demo.sessions import RETENTION_DAYS, RUNNER_PROGRAM, clean_up, sample
from etlportal.backends.sqlserver import odbc
from etlportal.databases import EMBEDDED_SCHEMAS

BUSY_SECONDS = 5.0
CONNECT_SECONDS = 10
MARK = "etlportal_demo"
_NEEDED = ("ETL_RUNNER_SERVER", "ETL_RUNNER_USER", "ETL_RUNNER_PASSWORD", "ETL_RUNNER_DW_DB", "ETL_RUNNER_OLTP_DB")


class DemoRefused(CommandError):
    """The demo may not change this portal or server."""


class WarehouseGone(Exception):
    """A file of the embedded warehouse is missing or was replaced."""


def refuse_real_warehouse() -> None:
    if not settings.EMBEDDED:
        raise DemoRefused("ETL_SQL_SERVER is set: the demo only runs over the embedded warehouse.")


class Sqlite:
    """The SQL that differs between SQLite and SQL Server."""

    def time(self, moment: datetime) -> Any:
        return moment.isoformat(sep=" ", timespec="seconds")

    def limit(self, rows: int) -> str:
        return f"LIMIT {rows:d}"

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(columns)}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        )

    def insert(self, connection: Any, table: str, identity: str, row: dict[str, Any]) -> int:
        sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks(row)})"
        return int(connection.execute(sql, tuple(row.values())).lastrowid)


class SqlServer(Sqlite):
    def time(self, moment: datetime) -> Any:
        return moment.replace(microsecond=0)

    def limit(self, rows: int) -> str:
        return f"OFFSET 0 ROWS FETCH NEXT {rows:d} ROWS ONLY"

    def upsert(self, table: str, columns: Sequence[str], key: Sequence[str]) -> str:
        names = ", ".join(columns)
        match = " AND ".join(f"t.{name} = s.{name}" for name in key)
        changes = ", ".join(f"{name} = s.{name}" for name in columns if name not in key)
        values = ", ".join(f"s.{name}" for name in columns)
        # HOLDLOCK: no other session may insert the key between the search and the insert.
        return (
            f"MERGE {table} WITH (HOLDLOCK) AS t USING (VALUES ({marks(columns)})) AS s ({names}) ON {match} "
            f"WHEN MATCHED THEN UPDATE SET {changes} WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values});"
        )

    def insert(self, connection: Any, table: str, identity: str, row: dict[str, Any]) -> int:
        sql = f"INSERT INTO {table} ({', '.join(row)}) OUTPUT INSERTED.{identity} VALUES ({marks(row)})"
        return int(connection.execute(sql, tuple(row.values())).fetchone()[0])


def marks(items: Iterable[Any]) -> str:
    return ", ".join("?" for _ in items)


class EmbeddedWarehouse:
    """The SQLite files in `folder`, one per schema."""

    dialect = Sqlite()
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: object = None

    def path(self, alias: str, schema: str) -> Path:
        return self.folder / alias / f"{schema}.sqlite3"

    def files(self) -> dict[str, Path]:
        return {schema: self.path(alias, schema) for alias, schemas in EMBEDDED_SCHEMAS.items() for schema in schemas}

    def missing(self) -> list[str]:
        return [schema for schema, path in self.files().items() if not path.is_file()]

    def connect(self, alias: str, *, building: bool = False) -> sqlite3.Connection:
        """Open `alias` for writing with its schemas attached. Raises WarehouseGone, never creates a file.

        The caller commits. With `building`, commits are fast but not safe against a power failure.
        """
        connection = sqlite3.connect(":memory:", timeout=BUSY_SECONDS, uri=True)
        try:
            for schema in EMBEDDED_SCHEMAS[alias]:
                path = self.path(alias, schema)
                connection.execute(f"ATTACH DATABASE ? AS [{schema}]", (f"file:{quote(str(path))}?mode=rw",))
                connection.execute(f"PRAGMA [{schema}].synchronous = {'OFF' if building else 'NORMAL'}")
                if building:
                    connection.execute(f"PRAGMA [{schema}].journal_mode = MEMORY")
        except sqlite3.OperationalError as error:
            connection.close()
            raise WarehouseGone(f"{path}: {error}") from error
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def admit(self, dw: Any, oltp: Any) -> None:
        self._opened = self._identity()

    def check(self) -> None:
        """Raise WarehouseGone if the files are not those of `admit`: a deleted file stays writable while it is open."""
        if self._opened != self._identity():
            raise WarehouseGone("its files were replaced")

    def _identity(self) -> object:
        try:
            stats = [path.stat() for path in self.files().values()]
        except OSError as error:
            raise WarehouseGone(f"{error.filename}: {error.strerror}") from error
        return [(stat.st_dev, stat.st_ino) for stat in stats]

    sample = staticmethod(sample)
    prune = staticmethod(clean_up)


class ServerWarehouse:
    """The two databases of the ETL_RUNNER_ variables in `environ`. `folder` may get an odbcinst.ini."""

    dialect = SqlServer()

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        """Raise DemoRefused when a variable or the driver manager is missing."""
        self._target = target(environ)
        odbc.register(folder)  # before pyodbc is imported
        if problem := odbc.driver_manager_problem():
            raise DemoRefused(problem)
        import pyodbc

        pyodbc.pooling = False
        self._connect = pyodbc.connect
        self.errors: tuple[type[Exception], ...] = (pyodbc.Error,)

    def connect(self, alias: str) -> Any:
        return self._connect(odbc_text(self._target, alias, odbc.driver_name()), timeout=CONNECT_SECONDS)

    @staticmethod
    def admit(dw: Any, oltp: Any) -> None:
        """Raise DemoRefused unless both databases belong to the demo and no other demo uses them."""
        for name, connection in (("dw", dw), ("oltp", oltp)):
            marked = connection.execute("SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = ?", (MARK,))
            if not marked.fetchall():
                raise DemoRefused(
                    f"The {name} database does not carry the mark {MARK!r} of a database made for the demo "
                    "(docker/databases.sql). Nothing was written."
                )
        strange = {row[0] for row in dw.execute("SELECT entity_name FROM ctl.etl_control").fetchall()} - set(PIPELINES)
        if strange:
            raise DemoRefused(f"ctl.etl_control has pipelines that are not the demo's: {', '.join(sorted(strange))}.")
        runs = "SELECT TOP (1) started_by FROM audit.etl_run WHERE started_by NOT IN (?, ?)"
        if others := dw.execute(runs, (SCHEDULER, BY_HAND[0])).fetchall():
            raise DemoRefused(f"audit.etl_run has runs that {others[0][0]} started: another ETL works here.")
        lock = "SET NOCOUNT ON; DECLARE @got INT; EXEC @got = sp_getapplock ?, 'Exclusive', 'Session', 0; SELECT @got"
        if dw.execute(lock, (MARK,)).fetchall()[0][0] < 0:
            raise DemoRefused("Another demo's ETL works in this database.")
        dw.commit()

    def check(self) -> None:
        """A connection to a server ends with its database."""

    def sample(self, dw: Any, now: datetime) -> None:
        dw.execute("EXEC audit.sp_capture_connection_snapshot")
        dw.commit()

    def prune(self, dw: Any, now: datetime) -> None:
        dw.execute(f"EXEC audit.sp_connection_audit_cleanup {RETENTION_DAYS:d}")
        dw.commit()


def target(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the ETL_RUNNER_ variables. They have no default, to protect existing warehouses. Raises DemoRefused."""
    found = {
        "ETL_RUNNER_PORT": "1433",
        "ETL_RUNNER_ENCRYPT": "yes",
        "ETL_RUNNER_TRUST_SERVER_CERTIFICATE": "no",
        **{name: value for name, value in environ.items() if name.startswith("ETL_RUNNER_") and value},
    }
    if path := found.get("ETL_RUNNER_PASSWORD_FILE"):
        try:
            found["ETL_RUNNER_PASSWORD"] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise DemoRefused(f"ETL_RUNNER_PASSWORD_FILE cannot be read: {error.strerror}.") from error
    if missing := [name for name in _NEEDED if not found.get(name)]:
        raise DemoRefused(f"Set {', '.join(missing)}: which server and databases, and as whom.")
    return found


def odbc_text(found: Mapping[str, str], alias: str, driver: str) -> str:
    return odbc.connection_string(
        {
            "DRIVER": driver,
            "SERVER": f"{found['ETL_RUNNER_SERVER']},{found['ETL_RUNNER_PORT']}",
            "DATABASE": found[f"ETL_RUNNER_{alias.upper()}_DB"],
            "UID": found["ETL_RUNNER_USER"],
            "PWD": found["ETL_RUNNER_PASSWORD"],
            "Encrypt": found["ETL_RUNNER_ENCRYPT"],
            "TrustServerCertificate": found["ETL_RUNNER_TRUST_SERVER_CERTIFICATE"],
            "APP": RUNNER_PROGRAM,
        }
    )


@contextmanager
def exclusive(path: Path, refusal: str) -> Iterator[None]:
    """Hold SQLite's lock on an empty database `path`, which ends with the process. Raises DemoRefused(refusal)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise DemoRefused(refusal) from error
        yield
    finally:
        connection.close()
