"""Managers that apply the reader's scope, and read-only querysets of the watched tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NoReturn, Self, TypeVar

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet

from etlportal.guard import WarehouseReadOnly
from monitoring.models import scope
from monitoring.rules.enums import ExecutionStatus, RunStatus

T = TypeVar("T", bound=models.Model)


def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise WarehouseReadOnly("The warehouse's tables belong to the ETL and are only read.")


class ReadOnlyQuerySet(models.QuerySet[Any]):
    create = bulk_create = get_or_create = update_or_create = update = bulk_update = delete = refuse


HIDDEN: dict[str, Any] = {
    "status": RunStatus.UNKNOWN.value,
    "finished_at": None,
    "entities_succeeded": None,
    "entities_failed": None,
    "error_message": "",
    "error": None,
    "error_with_logins": None,
}
"""Columns about all of a run's pipelines, and their values in a limited scope."""
BATCH = 500
"""Runs per statement when reading executions: their ids are its parameters."""


class PipelinesManager(models.Manager[T]):
    def get_queryset(self) -> QuerySet[T]:
        names = scope.pipelines()
        rows = super().get_queryset()
        return rows if names is None else rows.filter(entity_name__in=sorted(names))


class RunsManager(models.Manager[T]):
    """Runs with executions (`run_entities`) in scope."""

    def get_queryset(self) -> QuerySet[T]:
        rows = super().get_queryset()
        return rows if scope.pipelines() is None else rows.filter(_own(rows.model))


def of_status(rows: QuerySet[Any], statuses: Iterable[str]) -> QuerySet[Any]:
    """Filter by RunStatus as computed for this reader."""
    wanted = list(statuses)
    if scope.pipelines() is None:
        return rows.filter(status__in=wanted)
    success, failed = ExecutionStatus.SUCCESS.value, ExecutionStatus.FAILED.value
    running = _own(rows.model, Q(status__iexact=ExecutionStatus.RUNNING.value))
    ended = Q(status__iexact=success) | Q(status__iexact=failed)
    unknown = _own(rows.model, ~ended & ~Q(status__iexact=ExecutionStatus.RUNNING.value)) & ~running
    succeeded, broke = _own(rows.model, Q(status__iexact=success)), _own(rows.model, Q(status__iexact=failed))
    over = ~running & ~unknown
    conditions = {
        RunStatus.RUNNING.value: running,
        RunStatus.UNKNOWN.value: unknown,
        RunStatus.SUCCESS.value: over & succeeded & ~broke,
        RunStatus.FAILED.value: over & broke & ~succeeded,
        RunStatus.PARTIAL.value: over & broke & succeeded,
    }
    asked = Q(pk__in=[])
    for status in wanted:
        asked |= conditions.get(status, Q(pk__in=[]))
    return rows.filter(asked)


class ScopedRun(models.Model):
    """Mixin of a run's model. In a limited scope, rows load without values about all pipelines."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:  # type: ignore[override]
        row: Any = super().from_db(db, field_names, values)
        names = scope.pipelines()
        if names is not None:
            for name in HIDDEN.keys() & row.__dict__.keys():
                setattr(row, name, HIDDEN[name])
            if "entities_requested" in row.__dict__:
                own = [name for name in row.entities_requested.split(",") if name.strip() in names]
                row.entities_requested = ",".join(own)
        return row


def _entities(model: type[Any]) -> QuerySet[Any]:
    entities: Any = model._meta.get_field("run_entities").related_model
    return entities.objects.order_by()


def _own(model: type[Any], condition: Q | None = None) -> Q:
    """Return the condition that a run has a visible execution that matches `condition`.

    On `default` an EXISTS, which is a seek per run. On `dw` an IN, because mssql-django wraps EXISTS in CASE.
    """
    own = _entities(model) if condition is None else _entities(model).filter(condition)
    if getattr(model, "database_alias", "") == "dw":
        return Q(pk__in=own.values("run_id"))
    return Q(Exists(own.filter(run_id=OuterRef("pk"))))


def executions_by_run(runs: Sequence[Any]) -> dict[int, list[Any]]:
    """Return the visible executions by run id. One statement per BATCH runs."""
    own: dict[int, list[Any]] = {}
    for start in range(0, len(runs), BATCH):
        keys = sorted(run.pk for run in runs[start : start + BATCH])
        for row in _entities(type(runs[0])).filter(run_id__in=keys).order_by("run_id", "pk"):
            own.setdefault(row.run_id, []).append(row)
    return own
