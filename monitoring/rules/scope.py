"""Narrows a snapshot to a user's pipelines, as if the others did not exist, and masks logins."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from monitoring.rules.alerts import preflight_verdicts, worst_first
from monitoring.rules.enums import CheckState, ExecutionStatus, RunStatus
from monitoring.rules.error_text import ErrorText, join
from monitoring.rules.facts import (
    Overview,
    Pipeline,
    Preflight,
    Problem,
    Run,
    Snapshot,
    Values,
    Verdict,
)
from monitoring.rules.masking import mask_connection, mask_login, mask_logins
from monitoring.rules.preflight import ANSWERS, active_check, all_of, any_of

COUNTED = "pipelines.active"


def run_within(run: Run, names: Collection[str]) -> Run | None:
    """Return the run as if only these pipelines had been in it, or None if none of them was."""
    executions = tuple(each for each in run.executions if each.entity_name in names)
    if not executions:
        return None
    status = RunStatus.of(each.status for each in executions)
    ends = [each.finished_at for each in executions if each.finished_at is not None]
    return replace(
        run,
        status=status,
        status_text=status.value,
        finished_at=max(ends) if len(ends) == len(executions) else None,
        entities_requested=",".join(name for name in run.entities_requested.split(",") if name.strip() in names),
        entities_succeeded=sum(each.status is ExecutionStatus.SUCCESS for each in executions),
        entities_failed=sum(each.status is ExecutionStatus.FAILED for each in executions),
        error_message="",
        error=_joined(each.error for each in executions),
        error_with_logins=_joined(each.shown_error for each in executions),
        executions=executions,
    )


def _joined(errors: Iterable[ErrorText | None]) -> ErrorText | None:
    texts = [error for error in errors if error is not None and error.text]
    return join(texts) if texts else None


def runs_within(runs: Iterable[Run], names: Collection[str]) -> tuple[Run, ...]:
    return tuple(run for each in runs if (run := run_within(each, names)) is not None)


def pipelines_within(snapshot: Snapshot, names: Collection[str]) -> tuple[Pipeline, ...]:
    return tuple(each for each in snapshot.pipelines if each.name in names)


def within(
    snapshot: Snapshot, names: Collection[str], *, overview: Overview, recent: Iterable[Run], running: Iterable[Run]
) -> Snapshot:
    """`overview` is already narrowed. `recent`, `running`: with all executions; those of others are removed."""
    pipelines = pipelines_within(snapshot, names)
    preflight = preflight_within(snapshot.preflight, pipelines, names)
    return replace(
        snapshot,
        preflight=preflight,
        pipelines=pipelines,
        overview=overview,
        verdicts=_verdicts_within(snapshot.verdicts, preflight, names),
        running=tuple(run for run in runs_within(running, names) if run.status is RunStatus.RUNNING),
        recent_runs=runs_within(recent, names),
    )


def preflight_within(preflight: Preflight, pipelines: Collection[Pipeline], names: Collection[str]) -> Preflight:
    """Return the checks of the portal and of these pipelines, with the totals computed again."""
    known = any(each.code == COUNTED and each.state is not CheckState.UNKNOWN for each in preflight.checks)
    checks = tuple(
        active_check(pipelines) if known and each.code == COUNTED else each
        for each in preflight.checks
        if _own(each.entity_name, names)
    )
    ready = [ANSWERS[each.state] for each in checks if each.code == "pipeline.ready"]
    return replace(
        preflight,
        checks=checks,
        ready_for_first_run=any_of(ready) if known else None,
        ready_for_all_active=all_of(ready or [False]) if known else None,
    )


def _own(name: str, names: Collection[str]) -> bool:
    """The empty name is the portal itself."""
    return not name or name in names


def _verdicts_within(verdicts: Iterable[Verdict], preflight: Preflight, names: Collection[str]) -> tuple[Verdict, ...]:
    """Return the open verdicts of the portal and of these pipelines; the one on their number is computed again."""
    kept = [each for each in verdicts if _own(each.entity_name, names) and each.values.get("check") != COUNTED]
    counted = replace(preflight, checks=tuple(each for each in preflight.checks if each.code == COUNTED))
    return worst_first([*kept, *preflight_verdicts(counted, {})])


def without_logins(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with login names, hosts and addresses masked: in `started_by` and in texts."""
    last_run = snapshot.overview.last_run
    return replace(
        snapshot,
        connections=tuple(
            replace(
                each,
                problem=problem_without_logins(each.problem),
                connection_string=mask_connection(each.connection_string),
            )
            for each in snapshot.connections
        ),
        preflight=replace(
            snapshot.preflight,
            checks=tuple(
                replace(each, values=_values(each.values), problem=problem_without_logins(each.problem))
                for each in snapshot.preflight.checks
            ),
        ),
        pipelines=tuple(_pipeline_without_logins(each) for each in snapshot.pipelines),
        overview=replace(snapshot.overview, last_run=last_run and run_without_logins(last_run)),
        verdicts=_verdicts(snapshot.verdicts),
        running=tuple(run_without_logins(each) for each in snapshot.running),
        recent_runs=tuple(run_without_logins(each) for each in snapshot.recent_runs),
        problem=problem_without_logins(snapshot.problem),
    )


def run_without_logins(run: Run) -> Run:
    return replace(
        run,
        started_by=mask_login(run.started_by),
        error_message="",
        error_with_logins=None,
        executions=tuple(replace(each, error_message="", error_with_logins=None) for each in run.executions),
    )


def problem_without_logins(problem: Problem | None) -> Problem | None:
    return None if problem is None else replace(problem, detail=mask_logins(problem.detail))


def _pipeline_without_logins(pipeline: Pipeline) -> Pipeline:
    return replace(
        pipeline,
        source=replace(pipeline.source, problem=problem_without_logins(pipeline.source.problem)),
        target=replace(pipeline.target, problem=problem_without_logins(pipeline.target.problem)),
        newest=pipeline.newest and replace(pipeline.newest, error_message="", error_with_logins=None),
        verdicts=_verdicts(pipeline.verdicts),
    )


def _verdicts(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(replace(each, values=_values(each.values)) for each in verdicts)


def _values(values: Values) -> Values:
    """Mask error texts and connection strings; no other value of an alert or a check contains a login."""
    masked = {"connection_string": mask_connection, "error": mask_logins}
    return {
        name: masked[name](value) if name in masked and isinstance(value, str) else value
        for name, value in values.items()
    }
