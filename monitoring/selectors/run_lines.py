"""Runs, run entities and control rows as the lines of tables: facts and what can be concluded from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.enums import RUN_FINISHED, ErrorClass, ExecutionStatus, PipelineStatus, RunStatus, WatermarkState
from monitoring.policies.facts import Execution, Pipeline, Run, Snapshot, Watermark
from monitoring.policies.figures import throughput
from monitoring.policies.watermark import watermark_moved
from monitoring.rules.error_text import ErrorText
from monitoring.selectors.readings import Missing, Reading, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A run as a table's row. `seconds` None: it has no finish, or one before its start.

    The counts are None until it has finished: the runner writes them then, and its 0 says nothing (CONTRACT).
    """

    run_id: int
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    started_by: str
    entities_requested: str
    entities_succeeded: int | None
    entities_failed: int | None
    error: ErrorText | None

    @property
    def error_message(self) -> str:
        return self.error.text if self.error else ""

    @property
    def running(self) -> bool:
        return self.status is RunStatus.RUNNING


def run_line(run: Run) -> RunLine:
    """Return the run as a table's row."""
    counted = run.status in RUN_FINISHED
    return RunLine(
        run_id=run.run_id,
        status=run.status,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=seconds_of(run.started_at, run.finished_at),
        started_by=run.started_by,
        entities_requested=run.entities_requested.replace(",", ", "),
        entities_succeeded=run.entities_succeeded if counted else None,
        entities_failed=run.entities_failed if counted else None,
        error=run.shown_error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionLine:
    """A run entity as a table's row, with what can be concluded from it."""

    run_entity_id: int
    run_id: int
    entity_name: str
    status: ExecutionStatus
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    extracted: int
    upserted: int
    soft_deleted: int
    throughput: float | None
    watermark_from: Watermark | None
    watermark_to: Watermark | None
    moved: bool | None
    error: ErrorText | None

    @property
    def error_class(self) -> ErrorClass | None:
        return self.error.error_class if self.error else None

    @property
    def error_message(self) -> str:
        return self.error.text if self.error else ""

    @property
    def ended_at(self) -> datetime:
        """The finish, or the start where the runner wrote no finish."""
        return self.finished_at or self.started_at

    @property
    def duration(self) -> Reading[float]:
        return reading(self.seconds, Missing.NOT_FINISHED)

    @property
    def running(self) -> bool:
        return self.status is ExecutionStatus.RUNNING


def execution_line(execution: Execution) -> ExecutionLine:
    """Return the run entity as a table's row."""
    return ExecutionLine(
        run_entity_id=execution.run_entity_id,
        run_id=execution.run_id,
        entity_name=execution.entity_name,
        status=execution.status,
        started_at=execution.started_at,
        finished_at=execution.finished_at,
        seconds=seconds_of(execution.started_at, execution.finished_at),
        extracted=execution.extracted,
        upserted=execution.upserted,
        soft_deleted=execution.soft_deleted,
        throughput=throughput(execution),
        watermark_from=execution.watermark_from,
        watermark_to=execution.watermark_to,
        moved=watermark_moved(execution),
        error=execution.shown_error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLine:
    """A control row as a table's row, with the status that the portal gives the pipeline."""

    entity_name: str
    status: PipelineStatus
    watermark_state: WatermarkState
    is_active: bool
    watermark: Watermark
    last_run_id: int | None
    last_status: str | None
    last_success_at: datetime | None
    source_table: str
    target_table: str
    source_pk_column: str
    cutoff_minutes: int
    batch_size: int
    created_at: datetime | None
    updated_at: datetime | None


def control_lines(snapshot: Snapshot) -> list[ControlLine]:
    """Return the control rows of the newest sample."""
    return [_control_line(pipeline) for pipeline in snapshot.pipelines]


def _control_line(pipeline: Pipeline) -> ControlLine:
    control = pipeline.control
    return ControlLine(
        entity_name=control.entity_name,
        status=pipeline.status,
        watermark_state=pipeline.watermark_state,
        is_active=control.is_active,
        watermark=control.watermark,
        last_run_id=control.last_run_id,
        last_status=control.last_status,
        last_success_at=control.last_success_at,
        source_table=control.source_table,
        target_table=control.target_table,
        source_pk_column=control.source_pk_column,
        cutoff_minutes=control.cutoff_minutes,
        batch_size=control.batch_size,
        created_at=control.created_at,
        updated_at=control.updated_at,
    )


def seconds_of(start: datetime, finish: datetime | None) -> float | None:
    """Return the seconds from start to finish; None without a finish, or with one before the start."""
    if finish is None or finish < start:
        return None
    return (finish - start).total_seconds()
