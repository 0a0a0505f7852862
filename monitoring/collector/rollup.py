"""Roll up finished periods: samples into hours, hours into days, copied executions into days (docs/adr/0018).

A step (one hour or one day) reads without a transaction, then writes in a short one that first moves the step's cursor
with a conditional UPDATE on lease and cursor. A killed collector has written the whole step or nothing, and a repeated
step changes nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model, QuerySet

from monitoring.collector.lease import LeaseLost
from monitoring.collector.store import BATCH, not_beyond, note_kept, pipeline_settings, rolled_before
from monitoring.models import CollectorState, PipelineRollup, PipelineSample, RunEntityCopy, TrailEntry
from monitoring.rules.enums import Grain
from monitoring.rules.facts import Thresholds
from monitoring.rules.rollups import DAY, HOUR, HourOf, Rolled, RunDay, day_of, hour_of

CHUNK = 2000
"""Rows fetched at a time: an hour of 200 pipelines is 72,000 samples."""
STANDS_SECONDS = 90
"""How long a sample stands at least when no other follows: three pauses of the idle collector."""

SAMPLE_FIGURES = ("eligible", "cooling", "latency_seconds", "served_lag_seconds")

ByName = dict[str, dict[str, Any]]


class _Kind:
    """One kind of step.

    `rolled_to`, `kept_from`: columns of the collector's row. Everything before `rolled_to` is rolled up; source rows
    before `kept_from` may have been deleted. `empties`: a period without source rows clears earlier columns.
    """

    grain: Grain
    columns: tuple[str, ...]
    rolled_to: str
    kept_from = ""
    at: str
    empties = False

    @property
    def length(self) -> timedelta:
        return HOUR if self.grain is Grain.HOUR else DAY

    def start_of(self, moment: datetime) -> datetime:
        return hour_of(moment) if self.grain is Grain.HOUR else day_of(moment)

    def source(self) -> QuerySet[Any]:
        raise NotImplementedError

    def read(self, start: datetime) -> ByName:
        raise NotImplementedError

    def ready(self, state: CollectorState, now: datetime) -> datetime | None:
        """Return the time up to which periods can be rolled up, or None."""
        return now

    def also_moved(self, start: datetime) -> dict[str, Any]:
        return {}

    def next_from(self, moment: datetime | None = None) -> datetime | None:
        """Return the first period with source rows, from `moment` on."""
        rows = self.source() if moment is None else self.source().filter(**{f"{self.at}__gte": moment})
        found = rows.order_by(self.at).values_list(self.at, flat=True).first()
        return None if found is None else self.start_of(found)


class _Hours(_Kind):
    grain, columns = Grain.HOUR, tuple(Rolled().columns())
    rolled_to, kept_from, at = "hours_rolled_to", "samples_kept_from", "sampled_at"

    def source(self) -> QuerySet[Any]:
        return PipelineSample.objects.all()

    def also_moved(self, start: datetime) -> dict[str, Any]:
        return {_Days.rolled_to: not_beyond(_Days.rolled_to, day_of(start))}

    def read(self, start: datetime) -> ByName:
        stands = timedelta(seconds=max(STANDS_SECONDS, 3 * settings.COLLECT_IDLE_SECONDS))
        configured, usual = pipeline_settings(), Thresholds()
        samples = (
            self.source()
            .filter(sampled_at__gte=start - stands, sampled_at__lt=start + HOUR)
            .order_by("sampled_at")
            .values_list(
                "entity_name", "sampled_at", "status", "is_active", "source_total", "target_total", *SAMPLE_FIGURES
            )
        )
        hours: dict[str, HourOf] = {}
        for name, at, status, active, source, target, *figures in samples.iterator(CHUNK):
            if name not in hours:
                hours[name] = HourOf(start, stands, configured[name].thresholds if name in configured else usual)
            hours[name].add(
                at,
                status=status,
                is_active=active,
                totals=(source, target),
                figures=dict(zip(SAMPLE_FIGURES, figures, strict=True)),
            )
        finished = {name: hour.finished() for name, hour in hours.items()}
        return {name: rolled.columns() for name, rolled in finished.items() if rolled is not None}


class _Days(_Kind):
    grain, columns = Grain.DAY, _Hours.columns
    rolled_to, at = "days_rolled_to", "start"

    def source(self) -> QuerySet[Any]:
        return PipelineRollup.objects.filter(grain=Grain.HOUR)

    def ready(self, state: CollectorState, now: datetime) -> datetime | None:
        return None if state.hours_rolled_to is None else min(state.hours_rolled_to, now)

    def read(self, start: datetime) -> ByName:
        days: dict[str, Rolled] = defaultdict(Rolled)
        hours = self.source().filter(start__gte=start, start__lt=start + DAY).order_by("start")
        for hour in hours.values("entity_name", *self.columns).iterator(CHUNK):
            days[hour["entity_name"]].merge(hour)
        return {name: day.columns() for name, day in days.items()}


class _RunDays(_Kind):
    grain, columns = Grain.DAY, tuple(RunDay().columns())
    rolled_to, kept_from, at = "run_days_rolled_to", "copies_kept_from", "started_at"
    # Executions that are gone were rolled back in the warehouse.
    empties = True

    def source(self) -> QuerySet[Any]:
        return RunEntityCopy.objects.all()

    def ready(self, state: CollectorState, now: datetime) -> datetime | None:
        """Wait until the copies are complete: each older batch would invalidate the days."""
        return now if state.copied_all else None

    def read(self, start: datetime) -> ByName:
        executions = (
            self.source()
            .filter(started_at__gte=start, started_at__lt=start + DAY)
            .order_by("started_at")
            .values_list("entity_name", "status", "started_at", "finished_at", "extracted", "upserted", "soft_deleted")
        )
        days: dict[str, RunDay] = defaultdict(RunDay)
        for name, status, started, finished, extracted, upserted, deleted in executions.iterator(CHUNK):
            days[name].add(status, started, finished, extracted=extracted, upserted=upserted, deleted=deleted)
        return {name: day.columns() for name, day in days.items()}


def roll_up(*, holder: str, now: datetime, seconds: float) -> tuple[int, bool]:
    """Roll up for about `seconds`. Return the number of steps, and whether more remain. Raises LeaseLost."""
    deadline = time.monotonic() + seconds
    done = 0
    for kind in (_Hours(), _Days(), _RunDays()):
        while _step(kind, holder, now):
            done += 1
            if time.monotonic() >= deadline:
                return done, True
    return done, False


def _step(kind: _Kind, holder: str, now: datetime) -> bool:
    state = CollectorState.objects.defer("payload").filter(pk=CollectorState.SINGLETON).first()
    until = kind.ready(state, now) if state is not None else None
    if state is None or until is None:
        return False
    cursor: datetime | None = getattr(state, kind.rolled_to)
    start = cursor or kind.next_from()
    if start is None:
        return False
    if kind.kept_from:
        start = max(start, getattr(state, kind.kept_from) or start)
    if start + kind.length > until:
        return False
    found = kind.read(start)
    following = start + kind.length
    if not found:
        # A gap of a month is one step.
        last = kind.start_of(until)
        following = min(kind.next_from(following) or last, last)
    with transaction.atomic():
        moved = kind.also_moved(start) if found else {}
        _advance(holder, kind.rolled_to, cursor, {kind.rolled_to: following, **moved})
        if found or kind.empties:
            _replace(kind, start, following, found)
    return True


def _advance(holder: str, column: str, known: datetime | None, values: dict[str, Any]) -> None:
    """Move the cursor, if it is still at `known`. Raises LeaseLost."""
    found = {f"{column}__isnull": True} if known is None else {column: known}
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder, **found)
    if row.update(**values) != 1:
        raise LeaseLost(holder)


def _replace(kind: _Kind, start: datetime, until: datetime, found: ByName) -> None:
    blank = PipelineRollup()
    stored = PipelineRollup.objects.filter(grain=kind.grain, start__gte=start, start__lt=until)
    rows = {(row.start, row.entity_name): row for row in stored}
    for row in rows.values():
        row.pk = None
        for column in kind.columns:
            setattr(row, column, getattr(blank, column))
    for name, columns in found.items():
        row = rows.setdefault((start, name), PipelineRollup(entity_name=name, grain=kind.grain, start=start))
        for column, value in columns.items():
            setattr(row, column, value)
    stored.delete()
    left = [row for _, row in sorted(rows.items()) if row.samples or row.executions is not None]
    PipelineRollup.objects.bulk_create(left, batch_size=BATCH)


def prune_samples(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` of the oldest samples whose hours are rolled up."""
    edge = rolled_before("hours_rolled_to", hour_of(before))
    if edge is None:
        return 0
    ids = _oldest(PipelineSample.objects.filter(sampled_at__lt=edge), "sampled_at", limit)
    if ids:
        note_kept("samples_kept_from", edge)
    return _delete_rows(PipelineSample, ids)


def prune_rollups(grain: Grain, *, before: datetime, limit: int) -> int:
    """Delete old roll-ups. Hours whose samples still exist are kept, because their day can be rolled up again."""
    edge: datetime | None = day_of(before)
    if grain is Grain.HOUR:
        days, samples = rolled_before("days_rolled_to", day_of(before)), rolled_before("samples_kept_from", before)
        edge = None if days is None or samples is None else min(days, day_of(samples))
    if edge is None:
        return 0
    old = PipelineRollup.objects.filter(grain=grain, start__lt=edge)
    return _delete_rows(PipelineRollup, _oldest(old, "start", limit))


def _oldest(rows: QuerySet[Any], column: str, limit: int) -> list[int]:
    return list(rows.order_by(column).values_list("pk", flat=True)[:limit])


def _delete_rows(model: type[Model], ids: list[int]) -> int:
    for start in range(0, len(ids), BATCH):
        model._default_manager.filter(pk__in=ids[start : start + BATCH]).delete()
    return len(ids)


def expire_sessions(*, now: datetime, limit: int) -> int:
    ended = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    keys = list(ended.values_list("session_key", flat=True)[:limit])
    UserSession.objects.filter(session_key__in=keys).delete()
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)


def expire_trail(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` old entries of the activity log, and the admin's LogEntry rows that repeat them."""
    oldest = LogEntry.objects.order_by("pk").values_list("pk", "action_time")[:limit]
    logged = _delete_rows(LogEntry, [pk for pk, at in oldest if at < before])
    return max(logged, TrailEntry.objects.expire(before=before, limit=limit))
