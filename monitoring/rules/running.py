"""Running executions: their progress where it is known, and orphans of a killed runner."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.rules.enums import FINISHED, RUN_FINISHED, Rule, RunStatus
from monitoring.rules.facts import Execution, Pipeline, Run, Snapshot
from monitoring.rules.figures import percentile, usable

CUT_AT = 500
"""`entities_requested` is a VARCHAR(500): a list this long may have been cut."""

Progress = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningExecution:
    """A running execution. `usual`: seconds (10th percentile, median, 90th) of the pipeline's successes."""

    execution: Execution
    usual: tuple[float, float, float] | None
    rows: Progress | None
    late: bool
    orphan: bool


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
    seconds = usable(
        other.seconds
        for other in snapshot.recent_runs
        if other.status is RunStatus.SUCCESS and other.entities_requested == run.entities_requested
    )
    return RunningRun(
        run=run,
        usual_seconds=percentile(seconds, 50),
        pipelines=(done, total) if total and len(run.entities_requested) < CUT_AT else None,
        executions=executions,
        orphan=orphan,
    )


def _execution(pipeline: Pipeline | None, execution: Execution) -> RunningExecution:
    late, orphan = _stuck(pipeline, execution)
    # The runner writes its counts at the end only (CONTRACT, rule 1), so 0 of a running execution is not a figure. The
    # watermark moves at the end too, so the sampled backlog is still that of this execution.
    done, eligible = execution.upserted, pipeline.source.eligible if pipeline else None
    return RunningExecution(
        execution=execution,
        usual=pipeline.figures.usual_duration if pipeline else None,
        rows=(done, eligible.value) if eligible and not eligible.capped and eligible.value >= done > 0 else None,
        late=late,
        orphan=orphan,
    )


def _stuck(pipeline: Pipeline | None, execution: Execution) -> tuple[bool, bool]:
    """Return whether the rule "stuck run" found it, and whether it is an orphan: a later execution has finished."""
    if pipeline is None:
        return False, False
    for verdict in pipeline.verdicts:
        if verdict.rule == Rule.STUCK_RUN and verdict.values.get("run_id") == execution.run_id:
            return True, verdict.values.get("orphan") is not None
    newest = pipeline.newest
    later = newest is not None and newest.run_id > execution.run_id and newest.status in FINISHED
    return later, later
