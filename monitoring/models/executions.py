"""Convert rows of runs and executions (copies or warehouse) to facts for the user."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from monitoring.models import scope
from monitoring.models.managers import executions_by_run
from monitoring.models.portal import RunCopy, RunEntityCopy
from monitoring.models.warehouse import EtlRun, EtlRunEntity
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.rules.error_text import Errors, ErrorText, execution_errors, run_errors
from monitoring.rules.facts import Execution, Run, Watermark
from monitoring.rules.masking import mask_login
from monitoring.rules.scope import run_within


def run_of(row: RunCopy | EtlRun, executions: Iterable[RunEntityCopy | EtlRunEntity] = (), *, logins: bool) -> Run:
    """Return the run with `executions`, narrowed to the scope. `logins`: the user may see logins."""
    error, with_logins = errors_of(row)
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
        executions=tuple(execution_of(each, logins=logins) for each in executions),
        error=error,
        error_with_logins=with_logins if logins else None,
    )
    names = scope.pipelines()
    return run if names is None else run_within(run, names) or run


def execution_of(row: RunEntityCopy | EtlRunEntity, *, logins: bool) -> Execution:
    if isinstance(row, EtlRunEntity):
        started_at, finished_at = row.entity_started_at, row.entity_finished_at
        counts = row.extracted_count, row.upserted_count, row.soft_deleted_count
    else:
        started_at, finished_at = row.started_at, row.finished_at
        counts = row.extracted, row.upserted, row.soft_deleted
    error, with_logins = errors_of(row)
    return Execution(
        run_entity_id=row.run_entity_id,
        run_id=row.run_id,
        entity_name=row.entity_name,
        status=ExecutionStatus.parse(row.status),
        status_text=row.status,
        started_at=started_at,
        finished_at=finished_at,
        extracted=counts[0],
        upserted=counts[1],
        soft_deleted=counts[2],
        watermark_from=_watermark(row.watermark_from_updated_at, row.watermark_from_id),
        watermark_to=_watermark(row.watermark_to_updated_at, row.watermark_to_id),
        error=error,
        error_with_logins=with_logins if logins else None,
    )


def listed_executions(copies: Iterable[RunEntityCopy], *, logins: bool) -> list[Execution]:
    return [execution_of(copy, logins=logins) for copy in copies]


def _watermark(updated_at: datetime | None, key: int | None) -> Watermark | None:
    return None if updated_at is None or key is None else Watermark(updated_at, key)


def errors_of(row: RunCopy | RunEntityCopy | EtlRun | EtlRunEntity) -> Errors:
    """Return the row's errors, parsed here unless a copy stores them parsed."""
    if isinstance(row, RunCopy | RunEntityCopy) and row.error is not None:
        return row.error, row.error_with_logins
    if isinstance(row, RunCopy | EtlRun):
        return run_errors(row.error_message)
    return execution_errors(row.error_message, failed=ExecutionStatus.parse(row.status) is ExecutionStatus.FAILED)


def shown_error(row: RunCopy | RunEntityCopy, *, logins: bool) -> ErrorText | None:
    error, with_logins = errors_of(row)
    return with_logins or error if logins else error


def listed_runs(copies: Iterable[RunCopy], *, logins: bool) -> tuple[Run, ...]:
    """Return the copied runs; in a limited scope with executions, because these determine the run's values."""
    if scope.pipelines() is None:
        return tuple(run_of(copy, logins=logins) for copy in copies)
    return with_executions(copies, logins=logins)


def with_executions(copies: Iterable[RunCopy], *, logins: bool) -> tuple[Run, ...]:
    listed = list(copies)
    own = executions_by_run(listed)
    return tuple(run_of(copy, own.get(copy.run_id, ()), logins=logins) for copy in listed)


def fill_in(rows: Iterable[Any]) -> None:
    """Set a limited reader's values of raw runs (managers.HIDDEN) from the visible executions."""
    listed = list(rows)
    own = executions_by_run(listed)
    for row in listed:
        if executions := own.get(row.pk, []):
            run = run_of(row, executions, logins=True)
            row.status, row.finished_at = run.status.value, run.finished_at
            row.entities_succeeded, row.entities_failed = run.entities_succeeded, run.entities_failed
            row.error_message = " | ".join(each.error_message for each in executions if each.error_message)[:4000]
