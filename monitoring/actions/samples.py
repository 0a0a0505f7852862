"""Stores what a tick saw, all of it or nothing. One clock for samples: the warehouse's, as sampled."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from monitoring.actions.lease import LeaseLost
from monitoring.actions.retention import not_beyond
from monitoring.models import CollectorState, PipelineSample
from monitoring.policies.facts import Pipeline
from monitoring.policies.rollups import hour_of

logger = logging.getLogger(__name__)

BATCH = 200


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
        # Where that hour is rolled up already (a clock went back, a tick was slow) it is rolled up again.
        hours_rolled_to=not_beyond("hours_rolled_to", hour_of(sampled_at)),
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
