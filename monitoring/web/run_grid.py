"""The run grid: pipelines by newest runs. A cell's colour and sign tell the status, its height the duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.rules.enums import ExecutionStatus, PipelineStatus
from monitoring.rules.facts import Execution, Run, Snapshot

SMALL_GRID_RUNS = 30
HEIGHT = 20
"""The tallest bar, in the drawing's own units; the shortest is a fifth of it, so that it can be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one pipeline did in one run; `execution` None: it took no part. `height` 0..HEIGHT."""

    run: Run
    execution: Execution | None = None
    seconds: float | None = None
    height: int = 0

    @property
    def top(self) -> int:
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    name: str
    status: PipelineStatus | None
    active: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGrid:
    """`runs` oldest first, as every row's cells. `left_out`: pipelines without a cell in any of them."""

    runs: tuple[Run, ...]
    rows: tuple[GridRow, ...]
    left_out: tuple[str, ...]


def run_grid(snapshot: Snapshot, runs: int = SMALL_GRID_RUNS) -> RunGrid:
    """Return the newest `runs` runs against every pipeline that took part in one of them.

    Also a pipeline that has no control row any more. A bar is as high as the execution was long,
    against the longest of its own row: what is long for one pipeline is nothing for another.
    """
    shown = tuple(reversed(snapshot.recent_runs[:runs]))
    by_pipeline: dict[str, dict[int, Execution]] = {}
    for run in shown:
        for execution in run.executions:
            by_pipeline.setdefault(execution.entity_name, {})[run.run_id] = execution
    rows = tuple(_row(snapshot, name, shown, by_pipeline[name]) for name in sorted(by_pipeline))
    left_out = tuple(pipeline.name for pipeline in snapshot.pipelines if pipeline.name not in by_pipeline)
    return RunGrid(runs=shown, rows=rows, left_out=left_out)


def _row(snapshot: Snapshot, name: str, runs: Sequence[Run], executions: dict[int, Execution]) -> GridRow:
    pipeline = snapshot.pipeline(name)
    seconds = {run_id: _seconds(snapshot, execution) for run_id, execution in executions.items()}
    longest = max((value for value in seconds.values() if value is not None), default=0.0)
    return GridRow(
        name=name,
        status=pipeline.status if pipeline else None,
        active=pipeline.control.is_active if pipeline else False,
        cells=tuple(
            Cell(
                run=run,
                execution=executions.get(run.run_id),
                seconds=seconds.get(run.run_id),
                height=_height(seconds.get(run.run_id), longest) if run.run_id in executions else 0,
            )
            for run in runs
        ),
    )


def _seconds(snapshot: Snapshot, execution: Execution) -> float | None:
    """Seconds of an execution; None for a running one (still growing) or a finish before its start."""
    if execution.status is ExecutionStatus.RUNNING or execution.finished_at is None:
        return None
    seconds = (execution.finished_at - execution.started_at).total_seconds()
    return seconds if seconds >= 0 else None


def _height(seconds: float | None, longest: float) -> int:
    if seconds is None:
        return HEIGHT
    lowest = HEIGHT // 5
    return lowest if longest <= 0 else lowest + round((HEIGHT - lowest) * seconds / longest)
