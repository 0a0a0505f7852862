"""Read control rows, runs and executions. Runs are read in bounded ranges of run_id, the only index of both tables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from monitoring.rules.enums import ExecutionStatus, ProblemCode, RunStatus
from monitoring.rules.facts import NEVER_LOADED_YEAR, ControlRow, Execution, Problem, Run, Watermark
from monitoring.warehouse.dialect import Sql, dialect_of, utc, values
from monitoring.warehouse.errors import CONNECTION_CODES
from monitoring.warehouse.reader import ReadFailed, Row, rows

STATUS_LENGTH = 20

_EXECUTION_COLUMNS = (
    "e.run_entity_id, e.run_id, e.entity_name, e.entity_started_at, e.entity_finished_at, e.status, "
    "e.extracted_count, e.upserted_count, e.soft_deleted_count, e.watermark_from_updated_at, e.watermark_from_id, "
    "e.watermark_to_updated_at, e.watermark_to_id, e.error_message"
)
_RUN_COLUMNS = (
    "run_id, entities_requested, started_by, started_at, finished_at, status, "
    "entities_succeeded, entities_failed, error_message"
)
_RUN_WIDTH = 9


def newest_run_id(alias: str) -> int | None:
    """Return the newest run's id, or None without runs. Raises ReadFailed."""
    found: int | None = rows(alias, Sql("SELECT MAX(run_id) FROM [audit].[etl_run]"))[0][0]
    return found


def newest_runs(alias: str, limit: int) -> list[Run]:
    """Return runs with their executions, newest first. Raises ReadFailed."""
    return _runs(alias, Sql(""), "DESC", limit)


def runs_since(alias: str, from_run_id: int, also: Collection[int], limit: int) -> list[Run]:
    """Return runs with run_id >= `from_run_id` (at most `limit`) or among `also`, oldest first.

    Raises ReadFailed. `also`: ids of runs that were open when last read, a few hundred at most.
    """
    condition = Sql("WHERE run_id >= %s", (from_run_id,))
    if also:
        condition = condition + " OR run_id IN (" + values(sorted(also)) + ")"
    return _runs(alias, condition, "ASC", limit + len(also))


def runs_before(alias: str, before_run_id: int, since: datetime, limit: int) -> list[Run]:
    """Return the newest `limit` runs older than `before_run_id` that started at or after `since`.

    Newest first. Raises ReadFailed.
    """
    condition = Sql("WHERE run_id < %s AND started_at >= ", (before_run_id,)) + dialect_of(alias).moment(since)
    return _runs(alias, condition, "DESC", limit)


def session_samples(alias: str, limit: int) -> list[tuple[datetime, str]]:
    """Return (time, program name) of the newest `limit` login events, newest first. Raises ReadFailed."""
    rest = "FROM [audit].[connection_login_events] ORDER BY event_time_utc DESC"
    found = rows(alias, dialect_of(alias).first(limit, "event_time_utc, program_name", rest))
    return [(when, str(program or "")) for moment, program in found if (when := _moment(moment)) is not None]


def _runs(alias: str, condition: Sql, order: str, limit: int) -> list[Run]:
    rest = "FROM [audit].[etl_run] " + condition + f" ORDER BY run_id {order}"
    columns = ", ".join(f"r.{name}" for name in _RUN_COLUMNS.split(", "))
    statement = f"SELECT {columns}, {_EXECUTION_COLUMNS} FROM (" + dialect_of(alias).first(limit, _RUN_COLUMNS, rest)
    statement += ") AS r LEFT JOIN [audit].[etl_run_entity] AS e ON e.run_id = r.run_id "
    statement += f"ORDER BY r.run_id {order}, e.run_entity_id"
    # READ UNCOMMITTED may return a row twice when a page splits during the scan, so rows are keyed by id.
    runs: dict[int, Run] = {}
    executions: dict[int, dict[int, Execution]] = {}
    for row in rows(alias, statement):
        if (run := _run_from(row[:_RUN_WIDTH])) is None:
            continue
        runs.setdefault(run.run_id, run)
        own = executions.setdefault(run.run_id, {})
        if (execution := _execution_from(row[_RUN_WIDTH:])) is not None:
            own[execution.run_entity_id] = execution
    return [replace(run, executions=tuple(executions[run_id].values())) for run_id, run in runs.items()]


def _run_from(row: Row) -> Run | None:
    run_id, requested, started_by, started, finished, status, succeeded, failed, error = row
    started_at = _moment(started)
    if started_at is None:
        return None
    return Run(
        run_id=run_id,
        status=RunStatus.parse(status),
        status_text=str(status or "")[:STATUS_LENGTH],
        started_by=str(started_by or ""),
        started_at=started_at,
        finished_at=_moment(finished),
        entities_requested=str(requested or ""),
        entities_succeeded=_count(succeeded),
        entities_failed=_count(failed),
        error_message=str(error or ""),
    )


def _execution_from(row: Row) -> Execution | None:
    """Return the execution in a row of _EXECUTION_COLUMNS, or None if the outer join found none."""
    entity_id, run_id, name, started, finished, status, *rest = row
    started_at = _moment(started) if entity_id is not None else None
    if started_at is None:
        return None
    extracted, upserted, soft_deleted, from_at, from_id, to_at, to_id, error = rest
    return Execution(
        run_entity_id=entity_id,
        run_id=run_id,
        entity_name=str(name),
        status=ExecutionStatus.parse(status),
        status_text=str(status or "")[:STATUS_LENGTH],
        started_at=started_at,
        finished_at=_moment(finished),
        extracted=_count(extracted),
        upserted=_count(upserted),
        soft_deleted=_count(soft_deleted),
        watermark_from=_watermark(from_at, from_id),
        watermark_to=_watermark(to_at, to_id),
        error_message=str(error or ""),
    )


def _moment(value: object) -> datetime | None:
    """Return a time of an audit row. SQLite accepts any text; invalid text counts as NULL."""
    try:
        return utc(value)
    except ValueError:
        return None


def _count(value: object) -> int:
    try:
        return int(value or 0)  # type: ignore[call-overload,no-any-return]
    except (TypeError, ValueError):
        return 0


def _watermark(moment: object, key: object) -> Watermark | None:
    updated_at = _moment(moment)
    return None if updated_at is None or key is None else Watermark(updated_at, _count(key))


_CONTROL_COLUMNS = (
    "c.entity_name, c.source_table, c.target_table, c.source_pk_column, c.watermark_updated_at, c.watermark_id, "
    "c.cutoff_minutes, c.batch_size, c.is_active, c.last_run_id, c.last_status, c.last_success_at, "
    "c.created_at, c.updated_at"
)
_WIDTH = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlReading:
    """The rows of ctl.etl_control at the database's own time `now`.

    `executions`: by pipeline, the execution in the row's last_run_id, if it still exists. `broken`: by pipeline, why
    its row cannot be used. If `audit_problem` is set, the audit tables could not be read, and `max_run_id` and
    `executions` are unknown.
    """

    now: datetime
    max_run_id: int | None
    rows: tuple[ControlRow, ...]
    executions: dict[str, Execution] = field(default_factory=dict)
    broken: dict[str, Problem] = field(default_factory=dict)
    audit_problem: Problem | None = None


def read_control(alias: str = "dw") -> ControlReading:
    """Return the control rows, without `executions` if only the audit tables cannot be read.

    Raises ReadFailed when ctl.etl_control itself cannot be read.
    """
    try:
        return _control(alias, audit=True)
    except ReadFailed as failure:
        if failure.problem.code in CONNECTION_CODES:
            raise
        return replace(_control(alias, audit=False), audit_problem=failure.problem)


def _control(alias: str, *, audit: bool) -> ControlReading:
    maximum, columns, join = "NULL", "", ""
    if audit:
        maximum, columns = "(SELECT MAX(r.run_id) FROM [audit].[etl_run] AS r)", f", {_EXECUTION_COLUMNS}"
        join = "LEFT JOIN [audit].[etl_run_entity] AS e ON e.run_id = c.last_run_id AND e.entity_name = c.entity_name "
    # The LEFT JOIN starts from a row that always exists, so that an empty control table still returns the time.
    statement = (
        f"SELECT k.clock, k.max_run_id, {_CONTROL_COLUMNS}{columns} "
        f"FROM (SELECT {dialect_of(alias).now} AS clock, {maximum} AS max_run_id) AS k "
        f"LEFT JOIN [ctl].[etl_control] AS c ON 1 = 1 {join}ORDER BY c.entity_name"
    )
    found = rows(alias, Sql(statement))
    controls: list[ControlRow] = []
    executions: dict[str, Execution] = {}
    broken: dict[str, Problem] = {}
    for row in found:
        if row[2] is None:
            continue
        control, problem = _control_from(row[2 : 2 + _WIDTH])
        controls.append(control)
        if problem is not None:
            broken[control.entity_name] = problem
        if audit and (execution := _execution_from(row[2 + _WIDTH :])) is not None:
            executions[control.entity_name] = execution
    return ControlReading(
        now=utc(found[0][0]) or datetime.now(UTC),
        max_run_id=found[0][1],
        rows=tuple(controls),
        executions=executions,
        broken=broken,
    )


def _control_from(row: Row) -> tuple[ControlRow, Problem | None]:
    """Return the row and, if it cannot be used, the problem: SQLite columns accept any value."""
    name, source, target, key, updated_at, key_id, cutoff, batch, active, run_id, status, *times = row
    success, created, changed = (_moment(each) for each in times)
    problem = None
    try:
        moment = utc(updated_at)
        if moment is None:
            raise ValueError("watermark_updated_at is NULL")
        watermark = Watermark(moment, int(key_id))
        cutoff, batch = int(cutoff), int(batch)
    except (TypeError, ValueError, OverflowError) as error:
        problem = Problem(code=ProblemCode.OTHER, detail=f"ctl.etl_control: {error}"[:200])
        watermark, cutoff, batch = Watermark(datetime(NEVER_LOADED_YEAR, 1, 1, tzinfo=UTC), 0), 0, 0
    control = ControlRow(
        entity_name=str(name),
        source_table=str(source or ""),
        target_table=str(target or ""),
        source_pk_column=str(key or ""),
        watermark=watermark,
        cutoff_minutes=cutoff,
        batch_size=batch,
        is_active=bool(active),
        last_run_id=run_id,
        last_status=status,
        last_success_at=success,
        created_at=created,
        updated_at=changed,
    )
    return control, problem
