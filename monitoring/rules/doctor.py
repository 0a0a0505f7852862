"""The doctor's result: the pre-flight, the checks of the portal itself, and the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from monitoring.rules.enums import CheckState
from monitoring.rules.facts import Check, Preflight, Problem
from monitoring.rules.preflight import collector_check


class Readiness(StrEnum):
    """In the order of the exit codes: 0, 1, 2."""

    READY = "ready"
    WARNINGS = "warnings"
    NOT_READY = "not_ready"

    @property
    def exit_code(self) -> int:
        return list(type(self)).index(self)


class CheckGroup(StrEnum):
    """The headings of the report, in their order."""

    CONNECTIONS = "connections"
    TABLES = "tables"
    PIPELINES = "pipelines"
    PORTAL = "portal"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalFacts:
    """What was found about the portal itself. `pending`: migrations to run, None: could not be read.

    `settings_messages`: (id, text, what to do, whether it is an error) of the deploy checks.
    `driver_problem`: what pyodbc lacks on this machine, empty: nothing, None: not applicable.
    """

    database: str
    database_problem: Problem | None = None
    pending: int | None = None
    data_folder: str = ""
    data_folder_writable: bool = True
    collector_read: bool = False
    collector_age_seconds: float | None = None
    collecting: bool = False
    settings_messages: tuple[tuple[str, str, str, bool], ...] = ()
    driver_problem: str | None = None
    drivers: str = ""


def group_of(check: Check) -> CheckGroup:
    """Return the heading under which a check belongs."""
    if check.code.endswith((".connection", ".clock", ".isolation")) or check.code.startswith(("odbc.", "server.")):
        return CheckGroup.CONNECTIONS
    if check.code.startswith(("portal.", "collector.")):
        return CheckGroup.PORTAL
    if check.entity_name or check.code.startswith("pipelines."):
        return CheckGroup.PIPELINES
    return CheckGroup.TABLES


def readiness(preflight: Preflight) -> Readiness:
    """Return NOT_READY where something that the portal needs failed or could not be checked.

    A pipeline without its table is a warning, unless the pipeline is required or the last active one. So is every
    other check that did not pass, also an unknown one.
    """
    if preflight.ready_for_monitoring is not True or any(map(_needed, preflight.checks)):
        return Readiness.NOT_READY
    states = {check.state for check in preflight.checks}
    return Readiness.READY if states == {CheckState.PASSED} else Readiness.WARNINGS


def _needed(check: Check) -> bool:
    """Return whether the check failed and the portal needs what it checks."""
    return check.state is CheckState.FAILED and not check.code.startswith("pipeline.")


def portal_checks(facts: PortalFacts) -> tuple[Check, ...]:
    """Return the checks of the portal itself: driver, database, data folder, collector, settings."""
    return (*_driver(facts), *_database(facts), _folder(facts), _collector(facts), *_settings(facts))


def _driver(facts: PortalFacts) -> Iterable[Check]:
    if facts.driver_problem is not None:
        state = CheckState.FAILED if facts.driver_problem else CheckState.PASSED
        yield Check(code="odbc.driver", state=state, values={"found": facts.drivers, "message": facts.driver_problem})


def _database(facts: PortalFacts) -> Iterable[Check]:
    problem = facts.database_problem
    yield Check(
        code="portal.database",
        state=CheckState.FAILED if problem else CheckState.PASSED,
        values={"found": facts.database},
        problem=problem,
    )
    if facts.pending is None:
        yield Check(code="portal.migrated", state=CheckState.UNKNOWN, problem=problem)
    else:
        state = CheckState.FAILED if facts.pending else CheckState.PASSED
        yield Check(code="portal.migrated", state=state, values={"pending": facts.pending})


def _folder(facts: PortalFacts) -> Check:
    state = CheckState.PASSED if facts.data_folder_writable else CheckState.FAILED
    return Check(code="portal.data_folder", state=state, values={"found": facts.data_folder})


def _collector(facts: PortalFacts) -> Check:
    """Return the collector's check, at most as a warning: the portal may be started before it."""
    if not facts.collector_read:
        return Check(code="collector.age", state=CheckState.UNKNOWN, problem=facts.database_problem)
    check = collector_check(facts.collector_age_seconds, collecting=facts.collecting)
    return replace(check, state=CheckState.WARNING) if check.state is CheckState.FAILED else check


def _settings(facts: PortalFacts) -> Iterable[Check]:
    for name, text, hint, is_error in facts.settings_messages:
        yield Check(
            code=f"portal.settings.{name}",
            state=CheckState.FAILED if is_error else CheckState.WARNING,
            values={"name": name, "message": text, "hint": hint},
        )
    if not facts.settings_messages:
        yield Check(code="portal.settings", state=CheckState.PASSED)
