"""The doctor's findings as JSON. Its keys are a promise (docs/doctor.md): added to, never renamed."""

from __future__ import annotations

from typing import Any

from etlportal.refused import FORMAT
from monitoring.collector.diagnosis import Diagnosis
from monitoring.management.doctor.script import script
from monitoring.policies.doctor import group_of
from monitoring.policies.facts import Check, ConnectionReading, Problem
from monitoring.wording import check_text


def as_json(diagnosis: Diagnosis, language: str) -> dict[str, Any]:
    """Return everything that was found, texts in the active language."""
    found = diagnosis.preflight
    return {
        "format": FORMAT,
        "language": language,
        "checked_at": found.checked_at.isoformat(),
        "state": diagnosis.readiness.value,
        "exit_code": diagnosis.readiness.exit_code,
        "ready_for": {
            "monitoring": found.ready_for_monitoring,
            "first_run": found.ready_for_first_run,
            "all_active": found.ready_for_all_active,
        },
        "connections": [_connection(reading) for reading in diagnosis.connections],
        "checks": [_check(check) for check in found.checks],
        "sql": script(diagnosis.remedies),
    }


def _connection(reading: ConnectionReading) -> dict[str, Any]:
    return {
        "alias": reading.alias,
        "reachable": reading.reachable,
        "server": reading.server,
        "database": reading.database,
        "driver": reading.driver,
        "connection_string": reading.connection_string,
        "latency_ms": reading.latency_ms,
        "clock_skew_seconds": reading.clock_skew_seconds,
        "problem": _problem(reading.problem),
    }


def _check(check: Check) -> dict[str, Any]:
    words = check_text(check)
    return {
        "code": check.code,
        "group": group_of(check).value,
        "entity_name": check.entity_name,
        "state": check.state.value,
        "label": words.label,
        "detail": words.detail,
        "to_do": words.to_do,
        "problem": _problem(check.problem),
    }


def _problem(problem: Problem | None) -> dict[str, Any] | None:
    if problem is None:
        return None
    return {
        "code": problem.code.value,
        "detail": problem.detail,
        "sqlstate": problem.sqlstate,
        "native": problem.native,
    }
