"""Tables about pipelines, as far as the reader of this request may see them (docs/adr/0016).

Each such model's `objects` narrows by itself. A run is about all its pipelines: who may see some of
them sees it with the status, counts, finish and error that those alone give it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet

from monitoring import scope
from monitoring.enums import ExecutionStatus, RunStatus

HIDDEN = ("status", "finished_at", "entities_succeeded", "entities_failed")
"""What a run's row says of all its pipelines together (its texts: monitoring/models/fields.py)."""
BATCH = 500
"""Runs whose entities are read in one statement: they are its parameters."""


def of_pipelines(queryset_class: type[QuerySet[Any]] = QuerySet) -> models.Manager[Any]:
    """Return the manager of a table with an `entity_name`."""

    class PipelinesManager(models.Manager.from_queryset(queryset_class)):  # type: ignore[misc]
        def get_queryset(self) -> QuerySet[Any]:
            names = scope.pipelines()
            rows = super().get_queryset()
            return rows if names is None else rows.filter(entity_name__in=sorted(names))

    return PipelinesManager()


def of_runs(queryset_class: type[QuerySet[Any]] = QuerySet) -> models.Manager[Any]:
    """Return the manager of a table of runs, whose pipelines are its `run_entities`."""

    class RunsAsSeen(queryset_class):  # type: ignore[misc, valid-type]
        def _fetch_all(self) -> None:
            fresh = self._result_cache is None
            super()._fetch_all()
            if fresh and scope.pipelines() is not None:
                _fill_in([row for row in self._result_cache if isinstance(row, RunAsSeen)])

    class RunsManager(models.Manager.from_queryset(RunsAsSeen)):  # type: ignore[misc]
        def get_queryset(self) -> QuerySet[Any]:
            rows = super().get_queryset()
            return rows if scope.pipelines() is None else rows.filter(_own(rows.model))

    return RunsManager()


def of_status(rows: QuerySet[Any], statuses: Iterable[str]) -> QuerySet[Any]:
    """Return those of the runs that have one of these statuses (RunStatus) for this reader."""
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


class RunAsSeen:
    """A run's row. For who may see some pipelines only, what it says of all of them together is hidden as it
    is read, whatever way; its manager then puts in its place what it is of theirs."""

    entities_finish = "finished_at"

    @classmethod
    def from_db(cls, db: Any, field_names: Any, values: Any) -> Any:
        row = super().from_db(db, field_names, values)  # type: ignore[misc]
        if scope.pipelines() is not None:
            for name in HIDDEN:
                if name in row.__dict__:
                    setattr(row, name, RunStatus.UNKNOWN.value if name == "status" else None)
        return row


def _entities(model: type[Any]) -> QuerySet[Any]:
    """Return the run entities of that table of runs which the reader may see, unordered."""
    entities: type[models.Model] = model._meta.get_field("run_entities").related_model
    return entities._base_manager.filter(entity_name__in=sorted(scope.pipelines() or ())).order_by()


def _own(model: type[Any], condition: Q | None = None) -> Q:
    """Return the condition that a run has such an entity among those that the reader may see.

    On `default` a look per run, by an index. On `dw` as a list, which SQL Server joins as it likes best: EXISTS
    reaches it wrapped in CASE.
    """
    own = _entities(model) if condition is None else _entities(model).filter(condition)
    if getattr(model, "database_alias", "") == "dw":
        return Q(pk__in=own.values("run_id"))
    return Q(Exists(own.filter(run_id=OuterRef("pk"))))


def _fill_in(runs: list[Any]) -> None:
    """Give the runs what their entities say that the reader may see. One statement for BATCH of them."""
    by_key = {run.pk: run for run in runs}
    keys = sorted(by_key)
    for start in range(0, len(keys), BATCH):
        own: dict[Any, list[Any]] = {}
        rows = _entities(type(runs[0])).filter(run_id__in=keys[start : start + BATCH])
        for row in rows.order_by("run_id", "pk"):
            own.setdefault(row.run_id, []).append(row)
        for key, entities in own.items():
            _say(by_key[key], entities)


def _say(run: Any, entities: list[Any]) -> None:
    statuses = [ExecutionStatus.parse(each.status) for each in entities]
    ends = [getattr(each, run.entities_finish) for each in entities]
    said = {
        "status": RunStatus.of(statuses).value,
        "finished_at": None if None in ends else max(ends),
        "entities_succeeded": statuses.count(ExecutionStatus.SUCCESS),
        "entities_failed": statuses.count(ExecutionStatus.FAILED),
        "error_message": " | ".join(each.error_message for each in entities if each.error_message)[:4000],
    }
    for name, value in said.items():
        if name in run.__dict__:
            setattr(run, name, value)
