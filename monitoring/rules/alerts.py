"""The alert rules of METRICS. Each returns its alert, or None where nothing is wrong or there is too little to judge.

Alert values exclude anything that grows with the clock, so that an unchanged alert stays equal between samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

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
from monitoring.rules.facts import Execution, History, Pipeline, Preflight, Problem, Values, Verdict
from monitoring.rules.figures import finished, merged, newest_finish, percentile, seconds_between, usable
from monitoring.rules.status import eligible_throughout, samples_until, unchanged_since

NO_OP_SUCCESSES = 2
STUCK_PERCENTILE = 95
HISTORY_SUCCESSES = 30
MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation of normal data estimate its standard deviation (METRICS)."""
UNREACHABLE_SAMPLES = 3
REPEATED_VALUES = frozenset(
    {"name", "table", "missing", "exists", "server", "database", "active", "pipelines", "listed"}
)
"""Values of a check that its alert repeats: none that changes with each tick."""
CONNECTIONS = {"dw.connection": "dw", "oltp.connection": "oltp"}


def pipeline_verdicts(pipeline: Pipeline, history: History, now: datetime) -> tuple[Verdict, ...]:
    """Return the open alerts of a pipeline, worst first; none when it is inactive."""
    if not pipeline.control.is_active:
        return ()
    executions = merged(pipeline.newest, history)
    found = (
        structure(pipeline),
        failed(pipeline, history, executions),
        late_watermark(pipeline),
        no_recent_run(pipeline, executions, now),
        recurrent_failure(pipeline, history),
        stuck_run(pipeline, history, executions, now),
        stalled_watermark(pipeline, history, executions, now),
        unusual_volume(pipeline, history, executions),
        unusual_duration(pipeline, history, executions),
        silent_no_op(pipeline, executions),
        coverage_drop(pipeline, history),
    )
    return worst_first(verdict for verdict in found if verdict is not None)


def worst_first(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return them worst first; within a severity the longest standing first."""
    return tuple(sorted(verdicts, key=lambda verdict: verdict.order))


def _alert(
    pipeline: Pipeline,
    rule: Rule,
    severity: Severity,
    values: Values,
    *,
    since: datetime | None = None,
    evidence: tuple[str, ...] = (),
) -> Verdict:
    return Verdict(
        rule=rule.value,
        severity=severity,
        entity_name=pipeline.name,
        since=since,
        values=values,
        evidence=evidence,
    )


def _unknown(
    pipeline: Pipeline, rule: Rule, problem: Problem | None, values: Mapping[str, str | int | float | None] = {}
) -> Verdict:
    code = problem.code if problem else ProblemCode.NOT_READ
    return _alert(pipeline, rule, Severity.UNKNOWN, {"problem": code.value, **values})


def _evidence_of(execution: Execution) -> tuple[str, ...]:
    return (f"run_id={execution.run_id}", f"run_entity_id={execution.run_entity_id}")


def late_watermark(pipeline: Pipeline) -> Verdict | None:
    """Warning when the freshness lag is over 120 minutes, critical over 360. Since the oldest eligible row.

    Values: `limit_minutes`, `eligible`, `capped` (1 when there are at least that many).
    """
    source, limits, lag = pipeline.source, pipeline.thresholds, pipeline.figures.served_lag_seconds
    if lag is None:
        return _unknown(pipeline, Rule.LATE_WATERMARK, source.problem) if pipeline.structure_ready else None
    severity = limits.lateness(lag)
    if severity is Severity.OK:
        return None
    critical, eligible, since = severity is Severity.CRITICAL, source.eligible, source.oldest_eligible_at
    return _alert(
        pipeline,
        Rule.LATE_WATERMARK,
        severity,
        {
            "limit_minutes": limits.late_critical_minutes if critical else limits.late_warning_minutes,
            "eligible": eligible.value if eligible else None,
            "capped": int(eligible.capped) if eligible else None,
        },
        since=since,
        evidence=(f"oldest_eligible_at={since.isoformat()}",) if since else (),
    )


def stalled_watermark(
    pipeline: Pipeline, history: History, executions: tuple[Execution, ...], now: datetime
) -> Verdict | None:
    """Warning when the watermark did not move over 3 finished runs although rows were eligible all the time.

    Critical when all of those runs succeeded. Values: `runs`, `succeeded`, `eligible`.
    """
    control, source, needed = pipeline.control, pipeline.source, pipeline.thresholds.stalled_runs
    eligible, ended = source.eligible, finished(executions)[:needed]
    if eligible is None or eligible.empty or needed < 1 or len(ended) < needed:
        return None
    samples = samples_until(control, source, history, now)
    samples = [sample for sample in samples if sample[0] >= ended[-1].started_at]
    since = unchanged_since(control, ended, samples)
    if since is None or not eligible_throughout(control, source, ended, samples):
        return None
    succeeded = sum(execution.status is ExecutionStatus.SUCCESS for execution in ended)
    return _alert(
        pipeline,
        Rule.STALLED_WATERMARK,
        Severity.CRITICAL if succeeded == len(ended) else Severity.WARNING,
        {"runs": len(ended), "succeeded": succeeded, "eligible": eligible.value},
        since=since,
        evidence=tuple(f"run_id={execution.run_id}" for execution in ended),
    )


def silent_no_op(pipeline: Pipeline, executions: tuple[Execution, ...]) -> Verdict | None:
    """Warning when two successes in a row extracted nothing although older rows were eligible.

    The oldest eligible row was older than the cutoff when the earlier of the two runs started, so that run should
    have extracted it (CONTRACT 2: updated_at <= now - cutoff_minutes). Values: `runs`, `eligible`.
    """
    eligible, oldest = pipeline.source.eligible, pipeline.source.oldest_eligible_at
    ended = finished(executions)[:NO_OP_SUCCESSES]
    if eligible is None or oldest is None or len(ended) < NO_OP_SUCCESSES:
        return None
    took_nothing = all(each.status is ExecutionStatus.SUCCESS and each.extracted == 0 for each in ended)
    earlier = min(execution.started_at for execution in ended)
    if not took_nothing or oldest > earlier - timedelta(minutes=max(0, pipeline.control.cutoff_minutes)):
        return None
    return _alert(
        pipeline,
        Rule.SILENT_NO_OP,
        Severity.WARNING,
        {"runs": len(ended), "eligible": eligible.value},
        since=earlier,
        evidence=tuple(f"run_id={execution.run_id}" for execution in ended),
    )


def failed(pipeline: Pipeline, history: History, executions: tuple[Execution, ...]) -> Verdict | None:
    """Critical when the newest finished execution failed, also while another one runs.

    Without executions the control row decides. Values: `run_id`, `error_class`, `error` (both None without a
    message), or `status_text` for a status that the contract does not know.
    """
    if not executions:
        return _failed_by_control(pipeline)
    if executions[0].status is ExecutionStatus.UNKNOWN:
        values: Values = {"status_text": executions[0].status_text, "run_id": executions[0].run_id}
        return _unknown(pipeline, Rule.FAILED, None, values)
    ended = finished(executions)
    if not ended or ended[0].status is not ExecutionStatus.FAILED:
        return None
    error = ended[0].shown_error
    return _alert(
        pipeline,
        Rule.FAILED,
        Severity.CRITICAL,
        {
            "run_id": ended[0].run_id,
            "run_entity_id": ended[0].run_entity_id,
            "error_class": (error.error_class if error else ErrorClass.OTHER).value,
            "error": (error.words[:500] if error else "") or None,
        },
        since=history.failing_since or ended[0].ended_at,
        evidence=_evidence_of(ended[0]),
    )


def _failed_by_control(pipeline: Pipeline) -> Verdict | None:
    control = pipeline.control
    status = RunStatus.parse(control.last_status)
    if pipeline.status is PipelineStatus.NEVER_RUN or status is RunStatus.SUCCESS:
        return None
    if status in (RunStatus.FAILED, RunStatus.PARTIAL):
        values: Values = {"run_id": control.last_run_id, "error_class": None, "error": None}
        return _alert(pipeline, Rule.FAILED, Severity.CRITICAL, values, evidence=(f"last_status={status.value}",))
    if pipeline.status is PipelineStatus.UNKNOWN and (control.last_status or "").strip():
        values = {"status_text": control.last_status, "run_id": control.last_run_id}
        return _unknown(pipeline, Rule.FAILED, None, values)
    return None


def no_recent_run(pipeline: Pipeline, executions: tuple[Execution, ...], now: datetime) -> Verdict | None:
    """Warning when the newest finish is more than 24 h ago, critical beyond 72 h or when it never ran.

    Since that finish, or since the pipeline was created. Values: `hours`, the limit; None for never.
    """
    control, limits = pipeline.control, pipeline.thresholds
    finish = newest_finish(executions) or control.last_success_at
    if finish is None:
        if pipeline.status is PipelineStatus.UNKNOWN and not executions:
            return None
        if RunStatus.parse(control.last_status) is not RunStatus.UNKNOWN:
            # It did finish once, but neither the audit tables nor the control row have the time.
            return _unknown(pipeline, Rule.NO_RECENT_RUN, None)
        return _alert(pipeline, Rule.NO_RECENT_RUN, Severity.CRITICAL, {"hours": None}, since=control.created_at)
    age = seconds_between(finish, now)
    if age > limits.no_run_critical_hours * 3600:
        severity, hours = Severity.CRITICAL, limits.no_run_critical_hours
    elif age > limits.no_run_warning_hours * 3600:
        severity, hours = Severity.WARNING, limits.no_run_warning_hours
    else:
        return None
    evidence = (f"newest_finish={finish.isoformat()}",)
    return _alert(pipeline, Rule.NO_RECENT_RUN, severity, {"hours": hours}, since=finish, evidence=evidence)


def recurrent_failure(pipeline: Pipeline, history: History) -> Verdict | None:
    """Warning at 30 % failures of the last 7 days' executions, critical at 50 %, from 3 failures on.

    Values: `failures`, `executions`, `percent`.
    """
    executions, failures, limits = history.executions_7d, history.failures_7d, pipeline.thresholds
    percent = 100 * failures / executions if executions > 0 else 0.0
    least = min(limits.failure_warning_percent, limits.failure_critical_percent)
    if executions <= 0 or failures < limits.failure_minimum or percent < least:
        return None
    return _alert(
        pipeline,
        Rule.RECURRENT_FAILURE,
        Severity.CRITICAL if percent >= limits.failure_critical_percent else Severity.WARNING,
        {"failures": failures, "executions": executions, "percent": percent},
        since=history.failing_since,
        evidence=(f"failures_7d={failures}", f"executions_7d={executions}"),
    )


def stuck_run(pipeline: Pipeline, history: History, executions: tuple[Execution, ...], now: datetime) -> Verdict | None:
    """Warning when a running execution took longer than max(3 x 95th percentile, 30 min). Critical for an orphan.

    Of several, an orphan comes first, then the oldest. Values: `run_id`, `limit_seconds`, `orphan` ("later_run",
    "no_session" or None).
    """
    usual = percentile(usable(history.durations), STUCK_PERCENTILE)
    if usual is None:
        return None
    limit = max(pipeline.thresholds.stuck_factor * usual, pipeline.thresholds.stuck_floor_minutes * 60)
    late = [
        (_orphan(each, history, executions), each)
        for each in executions
        if each.running and seconds_between(each.started_at, now) > limit
    ]
    if not late:
        return None
    reason, worst = min(late, key=lambda pair: (pair[0] is None, pair[1].started_at))
    return _alert(
        pipeline,
        Rule.STUCK_RUN,
        Severity.WARNING if reason is None else Severity.CRITICAL,
        {"run_id": worst.run_id, "limit_seconds": limit, "orphan": reason},
        since=worst.started_at,
        evidence=_evidence_of(worst),
    )


def _orphan(execution: Execution, history: History, executions: tuple[Execution, ...]) -> str | None:
    """Return why this running execution is an orphan: a later run finished, or two samples show no runner session."""
    if any(later.run_id > execution.run_id and later.status in FINISHED for later in executions):
        return "later_run"
    samples = sorted((when for when in history.login_samples_at if when > execution.started_at), reverse=True)[:2]
    if len(samples) < 2:
        return None
    seen = history.newest_runner_session_at
    return "no_session" if seen is None or seen < samples[1] else None


def structure(pipeline: Pipeline) -> Verdict | None:
    """Warning when the source or target is missing or a name is invalid; unknown when that could not be found out.

    Values: `part` ("mapping", "source" or "target") and `table`, or `problem` and `part`.
    """
    control, source, target = pipeline.control, pipeline.source, pipeline.target
    ready = pipeline.structure_ready
    if ready:
        # The failed rule reports a status that the contract does not have.
        strange = (control.last_status or "").strip() and RunStatus.parse(control.last_status) not in RUN_FINISHED
        if pipeline.status is not PipelineStatus.UNKNOWN or pipeline.newest is not None or strange:
            return None
        return _unknown(pipeline, Rule.STRUCTURE, None, {"part": "audit"})
    if ready is None:
        part, table, problem = "target", control.target_table, target.problem
        if source.exists is None:
            part, table, problem = "source", control.source_table, source.problem
        return _unknown(pipeline, Rule.STRUCTURE, problem, {"part": part, "table": table})
    if not pipeline.mapping_valid:
        part, table = "mapping", f"{control.source_table} -> {control.target_table}"
    elif source.exists is False:
        part, table = "source", control.source_table
    else:
        part, table = "target", control.target_table
    values: Values = {"part": part, "table": table}
    return _alert(pipeline, Rule.STRUCTURE, Severity.WARNING, values, evidence=(f"{part}={table}",))


def unusual_volume(pipeline: Pipeline, history: History, executions: tuple[Execution, ...]) -> Verdict | None:
    """Warning when the newest success extracted unusually many or few rows. Values as _compare, in rows."""
    newest, floor = next(iter(finished(executions)), None), pipeline.thresholds.volume_floor_rows
    value = newest.extracted if newest else None
    return _compare(pipeline, Rule.UNUSUAL_VOLUME, newest, value, past=history.volumes, floor=floor)


def unusual_duration(pipeline: Pipeline, history: History, executions: tuple[Execution, ...]) -> Verdict | None:
    """Warning when the newest success took unusually long or short. Values as _compare, in seconds."""
    newest, floor = next(iter(finished(executions)), None), pipeline.thresholds.duration_floor_seconds
    value = newest.seconds if newest else None
    return _compare(pipeline, Rule.UNUSUAL_DURATION, newest, value, past=history.durations, floor=floor)


def _compare(
    pipeline: Pipeline,
    rule: Rule,
    newest: Execution | None,
    value: float | None,
    *,
    past: Sequence[float | int],
    floor: float,
) -> Verdict | None:
    """Compare with median -+ max(deviations x 1.4826 x MAD, floor). Values: `value`, `median`, `low`, `high`, `run_id`.

    Without the floor a pipeline that always does the same would alert at the first second more. A newest execution
    that failed is not compared: the success before it was.
    """
    if newest is None or newest.status is not ExecutionStatus.SUCCESS or value is None:
        return None
    known = usable(past)[:HISTORY_SUCCESSES]
    if not known or len(known) < pipeline.thresholds.deviation_history:
        return None
    middle = median(known)
    deviation = MAD_TO_SIGMA * median(abs(each - middle) for each in known)
    reach = max(pipeline.thresholds.deviations * deviation, floor)
    low, high = middle - reach, middle + reach
    if low <= value <= high:
        return None
    return _alert(
        pipeline,
        rule,
        Severity.WARNING,
        {"value": float(value), "median": middle, "low": max(0.0, low), "high": high, "run_id": newest.run_id},
        since=newest.ended_at,
        evidence=_evidence_of(newest),
    )


def coverage_drop(pipeline: Pipeline, history: History) -> Verdict | None:
    """Warning when coverage is more than 5 points under its 7-day median, critical more than 20.

    Values: `percent`, `median`, `points`.
    """
    source, target, limits = pipeline.source, pipeline.target, pipeline.thresholds
    percent, usual = pipeline.figures.coverage_percent, history.coverage_median_7d
    if percent is None and pipeline.structure_ready and target.problem is not None and target.total is None:
        return _unknown(pipeline, Rule.COVERAGE_DROP, target.problem)
    # An empty source has no coverage; the late rule reports a source that could not be read.
    if percent is None or usual is None:
        return None
    points = usual - percent
    if points <= min(limits.coverage_warning_points, limits.coverage_critical_points):
        return None
    return _alert(
        pipeline,
        Rule.COVERAGE_DROP,
        Severity.CRITICAL if points > limits.coverage_critical_points else Severity.WARNING,
        {"percent": percent, "median": usual, "points": points},
        evidence=(f"source_total={source.total}", f"target_total={target.total}"),
    )


def preflight_verdicts(preflight: Preflight, unreachable_samples: Mapping[str, int]) -> tuple[Verdict, ...]:
    """Return a warning per failed check, critical when DW or OLTP was unreachable for 3 samples.

    `unreachable_samples`: per alias, for how many samples in a row it did not answer. The structure rule reports the
    checks of pipelines. Values: `check` (the code), `problem`, `samples` (up to 3), and the check's REPEATED_VALUES.
    """
    verdicts = []
    for check in preflight.checks:
        if check.state is not CheckState.FAILED or check.code.startswith("pipeline."):
            continue
        samples = min(unreachable_samples.get(CONNECTIONS.get(check.code, ""), 0), UNREACHABLE_SAMPLES)
        values = {name: value for name, value in check.values.items() if name in REPEATED_VALUES}
        problem = check.problem.code.value if check.problem else None
        verdicts.append(
            Verdict(
                rule=Rule.PREFLIGHT.value,
                severity=Severity.CRITICAL if samples == UNREACHABLE_SAMPLES else Severity.WARNING,
                entity_name=check.entity_name,
                values={**values, "check": check.code, "problem": problem, "samples": samples},
                evidence=(f"check={check.code}",),
            )
        )
    return tuple(verdicts)
