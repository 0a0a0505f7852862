"""What every alert rule looks at, and the four ways to answer.

A verdict's values hold nothing that grows with the clock: what lasts is told by `since`, so that an
unchanged verdict stays equal from sample to sample.
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
        since=facts.history.failing_since or execution.ended_at,
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


def structure(facts: Facts) -> Verdict:
    """Warning when the source or target is absent or its name invalid (METRICS: a pre-flight check
    failed); unknown when that could not be found out.

    Values: `part` ("mapping", "source" or "target") and `table`, or `problem` and `part`.
    """
    pipeline = facts.pipeline
    ready = pipeline.structure_ready
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
        since=newest.ended_at,
        evidence=evidence_of(newest),
    )


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
"""In the order in which verdicts of the same severity are shown."""


def judge(pipeline: Pipeline, history: History, thresholds: Thresholds, now: datetime) -> tuple[Verdict, ...]:
    """Return every rule's answer for one pipeline, in the order of RULES; none when it is inactive.

    `pipeline` carries the readings and figures; its own `verdicts` are not looked at.
    """
    if not pipeline.control.is_active:
        return ()
    facts = Facts(
        pipeline=pipeline,
        history=history,
        thresholds=thresholds,
        now=now,
        executions=merged(pipeline.newest, history),
    )
    return tuple(rule(facts) for rule in RULES)


def pipeline_verdicts(
    pipeline: Pipeline, history: History, thresholds: Thresholds, now: datetime
) -> tuple[Verdict, ...]:
    """Return the open verdicts of one pipeline, worst first: what is wrong or cannot be judged."""
    return open_verdicts(judge(pipeline, history, thresholds, now))


def open_verdicts(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return those above OK, worst first; within a severity the longest standing first."""
    return tuple(sorted((each for each in verdicts if each.severity is not Severity.OK), key=worst_first))


def worst_first(verdict: Verdict) -> tuple[int, bool, float, str, str]:
    """Sort key: worst severity, then oldest `since` (none last), then pipeline and rule."""
    since = verdict.since.timestamp() if verdict.since else 0.0
    return -verdict.severity.rank, verdict.since is None, since, verdict.entity_name, verdict.rule
