"""The pre-flight's checks that never fail, only warn: the contract's indexes and the rights beside SELECT."""

from __future__ import annotations

from monitoring.enums import CheckState
from monitoring.policies.facts import Check, Problem
from monitoring.policies.preflight_facts import Rights, TableFacts


def index_check(table: TableFacts) -> Check:
    """An index of the contract that lacks: all works, but what seeks by it reads the whole table."""
    missing = table.missing_indexes or ()
    return Check(
        code=f"dw.index.{table.name}",
        state=CheckState.WARNING if missing else CheckState.PASSED,
        values={"name": table.name, "columns": "; ".join(missing)},
    )


def rights_checks(rights: Rights | Problem | None) -> list[Check]:
    """Only the snapshot of the sessions needs these: without them it warns, and everything else works."""
    if rights is None:
        return []
    if isinstance(rights, Problem):
        return [Check(code="dw.sessions", state=CheckState.UNKNOWN, problem=rights)]
    return [
        *(
            Check(
                code=f"dw.execute.{name}",
                state=CheckState.PASSED if allowed else CheckState.WARNING,
                values={"name": name},
            )
            for name, allowed in rights.procedures
        ),
        Check(
            code="dw.sessions",
            state=CheckState.PASSED if rights.sees_sessions else CheckState.WARNING,
            values={"permission": ", ".join(rights.sessions_permissions)},
        ),
    ]
