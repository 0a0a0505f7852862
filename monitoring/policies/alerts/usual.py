"""The rules that compare with the pipeline's own past: volume, duration, coverage."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.enums import ExecutionStatus, Rule, Severity
from monitoring.policies.alerts.facts import Facts, evidence_of
from monitoring.policies.executions import ended_at, finished
from monitoring.policies.facts import Execution, Verdict
from monitoring.policies.figures import coverage_percent, duration_seconds
from monitoring.policies.numbers import median_of, robust_deviation, usable

HISTORY_SUCCESSES = 30


def volume(facts: Facts) -> Verdict:
    """Warning when the newest success extracted unusually many or few rows.

    Values: `value`, `median`, `low`, `high` (rows), `run_id`.
    """
    newest = _newest_success(facts)
    value = float(newest.extracted) if newest else None
    floor = facts.thresholds.volume_floor_rows
    return _compare(facts, Rule.UNUSUAL_VOLUME, value, past=facts.history.volumes, floor=floor)


def duration(facts: Facts) -> Verdict:
    """Warning when the newest success took unusually long or short.

    Values: `value`, `median`, `low`, `high` (seconds), `run_id`.
    """
    value = duration_seconds(_newest_success(facts), facts.now)
    floor = facts.thresholds.duration_floor_seconds
    return _compare(facts, Rule.UNUSUAL_DURATION, value, past=facts.history.durations, floor=floor)


def coverage_drop(facts: Facts) -> Verdict:
    """Warning when coverage is more than 5 points under its 7-day median, critical more than 20.

    Values: `percent`, `median`, `points`.
    """
    pipeline, limits = facts.pipeline, facts.thresholds
    percent = coverage_percent(pipeline.source, pipeline.target)
    if percent is None:
        if not facts.structure_known_good:
            return facts.silent(Rule.COVERAGE_DROP, "structure")
        if pipeline.target.problem is not None and pipeline.target.total is None:
            return facts.unknown(Rule.COVERAGE_DROP, pipeline.target.problem)
        # An empty source has no coverage; an unread source is told by the late rule.
        return facts.silent(Rule.COVERAGE_DROP, "unread" if pipeline.source.problem else "no_value")
    median = facts.history.coverage_median_7d
    if median is None:
        return facts.silent(Rule.COVERAGE_DROP, "history")
    points = median - percent
    if points > limits.coverage_critical_points:
        severity = Severity.CRITICAL
    elif points > limits.coverage_warning_points:
        severity = Severity.WARNING
    else:
        return facts.fine(Rule.COVERAGE_DROP)
    return facts.open(
        Rule.COVERAGE_DROP,
        severity,
        {"percent": percent, "median": median, "points": points},
        evidence=(f"source_total={pipeline.source.total}", f"target_total={pipeline.target.total}"),
    )


def usual_range(values: Sequence[float | int], deviations: float, floor: float) -> tuple[float, float, float] | None:
    """Return (low, median, high): median -+ max(deviations x 1.4826 x MAD, floor). None of nothing.

    The floor keeps a pipeline that always does the same from alarming at the first second more.
    """
    middle, spread = median_of(values), robust_deviation(values)
    if middle is None or spread is None:
        return None
    reach = max(deviations * spread, floor)
    return middle - reach, middle, middle + reach


def _newest_success(facts: Facts) -> Execution | None:
    """The newest finished execution if it succeeded: an older success is no news."""
    ended = finished(facts.executions)
    return ended[0] if ended and ended[0].status is ExecutionStatus.SUCCESS else None


def _compare(facts: Facts, rule: Rule, value: float | None, *, past: Sequence[float | int], floor: float) -> Verdict:
    newest = _newest_success(facts)
    known = usable(past)[:HISTORY_SUCCESSES]
    if len(known) < facts.thresholds.deviation_history:
        return facts.silent(rule, "history")
    if newest is None or value is None:
        return facts.silent(rule, "no_value")
    usual = usual_range(known, facts.thresholds.deviations, floor)
    if usual is None or usual[0] <= value <= usual[2]:
        return facts.fine(rule)
    low, middle, high = usual
    return facts.open(
        rule,
        Severity.WARNING,
        {"value": value, "median": middle, "low": max(0.0, low), "high": high, "run_id": newest.run_id},
        since=ended_at(newest),
        evidence=evidence_of(newest),
    )
