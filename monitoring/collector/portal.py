"""The portal's own things, as the doctor wants to have them: its database, data folder, collector, settings.

Reads only, and what is not there yet (no database, no tables) is a finding, not an error.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from etlportal.backends.sqlserver.odbc import driver_manager_problem
from monitoring.enums import ProblemCode
from monitoring.models import CollectorState
from monitoring.policies.doctor import PortalFacts
from monitoring.policies.facts import Problem
from monitoring.selectors.pipeline_settings import Decisions, decisions
from monitoring.selectors.snapshot import TAKEOVER
from monitoring.warehouse.errors import problem_from

DEFAULT = "default"
OWN_CHECKS = frozenset({"etlportal.E001", "etlportal.W003"})
"""The data folder and the encryption: the doctor's own checks and the pre-flight's say it better."""
_VENDORS = {"sqlite3": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalRead:
    """What `default` said. `decided` are METRICS' defaults where it said nothing; `pending` None: not read."""

    decided: dict[str, Decisions] = field(
        default_factory=lambda: {name: Decisions(required=True) for name in settings.REQUIRED_PIPELINES}
    )
    problem: Problem | None = None
    pending: int | None = None
    collector: tuple[datetime | None, datetime | None] | None = None
    """When the last tick ended and until when the lease is held; None: could not be read."""


def unread_portal(problem: Problem) -> PortalRead:
    """Return what is known when `default` cannot be asked."""
    return PortalRead(problem=problem)


def read_portal() -> PortalRead:
    """Ask `default`. Never raises for what the database does."""
    try:
        connection = connections[DEFAULT]
        if _absent(connection):
            return PortalRead(pending=len(MigrationLoader(None).graph.nodes))
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        read = PortalRead(pending=len(executor.migration_plan(executor.loader.graph.leaf_nodes())))
    except Exception as error:  # a driver that is missing is neither a DatabaseError
        problem = problem_from(error, DEFAULT, connecting=True)
        return unread_portal(replace(problem, code=ProblemCode.UNREACHABLE) if _unknown(problem) else problem)
    try:
        row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list("ticked_at", "lease_until").first()
        return replace(read, decided=decisions(), collector=row or (None, None))
    except DatabaseError:
        return read  # its tables are of another release, or not there: "migrated" tells it


def _absent(connection: Any) -> bool:
    """Whether `default` is an SQLite file that is not there: looking at it would make it."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():
        return False
    return not Path(connection.settings_dict["NAME"]).exists()


def _unknown(problem: Problem) -> bool:
    return problem.code is ProblemCode.OTHER


def deploy_messages(read: PortalRead) -> tuple[tuple[str, str, str, bool], ...]:
    """Return what Django's checks say, those of a deployment only where a real warehouse is watched."""
    asked = [DEFAULT] if read.problem is None and read.pending == 0 else None
    found = checks.run_checks(include_deployment_checks=not settings.EMBEDDED, databases=asked)
    return tuple(
        (message.id or "", message.msg, message.hint or "", message.level >= checks.ERROR)
        for message in found
        if message.level >= checks.WARNING and not message.is_silenced() and message.id not in OWN_CHECKS
    )


def portal_facts(read: PortalRead, messages: tuple[tuple[str, str, str, bool], ...]) -> PortalFacts:
    """Return the findings as the policy wants to have them."""
    now = timezone.now()
    ticked_at, lease_until = read.collector or (None, None)
    return PortalFacts(
        database=_described(),
        database_problem=read.problem,
        pending=read.pending,
        data_folder=str(settings.DATA_DIR),
        data_folder_writable=os.access(settings.DATA_DIR, os.W_OK | os.X_OK),
        # A database without tables has no collector, which is as good as read.
        collector_read=read.problem is None,
        collector_age_seconds=(now - ticked_at).total_seconds() if ticked_at else None,
        collecting=lease_until is not None and lease_until > now - TAKEOVER,
        settings_messages=messages,
        driver_problem=None if settings.EMBEDDED else driver_manager_problem() or "",
        drivers=_drivers(),
    )


def _drivers() -> str:
    """Say which ODBC drivers for SQL Server the driver manager knows."""
    if settings.EMBEDDED or driver_manager_problem():
        return ""
    pyodbc = importlib.import_module("pyodbc")
    found = [name for name in pyodbc.drivers() if "SQL Server" in name]
    return f"pyodbc {pyodbc.version}: {', '.join(found) or '-'}"


def _described() -> str:
    """Say which database `default` is, without its secrets."""
    config = connections.settings[DEFAULT]
    vendor = _VENDORS.get(config["ENGINE"].rsplit(".", 1)[-1], "SQL Server")
    host = f" ({config['HOST']})" if config.get("HOST") else ""
    return f"{vendor}: {config.get('NAME') or '?'}{host}"
