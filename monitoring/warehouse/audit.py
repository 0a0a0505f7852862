"""Runs with their run entities, in bounded pieces, read by run_id: the one index that both tables have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from monitoring.enums import ExecutionStatus, RunStatus
from monitoring.policies.facts import Execution, Run, Watermark
from monitoring.warehouse.dialect import Sql, dialect_of, utc, values
from monitoring.warehouse.reader import Row, rows

STATUS_LENGTH = 20

EXECUTION_COLUMNS = (
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
    """Return the newest run's id, None without runs: one look at the end of an index. Raises ReadFailed."""
    found: int | None = rows(alias, Sql("SELECT MAX(run_id) FROM [audit].[etl_run]"))[0][0]
    return found


def newest_runs(alias: str, limit: int) -> list[Run]:
    """Return the newest `limit` runs with their executions, newest first. Raises ReadFailed."""
    return _runs(alias, Sql(""), "DESC", limit)


def runs_since(alias: str, from_run_id: int, also: Collection[int], limit: int) -> list[Run]:
    """Return runs with run_id >= `from_run_id` (at most `limit`) or among `also`, oldest first.

    Raises ReadFailed. `also` are run ids still open when last seen; keep it to some hundreds.
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
    found = rows(
        alias,
        dialect_of(alias).first(
            limit,
            "event_time_utc, program_name",
            "FROM [audit].[connection_login_events] ORDER BY event_time_utc DESC",
        ),
    )
    return [(when, str(program or "")) for moment, program in found if (when := _moment(moment)) is not None]


def _runs(alias: str, condition: Sql, order: str, limit: int) -> list[Run]:
    bounded = dialect_of(alias).first(
        limit, _RUN_COLUMNS, "FROM [audit].[etl_run] " + condition + f" ORDER BY run_id {order}"
    )
    columns = ", ".join(f"r.{name}" for name in _RUN_COLUMNS.split(", "))
    statement = (
        f"SELECT {columns}, {EXECUTION_COLUMNS} FROM ("
        + bounded
        + ") AS r LEFT JOIN [audit].[etl_run_entity] AS e ON e.run_id = r.run_id "
        + f"ORDER BY r.run_id {order}, e.run_entity_id"
    )
    return _grouped(rows(alias, statement))


def _grouped(found: list[Row]) -> list[Run]:
    # READ UNCOMMITTED may show a row twice when a page splits under the reader: keyed by their ids.
    runs: dict[int, Run] = {}
    executions: dict[int, dict[int, Execution]] = {}
    for row in found:
        run = _run_from(row[:_RUN_WIDTH])
        if run is None:
            continue
        runs.setdefault(run.run_id, run)
        own = executions.setdefault(run.run_id, {})
        execution = execution_from(row[_RUN_WIDTH:])
        if execution is not None:
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


def execution_from(row: Row) -> Execution | None:
    """Return the execution in a row of EXECUTION_COLUMNS; None where the outer join found none."""
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
    """A time of an audit row; what SQLite let in and is none counts as not written."""
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
