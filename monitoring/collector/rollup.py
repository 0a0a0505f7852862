"""Roll up finished periods: samples into hours, hours into days, copied executions into days (docs/adr/0018).

A step (one hour or one day) reads without a transaction, then writes in a short one that first moves the step's cursor
with a conditional UPDATE on lease and cursor. A killed collector has written the whole step or nothing, and a repeated
step changes nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet

from monitoring.collector.lease import LeaseLost
from monitoring.collector.store import BATCH, delete_oldest, not_beyond, note_kept, pipeline_settings, rolled_before
from monitoring.models import CollectorState, PipelineRollup, PipelineSample, RunEntityCopy, TrailEntry
from monitoring.rules.enums import Grain
from monitoring.rules.facts import Thresholds
from monitoring.rules.rollups import DAY, HOUR, HourOf, Rolled, RunDay, day_of, hour_of

CHUNK = 2000
"""Rows fetched at a time: an hour of 200 pipelines is 72,000 samples."""
STANDS_SECONDS = 90
"""How long a sample stands at least when no other follows: three pauses of the idle collector."""

SAMPLE_FIGURES = ("eligible", "cooling", "latency_seconds", "served_lag_seconds")

HOURS, DAYS, RUN_DAYS = "hours_rolled_to", "days_rolled_to", "run_days_rolled_to"
"""The columns of the collector's row that hold how far each kind of step is."""

ByName = dict[str, dict[str, Any]]


class _Kind(NamedTuple):
    """One kind of step: rolls up `source`, whose time column is `at`, into `columns` of the roll-ups of `grain`.

    `rolled_to`, `kept_from`: columns of the collector's row. Everything before `rolled_to` is rolled up; source rows
    before `kept_from` may have been deleted.
    """

    grain: Grain
    source: QuerySet[Any]
    at: str
    columns: tuple[str, ...]
    read: Callable[[datetime], ByName]
    rolled_to: str
    kept_from: str = ""

    @property
    def length(self) -> timedelta:
        return HOUR if self.grain is Grain.HOUR else DAY

    def first_from(self, moment: datetime | None = None) -> datetime | None:
        """Return the first period with source rows, from `moment` on."""
        rows = self.source if moment is None else self.source.filter(**{f"{self.at}__gte": moment})
        found = rows.order_by(self.at).values_list(self.at, flat=True).first()
        return None if found is None else self.start_of(found)

    def start_of(self, moment: datetime) -> datetime:
        return hour_of(moment) if self.grain is Grain.HOUR else day_of(moment)


def kinds() -> tuple[_Kind, ...]:
    sampled, ran = tuple(Rolled().columns()), tuple(RunDay().columns())
    samples, executions = PipelineSample.objects.all(), RunEntityCopy.objects.all()
    hours = PipelineRollup.objects.filter(grain=Grain.HOUR)
    return (
        _Kind(Grain.HOUR, samples, "sampled_at", sampled, read_hour, HOURS, "samples_kept_from"),
        _Kind(Grain.DAY, hours, "start", sampled, read_day, DAYS),
        _Kind(Grain.DAY, executions, "started_at", ran, read_run_day, RUN_DAYS, "copies_kept_from"),
    )


def read_hour(start: datetime) -> ByName:
    stands = timedelta(seconds=max(STANDS_SECONDS, 3 * settings.COLLECT_IDLE_SECONDS))
    configured, usual = pipeline_settings(), Thresholds()
    samples = (
        PipelineSample.objects.filter(sampled_at__gte=start - stands, sampled_at__lt=start + HOUR)
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


def read_day(start: datetime) -> ByName:
    days: dict[str, Rolled] = defaultdict(Rolled)
    hours = PipelineRollup.objects.filter(grain=Grain.HOUR, start__gte=start, start__lt=start + DAY).order_by("start")
    for hour in hours.values("entity_name", *Rolled().columns()).iterator(CHUNK):
        days[hour["entity_name"]].merge(hour)
    return {name: day.columns() for name, day in days.items()}


def read_run_day(start: datetime) -> ByName:
    executions = (
        RunEntityCopy.objects.filter(started_at__gte=start, started_at__lt=start + DAY)
        .order_by("started_at")
        .values_list("entity_name", "status", "started_at", "finished_at", "extracted", "upserted", "soft_deleted")
    )
    days: dict[str, RunDay] = defaultdict(RunDay)
    for name, status, started, finished, extracted, upserted, deleted in executions.iterator(CHUNK):
        days[name].add(status, started, finished, extracted=extracted, upserted=upserted, soft_deleted=deleted)
    return {name: day.columns() for name, day in days.items()}


def roll_up(*, holder: str, now: datetime, seconds: float) -> tuple[int, bool]:
    """Roll up for about `seconds`. Return the number of steps, and whether more remain. Raises LeaseLost."""
    deadline = time.monotonic() + seconds
    done = 0
    for kind in kinds():
        while _step(kind, holder, now):
            done += 1
            if time.monotonic() >= deadline:
                return done, True
    return done, False


def _step(kind: _Kind, holder: str, now: datetime) -> bool:
    state = CollectorState.objects.defer("payload").filter(pk=CollectorState.SINGLETON).first()
    until = _complete_to(kind, state, now) if state is not None else None
    if state is None or until is None:
        return False
    cursor: datetime | None = getattr(state, kind.rolled_to)
    start = cursor or kind.first_from()
    if start is None:
        return False
    if kind.kept_from:
        start = max(start, getattr(state, kind.kept_from) or start)
    following = start + kind.length
    if following > until:
        return False
    found = kind.read(start)
    if not found:
        # A gap of a month is one step.
        last = kind.start_of(until)
        following = min(kind.first_from(following) or last, last)
    moved: dict[str, Any] = {kind.rolled_to: following}
    if kind.rolled_to == HOURS and found:
        moved[DAYS] = not_beyond(DAYS, day_of(start))
    with transaction.atomic():
        _advance(holder, kind.rolled_to, cursor, moved)
        # A day without executions clears its columns: they were rolled back in the warehouse.
        if found or kind.rolled_to == RUN_DAYS:
            _replace(kind, start, following, found)
    return True


def _complete_to(kind: _Kind, state: CollectorState, now: datetime) -> datetime | None:
    """Return the time up to which source rows are complete, or None."""
    if kind.rolled_to == DAYS:
        return None if state.hours_rolled_to is None else min(state.hours_rolled_to, now)
    # Each older batch of copies would invalidate the days.
    return None if kind.rolled_to == RUN_DAYS and not state.copied_all else now


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
    edge = rolled_before(HOURS, hour_of(before))
    if edge is None:
        return 0
    old = PipelineSample.objects.filter(sampled_at__lt=edge)
    if old.exists():
        note_kept("samples_kept_from", edge)
    return delete_oldest(old, "sampled_at", limit)


def prune_rollups(grain: Grain, *, before: datetime, limit: int) -> int:
    """Delete old roll-ups. Hours whose samples still exist are kept, because their day can be rolled up again."""
    edge: datetime | None = day_of(before)
    if grain is Grain.HOUR:
        days, samples = rolled_before(DAYS, day_of(before)), rolled_before("samples_kept_from", before)
        edge = None if days is None or samples is None else min(days, day_of(samples))
    if edge is None:
        return 0
    return delete_oldest(PipelineRollup.objects.filter(grain=grain, start__lt=edge), "start", limit)


def expire_sessions(*, now: datetime, limit: int) -> int:
    ended = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    keys = list(ended.values_list("session_key", flat=True)[:limit])
    UserSession.objects.filter(session_key__in=keys).delete()
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)


def expire_trail(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` old entries of the activity log, and the admin's LogEntry rows that repeat them."""
    oldest = LogEntry.objects.order_by("pk")[:limit]
    logged = delete_oldest(LogEntry.objects.filter(action_time__lt=before, pk__in=oldest.values("pk")), "pk", limit)
    return max(logged, TrailEntry.objects.expire(before=before, limit=limit))
