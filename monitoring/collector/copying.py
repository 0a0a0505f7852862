"""Keeps the copies of runs up with the warehouse: the newest first, then backwards, open ones again.

One bounded statement per tick when nothing is behind.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from monitoring.actions.copies import drop_copies, forget_runs, set_cursors, store_runs
from monitoring.collector.memory import Memory
from monitoring.models import CollectorState, RunCopy, RunEntityCopy
from monitoring.policies.facts import Run
from monitoring.policies.rollups import day_of
from monitoring.warehouse.audit import newest_runs, runs_before, runs_since

ALIAS = "dw"
BATCH = 500
OVERLAP = 10
"""Ids before the newest copied run whose gaps are asked for again: a lower id may be committed later."""
BUDGET_SECONDS = 2.0
"""How long one tick may spend on catching up."""
ORPHAN_AGE = timedelta(hours=48)
ORPHAN_EVERY_SECONDS = 3600
OPEN_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Cursors:
    """How far the copy reaches: run ids, and whether it goes back as far as it should."""

    oldest: int | None
    newest: int | None
    complete: bool


def copy_runs(memory: Memory, max_run_id: int | None, now: datetime, monotonic: float) -> None:
    """Bring the copies up to date; `max_run_id` is the warehouse's newest. Raises ReadFailed.

    Pipelines whose executions changed are added to memory.changed.
    """
    deadline = time.monotonic() + BUDGET_SECONDS
    cursors = _cursors()
    if cursors.newest is not None and (max_run_id is None or max_run_id < cursors.newest):
        cursors = _shrunk(memory, cursors, max_run_id)
    if cursors.newest is None:
        _store(memory, newest_runs(ALIAS, BATCH))
        cursors = _cursors_after(cursors, now)
    else:
        cursors = _forward(memory, cursors, now, monotonic, deadline)
    while not cursors.complete and cursors.oldest is not None and time.monotonic() < deadline:
        cursors = _backward(memory, cursors, now)


def _forward(memory: Memory, cursors: Cursors, now: datetime, monotonic: float, deadline: float) -> Cursors:
    newest = cursors.newest or 0
    still_open = _open_ids(memory, now, monotonic)
    # The newest one again, to know that it still is the one that was copied.
    found = runs_since(ALIAS, newest, still_open | _gaps(newest), BATCH)
    if _another_warehouse(found, newest):
        drop_copies()
        memory.forget()
        _store(memory, newest_runs(ALIAS, BATCH))
        return _cursors_after(Cursors(None, None, False), now)
    _forget(memory, still_open - {run.run_id for run in found})
    _store(memory, found)
    while len(found) >= BATCH and time.monotonic() < deadline:
        newest = max(run.run_id for run in found)
        found = runs_since(ALIAS, newest + 1, (), BATCH)
        _store(memory, found)
    last = max((run.run_id for run in found), default=newest)
    if last > (cursors.newest or 0):
        set_cursors(copied_from=cursors.oldest, copied_to=last, copied_all=cursors.complete)
        return Cursors(cursors.oldest, last, cursors.complete)
    return cursors


def _gaps(newest: int) -> set[int]:
    """The ids just before the newest copied run that have no copy: not committed yet, or never used."""
    ids = range(max(1, newest - OVERLAP), newest)
    copied = RunCopy.objects.filter(run_id__gte=ids.start, run_id__lt=newest).order_by("run_id")
    return set(ids) - set(copied.values_list("run_id", flat=True))


def _backward(memory: Memory, cursors: Cursors, now: datetime) -> Cursors:
    # Whole days: they are rolled up as days.
    since = day_of(now - timedelta(days=settings.COPY_RETENTION_DAYS))
    found = runs_before(ALIAS, cursors.oldest or 0, since, BATCH)
    _store(memory, found)
    oldest = min((run.run_id for run in found), default=cursors.oldest)
    done = len(found) < BATCH
    set_cursors(copied_from=oldest, copied_to=cursors.newest, copied_all=done)
    return Cursors(oldest, cursors.newest, done)


def _another_warehouse(found: Collection[Run], newest: int) -> bool:
    """Whether the newest copied run is another one over there: ids began anew in a rebuilt warehouse."""
    copy = RunCopy.objects.filter(run_id=newest).values_list("started_at", flat=True).first()
    there = next((run.started_at for run in found if run.run_id == newest), None)
    return copy is not None and there is not None and copy != there


def _shrunk(memory: Memory, cursors: Cursors, max_run_id: int | None) -> Cursors:
    """The warehouse lost its newest runs. Uncommitted ones were rolled back; finished ones mean a reset."""
    gone = RunCopy.objects.filter(run_id__gt=max_run_id or 0)
    if max_run_id is None or gone.filter(finished_at__isnull=False).exists():
        drop_copies()
        memory.forget()
        return Cursors(None, None, False)
    _forget(memory, set(gone.values_list("run_id", flat=True)))
    set_cursors(copied_from=cursors.oldest, copied_to=max_run_id, copied_all=cursors.complete)
    return Cursors(cursors.oldest, max_run_id, cursors.complete)


def _open_ids(memory: Memory, now: datetime, monotonic: float) -> set[int]:
    """Runs to look at again: unfinished, or with an unfinished execution. Old orphans once an hour."""
    runs = RunCopy.objects.filter(finished_at__isnull=True)
    entities = RunEntityCopy.objects.filter(finished_at__isnull=True)
    if memory.orphans_read_at is not None and monotonic - memory.orphans_read_at < ORPHAN_EVERY_SECONDS:
        runs = runs.filter(started_at__gte=now - ORPHAN_AGE)
        entities = entities.filter(started_at__gte=now - ORPHAN_AGE)
    else:
        memory.orphans_read_at = monotonic
    ids = set(runs.order_by("-run_id").values_list("run_id", flat=True)[:OPEN_LIMIT])
    return ids | set(entities.order_by("-run_id").values_list("run_id", flat=True)[:OPEN_LIMIT])


def _store(memory: Memory, runs: Collection[Run]) -> None:
    stored = store_runs(runs=runs)
    memory.changed |= stored.pipelines
    memory.runs_changed |= stored.rows > 0


def _forget(memory: Memory, run_ids: set[int]) -> None:
    if not run_ids:
        return
    names = RunEntityCopy.objects.filter(run_id__in=run_ids).order_by("run_id").values_list("entity_name", flat=True)
    memory.changed |= set(names)
    memory.runs_changed = True
    forget_runs(run_ids=run_ids)


def _cursors() -> Cursors:
    row = (
        CollectorState.objects.filter(pk=CollectorState.SINGLETON)
        .values_list("copied_from_run_id", "copied_to_run_id", "copied_all")
        .first()
    )
    return Cursors(*row) if row is not None else Cursors(None, None, False)


def _cursors_after(cursors: Cursors, now: datetime) -> Cursors:
    """Set the cursors after the first batch: what is stored is what was copied."""
    ids = RunCopy.objects.order_by("run_id").values_list("run_id", flat=True)
    oldest, newest = ids.first(), ids.last()
    set_cursors(copied_from=oldest, copied_to=newest, copied_all=newest is None)
    return Cursors(oldest, newest, newest is None)
