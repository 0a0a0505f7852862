"""The only module that sends a statement to a watched database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import Error, connections
from django.utils import timezone

from etlportal.backends.sqlserver.odbc import UNENCRYPTED, driver_name, keywords_of, masked
from etlportal.budget import budget
from etlportal.databases import READ_UNCOMMITTED
from etlportal.guard import SNAPSHOT_PROCEDURE, WarehouseReadOnly, snapshot_allowed
from etlportal.logs import application_name
from monitoring.rules.facts import ConnectionReading, Problem, Terms
from monitoring.warehouse.dialect import Sql, dialect_of, utc
from monitoring.warehouse.errors import problem_from, scrub

Row = tuple[Any, ...]

ANSWER_SECONDS = 6.0
"""Time limit for a server to return its time. Slightly more than the driver's login timeout, so that the driver's own
error is shown."""


class ReadFailed(Exception):
    """`problem`: the cause, with the driver's own numbers."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def rows(alias: str, sql: Sql) -> list[Row]:
    """Run one SELECT and return its rows. Raises ReadFailed.

    A persistent connection fails on first use after a server restart. The SELECT is then retried once on a new
    connection, outside of a transaction.
    """
    try:
        kept = connections[alias].connection is not None and not connections[alias].in_atomic_block
    except Exception:
        kept = False  # _connect raises the same error
    try:
        return _fetched(alias, sql)
    except ReadFailed as failure:
        # SQLSTATE class 08 is a connection exception; IMC is the driver's failure to restore a session.
        if not kept or not (failure.problem.sqlstate or "").startswith(("08", "IMC")):
            raise
    connections[alias].close()
    return _fetched(alias, sql)


def _fetched(alias: str, sql: Sql) -> list[Row]:
    _connect(alias)
    with _failing(alias), connections[alias].cursor() as cursor:
        if sql.params:
            cursor.execute(sql.text, list[Any](sql.params))
        else:
            cursor.execute(sql.text.replace("%%", "%"))
        return [tuple(row) for row in cursor.fetchall()]


def execute_snapshot(alias: str) -> None:
    """Execute SNAPSHOT_PROCEDURE, the only statement that changes data. Raises ReadFailed.

    The guard permits exactly this statement, and only inside the block.
    """
    with _failing(alias), connections[alias].cursor() as cursor, snapshot_allowed():
        cursor.execute(SNAPSHOT_PROCEDURE)


@contextmanager
def _failing(alias: str) -> Iterator[None]:
    """Raise ReadFailed for an error of the database."""
    try:
        yield
    except WarehouseReadOnly:
        raise
    except Error as error:
        # The base class, because pyodbc raises it for a deadlock and for HY000.
        raise ReadFailed(problem_from(error, alias)) from error


def release(*aliases: str) -> None:
    """Close connections that are too old or broken, as Django does around a request.

    Embedded ones are closed each time, so that a deleted or replaced file is noticed. No connection is closed inside a
    transaction.
    """
    for alias in aliases:
        if not connections[alias].in_atomic_block:
            connections[alias].close_if_unusable_or_obsolete()


def _connect(alias: str) -> None:
    # Any error: a wrong setting raises ImproperlyConfigured, an unreachable server the driver's exception.
    try:
        connections[alias].close_if_health_check_failed()
        connections[alias].ensure_connection()
    except Exception as error:
        raise ReadFailed(problem_from(error, alias, connecting=True)) from error


_IDENTITY = {
    "microsoft": ", CAST(SERVERPROPERTY('ServerName') AS NVARCHAR(128)), DB_NAME()",
    "sqlite": ", '', ''",
}


def connection_reading(alias: str) -> ConnectionReading:
    """Return whether `alias` answers, its latency (one round trip, milliseconds) and its identity. Never raises."""
    described = _described(alias)
    try:
        with budget(ANSWER_SECONDS):
            _connect(alias)
            dialect = dialect_of(alias)
            asked_at, started = timezone.now(), time.perf_counter()
            clock, server, database = rows(alias, Sql(f"SELECT {dialect.now}{_IDENTITY[dialect.vendor]}"))[0]
            elapsed = time.perf_counter() - started
    except ReadFailed as failure:
        return ConnectionReading(alias=alias, reachable=False, problem=failure.problem, **described)
    described["server"] = server or described["server"]
    described["database"] = database or described["database"]
    if described.get("terms") is not None:
        described["terms"] = replace(described["terms"], isolation=getattr(connections[alias], "isolation", None) or "")
    # Our clock at the middle of the round trip.
    there = utc(clock)
    skew = None if there is None else round((there - asked_at).total_seconds() - elapsed / 2, 3)
    latency = round(elapsed * 1000, 2)
    return ConnectionReading(alias=alias, reachable=True, latency_ms=latency, clock_skew_seconds=skew, **described)


def failed_reading(alias: str, problem: Problem) -> ConnectionReading:
    """Return the reading of a connection that has just failed, without another attempt."""
    return ConnectionReading(alias=alias, reachable=False, problem=problem, **_described(alias))


def _described(alias: str) -> dict[str, Any]:
    """Describe a connection from its settings, without the password."""
    config = connections.settings[alias]
    options = config.get("OPTIONS", {})
    if "schemas" in options:
        import sqlite3

        files = "; ".join(f"{name}={path}" for name, path in options["schemas"].items())
        return {
            "server": "",
            "database": alias,
            "driver": f"SQLite {sqlite3.sqlite_version}",
            "connection_string": scrub(files, alias),
        }
    keywords = keywords_of(config, driver=driver_name(options.get("driver", "")), application=application_name())
    encrypt, isolation = options.get("encrypt", "yes"), options.get("isolation") or ""
    return {
        "terms": Terms(
            host=str(config.get("HOST", "")),
            encrypted=encrypt not in UNENCRYPTED,
            # Strict encryption always verifies the certificate.
            certificate_verified=encrypt == "strict" or options.get("trust_server_certificate", "no") == "no",
            intent=options.get("application_intent", ""),
            isolation_wanted=isolation if isolation != READ_UNCOMMITTED else "",
        ),
        "server": str(config.get("HOST", "")),
        "database": str(config.get("NAME", "")),
        "driver": keywords["DRIVER"],
        "connection_string": scrub(masked(keywords), alias),
    }
