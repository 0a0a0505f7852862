"""The alert rules of METRICS.

Alert values exclude anything that grows with the clock, so that an unchanged alert stays equal between samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.rules.enums import (
    FINISHED,
    RUN_FINISHED,
    CheckState,
    ErrorClass,
    ExecutionStatus,
    PipelineStatus,
    ProblemCode,
    Rule,
    RunStatus,
    Severity,
)
from monitoring.rules.facts import Check, Execution, History, Pipeline, Preflight, Problem, Thresholds, Verdict
from monitoring.rules.figures import (
    coverage_percent,
    duration_seconds,
    finished,
    median_of,
    merged,
    newest_finish,
    percentile,
    robust_deviation,
    running,
    seconds_between,
    served_lag_seconds,
    usable,
)
from monitoring.rules.status import eligible_throughout, samples_until, unchanged_since

Values = dict[str, str | int | float | None]

NO_OP_SUCCESSES = 2
STUCK_PERCENTILE = 95
HISTORY_SUCCESSES = 30
UNREACHABLE_SAMPLES = 3
REPEATED_VALUES = frozenset(
    {"name", "table", "missing", "exists", "server", "database", "active", "pipelines", "listed"}
)
"""Values of a check that its alert repeats: none that changes with each tick."""
CONNECTIONS = {"dw.connection": "dw", "oltp.connection": "oltp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One pipeline as the rules see it. `executions`: all known ones, newest run first."""

    pipeline: Pipeline
    history: History
    thresholds: Thresholds
    now: datetime
    executions: tuple[Execution, ...]

    def fine(self, rule: Rule) -> Verdict:
        return self.verdict(rule, Severity.OK)

    def silent(self, rule: Rule, reason: str, values: Values | None = None) -> Verdict:
        """Return that the rule cannot judge. `reason`: "history", "structure", "unread" or "no_value"."""
        return self.verdict(rule, Severity.OK, {"reason": reason, **(values or {})}, silent=True)

    def unknown(self, rule: Rule, problem: Problem | None, values: Values | None = None) -> Verdict:
        code = problem.code if problem else ProblemCode.NOT_READ
        return self.verdict(rule, Severity.UNKNOWN, {"problem": code.value, **(values or {})})

    def verdict(
        self,
        rule: Rule,
        severity: Severity,
        values: Values | None = None,
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


def late_watermark(facts: Facts) -> Verdict:
    """Warning when the freshness lag is over 120 minutes, critical over 360. Since the oldest eligible row.

    Values: `limit_minutes`, `eligible`, `capped` (1 when there are at least that many).
    """
    source, limits = facts.pipeline.source, facts.thresholds
    lag = served_lag_seconds(source, facts.now)
    if lag is None:
        if facts.pipeline.structure_ready is not True:
            return facts.silent(Rule.LATE_WATERMARK, "structure")
        return facts.unknown(Rule.LATE_WATERMARK, source.problem)
    severity = limits.lateness(lag)
    if severity is Severity.OK:
        return facts.fine(Rule.LATE_WATERMARK)
    critical, eligible = severity is Severity.CRITICAL, source.eligible
    return facts.verdict(
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
    """Warning when the watermark did not move over 3 finished runs although rows were eligible all the time.

    Critical when all of those runs succeeded. Values: `runs`, `succeeded`, `eligible`.
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
    return facts.verdict(
        Rule.STALLED_WATERMARK,
        Severity.CRITICAL if succeeded == len(ended) else Severity.WARNING,
        {"runs": len(ended), "succeeded": succeeded, "eligible": source.eligible.value},
        since=since,
        evidence=tuple(f"run_id={execution.run_id}" for execution in ended),
    )


def silent_no_op(facts: Facts) -> Verdict:
    """Warning when two successes in a row extracted nothing although older rows were eligible.

    The oldest eligible row was older than the cutoff when the earlier of the two runs started, so that run should
    have extracted it (CONTRACT 2: updated_at <= now - cutoff_minutes). Values: `runs`, `eligible`.
    """
    source = facts.pipeline.source
    if source.eligible is None:
        return facts.silent(Rule.SILENT_NO_OP, "unread")
    ended = finished(facts.executions)[:NO_OP_SUCCESSES]
    if len(ended) < NO_OP_SUCCESSES:
        return facts.silent(Rule.SILENT_NO_OP, "history")
    took_nothing = all(each.status is ExecutionStatus.SUCCESS and each.extracted == 0 for each in ended)
    earlier = min(execution.started_at for execution in ended)
    cutoff = timedelta(minutes=max(0, facts.pipeline.control.cutoff_minutes))
    oldest = source.oldest_eligible_at
    if oldest is None or not took_nothing or oldest > earlier - cutoff:
        return facts.fine(Rule.SILENT_NO_OP)
    return facts.verdict(
        Rule.SILENT_NO_OP,
        Severity.WARNING,
        {"runs": len(ended), "eligible": source.eligible.value},
        since=earlier,
        evidence=tuple(f"run_id={execution.run_id}" for execution in ended),
    )


def failed(facts: Facts) -> Verdict:
    """Critical when the newest finished execution failed, also while another one runs.

    Without executions the control row decides. Values: `run_id`, `error_class`, `error` (both None without a
    message), or `status_text` for a status that the contract does not know.
    """
    ended = finished(facts.executions)
    newest = facts.executions[0] if facts.executions else None
    if newest is not None and newest.status is ExecutionStatus.UNKNOWN:
        return facts.unknown(Rule.FAILED, None, {"status_text": newest.status_text, "run_id": newest.run_id})
    if ended:
        return _failed_execution(facts, ended[0])
    if newest is None and facts.pipeline.status is not PipelineStatus.NEVER_RUN:
        return _failed_by_control(facts)
    return facts.silent(Rule.FAILED, "history")


def _failed_execution(facts: Facts, execution: Execution) -> Verdict:
    if execution.status is not ExecutionStatus.FAILED:
        return facts.fine(Rule.FAILED)
    error = execution.shown_error
    return facts.verdict(
        Rule.FAILED,
        Severity.CRITICAL,
        {
            "run_id": execution.run_id,
            "run_entity_id": execution.run_entity_id,
            "error_class": (error.error_class if error else ErrorClass.OTHER).value,
            "error": (error.words[:500] if error else "") or None,
        },
        since=facts.history.failing_since or execution.ended_at,
        evidence=_evidence_of(execution),
    )


def _failed_by_control(facts: Facts) -> Verdict:
    control = facts.pipeline.control
    status = RunStatus.parse(control.last_status)
    if status in (RunStatus.FAILED, RunStatus.PARTIAL):
        values: Values = {"run_id": control.last_run_id, "error_class": None, "error": None}
        return facts.verdict(Rule.FAILED, Severity.CRITICAL, values, evidence=(f"last_status={status.value}",))
    if status is RunStatus.SUCCESS:
        return facts.fine(Rule.FAILED)
    if facts.pipeline.status is PipelineStatus.UNKNOWN and (control.last_status or "").strip():
        return facts.unknown(Rule.FAILED, None, {"status_text": control.last_status, "run_id": control.last_run_id})
    return facts.silent(Rule.FAILED, "history")


def _evidence_of(execution: Execution) -> tuple[str, ...]:
    return (f"run_id={execution.run_id}", f"run_entity_id={execution.run_entity_id}")


def no_recent_run(facts: Facts) -> Verdict:
    """Warning when the newest finish is more than 24 h ago, critical beyond 72 h or when it never ran.

    Since that finish, or since the pipeline was created. Values: `hours`, the limit; None for never.
    """
    control, limits = facts.pipeline.control, facts.thresholds
    finish = newest_finish(facts.executions) or control.last_success_at
    if finish is None:
        if facts.pipeline.status is PipelineStatus.UNKNOWN and not facts.executions:
            return facts.silent(Rule.NO_RECENT_RUN, "unread")
        if RunStatus.parse(control.last_status) is not RunStatus.UNKNOWN:
            # It did finish once, but neither the audit tables nor the control row have the time.
            return facts.unknown(Rule.NO_RECENT_RUN, None)
        return facts.verdict(Rule.NO_RECENT_RUN, Severity.CRITICAL, {"hours": None}, since=control.created_at)
    age = seconds_between(finish, facts.now)
    if age > limits.no_run_critical_hours * 3600:
        severity, hours = Severity.CRITICAL, limits.no_run_critical_hours
    elif age > limits.no_run_warning_hours * 3600:
        severity, hours = Severity.WARNING, limits.no_run_warning_hours
    else:
        return facts.fine(Rule.NO_RECENT_RUN)
    evidence = (f"newest_finish={finish.isoformat()}",)
    return facts.verdict(Rule.NO_RECENT_RUN, severity, {"hours": hours}, since=finish, evidence=evidence)


def recurrent_failure(facts: Facts) -> Verdict:
    """Warning at 30 % failures of the last 7 days' executions, critical at 50 %, from 3 failures on.

    Values: `failures`, `executions`, `percent`.
    """
    executions, failures, limits = facts.history.executions_7d, facts.history.failures_7d, facts.thresholds
    if executions <= 0:
        return facts.silent(Rule.RECURRENT_FAILURE, "history")
    percent = 100 * failures / executions
    if failures < limits.failure_minimum or percent < min(
        limits.failure_warning_percent, limits.failure_critical_percent
    ):
        return facts.fine(Rule.RECURRENT_FAILURE)
    return facts.verdict(
        Rule.RECURRENT_FAILURE,
        Severity.CRITICAL if percent >= limits.failure_critical_percent else Severity.WARNING,
        {"failures": failures, "executions": executions, "percent": percent},
        since=facts.history.failing_since,
        evidence=(f"failures_7d={failures}", f"executions_7d={executions}"),
    )


def stuck_run(facts: Facts) -> Verdict:
    """Warning when a running execution took longer than max(3 x 95th percentile, 30 min). Critical for an orphan.

    Of several, an orphan comes first, then the oldest. Values: `run_id`, `limit_seconds`, `orphan` ("later_run",
    "no_session" or None).
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
    worst = min(late, key=lambda each: (_orphan(facts, each) is None, each.started_at))
    reason = _orphan(facts, worst)
    return facts.verdict(
        Rule.STUCK_RUN,
        Severity.WARNING if reason is None else Severity.CRITICAL,
        {"run_id": worst.run_id, "limit_seconds": limit, "orphan": reason},
        since=worst.started_at,
        evidence=_evidence_of(worst),
    )


def _orphan(facts: Facts, execution: Execution) -> str | None:
    """Return why this running execution is an orphan: a later run finished, or two samples show no runner session."""
    if any(later.run_id > execution.run_id and later.status in FINISHED for later in facts.executions):
        return "later_run"
    history = facts.history
    samples = sorted((when for when in history.login_samples_at if when > execution.started_at), reverse=True)[:2]
    if len(samples) < 2:
        return None
    seen = history.newest_runner_session_at
    return "no_session" if seen is None or seen < samples[1] else None


def structure(facts: Facts) -> Verdict:
    """Warning when the source or target is missing or a name is invalid; unknown when that could not be found out.

    Values: `part` ("mapping", "source" or "target") and `table`, or `problem` and `part`.
    """
    pipeline = facts.pipeline
    ready = pipeline.structure_ready
    if ready is True:
        if pipeline.status is PipelineStatus.UNKNOWN and not _status_not_in_contract(pipeline):
            return facts.unknown(Rule.STRUCTURE, None, {"part": "audit"})
        return facts.fine(Rule.STRUCTURE)
    if ready is None:
        part = "source" if pipeline.source.exists is None else "target"
        problem = pipeline.source.problem if part == "source" else pipeline.target.problem
        return facts.unknown(Rule.STRUCTURE, problem, {"part": part, "table": _table(pipeline, part)})
    part = "mapping"
    if pipeline.mapping_valid:
        part = "source" if pipeline.source.exists is False else "target"
    table = _table(pipeline, part)
    values: Values = {"part": part, "table": table}
    return facts.verdict(Rule.STRUCTURE, Severity.WARNING, values, evidence=(f"{part}={table}",))


def _status_not_in_contract(pipeline: Pipeline) -> bool:
    """Return whether the status is unknown because the contract does not have it, which the failed rule reports."""
    if pipeline.newest is not None:
        return True
    text = pipeline.control.last_status or ""
    return bool(text.strip()) and RunStatus.parse(text) not in RUN_FINISHED


def _table(pipeline: Pipeline, part: str) -> str:
    control = pipeline.control
    if part == "mapping":
        return f"{control.source_table} -> {control.target_table}"
    return control.source_table if part == "source" else control.target_table


def volume(facts: Facts) -> Verdict:
    """Warning when the newest success extracted unusually many or few rows. Values as _compare, in rows."""
    newest = _newest_success(facts)
    value = float(newest.extracted) if newest else None
    floor = facts.thresholds.volume_floor_rows
    return _compare(facts, Rule.UNUSUAL_VOLUME, value, past=facts.history.volumes, floor=floor)


def duration(facts: Facts) -> Verdict:
    """Warning when the newest success took unusually long or short. Values as _compare, in seconds."""
    value = duration_seconds(_newest_success(facts), facts.now)
    floor = facts.thresholds.duration_floor_seconds
    return _compare(facts, Rule.UNUSUAL_DURATION, value, past=facts.history.durations, floor=floor)


def _compare(facts: Facts, rule: Rule, value: float | None, *, past: Sequence[float | int], floor: float) -> Verdict:
    """Compare with median -+ max(deviations x 1.4826 x MAD, floor). Values: `value`, `median`, `low`, `high`, `run_id`.

    Without the floor a pipeline that always does the same would alert at the first second more.
    """
    newest = _newest_success(facts)
    known = usable(past)[:HISTORY_SUCCESSES]
    if len(known) < facts.thresholds.deviation_history:
        return facts.silent(rule, "history")
    if newest is None or value is None:
        return facts.silent(rule, "no_value")
    median, spread = median_of(known), robust_deviation(known)
    if median is None or spread is None:
        return facts.fine(rule)
    reach = max(facts.thresholds.deviations * spread, floor)
    low, high = median - reach, median + reach
    if low <= value <= high:
        return facts.fine(rule)
    return facts.verdict(
        rule,
        Severity.WARNING,
        {"value": value, "median": median, "low": max(0.0, low), "high": high, "run_id": newest.run_id},
        since=newest.ended_at,
        evidence=_evidence_of(newest),
    )


def _newest_success(facts: Facts) -> Execution | None:
    """Return the newest finished execution if it succeeded. An older success was judged before."""
    ended = finished(facts.executions)
    return ended[0] if ended and ended[0].status is ExecutionStatus.SUCCESS else None


def coverage_drop(facts: Facts) -> Verdict:
    """Warning when coverage is more than 5 points under its 7-day median, critical more than 20.

    Values: `percent`, `median`, `points`.
    """
    pipeline, limits = facts.pipeline, facts.thresholds
    percent = coverage_percent(pipeline.source, pipeline.target)
    if percent is None:
        if facts.pipeline.structure_ready is not True:
            return facts.silent(Rule.COVERAGE_DROP, "structure")
        if pipeline.target.problem is not None and pipeline.target.total is None:
            return facts.unknown(Rule.COVERAGE_DROP, pipeline.target.problem)
        # An empty source has no coverage; the late rule reports a source that could not be read.
        return facts.silent(Rule.COVERAGE_DROP, "unread" if pipeline.source.problem else "no_value")
    median = facts.history.coverage_median_7d
    if median is None:
        return facts.silent(Rule.COVERAGE_DROP, "history")
    points = median - percent
    if points <= min(limits.coverage_warning_points, limits.coverage_critical_points):
        return facts.fine(Rule.COVERAGE_DROP)
    return facts.verdict(
        Rule.COVERAGE_DROP,
        Severity.CRITICAL if points > limits.coverage_critical_points else Severity.WARNING,
        {"percent": percent, "median": median, "points": points},
        evidence=(f"source_total={pipeline.source.total}", f"target_total={pipeline.target.total}"),
    )


def preflight_verdicts(preflight: Preflight, unreachable_samples: Mapping[str, int]) -> tuple[Verdict, ...]:
    """Return a warning per failed check, critical when DW or OLTP was unreachable for 3 samples.

    `unreachable_samples`: per alias, for how many samples in a row it did not answer. The structure rule reports the
    checks of pipelines. Values: `check` (the code), `problem`, `samples` (up to 3), and the check's REPEATED_VALUES.
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
            **{name: value for name, value in (check.values or {}).items() if name in REPEATED_VALUES},
            "check": check.code,
            "problem": check.problem.code.value if check.problem else None,
            "samples": min(samples, UNREACHABLE_SAMPLES),
        },
        evidence=(f"check={check.code}",),
    )


RULES = (
    structure,
    failed,
    late_watermark,
    no_recent_run,
    recurrent_failure,
    stuck_run,
    stalled_watermark,
    volume,
    duration,
    silent_no_op,
    coverage_drop,
)
"""In the order in which alerts of the same severity are shown."""


def judge(pipeline: Pipeline, history: History, thresholds: Thresholds, now: datetime) -> tuple[Verdict, ...]:
    """Return every rule's answer for one pipeline, in the order of RULES; none when it is inactive."""
    if not pipeline.control.is_active:
        return ()
    executions = merged(pipeline.newest, history)
    facts = Facts(pipeline=pipeline, history=history, thresholds=thresholds, now=now, executions=executions)
    return tuple(rule(facts) for rule in RULES)


def pipeline_verdicts(
    pipeline: Pipeline, history: History, thresholds: Thresholds, now: datetime
) -> tuple[Verdict, ...]:
    return open_verdicts(judge(pipeline, history, thresholds, now))


def open_verdicts(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return those above OK, worst first; within a severity the longest standing first."""
    return tuple(
        sorted((each for each in verdicts if each.severity is not Severity.OK), key=lambda verdict: verdict.order)
    )
