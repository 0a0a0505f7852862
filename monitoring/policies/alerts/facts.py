"""What every alert rule looks at, and the four ways to answer.

A verdict's values hold nothing that grows with the clock: what lasts is told by `since`, so that an
unchanged verdict stays equal from sample to sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.enums import PipelineStatus, ProblemCode, Rule, Severity
from monitoring.policies.facts import Execution, History, Pipeline, Problem, Thresholds, Verdict

Values = dict[str, str | int | float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One pipeline as the rules see it. `executions`: all known ones, newest run first."""

    pipeline: Pipeline
    history: History
    thresholds: Thresholds
    now: datetime
    executions: tuple[Execution, ...]

    @property
    def structure_known_good(self) -> bool:
        """False: the tables are missing or could not be looked up; the structure rule says it."""
        return (
            self.pipeline.mapping_valid and self.pipeline.source.exists is True and self.pipeline.target.exists is True
        )

    def fine(self, rule: Rule, values: Values | None = None) -> Verdict:
        """The rule was judged and does not hold."""
        return self._verdict(rule, Severity.OK, values)

    def silent(self, rule: Rule, reason: str, values: Values | None = None) -> Verdict:
        """The rule lacks what it needs. `reason`: "history", "structure", "unread" or "no_value"."""
        return self._verdict(rule, Severity.OK, {"reason": reason, **(values or {})}, silent=True)

    def unknown(self, rule: Rule, problem: Problem | None, values: Values | None = None) -> Verdict:
        """What the rule needs could not be read."""
        code = problem.code if problem else ProblemCode.NOT_READ
        return self._verdict(rule, Severity.UNKNOWN, {"problem": code.value, **(values or {})})

    def open(
        self,
        rule: Rule,
        severity: Severity,
        values: Values,
        *,
        since: datetime | None = None,
        evidence: tuple[str, ...] = (),
    ) -> Verdict:
        """The rule holds."""
        return self._verdict(rule, severity, values, since=since, evidence=evidence)

    def _verdict(
        self,
        rule: Rule,
        severity: Severity,
        values: Values | None,
        *,
        since: datetime | None = None,
        evidence: tuple[str, ...] = (),
        silent: bool = False,
    ) -> Verdict:
        return Verdict(
            rule=rule.value,
            severity=severity,
            entity_name=self.pipeline.name,
            since=since,
            values=values or None,
            evidence=evidence,
            silent=silent,
        )


def status_is_unread(pipeline: Pipeline) -> bool:
    """Whether the pipeline's structure, or its executions, could not be read."""
    return pipeline.status is PipelineStatus.UNKNOWN


def evidence_of(execution: Execution) -> tuple[str, ...]:
    """Name one execution as evidence: its ids, so that a page can link to it."""
    return (f"run_id={execution.run_id}", f"run_entity_id={execution.run_entity_id}")
