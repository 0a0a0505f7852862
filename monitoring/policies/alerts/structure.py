"""Is what the pipeline reads and writes there at all?"""

from __future__ import annotations

from monitoring.enums import RUN_FINISHED, PipelineStatus, Rule, RunStatus, Severity
from monitoring.policies.alerts.facts import Facts
from monitoring.policies.facts import Problem, Verdict
from monitoring.policies.status import structure_ready


def structure(facts: Facts) -> Verdict:
    """Warning when the source or target is absent or its name invalid (METRICS: a pre-flight check
    failed); unknown when that could not be found out.

    Values: `part` ("mapping", "source" or "target") and `table`, or `problem` and `part`.
    """
    pipeline = facts.pipeline
    ready = structure_ready(pipeline.mapping_valid, pipeline.source, pipeline.target)
    if ready is True:
        if pipeline.status is PipelineStatus.UNKNOWN and not _newest_is_unheard_of(facts):
            return facts.unknown(Rule.STRUCTURE, None, {"part": "audit"})
        return facts.fine(Rule.STRUCTURE)
    if ready is None:
        part, problem = _unread_part(facts)
        return facts.unknown(Rule.STRUCTURE, problem, {"part": part, "table": _table(facts, part)})
    part = _missing_part(facts)
    return facts.open(
        Rule.STRUCTURE,
        Severity.WARNING,
        {"part": part, "table": _table(facts, part)},
        evidence=(f"{part}={_table(facts, part)}",),
    )


def _newest_is_unheard_of(facts: Facts) -> bool:
    """Whether the status is unknown for a word that the contract does not know: the failed rule tells it."""
    if facts.pipeline.newest is not None:
        return True
    said = facts.pipeline.control.last_status or ""
    return bool(said.strip()) and RunStatus.parse(said) not in RUN_FINISHED


def _missing_part(facts: Facts) -> str:
    if not facts.pipeline.mapping_valid:
        return "mapping"
    return "source" if facts.pipeline.source.exists is False else "target"


def _unread_part(facts: Facts) -> tuple[str, Problem | None]:
    if facts.pipeline.source.exists is None:
        return "source", facts.pipeline.source.problem
    return "target", facts.pipeline.target.problem


def _table(facts: Facts, part: str) -> str:
    control = facts.pipeline.control
    if part == "mapping":
        return f"{control.source_table} -> {control.target_table}"
    return control.source_table if part == "source" else control.target_table
