"""Running executions: their progress where it is known, and orphans of a killed runner."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from monitoring.rules.enums import FINISHED, RUN_FINISHED, Rule, RunStatus, Severity
from monitoring.rules.facts import Execution, Pipeline, Run, Snapshot

ENOUGH = 5
"""METRICS: percentiles and medians of history need this many executions."""

CUT_AT = 500
"""`entities_requested` is a VARCHAR(500): a list this long may have been cut."""

Progress = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningExecution:
    """A running execution. `usual`: seconds (10th percentile, median, 90th) of the pipeline's successes."""

    execution: Execution
    usual: tuple[float, float, float] | None
    rows: Progress | None
    severity: Severity
    orphan: bool

    @property
    def late(self) -> bool:
        return self.severity is not Severity.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRun:
    """An open run. `pipelines`: how many of the requested ones have finished, where that is known."""

    run: Run
    usual_seconds: float | None
    pipelines: Progress | None
    executions: tuple[RunningExecution, ...]
    orphan: bool


def running_now(snapshot: Snapshot) -> tuple[RunningRun, ...]:
    """Return the open runs, newest first; the abandoned ones (killed runner, CONTRACT rule 3) last."""
    runs = [_running(snapshot, run) for run in snapshot.running]
    return tuple(sorted(runs, key=lambda running: (running.orphan, -running.run.run_id)))


def _running(snapshot: Snapshot, run: Run) -> RunningRun:
    executions = tuple(_execution(snapshot.pipeline(each.entity_name), each) for each in run.executions if each.running)
    if executions:
        orphan = all(each.orphan for each in executions)
    else:
        orphan = any(other.run_id > run.run_id and other.status in RUN_FINISHED for other in snapshot.recent_runs)
    done = sum(execution.status in FINISHED for execution in run.executions)
    total = max(len(set(run.requested)), len(run.executions))
    # The newest successful runs over the same pipelines.
    seconds = [
        (other.finished_at - other.started_at).total_seconds()
        for other in snapshot.recent_runs
        if other.status is RunStatus.SUCCESS
        and other.finished_at is not None
        and other.entities_requested == run.entities_requested
    ]
    return RunningRun(
        run=run,
        usual_seconds=median(seconds) if len(seconds) >= ENOUGH else None,
        pipelines=(done, total) if total and len(run.entities_requested) < CUT_AT else None,
        executions=executions,
        orphan=orphan,
    )


def _execution(pipeline: Pipeline | None, execution: Execution) -> RunningExecution:
    severity, orphan = _stuck(pipeline, execution)
    # The runner writes its counts at the end only (CONTRACT, rule 1), so 0 of a running execution is not a figure. The
    # watermark moves at the end too, so the sampled backlog is still that of this execution.
    done, eligible = execution.upserted, pipeline.source.eligible if pipeline else None
    return RunningExecution(
        execution=execution,
        usual=pipeline.figures.usual_duration if pipeline else None,
        rows=(done, eligible.value) if eligible and not eligible.capped and eligible.value >= done > 0 else None,
        severity=severity,
        orphan=orphan,
    )


def _stuck(pipeline: Pipeline | None, execution: Execution) -> tuple[Severity, bool]:
    """Return the severity of "stuck run", and whether the execution is an orphan: a later one has finished."""
    if pipeline is None:
        return Severity.OK, False
    for verdict in pipeline.verdicts:
        if verdict.rule == Rule.STUCK_RUN and verdict.values.get("run_id") == execution.run_id:
            return verdict.severity, verdict.values.get("orphan") is not None
    newest = pipeline.newest
    later = newest is not None and newest.run_id > execution.run_id and newest.status in FINISHED
    return (Severity.CRITICAL, True) if later else (Severity.OK, False)
