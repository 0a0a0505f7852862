"""The trend of all pipelines together: from samples, or from roll-ups for a longer window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Subquery

from monitoring.models import CollectorState, PipelineRollup, PipelineSample
from monitoring.rules.enums import Grain, PipelineStatus
from monitoring.rules.facts import Snapshot
from monitoring.rules.figures import DEFAULT_RANGE, RANGES, Resolution, resolution


def resolution_of(window: str, raw_days: int) -> Resolution:
    """Return from what a window is drawn, whose raw rows are kept for so many days."""
    return resolution(
        RANGES[window],
        {
            Grain.RAW: timedelta(days=raw_days),
            Grain.HOUR: timedelta(days=settings.ROLLUP_RETENTION_DAYS),
        },
    )


POINTS = 24
WINDOWS = (timedelta(minutes=24), timedelta(hours=2), timedelta(hours=6), timedelta(hours=24))
"""How far back a trend of samples reaches: the shortest that holds all of them, at most a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """All pipelines at one sample, or over one hour or day. None: none had a value. Rows, percent and seconds."""

    at: datetime
    active: int
    active_ok: int
    coverage_percent: float | None
    eligible: float | None
    mean_latency_seconds: float | None
    worst_lag_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Points oldest first, over `window`. Fewer than two points are no trend."""

    window: timedelta
    points: tuple[TrendPoint, ...]
    grain: Grain = Grain.RAW


_SAMPLED = ("is_active", "status", "source_total", "target_total", "eligible", "latency_seconds", "served_lag_seconds")
_ROLLED = (
    *("is_active", "status_last", "source_total", "target_total"),
    *("eligible_avg", "latency_seconds_avg", "served_lag_seconds_max"),
)


def _rows_of(grain: Grain) -> QuerySet[Any]:
    if grain is Grain.RAW:
        return PipelineSample.objects.all()
    # A day can hold executions only.
    return PipelineRollup.objects.filter(grain=grain, samples__gt=0)


def sample_trend(now: datetime, window: str = DEFAULT_RANGE) -> Trend:
    """Return the last sample, hour or day of each of POINTS slots before `now` (the newest sample's time).

    Three statements whose cost does not grow with the history: the oldest sample, the newest one in
    each slot (an index seek each), the rows of those samples. Two of a range that is drawn from roll-ups.
    """
    found = resolution_of(window, settings.SAMPLE_RETENTION_DAYS)
    reach = RANGES[window] if found.rolled_up else _held(now)
    if reach is None:
        return Trend(window=WINDOWS[0], points=())
    rows, step = _rows_of(found.grain), reach / POINTS
    column, figures = ("start", _ROLLED) if found.rolled_up else ("sampled_at", _SAMPLED)
    times = _newest_per_slot(rows, column, _slot_ends(now, step), step)
    by_time: dict[datetime, list[tuple[Any, ...]]] = {}
    at_those = rows.filter(**{f"{column}__in": times}).order_by(column, "entity_name")
    for at, *seen in at_those.values_list(column, *figures):
        by_time.setdefault(at, []).append(tuple(seen))
    points = tuple(_point(at, seen) for at, seen in by_time.items())
    return Trend(window=reach, points=points, grain=found.grain)


def newest_point(snapshot: Snapshot) -> TrendPoint:
    """Return the newest sample as a point: where a trend of roll-ups has got to by now."""
    overview = snapshot.overview
    active = [pipeline for pipeline in snapshot.pipelines if pipeline.control.is_active]
    return TrendPoint(
        at=snapshot.sampled_at,
        active=len(active),
        active_ok=sum(pipeline.status is PipelineStatus.OK for pipeline in active),
        coverage_percent=overview.coverage_percent,
        eligible=None if overview.eligible_total is None else overview.eligible_total.value,
        mean_latency_seconds=overview.mean_latency_seconds,
        worst_lag_seconds=overview.worst_lag_seconds,
    )


def _held(now: datetime) -> timedelta | None:
    """Return the shortest window that holds all samples; None without any."""
    oldest = PipelineSample.objects.order_by("sampled_at").values_list("sampled_at", flat=True).first()
    if oldest is None:
        return None
    return next((window for window in WINDOWS if now - oldest <= window), WINDOWS[-1])


def _slot_ends(now: datetime, step: timedelta) -> list[datetime]:
    """Return the ends of the slots, oldest first. Whole steps since the epoch, so that they stay
    where they are from one refresh to the next; the last slot is the one that `now` is in."""
    seconds = step.total_seconds()
    last = datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, tz=now.tzinfo)
    return [last - step * back for back in reversed(range(POINTS))]


def _newest_per_slot(rows: QuerySet[Any], column: str, ends: Sequence[datetime], step: timedelta) -> list[datetime]:
    """Return the time of the newest row of each slot; a slot without one gives none."""

    def newest(end: datetime) -> Subquery:
        slot = rows.filter(**{f"{column}__gte": end - step, f"{column}__lt": end})
        return Subquery(slot.order_by(f"-{column}").values(column)[:1])

    slots = {f"s{index}": newest(end) for index, end in enumerate(ends)}
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).annotate(**slots)
    found = row.values_list(*slots).first() or ()
    return [at for at in found if at is not None]


def _point(at: datetime, rows: Sequence[tuple[Any, ...]]) -> TrendPoint:
    """Sum up the rows of one time: is_active, status, totals, eligible rows, latency, lag of each pipeline."""
    both = [(source, target) for _, _, source, target, *_ in rows if source and target is not None]
    source_total = sum(source for source, _ in both)
    eligible = [rows_ready for *_, rows_ready, _, _ in rows if rows_ready is not None]
    active = [row for row in rows if row[0]]
    latencies = [latency for *_, latency, _ in active if latency is not None]
    lags = [lag for *_, lag in active if lag is not None]
    return TrendPoint(
        at=at,
        active=len(active),
        active_ok=sum(status == PipelineStatus.OK for _, status, *_ in active),
        coverage_percent=100 * sum(target for _, target in both) / source_total if source_total else None,
        eligible=sum(eligible) if eligible else None,
        mean_latency_seconds=fmean(latencies) if latencies else None,
        worst_lag_seconds=max(lags, default=None),
    )
