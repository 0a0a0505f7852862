"""One examination of both databases and the portal, without a collector and without writing. Every query is limited."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from etlportal.backends.sqlserver.odbc import driver_manager_problem
from etlportal.budget import OutOfTime, begin, wait
from monitoring.collector.memory import Memory, Structure
from monitoring.collector.plan import DW, OLTP
from monitoring.collector.preflight import preflight_of, remedies
from monitoring.collector.read import WarehouseReading, read_warehouse
from monitoring.collector.snapshot import TAKEOVER
from monitoring.collector.store import default_settings, pipeline_settings, required_names
from monitoring.models import CollectorState, PipelineSettings
from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import Check, ConnectionReading, Preflight, Problem
from monitoring.rules.preflight import Readiness, collector_check, readiness
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.permissions import Remedy
from monitoring.warehouse.reader import connection_reading, failed_reading

CONNECT_SECONDS = 7.0
"""5 s for connecting (etlportal.databases) and 2 s for the first answer. All databases are tried in parallel."""
READ_SECONDS = 30.0
DEFAULT = "default"
OWN_CHECKS = frozenset({"etlportal.E001", "etlportal.W003"})
"""Django checks that the doctor replaces with its own: the data folder, the encryption."""
VENDORS = {"sqlite3": "SQLite", "postgresql": "PostgreSQL"}

Answer = TypeVar("Answer")


class NoAnswer(Exception):
    """A query did not finish in time."""


class Doctor:
    """`abandoned`: a thread is still waiting for a query."""

    preflight: Preflight
    connections: tuple[ConnectionReading, ...]
    remedies: tuple[Remedy, ...]

    def __init__(self) -> None:
        self.abandoned = False

    @property
    def readiness(self) -> Readiness:
        return readiness(self.preflight)

    def examine(self) -> None:
        """Examine everything once. Database failures are reported, not raised."""
        deadline = time.monotonic() + CONNECT_SECONDS
        waiting = (
            {} if settings.EMBEDDED else {alias: begin(partial(connection_reading, alias)) for alias in (DW, OLTP)}
        )
        (*databases, collector), configured, migrated = self._portal(deadline)
        dead = {alias: problem for alias, asked in waiting.items() if (problem := self._why(alias, asked, deadline))}
        reading = self._read(configured, dead)
        preflight = preflight_of(reading, reading.pipelines.values(), required_names(configured))
        own = (*driver_checks(), *databases, folder_check(), collector, *settings_checks(database_ready=migrated))
        self.preflight = replace(preflight, checks=(*preflight.checks, *own))
        self.connections = tuple(reading.structure.connections[alias] for alias in (DW, OLTP))
        self.remedies = () if settings.EMBEDDED else remedies(reading, settings.DATABASES[DW].get("USER") or "")

    def _portal(self, deadline: float) -> tuple[list[Check], dict[str, PipelineSettings], bool]:
        if settings.DATABASES[DEFAULT]["ENGINE"].endswith("sqlite3"):
            return read_portal()
        try:
            return self._answer(begin(read_portal), deadline - time.monotonic())
        except NoAnswer as error:
            return unread_portal(Problem(code=ProblemCode.UNREACHABLE, detail=str(error)))

    def _why(self, alias: str, asked: Future[ConnectionReading], deadline: float) -> Problem | None:
        try:
            reading = self._answer(asked, deadline - time.monotonic())
        except NoAnswer as error:
            return Problem(code=ProblemCode.UNREACHABLE, detail=str(error))
        except Exception as error:
            return problem_from(error, alias, connecting=True)
        if reading.reachable:
            return None
        return reading.problem or Problem(code=ProblemCode.UNREACHABLE)

    def _answer(self, asked: Future[Answer], seconds: float) -> Answer:
        """Return the result or raise its exception. Raises NoAnswer after `seconds`."""
        try:
            return wait(asked, seconds)
        except OutOfTime as error:
            if asked.done():
                raise
            self.abandoned = True
            raise NoAnswer(f"no answer within {max(0.0, seconds):.0f} s") from error

    def _read(self, configured: Mapping[str, PipelineSettings], dead: Mapping[str, Problem]) -> WarehouseReading:
        memory = Memory()
        question = partial(read_warehouse, memory, configured, lambda: None, copying=False, dead=dead)
        if settings.EMBEDDED:
            return question()
        try:
            return self._answer(begin(question), READ_SECONDS)
        except NoAnswer as error:
            problem = Problem(code=ProblemCode.TIMEOUT, detail=str(error))
        # The structure may have been read before the time was over.
        structure = memory.structure or Structure(
            at=time.monotonic(),
            connections={alias: failed_reading(alias, dead.get(alias, problem)) for alias in (DW, OLTP)},
            catalogs={alias: dead.get(alias, problem) for alias in (DW, OLTP)},
            wanted={DW: set(), OLTP: set()},
            checked_at=timezone.now(),
        )
        return WarehouseReading(now=timezone.now(), structure=structure, problem=problem)


def read_portal() -> tuple[list[Check], dict[str, PipelineSettings], bool]:
    """Return checks, pipeline settings, and whether `default` is migrated. Database failures are reported."""
    configured = default_settings()
    try:
        connection = connections[DEFAULT]
        if _absent(connection):
            pending = len(MigrationLoader(None).graph.nodes)
            return portal_checks(pending=pending), configured, False
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except Exception as error:  # a missing driver raises no DatabaseError
        problem = problem_from(error, DEFAULT, connecting=True)
        code = ProblemCode.UNREACHABLE if problem.code is ProblemCode.OTHER else problem.code
        return unread_portal(replace(problem, code=code))
    try:
        row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list("ticked_at", "lease_until").first()
        configured = pipeline_settings()
    except DatabaseError:
        row = None  # tables of another release, or none, which portal.migrated reports
    now = timezone.now()
    ticked_at, lease_until = row or (None, None)
    found = portal_checks(
        pending=pending,
        collector_age_seconds=(now - ticked_at).total_seconds() if ticked_at else None,
        collecting=lease_until is not None and lease_until > now - TAKEOVER,
    )
    return found, configured, pending == 0


def unread_portal(problem: Problem) -> tuple[list[Check], dict[str, PipelineSettings], bool]:
    return portal_checks(problem=problem), default_settings(), False


def _absent(connection: Any) -> bool:
    """Return whether `default` is an SQLite file that does not exist. Connecting would create it."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():
        return False
    return not Path(connection.settings_dict["NAME"]).exists()


def portal_checks(
    *,
    problem: Problem | None = None,
    pending: int = 0,
    collector_age_seconds: float | None = None,
    collecting: bool = False,
) -> list[Check]:
    """`pending`: migrations not applied. `collector_age_seconds` None: there is no sample."""
    database = Check(
        code="portal.database",
        state=_state(problem is None),
        values={"found": _described()},
        problem=problem,
    )
    if problem is not None:
        unread = [
            Check(code=code, state=CheckState.UNKNOWN, problem=problem) for code in ("portal.migrated", "collector.age")
        ]
        return [database, *unread]
    migrated = Check(code="portal.migrated", state=_state(pending == 0), values={"pending": pending})
    collector = collector_check(collector_age_seconds, collecting=collecting)
    if collector.state is CheckState.FAILED:
        # The portal may be started before the collector.
        collector = replace(collector, state=CheckState.WARNING)
    return [database, migrated, collector]


def driver_checks() -> list[Check]:
    if settings.EMBEDDED:
        return []
    problem, drivers = driver_manager_problem() or "", ""
    if not problem:
        pyodbc = importlib.import_module("pyodbc")
        found = [name for name in pyodbc.drivers() if "SQL Server" in name]
        drivers = f"pyodbc {pyodbc.version}: {', '.join(found) or '-'}"
    return [Check(code="odbc.driver", state=_state(not problem), values={"found": drivers, "message": problem})]


def folder_check() -> Check:
    writable = os.access(settings.DATA_DIR, os.W_OK | os.X_OK)
    return Check(code="portal.data_folder", state=_state(writable), values={"found": str(settings.DATA_DIR)})


def settings_checks(*, database_ready: bool) -> list[Check]:
    """Return the messages of Django's checks. Deployment checks run only with a SQL Server."""
    databases = [DEFAULT] if database_ready else None
    found = [
        Check(
            code=f"portal.settings.{message.id or ''}",
            state=CheckState.FAILED if message.level >= checks.ERROR else CheckState.WARNING,
            values={"name": message.id or "", "message": message.msg, "hint": message.hint or ""},
        )
        for message in checks.run_checks(include_deployment_checks=not settings.EMBEDDED, databases=databases)
        if message.level >= checks.WARNING and not message.is_silenced() and message.id not in OWN_CHECKS
    ]
    return found or [Check(code="portal.settings", state=CheckState.PASSED)]


def _described() -> str:
    config = connections.settings[DEFAULT]
    vendor = VENDORS.get(config["ENGINE"].rsplit(".", 1)[-1], "SQL Server")
    host = f" ({config['HOST']})" if config.get("HOST") else ""
    return f"{vendor}: {config.get('NAME') or '?'}{host}"


def _state(passed: bool) -> CheckState:
    return CheckState.PASSED if passed else CheckState.FAILED
