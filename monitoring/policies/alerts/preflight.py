"""The pre-flight's failures as verdicts."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.enums import CheckState, Rule, Severity
from monitoring.policies.facts import Check, Preflight, Verdict

UNREACHABLE_SAMPLES = 3
TOLD = frozenset({"name", "table", "missing", "exists", "server", "database", "active", "pipelines", "listed"})
"""The check's values that the verdict repeats: none that changes at each tick."""
CONNECTIONS = {"dw.connection": "dw", "oltp.connection": "oltp"}


def preflight_verdicts(preflight: Preflight, unreachable_samples: Mapping[str, int]) -> tuple[Verdict, ...]:
    """Return a warning per failed check, critical when DW or OLTP was unreachable for 3 samples.

    `unreachable_samples`: per alias how many samples in a row, this one included, could not reach
    it. The checks of a pipeline's structure are left out: the structure rule tells them. Checks
    that could not be made because their database is down add nothing to that.
    Values: `check` (the code), `problem`, `samples` (up to 3), and those of the check's own in TOLD.
    """
    return tuple(
        _verdict(check, unreachable_samples)
        for check in preflight.checks
        if check.state is CheckState.FAILED and not check.code.startswith("pipeline.")
    )


def _verdict(check: Check, unreachable_samples: Mapping[str, int]) -> Verdict:
    samples = unreachable_samples.get(CONNECTIONS.get(check.code, ""), 0)
    return Verdict(
        rule=Rule.PREFLIGHT.value,
        severity=Severity.CRITICAL if samples >= UNREACHABLE_SAMPLES else Severity.WARNING,
        entity_name=check.entity_name,
        values={
            **{name: value for name, value in (check.values or {}).items() if name in TOLD},
            "check": check.code,
            "problem": check.problem.code.value if check.problem else None,
            "samples": min(samples, UNREACHABLE_SAMPLES),
        },
        evidence=(f"check={check.code}",),
    )
