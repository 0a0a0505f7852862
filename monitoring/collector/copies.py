"""Copies runs and executions into `default`. The lease makes the collector the only writer: no ON CONFLICT needed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Model, Q
from django.utils import timezone

from monitoring.collector.lease import fence
from monitoring.collector.memory import Memory
from monitoring.collector.store import BATCH, not_beyond, note_kept, rolled_before
from monitoring.models import CollectorState, RunCopy, RunEntityCopy
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.rules.error_text import FINGERPRINT_VERSION, execution_errors, run_errors
from monitoring.rules.facts import Execution, Run
from monitoring.rules.rollups import day_of
from monitoring.warehouse.audit import newest_runs, runs_before, runs_since

ALIAS = "dw"
RUNS_AT_ONCE = 500
OVERLAP = 10
"""Ids before the newest copied run whose gaps are read again: a lower id may be committed later."""
BUDGET_SECONDS = 2.0
"""How long one tick may spend on catching up."""
ORPHAN_AGE = timedelta(hours=48)
ORPHAN_EVERY_SECONDS = 3600
OPEN_LIMIT = 200

RUN_COLUMNS = (
    *("run_id", "entities_requested", "started_by", "started_at", "finished_at"),
    *("entities_succeeded", "entities_failed", "error_message"),
)
EXECUTION_COLUMNS = (
    *("run_entity_id", "run_id", "entity_name", "started_at", "finished_at"),
    *("extracted", "upserted", "soft_deleted", "error_message"),
)
"""The columns of a copy that hold a value of the run or execution as it is."""
RUN_ERRORS = ("error", "error_with_logins")
EXECUTION_ERRORS = (*RUN_ERRORS, "error_class", "fingerprint")

M = TypeVar("M", bound=Model)


def copy_runs(memory: Memory, max_run_id: int | None, now: datetime) -> None:
    """Raises ReadFailed. Pipelines whose executions changed are added to memory.changed."""
    deadline = time.monotonic() + BUDGET_SECONDS
    state = CollectorState.objects.filter(pk=CollectorState.SINGLETON).defer("payload").first() or CollectorState()
    newest = state.copied_to_run_id
    if newest is not None and (max_run_id is None or max_run_id < newest):
        # The newest runs were rolled back. If one of them had finished, the warehouse was reset.
        gone = RunCopy.objects.filter(run_id__gt=max_run_id or 0)
        if max_run_id is None or gone.filter(finished_at__isnull=False).exists():
            newest = None
        else:
            _forget(memory, set(gone.values_list("run_id", flat=True)))
            set_cursors(state, copied_to_run_id=max_run_id)
            newest = max_run_id
    if newest is None:
        _first_batch(memory, state)
    else:
        _forward(memory, state, newest, now, deadline)
    while not state.copied_all and state.copied_from_run_id is not None and time.monotonic() < deadline:
        _backward(memory, state, state.copied_from_run_id, now)


@transaction.atomic
def set_cursors(state: CollectorState, **cursors: int | bool | None) -> None:
    fence()
    for name, value in cursors.items():
        setattr(state, name, value)
    CollectorState.objects.filter(pk=CollectorState.SINGLETON).update(**cursors)


def _first_batch(memory: Memory, state: CollectorState) -> None:
    if state.copied_to_run_id is not None:  # another warehouse
        drop_copies()
        memory.forget_runs()
    _store_part(memory, newest_runs(ALIAS, RUNS_AT_ONCE))
    ids = RunCopy.objects.order_by("run_id").values_list("run_id", flat=True)
    oldest, newest = ids.first(), ids.last()
    set_cursors(state, copied_from_run_id=oldest, copied_to_run_id=newest, copied_all=newest is None)


def _forward(memory: Memory, state: CollectorState, newest: int, now: datetime, deadline: float) -> None:
    still_open = _open_ids(memory, now)
    # Read the newest one again, to check that it is still the copied run: a rebuilt warehouse reuses ids.
    found = runs_since(ALIAS, newest, still_open | _gaps(newest), RUNS_AT_ONCE)
    copy = RunCopy.objects.filter(run_id=newest).values_list("started_at", flat=True).first()
    if copy is not None and any(run.run_id == newest and run.started_at != copy for run in found):
        _first_batch(memory, state)
        return
    _forget(memory, still_open - {run.run_id for run in found})
    _store_part(memory, found)
    while len(found) >= RUNS_AT_ONCE and time.monotonic() < deadline:
        found = runs_since(ALIAS, max(run.run_id for run in found) + 1, (), RUNS_AT_ONCE)
        _store_part(memory, found)
    last = max((run.run_id for run in found), default=newest)
    if last > newest:
        set_cursors(state, copied_to_run_id=last)


def _gaps(newest: int) -> set[int]:
    """Return the ids just before `newest` without a copy: not committed yet, or never used."""
    ids = range(max(1, newest - OVERLAP), newest)
    copied = RunCopy.objects.filter(run_id__gte=ids.start, run_id__lt=newest).order_by("run_id")
    return set(ids) - set(copied.values_list("run_id", flat=True))


def _backward(memory: Memory, state: CollectorState, oldest: int, now: datetime) -> None:
    # Whole days, because they are rolled up as days.
    since = day_of(now - timedelta(days=settings.COPY_RETENTION_DAYS))
    found = runs_before(ALIAS, oldest, since, RUNS_AT_ONCE)
    _store_part(memory, found)
    reached = min((run.run_id for run in found), default=oldest)
    set_cursors(state, copied_from_run_id=reached, copied_all=len(found) < RUNS_AT_ONCE)


def _open_ids(memory: Memory, now: datetime) -> set[int]:
    """Return unfinished runs and runs with an unfinished execution. Old orphans are included once an hour."""
    monotonic = time.monotonic()
    runs = RunCopy.objects.filter(finished_at__isnull=True)
    entities = RunEntityCopy.objects.filter(finished_at__isnull=True)
    if memory.orphans_read_at is not None and monotonic - memory.orphans_read_at < ORPHAN_EVERY_SECONDS:
        runs = runs.filter(started_at__gte=now - ORPHAN_AGE)
        entities = entities.filter(started_at__gte=now - ORPHAN_AGE)
    else:
        memory.orphans_read_at = monotonic
    ids = set(runs.order_by("-run_id").values_list("run_id", flat=True)[:OPEN_LIMIT])
    return ids | set(entities.order_by("-run_id").values_list("run_id", flat=True)[:OPEN_LIMIT])


def _store_part(memory: Memory, runs: Collection[Run]) -> None:
    changed, pipelines = store_runs(runs=runs)
    memory.changed |= pipelines
    if changed:
        memory.runs = None


def _forget(memory: Memory, run_ids: set[int]) -> None:
    if not run_ids:
        return
    names = RunEntityCopy.objects.filter(run_id__in=run_ids).order_by("run_id").values_list("entity_name", flat=True)
    memory.changed |= set(names)
    memory.runs = None
    forget_runs(run_ids=run_ids)


@transaction.atomic
def store_runs(*, runs: Iterable[Run]) -> tuple[int, frozenset[str]]:
    """Insert or update the copies of runs and executions. Return the number of changed rows, and the pipelines."""
    fence()
    listed = list(runs)
    changed = _store(RunCopy, [_run_copy(run) for run in listed])
    executions = list(chain.from_iterable(run.executions for run in listed))
    changed_entities = _store(RunEntityCopy, [_execution_copy(execution) for execution in executions])
    _roll_up_again(min((copy.started_at for copy in changed_entities), default=None))
    run_ids = {copy.run_id for copy in changed}
    names = {copy.entity_name for copy in changed_entities}
    names |= {execution.entity_name for execution in executions if execution.run_id in run_ids}
    return len(changed) + len(changed_entities), frozenset(names)


@transaction.atomic
def forget_runs(*, run_ids: Collection[int]) -> None:
    fence()
    for ids in _batches(sorted(run_ids)):
        oldest = RunEntityCopy.objects.filter(run_id__in=ids).aggregate(oldest=Min("started_at"))["oldest"]
        _roll_up_again(oldest)
        _delete(ids)


@transaction.atomic
def drop_copies() -> None:
    """Delete all copies. A rebuilt warehouse reuses run ids."""
    fence()
    RunEntityCopy.objects.all().delete()
    RunCopy.objects.all().delete()
    CollectorState.objects.filter(pk=CollectorState.SINGLETON).update(
        copied_from_run_id=None, copied_to_run_id=None, copied_all=False
    )


def prune_copies(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` of the oldest runs whose days are rolled up. Return their number."""
    edge = rolled_before("run_days_rolled_to", day_of(before))
    if edge is None:
        return 0
    ids = list(
        RunCopy.objects.filter(started_at__lt=edge).order_by("started_at").values_list("run_id", flat=True)[:limit]
    )
    if ids:
        note_kept("copies_kept_from", edge)
    with transaction.atomic():
        for batch in _batches(sorted(ids)):
            _delete(batch)
    return len(ids)


def _delete(run_ids: Sequence[Any]) -> None:
    RunEntityCopy.objects.filter(run_id__in=run_ids).delete()
    RunCopy.objects.filter(run_id__in=run_ids).delete()


def _roll_up_again(since: datetime | None) -> None:
    """Mark the days from `since` on to be rolled up again."""
    if since is None or day_of(since) >= day_of(timezone.now()):
        return
    CollectorState.objects.filter(pk=CollectorState.SINGLETON).update(
        run_days_rolled_to=not_beyond("run_days_rolled_to", day_of(since))
    )


def _run_copy(run: Run) -> RunCopy:
    return RunCopy(
        **{name: getattr(run, name) for name in RUN_COLUMNS},
        status=_status(run.status, run.status_text),
        **run_error_columns(run.error_message),
    )


def _execution_copy(execution: Execution) -> RunEntityCopy:
    start, end = execution.watermark_from, execution.watermark_to
    return RunEntityCopy(
        **{name: getattr(execution, name) for name in EXECUTION_COLUMNS},
        status=_status(execution.status, execution.status_text),
        watermark_from_updated_at=start.updated_at if start else None,
        watermark_from_id=start.id if start else None,
        watermark_to_updated_at=end.updated_at if end else None,
        watermark_to_id=end.id if end else None,
        **execution_error_columns(execution.status, execution.error_message),
    )


@transaction.atomic
def update_errors(*, limit: int) -> bool:
    """Parse up to `limit` messages of another FINGERPRINT_VERSION, newest first. Return whether all are current."""
    state = CollectorState.objects.filter(pk=CollectorState.SINGLETON).first()
    if state is None or state.fingerprint_version == FINGERPRINT_VERSION:
        return state is not None
    found = RunEntityCopy.objects.filter(Q(status=ExecutionStatus.FAILED.value) | ~Q(error_message=""))
    if state.fingerprinted_from is not None:
        found = found.filter(run_entity_id__lt=state.fingerprinted_from)
    copies = list(found.only("run_id", "status", "error_message").order_by("-run_entity_id")[:limit])
    for copy in copies:
        _set(copy, execution_error_columns(ExecutionStatus.parse(copy.status), copy.error_message))
    RunEntityCopy.objects.bulk_update(copies, EXECUTION_ERRORS, batch_size=BATCH)
    for ids in _batches(sorted({copy.run_id for copy in copies})):
        runs = list(RunCopy.objects.filter(run_id__in=ids).only("error_message").order_by("run_id"))
        for run in runs:
            _set(run, run_error_columns(run.error_message))
        RunCopy.objects.bulk_update(runs, RUN_ERRORS, batch_size=BATCH)
    done = len(copies) < limit
    CollectorState.objects.filter(pk=CollectorState.SINGLETON).update(
        fingerprint_version=FINGERPRINT_VERSION if done else state.fingerprint_version,
        fingerprinted_from=None if done else copies[-1].run_entity_id,
    )
    return done


def run_error_columns(message: str) -> dict[str, Any]:
    return dict(zip(RUN_ERRORS, run_errors(message), strict=True))


def execution_error_columns(status: ExecutionStatus, message: str) -> dict[str, Any]:
    failed = status is ExecutionStatus.FAILED
    error, with_logins = execution_errors(message, failed=failed)
    group = (error.error_class.value, error.fingerprint) if failed and error else ("", None)
    return dict(zip(EXECUTION_ERRORS, (error, with_logins, *group), strict=True))


def _set(copy: Model, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(copy, name, value)


def _status(known: RunStatus | ExecutionStatus, text: str) -> str:
    """Return the contract's spelling of a known status, so that copies can be counted by it."""
    return text if known.value == "unknown" else known.value


def _store(model: type[M], copies: list[M]) -> list[M]:
    by_key = {copy.pk: copy for copy in copies}
    new: list[M] = []
    different: list[M] = []
    for keys in _batches(sorted(by_key)):
        stored = model._default_manager.in_bulk(keys)
        for key in keys:
            known = stored.get(key)
            if known is None:
                new.append(by_key[key])
            elif _values(known) != _values(by_key[key]):
                different.append(by_key[key])
    model._default_manager.bulk_create(new, batch_size=BATCH)
    for copy in different:
        copy.save(force_update=True)
    return new + different


def _values(copy: Model) -> list[Any]:
    """Return the stored form, so that a text cut for its column is no difference."""
    return [field.get_prep_value(getattr(copy, field.attname)) for field in copy._meta.concrete_fields]


def _batches(keys: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))
