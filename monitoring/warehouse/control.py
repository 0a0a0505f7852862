"""The control rows, the database's clock, the newest run and each pipeline's last execution: one statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitoring.enums import ProblemCode
from monitoring.policies.facts import NEVER_LOADED_YEAR, ControlRow, Execution, Problem, Watermark
from monitoring.warehouse.audit import EXECUTION_COLUMNS, execution_from
from monitoring.warehouse.dialect import Sql, dialect_of, utc
from monitoring.warehouse.errors import CONNECTION_CODES
from monitoring.warehouse.reader import ReadFailed, Row, rows

_CONTROL_COLUMNS = (
    "c.entity_name, c.source_table, c.target_table, c.source_pk_column, c.watermark_updated_at, c.watermark_id, "
    "c.cutoff_minutes, c.batch_size, c.is_active, c.last_run_id, c.last_status, c.last_success_at, "
    "c.created_at, c.updated_at"
)
_WIDTH = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlReading:
    """What stands in ctl.etl_control, at the database's own time `now`.

    `executions`: by pipeline, the run entity of the row's last_run_id, where it is still there.
    `broken`: by pipeline, why its row cannot be used although it was read. `audit_problem`: the
    audit tables could not be read with it; then `max_run_id` and `executions` say nothing.
    """

    now: datetime
    max_run_id: int | None
    rows: tuple[ControlRow, ...]
    executions: dict[str, Execution] = field(default_factory=dict)
    broken: dict[str, Problem] = field(default_factory=dict)
    audit_problem: Problem | None = None


def read_control(alias: str = "dw") -> ControlReading:
    """Return the control rows. Raises ReadFailed when ctl.etl_control itself cannot be read.

    When only the audit tables beside it cannot be read, the control rows are read without them.
    """
    now = dialect_of(alias).now
    try:
        return _reading(rows(alias, _with_audit(now)))
    except ReadFailed as failure:
        if failure.problem.code in CONNECTION_CODES:
            raise
        return _reading(rows(alias, _without_audit(now)), audit_problem=failure.problem)


def _with_audit(now: str) -> Sql:
    # LEFT JOIN on a row that is always there: an empty control table still tells the time.
    return Sql(
        f"SELECT k.clock, k.max_run_id, {_CONTROL_COLUMNS}, {EXECUTION_COLUMNS} "
        f"FROM (SELECT {now} AS clock, (SELECT MAX(r.run_id) FROM [audit].[etl_run] AS r) AS max_run_id) AS k "
        "LEFT JOIN [ctl].[etl_control] AS c ON 1 = 1 "
        "LEFT JOIN [audit].[etl_run_entity] AS e ON e.run_id = c.last_run_id AND e.entity_name = c.entity_name "
        "ORDER BY c.entity_name"
    )


def _without_audit(now: str) -> Sql:
    return Sql(
        f"SELECT k.clock, NULL, {_CONTROL_COLUMNS} FROM (SELECT {now} AS clock) AS k "
        "LEFT JOIN [ctl].[etl_control] AS c ON 1 = 1 ORDER BY c.entity_name"
    )


def _reading(found: list[Row], audit_problem: Problem | None = None) -> ControlReading:
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
        execution = execution_from(row[2 + _WIDTH :]) if len(row) > 2 + _WIDTH else None
        if execution is not None:
            executions[control.entity_name] = execution
    return ControlReading(
        now=utc(found[0][0]) or datetime.now(UTC),
        max_run_id=found[0][1],
        rows=tuple(controls),
        executions=executions,
        broken=broken,
        audit_problem=audit_problem,
    )


def _control_from(row: Row) -> tuple[ControlRow, Problem | None]:
    """Return the row, and why it cannot be judged: SQLite lets anything into a column."""
    name, source, target, key, updated_at, key_id, cutoff, batch, active, run_id, status, *times = row
    success, created, changed = times
    problem = None
    try:
        watermark = Watermark(_required(updated_at), int(key_id))
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
        last_success_at=_or_none(success),
        created_at=_or_none(created),
        updated_at=_or_none(changed),
    )
    return control, problem


def _required(value: object) -> datetime:
    moment = utc(value)
    if moment is None:
        raise ValueError("watermark_updated_at is NULL")
    return moment


def _or_none(value: object) -> datetime | None:
    try:
        return utc(value)
    except ValueError:
        return None
