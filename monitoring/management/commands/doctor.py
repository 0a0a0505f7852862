"""`manage.py doctor`: both databases and the portal, examined now and without a collector; nothing is written.

The result is text, JSON, or a T-SQL script for a DBA.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone, translation

from etlportal.backends.sqlserver.odbc import driver_manager_problem
from etlportal.budget import OutOfTime, begin, budget, wait
from etlportal.environment import FORMAT, refuse
from etlportal.logs import name_process
from monitoring.collector.memory import Memory
from monitoring.collector.preflight import preflight_of, remedies
from monitoring.collector.read import DW, read_warehouse
from monitoring.collector.snapshot import TAKEOVER
from monitoring.collector.store import default_settings, pipeline_settings, required_names
from monitoring.models import CollectorState, PipelineSettings
from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import Check, ConnectionReading, Preflight, Problem
from monitoring.rules.preflight import CheckGroup, collector_check, group_of, readiness
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.permissions import Remedy, use
from monitoring.web.check_texts import (
    FOR_THE_DBA,
    GROUPS,
    READINESS,
    check_text,
    connection_facts,
    counts_text,
    why_text,
)
from monitoring.web.labels import label
from monitoring.web.problems import problem_text

logger = logging.getLogger(__name__)

PORTAL_SECONDS = 7.0
"""5 s for connecting to `default` (etlportal.databases) and 2 s for the first answer."""
WAREHOUSE_SECONDS = 30.0
OWN_CHECKS = frozenset({"etlportal.E001", "etlportal.W003"})
"""Django checks that the doctor replaces with its own: the data folder, the encryption."""
VENDORS = {"sqlite3": "SQLite", "postgresql": "PostgreSQL"}

WIDTH = 110
SIGNS = {CheckState.PASSED: "✓", CheckState.WARNING: "!", CheckState.FAILED: "✗", CheckState.UNKNOWN: "?"}
PLAIN_SIGNS = {**SIGNS, CheckState.PASSED: "+", CheckState.FAILED: "x"}
COLOURS = {CheckState.PASSED: 32, CheckState.WARNING: 33, CheckState.FAILED: 31, CheckState.UNKNOWN: 35}
CONNECTION_KEYS = (
    "alias", "reachable", "server", "database", "driver", "connection_string", "latency_ms", "clock_skew_seconds",
)  # fmt: skip
PROBLEM_KEYS = ("code", "detail", "sqlstate", "native")


class Portal(NamedTuple):
    """`configured`: the settings of the pipelines. `hangs`: a thread still waits for `default`."""

    checks: list[Check]
    configured: dict[str, PipelineSettings]
    migrated: bool = False
    hangs: bool = False


class Examination(NamedTuple):
    preflight: Preflight
    connections: tuple[ConnectionReading, ...]
    remedies: tuple[Remedy, ...]
    portal_hangs: bool


def examine() -> Examination:
    """Examine everything once. Database failures are reported, not raised. Every query is limited."""
    portal = read_portal_in_time()
    with budget(WAREHOUSE_SECONDS):
        reading = read_warehouse(Memory(), portal.configured, copying=False)
    preflight = preflight_of(reading, reading.pipelines.values(), required_names(portal.configured))
    own = (*driver_checks(), *portal.checks, folder_check(), *settings_checks(database_ready=portal.migrated))
    return Examination(
        preflight=replace(preflight, checks=(*preflight.checks, *own)),
        connections=tuple(reading.structure.connections.values()),
        remedies=() if settings.EMBEDDED else remedies(reading, settings.DATABASES[DW].get("USER") or ""),
        portal_hangs=portal.hangs,
    )


def read_portal_in_time() -> Portal:
    if settings.DATABASES[DEFAULT_DB_ALIAS]["ENGINE"].endswith("sqlite3"):
        return read_portal()
    try:
        return wait(begin(read_portal), PORTAL_SECONDS)
    except OutOfTime:
        problem = Problem(code=ProblemCode.UNREACHABLE, detail=f"no answer within {PORTAL_SECONDS:.0f} s")
        return Portal(portal_checks(problem=problem), default_settings(), hangs=True)


def read_portal() -> Portal:
    """Database failures are reported, not raised."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if _absent(connection):
            pending = len(MigrationLoader(None).graph.nodes)
            return Portal(portal_checks(pending=pending), default_settings())
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except Exception as error:  # a missing driver raises no DatabaseError
        problem = problem_from(error, DEFAULT_DB_ALIAS, connecting=True)
        code = ProblemCode.UNREACHABLE if problem.code is ProblemCode.OTHER else problem.code
        return Portal(portal_checks(problem=replace(problem, code=code)), default_settings())
    row, configured = None, default_settings()
    try:
        row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list("ticked_at", "lease_until").first()
        configured = pipeline_settings()
    except DatabaseError:
        logger.debug("tables of another release, or none, which portal.migrated reports", exc_info=True)
    now = timezone.now()
    ticked_at, lease_until = row or (None, None)
    found = portal_checks(
        pending=pending,
        collector_age_seconds=(now - ticked_at).total_seconds() if ticked_at else None,
        collecting=lease_until is not None and lease_until > now - TAKEOVER,
    )
    return Portal(found, configured, migrated=pending == 0)


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
    config = connections.settings[DEFAULT_DB_ALIAS]
    vendor = VENDORS.get(config["ENGINE"].rsplit(".", 1)[-1], "SQL Server")
    host = f" ({config['HOST']})" if config.get("HOST") else ""
    found = f"{vendor}: {config.get('NAME') or '?'}{host}"
    database = Check(code="portal.database", state=_state(problem is None), values={"found": found}, problem=problem)
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
    databases = [DEFAULT_DB_ALIAS] if database_ready else None
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


def _state(passed: bool) -> CheckState:
    return CheckState.PASSED if passed else CheckState.FAILED


def printable(text: str) -> str:
    """Remove control characters and line breaks: names can be any text."""
    return "".join(character if character.isprintable() else " " for character in text)


def as_json(examined: Examination, language: str) -> dict[str, Any]:
    """Return the findings in the active language. Keys are added, never renamed (docs/doctor.md)."""
    found = examined.preflight
    concluded = readiness(found)
    return {
        "format": FORMAT,
        "language": language,
        "checked_at": found.checked_at.isoformat(),
        "state": concluded.value,
        "exit_code": concluded.exit_code,
        "ready_for": {
            "monitoring": found.ready_for_monitoring,
            "first_run": found.ready_for_first_run,
            "all_active": found.ready_for_all_active,
        },
        "connections": [
            {**{key: getattr(reading, key) for key in CONNECTION_KEYS}, "problem": _problem(reading.problem)}
            for reading in examined.connections
        ],
        "checks": [
            {
                "code": check.code,
                "group": group_of(check).value,
                "entity_name": check.entity_name,
                "state": check.state.value,
                **check_text(check)._asdict(),
                "problem": _problem(check.problem),
            }
            for check in found.checks
        ],
        "sql": script(examined.remedies),
    }


def _problem(problem: Problem | None) -> dict[str, Any] | None:
    return None if problem is None else {key: getattr(problem, key) for key in PROBLEM_KEYS}


def script(remedies: tuple[Remedy, ...]) -> str:
    """Return a batch per database, each statement under its reason; empty if nothing is missing."""
    if not remedies:
        return ""

    def reason(remedy: Remedy) -> str:
        entity, text = remedy.values.get("entity"), why_text(remedy.why, remedy.values)
        return f"{entity}: {text}" if entity else text

    batches = [_comment(str(FOR_THE_DBA))]
    for database, wanted in groupby(remedies, key=lambda remedy: remedy.database):
        parts = [f"{use(database)}\nGO\n"]
        for why, same in groupby(wanted, key=reason):
            parts.append("\n".join((_comment(why), *(remedy.statement for remedy in same), "GO\n")))
        batches.append("\n".join(parts))
    return "\n\n".join(batches)


def _comment(text: str) -> str:
    return "\n".join(f"-- {line}" for line in textwrap.wrap(printable(text), 100))


class TextReport:
    """The result as lines. `plain`: ASCII signs only."""

    def __init__(self, examined: Examination, *, colour: bool, plain: bool) -> None:
        self._examined, self._colour = examined, colour
        self._signs, self._arrow = (PLAIN_SIGNS, "->") if plain else (SIGNS, "→")
        self._told: set[Problem] = set()
        self._words = max(len(label(state)) for state in CheckState)

    def lines(self) -> Iterator[str]:
        checks = self._examined.preflight.checks
        for group in CheckGroup:
            yield str(GROUPS[group])
            for entity, own in groupby((c for c in checks if group_of(c) is group), key=lambda c: c.entity_name):
                yield from self._entity(entity, list(own))
            yield ""
        if sql := script(self._examined.remedies):
            yield from (*sql.splitlines(), "")
        yield f"{READINESS[readiness(self._examined.preflight)]}: {counts_text([check.state for check in checks])}"

    def _entity(self, entity: str, checks: list[Check]) -> Iterator[str]:
        """Yield one line for passed checks, one for unknown checks with a known reason, the others with a remedy."""
        before = f"{entity}: " if entity else ""
        passed = [check_text(check).label for check in checks if entity and check.state is CheckState.PASSED]
        if passed:
            yield from self._wrapped(CheckState.PASSED, before + ", ".join(passed))
        others = [check for check in checks if not entity or check.state is not CheckState.PASSED]
        for reason, same in groupby(others, key=self._told_reason):
            if reason is None:
                for check in same:
                    yield from self._check(check, before)
            else:
                labels = ", ".join(check_text(check).label for check in same)
                yield from self._wrapped(CheckState.UNKNOWN, f"{before}{labels}: {problem_text(reason).what}")

    def _told_reason(self, check: Check) -> Problem | None:
        return check.problem if check.state is CheckState.UNKNOWN and check.problem in self._told else None

    def _check(self, check: Check, before: str) -> Iterator[str]:
        words, indent, problem = check_text(check), " " * (self._words + 5), check.problem
        found = f": {words.detail}" if words.detail else ""
        yield from self._wrapped(check.state, f"{before}{words.label}{found}")
        if words.to_do:
            yield from textwrap.wrap(
                printable(f"{self._arrow} {words.to_do}"), WIDTH, initial_indent=indent, subsequent_indent=indent + "  "
            )
        if problem is not None:
            self._told.add(problem)
            if problem.detail and check.state is not CheckState.PASSED:
                numbers = ", ".join(str(number) for number in (problem.sqlstate, problem.native) if number)
                yield indent + printable(f"[{numbers}] {problem.detail}" if numbers else problem.detail)
        if check.code.endswith(".connection"):
            yield from (f"{indent}{name}: {printable(value)}" for name, value in connection_facts(check))

    def _wrapped(self, state: CheckState, text: str) -> Iterator[str]:
        head = f"  {self._signs[state]} {label(state):<{self._words}} "
        first, *others = textwrap.wrap(printable(text), WIDTH - len(head)) or [""]
        yield (f"\033[{COLOURS[state]}m{head}\033[0m" if self._colour else head) + first
        yield from (" " * len(head) + other for other in others)


class Command(BaseCommand):
    help = (
        "Look at the warehouse and at the portal itself, now, without a collector and without writing: what is wrong, "
        "what to do, and what a DBA could run. Exit code 0: ready, 1: ready with warnings, 2: not ready."
    )
    # The doctor runs Django's checks itself and reports them with its own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON instead of text (docs/doctor.md)")
        parser.add_argument(
            "--language",
            choices=[code for code, _ in settings.LANGUAGES],
            help="of the texts; the default is the terminal's (LANG), else that of the settings",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        language = options["language"] or language_of_terminal()
        name_process("doctor")
        try:
            examined = examine()
        except Exception as error:
            # An unexpected error is "not ready" too, and --json still writes JSON.
            logger.exception("the doctor itself failed")
            sys.exit(refuse(error, ["doctor", *(["--json"] if options["json"] else [])], self.stdout))
        encoding = getattr(options.get("stdout") or sys.stdout, "encoding", None) or "utf-8"
        with translation.override(language):
            if options["json"]:
                text = json.dumps(as_json(examined, language), indent=2)
            else:
                signs = "".join(SIGNS.values())
                plain = signs.encode(encoding, "replace").decode(encoding) != signs
                text = "\n".join(TextReport(examined, colour=self._colour(options), plain=plain).lines())
        self.stdout.write(text.encode(encoding, "replace").decode(encoding))
        exit_code = readiness(examined.preflight).exit_code
        if not settings.EMBEDDED or examined.portal_hangs:
            # A thread may still wait inside the driver: end the process without waiting for it.
            self.stdout.flush()
            os._exit(exit_code)
        sys.exit(exit_code)

    def _colour(self, options: dict[str, Any]) -> bool:
        if options.get("force_color"):
            return True
        return self.stdout.isatty() and not options.get("no_color") and not os.environ.get("NO_COLOR")


def language_of_terminal() -> str:
    wanted = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    try:
        return translation.get_supported_language_variant(wanted.split(".")[0].replace("_", "-").lower())
    except LookupError:
        return str(settings.LANGUAGE_CODE)
