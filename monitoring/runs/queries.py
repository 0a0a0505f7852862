"""Runs, executions and control rows as rows of tables: facts and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet, Subquery

from monitoring.models import EtlRun, EtlRunEntity, RunCopy, RunEntityCopy, scope
from monitoring.models.managers import of_status
from monitoring.rules.enums import RUN_FINISHED, ErrorClass, ExecutionStatus, PipelineStatus, RunStatus, WatermarkState
from monitoring.rules.error_text import Errors, ErrorText, execution_errors, run_errors
from monitoring.rules.facts import Execution, Pipeline, Run, Snapshot, Watermark
from monitoring.rules.figures import throughput
from monitoring.rules.masking import mask_login
from monitoring.rules.scope import run_within
from monitoring.rules.status import watermark_moved
from monitoring.web.readings import Missing, Reading, reading


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
    """An execution as a table's row, with what follows from it."""

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


SORTABLE = {"run_id": "run_id", "started_at": "started_at", "status": "status", "started_by": "started_by"}
"""The sortable columns of the list, none of them nullable."""


def sortable(*, logins: bool) -> dict[str, str]:
    """Return the columns that a reader may sort by: the order by a hidden column would reveal its values."""
    hidden = {
        *({"status"} if scope.pipelines() is not None else ()),
        *({"started_by"} if not logins else ()),
    }
    return {name: column for name, column in SORTABLE.items() if name not in hidden}


BATCH = 500
"""Runs whose executions are read in one statement: their ids are its parameters."""
NEIGHBOURS = 200
"""Executions of one run shown at most; a run has one per pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """The filters of the list. Empty: all copied runs."""

    statuses: frozenset[RunStatus] = frozenset()
    started_by: str = ""
    entity_name: str = ""
    since: datetime | None = None
    until: datetime | None = None
    run_id: int | None = None


def runs(wanted: RunFilter, *, logins: bool) -> QuerySet[RunCopy]:
    """Return the copied runs that match, unordered and not yet evaluated.

    A filter by something that the reader may not see (`logins`, other pipelines) matches nothing.
    """
    found: QuerySet[RunCopy] = RunCopy.objects.all()
    if wanted.run_id is not None:
        found = found.filter(run_id=wanted.run_id)
    if wanted.statuses:
        found = of_status(found, [status.value for status in wanted.statuses])
    if wanted.started_by:
        found = found.filter(started_by__icontains=wanted.started_by) if logins else found.none()
    if wanted.since:
        found = found.filter(started_at__gte=wanted.since)
    if wanted.until:
        found = found.filter(started_at__lt=wanted.until)
    if wanted.entity_name:
        known = scope.within(wanted.entity_name)
        found = found.filter(run_entities__entity_name=wanted.entity_name) if known else found.none()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """One run with its executions. `copied`: read from the portal's copy, not from the warehouse.

    `earlier` and `later` are the ids of the neighbouring copied runs, where there are any.
    """

    run: Run
    copied: bool
    earlier: int | None = None
    later: int | None = None


def run_detail(run_id: int, *, logins: bool) -> RunDetail | None:
    """Return the run, or None when neither copy nor warehouse has it. At most three statements.

    Raises DatabaseError when the copy lacks it and the warehouse cannot be asked.
    """
    neighbours = RunCopy.objects.order_by("-pk").values("pk")
    copy = (
        RunCopy.objects.filter(pk=run_id)
        .annotate(
            earlier=Subquery(neighbours.filter(pk__lt=OuterRef("pk"))[:1]),
            later=Subquery(neighbours.filter(pk__gt=OuterRef("pk")).order_by("pk")[:1]),
        )
        .first()
    )
    if copy is None:
        return _from_warehouse(run_id, logins=logins)
    executions = RunEntityCopy.objects.filter(run_id=run_id).order_by("started_at", "run_entity_id")[:NEIGHBOURS]
    run = run_of_copy(copy, executions, logins=logins)
    return RunDetail(run=run, copied=True, earlier=copy.earlier, later=copy.later)


def _from_warehouse(run_id: int, *, logins: bool) -> RunDetail | None:
    row = EtlRun.objects.filter(pk=run_id).first()
    if row is None:
        return None
    entities = EtlRunEntity.objects.filter(run_id=run_id).order_by("run_id", "entity_name")[:NEIGHBOURS]
    error, with_logins = _for_reader(run_errors(row.error_message), logins=logins)
    run = Run(
        run_id=row.run_id,
        status=RunStatus.parse(row.status),
        status_text=row.status,
        started_by=row.started_by if logins else mask_login(row.started_by),
        started_at=row.started_at,
        finished_at=row.finished_at,
        entities_requested=row.entities_requested,
        entities_succeeded=row.entities_succeeded,
        entities_failed=row.entities_failed,
        executions=tuple(_execution_of_warehouse(entity, logins=logins) for entity in entities),
        error=error,
        error_with_logins=with_logins,
    )
    return RunDetail(run=_within_scope(run), copied=False)


def run_of_copy(copy: RunCopy, executions: Iterable[RunEntityCopy] = (), *, logins: bool) -> Run:
    """Return the copied run as facts, with the executions given. `logins`: the reader may see logins."""
    error, with_logins = _for_reader(errors_of(copy), logins=logins)
    run = Run(
        run_id=copy.run_id,
        status=RunStatus.parse(copy.status),
        status_text=copy.status,
        started_by=copy.started_by if logins else mask_login(copy.started_by),
        started_at=copy.started_at,
        finished_at=copy.finished_at,
        entities_requested=copy.entities_requested,
        entities_succeeded=copy.entities_succeeded,
        entities_failed=copy.entities_failed,
        executions=tuple(execution_of_copy(execution, logins=logins) for execution in executions),
        error=error,
        error_with_logins=with_logins,
    )
    return _within_scope(run)


def errors_of(copy: RunCopy | RunEntityCopy) -> Errors:
    """Return the stored errors of a copy. One that was stored without them, by an earlier version, is parsed here."""
    if copy.error is not None:
        return copy.error, copy.error_with_logins
    if isinstance(copy, RunCopy):
        return run_errors(copy.error_message)
    return execution_errors(copy.error_message, failed=_failed(copy))


def _failed(row: RunEntityCopy | EtlRunEntity) -> bool:
    return ExecutionStatus.parse(row.status) is ExecutionStatus.FAILED


def message_for(copy: RunCopy | RunEntityCopy, *, logins: bool) -> ErrorText | None:
    """Return the error of a copy as a reader may see it. `logins`: the reader may see logins."""
    error, with_logins = errors_of(copy)
    return with_logins or error if logins else error


def _for_reader(errors: Errors, *, logins: bool) -> Errors:
    """Return the two errors, without the one with logins for a reader who may not see them."""
    return errors[0], errors[1] if logins else None


def _within_scope(run: Run) -> Run:
    """Return the run as the reader's pipelines make it, for a reader who is limited to some."""
    names = scope.pipelines()
    return run if names is None else run_within(run, names) or run


def listed_runs(copies: Iterable[RunCopy], *, logins: bool) -> tuple[Run, ...]:
    """Return the copied runs as facts without executions.

    Costs a statement per BATCH runs for a reader limited to some pipelines: their executions decide what the run is.
    """
    if scope.pipelines() is None:
        return tuple(run_of_copy(copy, logins=logins) for copy in copies)
    return with_executions(copies, logins=logins)


def with_executions(copies: Iterable[RunCopy], *, logins: bool) -> tuple[Run, ...]:
    """Return the copied runs as facts, with their executions. One statement per BATCH runs."""
    listed = list(copies)
    own: dict[int, list[RunEntityCopy]] = {}
    for start in range(0, len(listed), BATCH):
        ids = [copy.run_id for copy in listed[start : start + BATCH]]
        for entity in RunEntityCopy.objects.filter(run_id__in=ids).order_by("run_entity_id"):
            own.setdefault(entity.run_id, []).append(entity)
    return tuple(run_of_copy(copy, own.get(copy.run_id, ()), logins=logins) for copy in listed)


def execution_of_copy(copy: RunEntityCopy, *, logins: bool) -> Execution:
    """Return the copied run entity as facts. `logins`: the reader may see logins."""
    error, with_logins = _for_reader(errors_of(copy), logins=logins)
    return Execution(
        run_entity_id=copy.run_entity_id,
        run_id=copy.run_id,
        entity_name=copy.entity_name,
        status=ExecutionStatus.parse(copy.status),
        status_text=copy.status,
        started_at=copy.started_at,
        finished_at=copy.finished_at,
        extracted=copy.extracted,
        upserted=copy.upserted,
        soft_deleted=copy.soft_deleted,
        watermark_from=_watermark(copy.watermark_from_updated_at, copy.watermark_from_id),
        watermark_to=_watermark(copy.watermark_to_updated_at, copy.watermark_to_id),
        error=error,
        error_with_logins=with_logins,
    )


def _execution_of_warehouse(row: EtlRunEntity, *, logins: bool) -> Execution:
    error, with_logins = _for_reader(execution_errors(row.error_message, failed=_failed(row)), logins=logins)
    return Execution(
        run_entity_id=row.run_entity_id,
        run_id=row.run_id,
        entity_name=row.entity_name,
        status=ExecutionStatus.parse(row.status),
        status_text=row.status,
        started_at=row.entity_started_at,
        finished_at=row.entity_finished_at,
        extracted=row.extracted_count,
        upserted=row.upserted_count,
        soft_deleted=row.soft_deleted_count,
        watermark_from=_watermark(row.watermark_from_updated_at, row.watermark_from_id),
        watermark_to=_watermark(row.watermark_to_updated_at, row.watermark_to_id),
        error=error,
        error_with_logins=with_logins,
    )


def _watermark(updated_at: datetime | None, key: int | None) -> Watermark | None:
    return None if updated_at is None or key is None else Watermark(updated_at, key)


PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
"""The named periods of the runs filter, counted back from now."""


TIMELINE_RUNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One execution on the time axis. `end` None: it still runs, or never said when it ended.

    `orphan`: it says "running", but its pipeline has a newer execution: its runner was killed.
    """

    execution: Execution
    start: datetime
    end: datetime | None
    orphan: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`bars` oldest run first, in each run by start. `left_out`: abandoned ones that began before the rest."""

    since: datetime
    until: datetime
    bars: tuple[Bar, ...]
    left_out: tuple[Bar, ...]


def timeline(snapshot: Snapshot, runs: int = TIMELINE_RUNS) -> Timeline:
    """Return the executions of the newest `runs` runs, up to the sample's time."""
    shown = sorted(snapshot.recent_runs[:runs], key=lambda run: run.run_id)
    executions = [execution for run in shown for execution in sorted(run.executions, key=_start)]
    bars = [_bar(snapshot, execution) for execution in executions]
    since = min((bar.start for bar in bars), default=snapshot.sampled_at)
    known = {bar.execution.run_entity_id for bar in bars}
    older = [execution for run in snapshot.running for execution in run.executions if not execution.finished]
    return Timeline(
        since=since,
        until=snapshot.sampled_at,
        bars=tuple(bars),
        left_out=tuple(
            _bar(snapshot, execution)
            for execution in older
            if execution.status is ExecutionStatus.RUNNING and execution.run_entity_id not in known
        ),
    )


def _start(execution: Execution) -> tuple[datetime, int]:
    return execution.started_at, execution.run_entity_id


def _bar(snapshot: Snapshot, execution: Execution) -> Bar:
    end = execution.finished_at
    return Bar(
        execution=execution,
        start=execution.started_at,
        end=None if end is None else max(end, execution.started_at),
        orphan=execution.status is ExecutionStatus.RUNNING and _superseded(snapshot, execution),
    )


def _superseded(snapshot: Snapshot, execution: Execution) -> bool:
    pipeline = snapshot.pipeline(execution.entity_name)
    return bool(pipeline and pipeline.newest and pipeline.newest.run_entity_id > execution.run_entity_id)
