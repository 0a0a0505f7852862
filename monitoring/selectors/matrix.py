"""The pipeline matrix: one row per control row, every figure a reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring.enums import ExecutionStatus, PipelineStatus, ProblemCode, Severity, WatermarkState
from monitoring.policies.facts import Count, Execution, Pipeline, Problem, Snapshot, Watermark
from monitoring.rules.error_text import ErrorText
from monitoring.selectors import readings
from monitoring.selectors.readings import Missing, Reading


class Structure(StrEnum):
    """Whether a pipeline's two tables are there, as far as it could be found out."""

    COMPLETE = "complete"
    SOURCE_MISSING = "source_missing"
    TARGET_MISSING = "target_missing"
    BOTH_MISSING = "both_missing"
    NAME_INVALID = "name_invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One pipeline. Totals, pending and counts are rows; latency, lag and duration seconds;
    coverage percent; throughput rows per second; times aware UTC. `late_since`: the oldest eligible
    row's time, None where nothing waits or nobody can see whether it still does. `structure_unread`, `runs_unread`:
    why what is said of the tables, and of the newest execution, is what was last known."""

    name: str
    status: PipelineStatus
    severity: Severity
    active: bool
    required: bool
    owner: str
    structure: Structure
    structure_problem: Problem | None
    structure_unread: Problem | None
    runs_unread: Problem | None
    source_table: str
    target_table: str
    source_total: Reading[int]
    target_total: Reading[int]
    coverage: Reading[float]
    eligible: Reading[Count]
    cooling: Reading[Count]
    latency: Reading[float]
    served_lag: Reading[float]
    late_since: datetime | None
    newest: Execution | None
    last_started_at: Reading[datetime]
    last_finished_at: Reading[datetime]
    extracted: Reading[int]
    upserted: Reading[int]
    soft_deleted: Reading[int]
    duration: Reading[float]
    throughput: Reading[float]
    watermark: Watermark
    watermark_state: WatermarkState
    error: ErrorText | None

    @property
    def last_error(self) -> str:
        """The newest execution's error message."""
        return self.error.text if self.error else ""

    @property
    def running(self) -> bool:
        """Whether it runs, as far as anybody can see: without the audit tables nobody can."""
        return self.status is PipelineStatus.RUNNING and self.newest is not None

    @property
    def run_id(self) -> int | None:
        return None if self.newest is None else self.newest.run_id


def matrix(snapshot: Snapshot) -> list[MatrixRow]:
    """Return a row per pipeline, in the order of their names."""
    return sorted((matrix_row(each, snapshot) for each in snapshot.pipelines), key=lambda row: row.name)


def select(
    rows: Iterable[MatrixRow],
    *,
    statuses: Iterable[PipelineStatus] = (),
    active: bool | None = None,
    attention: bool = False,
    text: str = "",
) -> list[MatrixRow]:
    """Return the rows that match everything asked for.

    `text` is looked for in names, tables, owner and last error, whatever its case; `attention`
    keeps those with an open verdict or an unknown.
    """
    wanted, needle = frozenset(statuses), text.strip().casefold()
    return [
        row
        for row in rows
        if (not wanted or row.status in wanted)
        and (active is None or row.active is active)
        and (not attention or row.severity is not Severity.OK)
        and (not needle or needle in _haystack(row))
    ]


def _haystack(row: MatrixRow) -> str:
    return "\n".join((row.name, row.source_table, row.target_table, row.owner, row.last_error)).casefold()


def matrix_row(pipeline: Pipeline, snapshot: Snapshot) -> MatrixRow:
    """Return the pipeline's figures, each as the last known one where its database could not be read this time."""
    source, target = readings.blind(snapshot)
    control, newest = pipeline.control, pipeline.newest
    structure = structure_of(pipeline)
    return MatrixRow(
        name=pipeline.name,
        status=pipeline.status,
        severity=pipeline.severity,
        active=control.is_active,
        required=pipeline.required,
        owner=pipeline.owner,
        structure=structure,
        structure_problem=None if structure is Structure.COMPLETE else _structure_problem(pipeline),
        structure_unread=source or target,
        runs_unread=target,
        source_table=control.source_table,
        target_table=control.target_table,
        source_total=readings.kept(readings.of_source(pipeline, pipeline.source.total), source),
        target_total=readings.kept(readings.of_target(pipeline, pipeline.target.total), target),
        coverage=readings.kept(readings.coverage(pipeline), source or target),
        eligible=readings.kept(readings.of_source(pipeline, pipeline.source.eligible), source),
        cooling=readings.kept(readings.of_source(pipeline, pipeline.source.cooling), source),
        latency=readings.kept(readings.latency(pipeline), source or target),
        served_lag=readings.kept(readings.of_source(pipeline, pipeline.figures.served_lag_seconds), source),
        late_since=late_since(pipeline) if source is None else None,
        newest=newest,
        last_started_at=readings.kept(_started(newest), target),
        last_finished_at=readings.kept(_finished(newest), target),
        extracted=readings.kept(readings.rows_of(newest, newest.extracted if newest else 0), target),
        upserted=readings.kept(readings.rows_of(newest, newest.upserted if newest else 0), target),
        soft_deleted=readings.kept(readings.rows_of(newest, newest.soft_deleted if newest else 0), target),
        duration=readings.kept(readings.duration(pipeline), target),
        throughput=readings.kept(readings.throughput(pipeline), target),
        watermark=control.watermark,
        watermark_state=pipeline.watermark_state,
        error=newest.shown_error if newest else None,
    )


def late_since(pipeline: Pipeline) -> datetime | None:
    """Return the time of the oldest eligible row, from which its lag counts; None when nothing waits."""
    return pipeline.source.oldest_eligible_at if pipeline.figures.served_lag_seconds else None


def structure_of(pipeline: Pipeline) -> Structure:
    """Return what is known of the pipeline's tables: a missing one is worse than an unreadable one."""
    if not pipeline.mapping_valid:
        return Structure.NAME_INVALID
    source, target = pipeline.source.exists, pipeline.target.exists
    if source is False and target is False:
        return Structure.BOTH_MISSING
    if source is False:
        return Structure.SOURCE_MISSING
    if target is False:
        return Structure.TARGET_MISSING
    return Structure.COMPLETE if source and target else Structure.UNKNOWN


def _structure_problem(pipeline: Pipeline) -> Problem:
    return pipeline.source.problem or pipeline.target.problem or Problem(code=ProblemCode.NOT_READ)


def _started(newest: Execution | None) -> Reading[datetime]:
    return Reading(None, Missing.NEVER_RUN) if newest is None else Reading(newest.started_at)


def _finished(newest: Execution | None) -> Reading[datetime]:
    if newest is None:
        return Reading(None, Missing.NEVER_RUN)
    running = newest.status is ExecutionStatus.RUNNING
    return readings.reading(newest.finished_at, Missing.STILL_RUNNING if running else Missing.NOT_FINISHED)
