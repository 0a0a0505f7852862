"""Rolls up what is over: samples by the hour, hours by the day, copied executions by the day (docs/adr/0018).

One step is one hour or one day: read without a transaction, then written in a short one that begins by moving
the cursor of the collector's row on. That UPDATE holds only for who has the lease and found the cursor as it
was: of two collectors one writes, and one that is killed has written all of the step or nothing. A step
replaces its rows as a whole, so that doing it again changes nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Model

from monitoring.actions.lease import LeaseLost
from monitoring.actions.progress import not_beyond
from monitoring.models import CollectorState, PipelineDay, PipelineHour, PipelineRunDay, PipelineSample, RunEntityCopy
from monitoring.policies.rollups import DAY, FIGURES, HOUR, HourOf, Rolled, RunDay, day_of, hour_of

BATCH = 200
CHUNK = 2000
"""Rows that are read ahead: an hour of 200 pipelines is 72,000 samples."""
STANDS_SECONDS = 90
"""How long a sample stands at least where no other follows: three of the idle collector's pauses."""

SAMPLE_FIGURES = ("eligible", "cooling", "latency_seconds", "served_lag_seconds")
SPREAD = ("known", "min", "avg", "max", "last")


@dataclass(frozen=True, slots=True)
class Progress:
    """How many steps were done; `left`: there may be more."""

    steps: int
    left: bool


def roll_up(*, holder: str, now: datetime, seconds: float) -> Progress:
    """Do step after step for about `seconds`. Raises LeaseLost.

    `now`: nothing that is not over by then is rolled up.
    """
    deadline = time.monotonic() + seconds
    done = 0
    for step in (_roll_hour, _roll_day, _roll_run_day):
        while step(holder, now):
            done += 1
            if time.monotonic() >= deadline:
                return Progress(done, left=True)
    return Progress(done, left=False)


def _roll_hour(holder: str, now: datetime) -> bool:
    """Roll up the next hour of samples; return whether there was one."""
    cursor, kept_from = _state("hours_rolled_to", "samples_kept_from")
    start = cursor or _first_hour()
    if start is None:
        return False
    start = max(start, kept_from or start)
    if start >= hour_of(now):
        return False
    rows = [_row(PipelineHour(entity_name=name, hour=start), rolled) for name, rolled in _hours(start)]
    following = start + HOUR
    if not rows:
        following = _jump(PipelineSample, "sampled_at", start + HOUR, hour_of, hour_of(now))
    with transaction.atomic():
        _advance(holder, "hours_rolled_to", cursor, following, remade="days_rolled_to" if rows else "", since=start)
        _replace(PipelineHour, rows, hour=start)
    return True


def _first_hour() -> datetime | None:
    """The oldest hour that has samples. An earlier release may have rolled it up before it deleted some of them."""
    oldest = PipelineSample.objects.order_by("sampled_at").values_list("sampled_at", flat=True).first()
    if oldest is None:
        return None
    hour = hour_of(oldest)
    return hour + HOUR if PipelineHour.objects.filter(hour=hour).exists() else hour


def _hours(start: datetime) -> list[tuple[str, Rolled]]:
    stands = timedelta(seconds=max(STANDS_SECONDS, 3 * settings.COLLECT_IDLE_SECONDS))
    samples = (
        PipelineSample.objects.filter(sampled_at__gte=start - stands, sampled_at__lt=start + HOUR)
        .order_by("sampled_at")
        .values_list(
            "entity_name", "sampled_at", "status", "is_active", "source_total", "target_total", *SAMPLE_FIGURES
        )
    )
    hours: dict[str, HourOf] = defaultdict(lambda: HourOf(start, stands))
    for name, at, status, active, source, target, *figures in samples.iterator(CHUNK):
        hours[name].add(
            at,
            status=status,
            is_active=active,
            totals=(source, target),
            figures=dict(zip(SAMPLE_FIGURES, figures, strict=True)),
        )
    finished = ((name, hour.finished()) for name, hour in sorted(hours.items()))
    return [(name, rolled) for name, rolled in finished if rolled is not None]


def _roll_day(holder: str, now: datetime) -> bool:
    """Roll up the next day whose hours are all rolled up; return whether there was one."""
    cursor, hours_to = _state("days_rolled_to", "hours_rolled_to")
    oldest = None
    if cursor is None:
        oldest = PipelineHour.objects.order_by("hour").values_list("hour", flat=True).first()
    start = cursor or (day_of(oldest) if oldest is not None else None)
    if start is None or hours_to is None or start + DAY > min(hours_to, now):
        return False
    rows = [_row(PipelineDay(entity_name=name, day=start), rolled) for name, rolled in _days(start)]
    following = start + DAY
    if not rows:
        following = _jump(PipelineHour, "hour", start + DAY, day_of, day_of(min(hours_to, now)))
    with transaction.atomic():
        _advance(holder, "days_rolled_to", cursor, following)
        _replace(PipelineDay, rows, day=start)
    return True


def _days(start: datetime) -> list[tuple[str, Rolled]]:
    days: dict[str, Rolled] = defaultdict(Rolled)
    hours = PipelineHour.objects.filter(hour__gte=start, hour__lt=start + DAY).order_by("hour")
    for hour in hours.iterator(CHUNK):
        day = days[hour.entity_name]
        day.samples += hour.samples
        day.is_active = hour.is_active if hour.is_active is not None else day.is_active
        day.also(hour.status_last, hour.status_worst, hour.status_seconds)
        if hour.source_total is not None and hour.target_total is not None:
            day.totals = (hour.source_total, hour.target_total)
        for name in FIGURES:
            day.figures[name].merge(*(getattr(hour, f"{name}_{part}") for part in SPREAD))
    return sorted(days.items())


def _row(row: Any, rolled: Rolled) -> Any:
    row.samples, row.is_active = rolled.samples, rolled.is_active
    row.status_last, row.status_worst = rolled.status, rolled.worst
    row.status_seconds = {status: round(lasted) for status, lasted in sorted(rolled.seconds.items())}
    row.source_total, row.target_total = rolled.totals or (None, None)
    for name, spread in rolled.figures.items():
        values = (spread.known, spread.low, spread.mean, spread.high, spread.last)
        for part, value in zip(SPREAD, values, strict=True):
            setattr(row, f"{name}_{part}", value)
    return row


def _roll_run_day(holder: str, now: datetime) -> bool:
    """Roll up the next day of copied executions; return whether there was one.

    Not before the copies reach as far back as they will: each piece of them would make the days anew.
    """
    cursor, kept_from, copied_all = _state("run_days_rolled_to", "copies_kept_from", "copied_all")
    if not copied_all:
        return False
    oldest = None
    if cursor is None:
        oldest = RunEntityCopy.objects.order_by("started_at").values_list("started_at", flat=True).first()
    start = cursor or (day_of(oldest) if oldest is not None else None)
    if start is None:
        return False
    start = max(start, kept_from or start)
    if start >= day_of(now):
        return False
    rows = _run_days(start)
    following = start + DAY
    if not rows:
        following = _jump(RunEntityCopy, "started_at", start + DAY, day_of, day_of(now))
    with transaction.atomic():
        _advance(holder, "run_days_rolled_to", cursor, following)
        # Copies that are gone (a run was rolled back over there) leave nothing behind.
        PipelineRunDay.objects.filter(day__gte=start, day__lt=following).delete()
        PipelineRunDay.objects.bulk_create(rows, batch_size=BATCH)
    return True


def _run_days(start: datetime) -> list[PipelineRunDay]:
    executions = (
        RunEntityCopy.objects.filter(started_at__gte=start, started_at__lt=start + DAY)
        .order_by("started_at")
        .values_list("entity_name", "status", "started_at", "finished_at", "extracted", "upserted", "soft_deleted")
    )
    days: dict[str, RunDay] = defaultdict(RunDay)
    for name, status, started, finished, extracted, upserted, deleted in executions.iterator(CHUNK):
        days[name].add(status, started, finished, extracted=extracted, upserted=upserted, deleted=deleted)
    return [
        PipelineRunDay(
            entity_name=name,
            day=start,
            executions=day.executions,
            succeeded=day.succeeded,
            failed=day.failed,
            extracted=day.extracted,
            upserted=day.upserted,
            soft_deleted=day.soft_deleted,
            timed=day.duration.known,
            duration_seconds_total=day.duration.total if day.duration.known else None,
            duration_seconds_min=day.duration.low,
            duration_seconds_max=day.duration.high,
            loaded=day.throughput.known,
            throughput_total=day.throughput.total if day.throughput.known else None,
            throughput_min=day.throughput.low,
            throughput_max=day.throughput.high,
        )
        for name, day in sorted(days.items())
    ]


def _state(*columns: str) -> tuple[Any, ...]:
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list(*columns).first()
    return row or (None,) * len(columns)


def _jump(
    model: type[Model], column: str, after: datetime, start_of: Callable[[datetime], datetime], last: datetime
) -> datetime:
    """Return where the next rows are, `last` where none is before it: an outage of a month is one step."""
    following = model._default_manager.filter(**{f"{column}__gte": after}).order_by(column)
    found = following.values_list(column, flat=True).first()
    return last if found is None else min(start_of(found), last)


def _advance(
    holder: str, column: str, known: datetime | None, to: datetime, *, remade: str = "", since: datetime | None = None
) -> None:
    """Move the cursor from where it was found; the day of `since` is to be made anew (column `remade`)."""
    found = {f"{column}__isnull": True} if known is None else {column: known}
    values: dict[str, Any] = {column: to}
    if remade and since is not None:
        values[remade] = not_beyond(remade, day_of(since))
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder, **found)
    if row.update(**values) != 1:
        raise LeaseLost(holder)


def _replace(model: type[Model], rows: list[Any], **of: datetime) -> None:
    """Put these rows in the place of all rows of that hour or day. No rows: what is known of it stays."""
    if rows:
        model._default_manager.filter(**of).delete()
        model._default_manager.bulk_create(rows, batch_size=BATCH)
