"""How the overview's figures moved: at most POINTS looks at the samples, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from django.db.models import QuerySet, Subquery

from monitoring.enums import PipelineStatus
from monitoring.models import CollectorState, PipelineSample

POINTS = 24
WINDOWS = (timedelta(minutes=24), timedelta(hours=2), timedelta(hours=6), timedelta(hours=24))
"""How far back a trend reaches: the shortest that holds all samples, at most a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """All pipelines at one sample. None: no pipeline had a value. Rows, percent and seconds."""

    at: datetime
    active: int
    active_ok: int
    coverage_percent: float | None
    eligible: int | None
    mean_latency_seconds: float | None
    worst_lag_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Points oldest first, over `window`. Fewer than two points are no trend."""

    window: timedelta
    points: tuple[TrendPoint, ...]


def sample_trend(now: datetime) -> Trend:
    """Return the last sample of each of POINTS slots before `now` (the newest sample's time).

    Three statements whose cost does not grow with the history: the oldest sample, the newest one in
    each slot (an index seek each), the rows of those samples.
    """
    oldest = PipelineSample.objects.order_by("sampled_at").values_list("sampled_at", flat=True).first()
    if oldest is None:
        return Trend(window=WINDOWS[0], points=())
    window = next((window for window in WINDOWS if now - oldest <= window), WINDOWS[-1])
    times = _newest_per_slot(_slot_ends(now, window / POINTS), window / POINTS)
    rows = PipelineSample.objects.filter(sampled_at__in=times).order_by("sampled_at", "entity_name")
    by_time: dict[datetime, list[PipelineSample]] = {}
    for row in rows:
        by_time.setdefault(row.sampled_at, []).append(row)
    return Trend(window=window, points=tuple(_point(at, samples) for at, samples in by_time.items()))


def _slot_ends(now: datetime, step: timedelta) -> list[datetime]:
    """Return the ends of the slots, oldest first. Whole steps since the epoch, so that they stay
    where they are from one refresh to the next; the last slot is the one that `now` is in."""
    seconds = step.total_seconds()
    last = datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, tz=now.tzinfo)
    return [last - step * back for back in reversed(range(POINTS))]


def _newest_per_slot(ends: Sequence[datetime], step: timedelta) -> list[datetime]:
    """Return the time of the newest sample of each slot; a slot without a sample gives none."""
    newest = {f"s{index}": Subquery(_newest_before(end, end - step)) for index, end in enumerate(ends)}
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).annotate(**newest)
    found = row.values_list(*newest).first() or ()
    return [at for at in found if at is not None]


def _newest_before(end: datetime, start: datetime) -> QuerySet[PipelineSample, datetime]:
    return (
        PipelineSample.objects.filter(sampled_at__gte=start, sampled_at__lt=end)
        .order_by("-sampled_at")
        .values_list("sampled_at", flat=True)[:1]
    )


def _point(at: datetime, samples: Sequence[PipelineSample]) -> TrendPoint:
    both = [(s.target_total, s.source_total) for s in samples if s.target_total is not None and s.source_total]
    source_total = sum(source for _, source in both)
    eligible = [sample.eligible for sample in samples if sample.eligible is not None]
    active = [sample for sample in samples if sample.is_active]
    latencies = [sample.latency_seconds for sample in active if sample.latency_seconds is not None]
    lags = [sample.served_lag_seconds for sample in active if sample.served_lag_seconds is not None]
    return TrendPoint(
        at=at,
        active=len(active),
        active_ok=sum(sample.status == PipelineStatus.OK for sample in active),
        coverage_percent=100 * sum(target for target, _ in both) / source_total if source_total else None,
        eligible=sum(eligible) if eligible else None,
        mean_latency_seconds=fmean(latencies) if latencies else None,
        worst_lag_seconds=max(lags, default=None),
    )
