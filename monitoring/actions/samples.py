"""Samples, their hourly roll-ups, and their pruning. One clock: the warehouse's, as sampled."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max

from monitoring.models import CollectorState, PipelineHour, PipelineSample
from monitoring.policies.facts import Pipeline

logger = logging.getLogger(__name__)

BATCH = 200
HOUR = timedelta(hours=1)
CATCH_UP_HOURS = 24
"""Hours rolled up in one tick after a pause, so that catching up takes turns with looking."""


class LeaseLost(Exception):
    """Another collector took over while this one looked: its result is dropped."""


@transaction.atomic
def store_tick(
    *,
    holder: str,
    now: datetime,
    milliseconds: int,
    sampled_at: datetime,
    version: str,
    payload: bytes,
    pipelines: Iterable[Pipeline],
) -> None:
    """Store one tick whole: the snapshot in the state row, and a sample per pipeline.

    `now` is this machine's clock, `sampled_at` the warehouse's. `pipelines` hold what this tick itself
    read: a value that a dead database kept back is no sample of now, and is None in them. Raises
    LeaseLost, storing nothing, when `holder` does not hold the lease any more.
    """
    stored = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder).update(
        ticked_at=now,
        tick_milliseconds=milliseconds,
        sampled_at=sampled_at,
        version=version,
        payload=payload,
    )
    if stored != 1:
        raise LeaseLost(holder)
    try:
        with transaction.atomic():
            PipelineSample.objects.bulk_create([_sample(each, sampled_at) for each in pipelines], batch_size=BATCH)
    except IntegrityError:
        # The warehouse's clock went back onto a time already sampled: that sample stands.
        logger.warning("no samples stored for %s: that time was sampled before", sampled_at.isoformat())


def _sample(pipeline: Pipeline, sampled_at: datetime) -> PipelineSample:
    source, target, control = pipeline.source, pipeline.target, pipeline.control
    problem = source.problem or target.problem
    return PipelineSample(
        entity_name=pipeline.name,
        sampled_at=sampled_at,
        status=pipeline.status.value,
        is_active=control.is_active,
        source_total=source.total,
        target_total=target.total,
        eligible=source.eligible.value if source.eligible else None,
        cooling=source.cooling.value if source.cooling else None,
        latency_seconds=_whole(pipeline.figures.latency_seconds),
        served_lag_seconds=_whole(pipeline.figures.served_lag_seconds),
        watermark_updated_at=control.watermark.updated_at,
        watermark_id=control.watermark.id,
        run_entity_id=pipeline.newest.run_entity_id if pipeline.newest else None,
        problem=problem.code.value if problem else "",
    )


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def roll_up(*, now: datetime) -> int:
    """Roll every complete hour before `now` that has samples and no roll-up yet; return how many hours.

    Repeatable: an hour is replaced as a whole. At most CATCH_UP_HOURS at a time, oldest first.
    """
    current = hour_of(now)
    newest = PipelineHour.objects.aggregate(newest=Max("hour"))["newest"]
    oldest_sample = PipelineSample.objects.order_by("sampled_at").values_list("sampled_at", flat=True).first()
    if oldest_sample is None:
        return 0
    start = max(newest + HOUR, hour_of(oldest_sample)) if newest is not None else hour_of(oldest_sample)
    hours = 0
    while start < current and hours < CATCH_UP_HOURS:
        if _roll_hour(start):
            hours += 1
            start += HOUR
            continue
        following = PipelineSample.objects.filter(sampled_at__gte=start + HOUR).order_by("sampled_at")
        next_sample = following.values_list("sampled_at", flat=True).first()
        if next_sample is None:
            break
        start = hour_of(next_sample)
    return hours


@transaction.atomic
def _roll_hour(hour: datetime) -> bool:
    samples = PipelineSample.objects.filter(sampled_at__gte=hour, sampled_at__lt=hour + HOUR)
    rows = list(
        samples.values("entity_name")
        .annotate(
            samples=Count("id"),
            eligible_max=Max("eligible"),
            cooling_max=Max("cooling"),
            latency_seconds_max=Max("latency_seconds"),
            served_lag_seconds_max=Max("served_lag_seconds"),
            last_at=Max("sampled_at"),
        )
        .order_by("entity_name")
    )
    if not rows:
        return False
    last = _last_totals(hour)
    PipelineHour.objects.filter(hour=hour).delete()
    PipelineHour.objects.bulk_create([_hour_row(row, hour, last.get(row["entity_name"])) for row in rows], BATCH)
    return True


def _last_totals(hour: datetime) -> dict[str, tuple[int, int]]:
    """Each pipeline's totals (source, target) at the hour's last sample that knew both."""
    complete = PipelineSample.objects.filter(
        sampled_at__gte=hour, sampled_at__lt=hour + HOUR, source_total__isnull=False, target_total__isnull=False
    )
    last = dict(complete.values_list("entity_name").annotate(Max("sampled_at")).order_by("entity_name"))
    # Pipelines are sampled together: these are a handful of times.
    rows = complete.filter(sampled_at__in=set(last.values())).values_list(
        "entity_name", "sampled_at", "source_total", "target_total"
    )
    return {
        name: (source, target)
        for name, sampled_at, source, target in rows
        if sampled_at == last[name] and source is not None and target is not None
    }


def _hour_row(row: Mapping[str, Any], hour: datetime, totals: tuple[int, int] | None) -> PipelineHour:
    source, target = totals or (None, None)
    return PipelineHour(
        entity_name=row["entity_name"],
        hour=hour,
        samples=row["samples"],
        source_total=source,
        target_total=target,
        coverage_percent=100 * target / source if source and target is not None else None,
        **{
            name: row[name] for name in ("eligible_max", "cooling_max", "latency_seconds_max", "served_lag_seconds_max")
        },
    )


def prune_samples(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` samples older than `before`, oldest first; return how many went."""
    ids = PipelineSample.objects.filter(sampled_at__lt=before).order_by("sampled_at").values_list("id", flat=True)
    return _delete(PipelineSample.objects, list(ids[:limit]))


def prune_hours(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` roll-ups older than `before`, oldest first; return how many went."""
    ids = PipelineHour.objects.filter(hour__lt=before).order_by("hour").values_list("id", flat=True)
    return _delete(PipelineHour.objects, list(ids[:limit]))


def _delete(manager: Any, ids: list[int]) -> int:
    for start in range(0, len(ids), BATCH):
        manager.filter(id__in=ids[start : start + BATCH]).delete()
    return len(ids)


def hour_of(moment: datetime) -> datetime:
    """Return the start of the moment's hour, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
