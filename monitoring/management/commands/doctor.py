"""`manage.py doctor`: the read-only pre-flight as text, JSON, or a T-SQL script for a DBA."""

from __future__ import annotations

import json
import logging
import os
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation

from etlportal.environment import FORMAT, refuse
from etlportal.logs import name_process
from monitoring.collector.doctor import Doctor
from monitoring.rules.enums import CheckState
from monitoring.rules.facts import Check, Problem
from monitoring.rules.preflight import CheckGroup, group_of
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

WIDTH = 110
SIGNS = {CheckState.PASSED: "✓", CheckState.WARNING: "!", CheckState.FAILED: "✗", CheckState.UNKNOWN: "?"}
PLAIN_SIGNS = {**SIGNS, CheckState.PASSED: "+", CheckState.FAILED: "x"}
COLOURS = {CheckState.PASSED: 32, CheckState.WARNING: 33, CheckState.FAILED: 31, CheckState.UNKNOWN: 35}
CONNECTION_KEYS = (
    "alias", "reachable", "server", "database", "driver", "connection_string", "latency_ms", "clock_skew_seconds",
)  # fmt: skip
PROBLEM_KEYS = ("code", "detail", "sqlstate", "native")


def printable(text: str) -> str:
    """Remove control characters and line breaks: names can be any text."""
    return "".join(character if character.isprintable() else " " for character in text)


def as_json(doctor: Doctor, language: str) -> dict[str, Any]:
    """Return the findings in the active language. Keys are added, never renamed (docs/doctor.md)."""
    found = doctor.preflight
    return {
        "format": FORMAT,
        "language": language,
        "checked_at": found.checked_at.isoformat(),
        "state": doctor.readiness.value,
        "exit_code": doctor.readiness.exit_code,
        "ready_for": {
            "monitoring": found.ready_for_monitoring,
            "first_run": found.ready_for_first_run,
            "all_active": found.ready_for_all_active,
        },
        "connections": [
            {**{key: getattr(reading, key) for key in CONNECTION_KEYS}, "problem": _problem(reading.problem)}
            for reading in doctor.connections
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
        "sql": script(doctor.remedies),
    }


def _problem(problem: Problem | None) -> dict[str, Any] | None:
    return None if problem is None else {key: getattr(problem, key) for key in PROBLEM_KEYS}


def script(remedies: tuple[Remedy, ...]) -> str:
    """Return a batch per database, each statement under its reason; empty if nothing is missing."""
    if not remedies:
        return ""
    batches = [_comment(str(FOR_THE_DBA))]
    for database, wanted in groupby(remedies, key=lambda remedy: remedy.database):
        parts = [f"{use(database)}\nGO\n"]
        for why, same in groupby(wanted, key=_why):
            parts.append("\n".join((_comment(why), *(remedy.statement for remedy in same), "GO\n")))
        batches.append("\n".join(parts))
    return "\n\n".join(batches)


def _why(remedy: Remedy) -> str:
    entity, text = remedy.values.get("entity"), why_text(remedy.why, remedy.values)
    return f"{entity}: {text}" if entity else text


def _comment(text: str) -> str:
    return "\n".join(f"-- {line}" for line in textwrap.wrap(printable(text), 100))


class TextReport:
    """The result as lines. `plain`: ASCII signs only."""

    def __init__(self, doctor: Doctor, *, colour: bool, plain: bool) -> None:
        self._doctor, self._colour = doctor, colour
        self._signs, self._arrow = (PLAIN_SIGNS, "->") if plain else (SIGNS, "→")
        self._told: set[Problem] = set()
        self._words = max(len(label(state)) for state in CheckState)

    def lines(self) -> Iterator[str]:
        checks = self._doctor.preflight.checks
        for group in CheckGroup:
            yield str(GROUPS[group])
            for entity, own in groupby((c for c in checks if group_of(c) is group), key=lambda c: c.entity_name):
                yield from self._entity(entity, list(own))
            yield ""
        if sql := script(self._doctor.remedies):
            yield from (*sql.splitlines(), "")
        yield f"{READINESS[self._doctor.readiness]}: {counts_text([check.state for check in checks])}"

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
        words, indent = check_text(check), " " * (self._words + 5)
        found = f": {words.detail}" if words.detail else ""
        yield from self._wrapped(check.state, f"{before}{words.label}{found}")
        if words.to_do:
            yield from textwrap.wrap(
                printable(f"{self._arrow} {words.to_do}"), WIDTH, initial_indent=indent, subsequent_indent=indent + "  "
            )
        if check.problem is not None:
            self._told.add(check.problem)
            if check.problem.detail and check.state is not CheckState.PASSED:
                yield f"{indent}{printable(_driver_message(check.problem))}"
        if check.code.endswith(".connection"):
            yield from (f"{indent}{name}: {printable(value)}" for name, value in connection_facts(check))

    def _wrapped(self, state: CheckState, text: str) -> Iterator[str]:
        head = f"  {self._signs[state]} {label(state):<{self._words}} "
        first, *others = textwrap.wrap(printable(text), WIDTH - len(head)) or [""]
        yield (f"\033[{COLOURS[state]}m{head}\033[0m" if self._colour else head) + first
        yield from (" " * len(head) + other for other in others)


def _driver_message(problem: Problem) -> str:
    numbers = ", ".join(str(number) for number in (problem.sqlstate, problem.native) if number)
    return f"[{numbers}] {problem.detail}" if numbers else problem.detail


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
            doctor = Doctor()
            doctor.examine()
        except Exception as error:
            # An unexpected error is "not ready" too, and --json still writes JSON.
            logger.exception("the doctor itself failed")
            sys.exit(refuse(error, ["doctor", *(["--json"] if options["json"] else [])], self.stdout))
        encoding = getattr(options.get("stdout") or sys.stdout, "encoding", None) or "utf-8"
        with translation.override(language):
            if options["json"]:
                text = json.dumps(as_json(doctor, language), indent=2)
            else:
                plain = not _can_print("".join(SIGNS.values()), encoding)
                text = "\n".join(TextReport(doctor, colour=self._colour(options), plain=plain).lines())
        self.stdout.write(text.encode(encoding, "replace").decode(encoding))
        if doctor.abandoned:
            # A thread still waits inside the driver: end the process without waiting for it.
            self.stdout.flush()
            os._exit(doctor.readiness.exit_code)
        sys.exit(doctor.readiness.exit_code)

    def _colour(self, options: dict[str, Any]) -> bool:
        if options.get("force_color"):
            return True
        return self.stdout.isatty() and not options.get("no_color") and not os.environ.get("NO_COLOR")


def _can_print(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def language_of_terminal() -> str:
    wanted = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    spoken = wanted.split(".")[0].replace("_", "-").lower()
    for code, _ in settings.LANGUAGES:
        if spoken and (spoken == code or spoken.split("-")[0] == code.split("-")[0]):
            return code
    return str(settings.LANGUAGE_CODE)
