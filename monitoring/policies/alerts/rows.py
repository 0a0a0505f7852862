"""The rules about rows that wait: late, stalled, silently not taken."""

from __future__ import annotations

from datetime import timedelta

from monitoring.enums import ExecutionStatus, Rule, Severity
from monitoring.policies.alerts.facts import Facts
from monitoring.policies.executions import finished
from monitoring.policies.facts import Execution, Verdict
from monitoring.policies.figures import served_lag_seconds
from monitoring.policies.watermark import eligible_throughout, samples_until, unchanged_since

NO_OP_SUCCESSES = 2


def late_watermark(facts: Facts) -> Verdict:
    """Warning when the served lag is over 120 minutes, critical over 360.

    Since: the time of the oldest eligible row. Values: `limit_minutes`, `eligible`,
    `capped` (1 when there are at least that many).
    """
    source, limits = facts.pipeline.source, facts.thresholds
    lag = served_lag_seconds(source, facts.now)
    if lag is None:
        if not facts.structure_known_good:
            return facts.silent(Rule.LATE_WATERMARK, "structure")
        return facts.unknown(Rule.LATE_WATERMARK, source.problem)
    severity = limits.lateness(lag)
    if severity is Severity.OK:
        return facts.fine(Rule.LATE_WATERMARK)
    critical = severity is Severity.CRITICAL
    eligible = source.eligible
    return facts.open(
        Rule.LATE_WATERMARK,
        severity,
        {
            "limit_minutes": limits.late_critical_minutes if critical else limits.late_warning_minutes,
            "eligible": eligible.value if eligible else None,
            "capped": int(eligible.capped) if eligible else None,
        },
        since=source.oldest_eligible_at,
        evidence=(f"oldest_eligible_at={source.oldest_eligible_at.isoformat()}",) if source.oldest_eligible_at else (),
    )


def stalled_watermark(facts: Facts) -> Verdict:
    """Warning when W did not move over 3 finished runs although rows were eligible all the time;
    critical when all of those runs said success.

    Values: `runs`, `succeeded` (how many of them), `eligible`.
    """
    source, needed = facts.pipeline.source, facts.thresholds.stalled_runs
    if source.eligible is None:
        return facts.silent(Rule.STALLED_WATERMARK, "unread")
    ended = finished(facts.executions)[:needed]
    if needed < 1 or len(ended) < needed:
        return facts.silent(Rule.STALLED_WATERMARK, "history")
    if source.eligible.value <= 0 and not source.eligible.capped:
        return facts.fine(Rule.STALLED_WATERMARK)
    control = facts.pipeline.control
    samples = samples_until(control, source, facts.history, facts.now)
    samples = [sample for sample in samples if sample[0] >= ended[-1].started_at]
    since = unchanged_since(control, ended, samples)
    throughout = eligible_throughout(control, source, ended, samples)
    if since is None or throughout is False:
        return facts.fine(Rule.STALLED_WATERMARK)
    if throughout is None:
        return facts.silent(Rule.STALLED_WATERMARK, "history")
    succeeded = sum(execution.status is ExecutionStatus.SUCCESS for execution in ended)
    return facts.open(
        Rule.STALLED_WATERMARK,
        Severity.CRITICAL if succeeded == len(ended) else Severity.WARNING,
        {"runs": len(ended), "succeeded": succeeded, "eligible": source.eligible.value},
        since=since,
        evidence=tuple(f"run_id={execution.run_id}" for execution in ended),
    )


def silent_no_op(facts: Facts) -> Verdict:
    """Warning when two successes in a row extracted nothing although older rows were eligible.

    The oldest eligible row tells: had the earlier of the two runs looked, that row was already
    older than the cutoff when it started (CONTRACT 2: updated_at <= now - cutoff_minutes).
    Values: `runs`, `eligible`.
    """
    source = facts.pipeline.source
    if source.eligible is None:
        return facts.silent(Rule.SILENT_NO_OP, "unread")
    ended = finished(facts.executions)[:NO_OP_SUCCESSES]
    if len(ended) < NO_OP_SUCCESSES:
        return facts.silent(Rule.SILENT_NO_OP, "history")
    if source.oldest_eligible_at is None or not all(_took_nothing(execution) for execution in ended):
        return facts.fine(Rule.SILENT_NO_OP)
    earlier = min(execution.started_at for execution in ended)
    cutoff = timedelta(minutes=max(0, facts.pipeline.control.cutoff_minutes))
    if source.oldest_eligible_at > earlier - cutoff:
        return facts.fine(Rule.SILENT_NO_OP)
    return facts.open(
        Rule.SILENT_NO_OP,
        Severity.WARNING,
        {"runs": len(ended), "eligible": source.eligible.value},
        since=earlier,
        evidence=tuple(f"run_id={execution.run_id}" for execution in ended),
    )


def _took_nothing(execution: Execution) -> bool:
    return execution.status is ExecutionStatus.SUCCESS and execution.extracted == 0
