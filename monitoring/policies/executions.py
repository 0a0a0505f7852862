"""Reading one pipeline's executions: which are finished, which run, did the watermark move."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitoring.enums import FINISHED, ExecutionStatus
from monitoring.policies.facts import Execution, History


def merged(newest: Execution | None, history: History) -> tuple[Execution, ...]:
    """Return all known executions once, newest run first. `newest` wins over its older copy."""
    found: dict[int, Execution] = {}
    for execution in (*((newest,) if newest else ()), *history.recent, *history.open):
        found.setdefault(execution.run_entity_id, execution)
    return tuple(sorted(found.values(), key=lambda each: (each.run_id, each.run_entity_id), reverse=True))


def finished(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    """Return those that ended, in the given order, also when they did not write when."""
    return tuple(execution for execution in executions if execution.status in FINISHED)


def running(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    """Return those that say they run, in the given order."""
    return tuple(execution for execution in executions if execution.status is ExecutionStatus.RUNNING)


def ended_at(execution: Execution) -> datetime:
    """Return when a finished execution ended; its start where no finish was written."""
    return execution.finished_at or execution.started_at


def newest_finish(executions: Iterable[Execution]) -> datetime | None:
    """Return the latest end of the finished ones, None when there is none."""
    return max((ended_at(execution) for execution in finished(executions)), default=None)
