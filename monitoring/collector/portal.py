"""What the doctor reads about the portal itself: its database, data folder, collector, settings.

Only reads. A database or tables that do not exist yet are findings, not errors.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from etlportal.backends.sqlserver.odbc import driver_manager_problem
from monitoring.collector.snapshot import TAKEOVER
from monitoring.collector.store import Decisions, decisions
from monitoring.models import CollectorState
from monitoring.rules.doctor import PortalFacts
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse.errors import problem_from

DEFAULT = "default"
OWN_CHECKS = frozenset({"etlportal.E001", "etlportal.W003"})
"""Reported by the doctor's own checks and the pre-flight: the data folder, the encryption."""
_VENDORS = {"sqlite3": "SQLite", "postgresql": "PostgreSQL"}


def default_decisions() -> dict[str, Decisions]:
    """Return the decisions about pipelines where the portal's own database has none."""
    return {name: Decisions(required=True) for name in settings.REQUIRED_PIPELINES}


def unread_portal(problem: Problem) -> PortalFacts:
    """Return what is known without `default`."""
    return PortalFacts(
        database=_described(),
        database_problem=problem,
        data_folder=str(settings.DATA_DIR),
        data_folder_writable=os.access(settings.DATA_DIR, os.W_OK | os.X_OK),
        driver_problem=None if settings.EMBEDDED else driver_manager_problem() or "",
        drivers=_drivers(),
    )


def read_portal() -> tuple[PortalFacts, dict[str, Decisions]]:
    """Read `default`. A database that cannot be read is a finding; only a defect raises."""
    facts, decided = replace(unread_portal(Problem(code=ProblemCode.OTHER)), database_problem=None), default_decisions()
    try:
        connection = connections[DEFAULT]
        if _absent(connection):
            return replace(facts, pending=len(MigrationLoader(None).graph.nodes), collector_read=True), decided
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except Exception as error:  # a missing driver raises no DatabaseError
        problem = problem_from(error, DEFAULT, connecting=True)
        code = ProblemCode.UNREACHABLE if problem.code is ProblemCode.OTHER else problem.code
        return unread_portal(replace(problem, code=code)), decided
    # A database without tables has no collector, which counts as read.
    facts = replace(facts, pending=pending, collector_read=True)
    try:
        row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list("ticked_at", "lease_until").first()
        decided = decisions()
    except DatabaseError:
        return facts, decided  # tables of another release, or none: "migrated" reports it
    now = timezone.now()
    ticked_at, lease_until = row or (None, None)
    return replace(
        facts,
        collector_age_seconds=(now - ticked_at).total_seconds() if ticked_at else None,
        collecting=lease_until is not None and lease_until > now - TAKEOVER,
    ), decided


def _absent(connection: Any) -> bool:
    """Return whether `default` is an SQLite file that does not exist: connecting would create it."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():
        return False
    return not Path(connection.settings_dict["NAME"]).exists()


def deploy_messages(facts: PortalFacts) -> tuple[tuple[str, str, str, bool], ...]:
    """Return the messages of Django's checks; those of a deployment only with a SQL Server."""
    asked = [DEFAULT] if facts.database_problem is None and facts.pending == 0 else None
    found = checks.run_checks(include_deployment_checks=not settings.EMBEDDED, databases=asked)
    return tuple(
        (message.id or "", message.msg, message.hint or "", message.level >= checks.ERROR)
        for message in found
        if message.level >= checks.WARNING and not message.is_silenced() and message.id not in OWN_CHECKS
    )


def _drivers() -> str:
    """Return the ODBC drivers for SQL Server that are installed."""
    if settings.EMBEDDED or driver_manager_problem():
        return ""
    pyodbc = importlib.import_module("pyodbc")
    found = [name for name in pyodbc.drivers() if "SQL Server" in name]
    return f"pyodbc {pyodbc.version}: {', '.join(found) or '-'}"


def _described() -> str:
    """Return a description of `default` without secrets."""
    config = connections.settings[DEFAULT]
    vendor = _VENDORS.get(config["ENGINE"].rsplit(".", 1)[-1], "SQL Server")
    host = f" ({config['HOST']})" if config.get("HOST") else ""
    return f"{vendor}: {config.get('NAME') or '?'}{host}"
