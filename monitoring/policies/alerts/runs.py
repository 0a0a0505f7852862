"""The rules about executions: failed, not recent, failing again and again, stuck."""

from __future__ import annotations

from datetime import datetime

from monitoring.enums import FINISHED, ErrorClass, ExecutionStatus, PipelineStatus, Rule, RunStatus, Severity
from monitoring.policies.alerts.facts import Facts, evidence_of
from monitoring.policies.executions import ended_at, finished, newest_finish, running
from monitoring.policies.facts import Execution, Verdict
from monitoring.policies.figures import seconds_between
from monitoring.policies.numbers import percentile, usable

STUCK_PERCENTILE = 95


def failed(facts: Facts) -> Verdict:
    """Critical when the newest finished execution failed. A running one does not hide it.

    With no execution left, what the control row says. Values: `run_id`, `error_class`, `error`
    (both None without a message), or `status_text` for a status that the contract does not know.
    """
    ended = finished(facts.executions)
    newest = facts.executions[0] if facts.executions else None
    if newest is not None and newest.status is ExecutionStatus.UNKNOWN:
        return facts.unknown(Rule.FAILED, None, {"status_text": newest.status_text, "run_id": newest.run_id})
    if ended:
        if ended[0].status is not ExecutionStatus.FAILED:
            return facts.fine(Rule.FAILED)
        return _failed_execution(facts, ended[0])
    if newest is None and facts.pipeline.status is not PipelineStatus.NEVER_RUN:
        return _by_control(facts)
    return facts.silent(Rule.FAILED, "history")


def no_recent_run(facts: Facts) -> Verdict:
    """Warning when the newest finish is more than 24 h ago, critical beyond 72 h or never.

    Since: that finish; for never, when the pipeline was entered. Values: `hours`, the limit that was
    passed; None for never.
    """
    control = facts.pipeline.control
    finish = newest_finish(facts.executions) or control.last_success_at
    if finish is None:
        if facts.pipeline.status is PipelineStatus.UNKNOWN and not facts.executions:
            return facts.silent(Rule.NO_RECENT_RUN, "unread")
        if RunStatus.parse(control.last_status) is not RunStatus.UNKNOWN:
            # It did finish once, but neither the audit nor the control row says when.
            return facts.unknown(Rule.NO_RECENT_RUN, None)
        return facts.open(
            Rule.NO_RECENT_RUN,
            Severity.CRITICAL,
            {"hours": None},
            since=control.created_at,
        )
    age = seconds_between(finish, facts.now)
    severity, hours = Severity.OK, 0
    if age > facts.thresholds.no_run_critical_hours * 3600:
        severity, hours = Severity.CRITICAL, facts.thresholds.no_run_critical_hours
    elif age > facts.thresholds.no_run_warning_hours * 3600:
        severity, hours = Severity.WARNING, facts.thresholds.no_run_warning_hours
    if severity is Severity.OK:
        return facts.fine(Rule.NO_RECENT_RUN)
    return facts.open(
        Rule.NO_RECENT_RUN,
        severity,
        {"hours": hours},
        since=finish,
        evidence=(f"newest_finish={finish.isoformat()}",),
    )


def recurrent_failure(facts: Facts) -> Verdict:
    """Warning at 30 % failures of the last 7 days' executions, critical at 50 %, from 3 failures on.

    Values: `failures`, `executions`, `percent`.
    """
    executions, failures = facts.history.executions_7d, facts.history.failures_7d
    if executions <= 0:
        return facts.silent(Rule.RECURRENT_FAILURE, "history")
    percent = 100 * failures / executions
    severity = Severity.OK
    if failures >= facts.thresholds.failure_minimum:
        if percent >= facts.thresholds.failure_critical_percent:
            severity = Severity.CRITICAL
        elif percent >= facts.thresholds.failure_warning_percent:
            severity = Severity.WARNING
    if severity is Severity.OK:
        return facts.fine(Rule.RECURRENT_FAILURE)
    return facts.open(
        Rule.RECURRENT_FAILURE,
        severity,
        {"failures": failures, "executions": executions, "percent": percent},
        since=facts.history.failing_since,
        evidence=(f"failures_7d={failures}", f"executions_7d={executions}"),
    )


def stuck_run(facts: Facts) -> Verdict:
    """Warning when a running execution took longer than max(3 x 95th percentile, 30 min).

    Critical when it is an orphan too: a later run of the pipeline has finished, or two samples of
    the sessions taken since it began show no runner. The worst, then the oldest one is told.
    Values: `run_id`, `limit_seconds`, `orphan` ("later_run", "no_session" or None).
    """
    open_ones = running(facts.executions)
    if not open_ones:
        return facts.fine(Rule.STUCK_RUN)
    usual = percentile(usable(facts.history.durations), STUCK_PERCENTILE)
    if usual is None:
        return facts.silent(Rule.STUCK_RUN, "history", {"run_id": open_ones[0].run_id})
    limit = max(facts.thresholds.stuck_factor * usual, facts.thresholds.stuck_floor_minutes * 60)
    late = [each for each in open_ones if seconds_between(each.started_at, facts.now) > limit]
    if not late:
        return facts.fine(Rule.STUCK_RUN)
    told = min(late, key=lambda each: (orphan(facts, each) is None, each.started_at))
    reason = orphan(facts, told)
    return facts.open(
        Rule.STUCK_RUN,
        Severity.WARNING if reason is None else Severity.CRITICAL,
        {
            "run_id": told.run_id,
            "limit_seconds": limit,
            "orphan": reason,
        },
        since=told.started_at,
        evidence=evidence_of(told),
    )


def orphan(facts: Facts, execution: Execution) -> str | None:
    """Return why nobody can be working on this running execution any more, None when one may be."""
    if any(later.run_id > execution.run_id and later.status in FINISHED for later in facts.executions):
        return "later_run"
    return "no_session" if _no_session(facts, execution.started_at) else None


def _no_session(facts: Facts, started_at: datetime) -> bool:
    samples = sorted((when for when in facts.history.login_samples_at if when > started_at), reverse=True)[:2]
    if len(samples) < 2:
        return False
    seen = facts.history.newest_runner_session_at
    return seen is None or seen < samples[1]


def _failed_execution(facts: Facts, execution: Execution) -> Verdict:
    error = execution.shown_error
    return facts.open(
        Rule.FAILED,
        Severity.CRITICAL,
        {
            "run_id": execution.run_id,
            "run_entity_id": execution.run_entity_id,
            "error_class": (error.error_class if error else ErrorClass.OTHER).value,
            "error": (error.words[:500] if error else "") or None,
        },
        since=facts.history.failing_since or ended_at(execution),
        evidence=evidence_of(execution),
    )


def _by_control(facts: Facts) -> Verdict:
    control = facts.pipeline.control
    status = RunStatus.parse(control.last_status)
    if status in (RunStatus.FAILED, RunStatus.PARTIAL):
        values: dict[str, str | int | float | None] = {
            "run_id": control.last_run_id,
            "error_class": None,
            "error": None,
        }
        return facts.open(Rule.FAILED, Severity.CRITICAL, values, evidence=(f"last_status={status.value}",))
    if status is RunStatus.SUCCESS:
        return facts.fine(Rule.FAILED)
    if facts.pipeline.status is PipelineStatus.UNKNOWN and (control.last_status or "").strip():
        return facts.unknown(Rule.FAILED, None, {"status_text": control.last_status, "run_id": control.last_run_id})
    return facts.silent(Rule.FAILED, "history")
