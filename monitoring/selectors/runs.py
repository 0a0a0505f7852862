"""Runs as the pages list them: from the portal's copy where it reaches, else from the warehouse.

The copy holds the last COPY_RETENTION_DAYS days and is indexed the way people filter; a single
older run is looked up in the warehouse by its key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, QuerySet, Subquery

from monitoring import scope
from monitoring.enums import ExecutionStatus, RunStatus
from monitoring.models import EtlRun, EtlRunEntity, RunCopy, RunEntityCopy
from monitoring.models.managers import of_status
from monitoring.policies.facts import Execution, Run, Watermark
from monitoring.policies.scope import run_within

SORTABLE = {"run_id": "run_id", "started_at": "started_at", "status": "status", "started_by": "started_by"}
"""What the list may be sorted by, each a column that is never NULL."""


def sortable() -> dict[str, str]:
    """Return what this reader may sort by: an order by what is hidden would tell it."""
    sight = scope.sight()
    hidden = {
        *({"status"} if sight.pipelines is not None else ()),
        *({"started_by"} if not sight.personal else ()),
    }
    return {name: column for name, column in SORTABLE.items() if name not in hidden}


NEIGHBOURS = 200
"""Executions of one run shown at most; a run has one per pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """What a reader asked for. Empty means: everything the copy holds."""

    statuses: frozenset[RunStatus] = frozenset()
    started_by: str = ""
    entity_name: str = ""
    since: datetime | None = None
    until: datetime | None = None
    run_id: int | None = None


def runs(wanted: RunFilter) -> QuerySet[RunCopy]:
    """Return the copied runs that match, unordered and not yet evaluated.

    What the reader may not see cannot be asked for either: not who started a run, not a pipeline of others.
    """
    found: QuerySet[RunCopy] = RunCopy.objects.all()
    if wanted.run_id is not None:
        found = found.filter(run_id=wanted.run_id)
    if wanted.statuses:
        found = of_status(found, [status.value for status in wanted.statuses])
    if wanted.started_by:
        known = scope.sight().personal
        found = found.filter(started_by__icontains=wanted.started_by) if known else found.none()
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


def run_detail(run_id: int) -> RunDetail | None:
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
        return _from_warehouse(run_id)
    executions = RunEntityCopy.objects.filter(run_id=run_id).order_by("started_at", "run_entity_id")[:NEIGHBOURS]
    return RunDetail(run=run_of_copy(copy, executions), copied=True, earlier=copy.earlier, later=copy.later)


def _from_warehouse(run_id: int) -> RunDetail | None:
    row = EtlRun.objects.filter(pk=run_id).first()
    if row is None:
        return None
    entities = EtlRunEntity.objects.filter(run_id=run_id).order_by("run_id", "entity_name")[:NEIGHBOURS]
    run = Run(
        run_id=row.run_id,
        status=RunStatus.parse(row.status),
        status_text=row.status,
        started_by=row.started_by,
        started_at=row.started_at,
        finished_at=row.finished_at,
        entities_requested=row.entities_requested,
        entities_succeeded=row.entities_succeeded,
        entities_failed=row.entities_failed,
        error_message=row.error_message or "",
        executions=tuple(_execution_of_warehouse(entity) for entity in entities),
    )
    return RunDetail(run=_as_seen(run), copied=False)


def run_of_copy(copy: RunCopy, executions: Iterable[RunEntityCopy] = ()) -> Run:
    """Return the copied run as facts, with the executions given."""
    run = Run(
        run_id=copy.run_id,
        status=RunStatus.parse(copy.status),
        status_text=copy.status,
        started_by=copy.started_by,
        started_at=copy.started_at,
        finished_at=copy.finished_at,
        entities_requested=copy.entities_requested,
        entities_succeeded=copy.entities_succeeded,
        entities_failed=copy.entities_failed,
        error_message=copy.error_message,
        executions=tuple(execution_of_copy(execution) for execution in executions),
    )
    return _as_seen(run)


def _as_seen(run: Run) -> Run:
    """Return the run as its executions alone make it, for who sees some pipelines only; without executions as
    its row is, which is seen so already (models/managers.py)."""
    names = scope.pipelines()
    return run if names is None else run_within(run, names) or run


def with_executions(copies: Iterable[RunCopy]) -> tuple[Run, ...]:
    """Return the copied runs as facts, with their executions. One statement."""
    listed = list(copies)
    if not listed:
        return ()
    own: dict[int, list[RunEntityCopy]] = {}
    entities = RunEntityCopy.objects.filter(run_id__in=[copy.run_id for copy in listed]).order_by("run_entity_id")
    for entity in entities:
        own.setdefault(entity.run_id, []).append(entity)
    return tuple(run_of_copy(copy, own.get(copy.run_id, ())) for copy in listed)


def execution_of_copy(copy: RunEntityCopy) -> Execution:
    """Return the copied run entity as facts."""
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
        error_message=copy.error_message,
    )


def _execution_of_warehouse(row: EtlRunEntity) -> Execution:
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
        error_message=row.error_message or "",
    )


def _watermark(updated_at: datetime | None, key: int | None) -> Watermark | None:
    return None if updated_at is None or key is None else Watermark(updated_at, key)


PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
"""The named periods of the runs filter, counted back from now."""
