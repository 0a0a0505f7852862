"""Deletes what is older than its retention, a part at a time, and never what is not rolled up yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitoring.actions.progress import note_kept, rolled_before
from monitoring.models import PipelineDay, PipelineHour, PipelineRunDay, PipelineSample
from monitoring.policies.rollups import day_of, hour_of

BATCH = 200


def prune_samples(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` samples of the hours before `before`, oldest first; return how many went."""
    edge = rolled_before("hours_rolled_to", hour_of(before))
    if edge is None:
        return 0
    old = PipelineSample.objects.filter(sampled_at__lt=edge).order_by("sampled_at")
    ids = list(old.values_list("id", flat=True)[:limit])
    if ids:
        note_kept("samples_kept_from", edge)
    return _delete(PipelineSample.objects, ids)


def prune_hours(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` hours of the days before `before`, oldest first; return how many went.

    A day whose samples are still there may be rolled up again: its hours stay whatever the settings say.
    """
    edge = rolled_before("days_rolled_to", day_of(before))
    samples = rolled_before("samples_kept_from", before)
    if edge is None or samples is None:
        return 0
    old = PipelineHour.objects.filter(hour__lt=min(edge, day_of(samples))).order_by("hour")
    return _delete(PipelineHour.objects, list(old.values_list("id", flat=True)[:limit]))


def prune_days(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` daily roll-ups of either kind older than `before`; return the larger number that went."""
    gone = []
    for model in (PipelineDay, PipelineRunDay):
        old = model.objects.filter(day__lt=day_of(before)).order_by("day")
        gone.append(_delete(model.objects, list(old.values_list("id", flat=True)[:limit])))
    return max(gone)


def _delete(manager: Any, ids: list[int]) -> int:
    for start in range(0, len(ids), BATCH):
        manager.filter(id__in=ids[start : start + BATCH]).delete()
    return len(ids)
