"""How the overview's figures moved: at most POINTS looks at the samples or roll-ups, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

from django.conf import settings
from django.db.models import Manager, QuerySet, Subquery

from monitoring.enums import PipelineStatus
from monitoring.models import CollectorState, PipelineDay, PipelineHour, PipelineSample
from monitoring.policies.facts import Snapshot
from monitoring.policies.ranges import DEFAULT_RANGE, RANGES, Grain
from monitoring.selectors.series import resolution_of

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One pipeline at one sample, or over one hour or day: what a point is made of."""

    active: bool
    ok: bool
    totals: tuple[int | None, int | None]
    eligible: float | None
    latency: float | None
    lag: float | None


@dataclass(frozen=True, slots=True)
class _Source:
    """A table of looks: the columns of their time, status and figures. Of a roll-up: means, the longest lag, the last
    totals and status."""

    rows: Manager[Any]
    column: str
    status: str
    figures: tuple[str, str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, "is_active", self.status, "source_total", "target_total", *self.figures)


_SAMPLED = ("eligible", "latency_seconds", "served_lag_seconds")
_ROLLED = ("eligible_avg", "latency_seconds_avg", "served_lag_seconds_max")
_SOURCES = {
    Grain.RAW: _Source(PipelineSample.objects, "sampled_at", "status", _SAMPLED),
    Grain.HOUR: _Source(PipelineHour.objects, "hour", "status_last", _ROLLED),
    Grain.DAY: _Source(PipelineDay.objects, "day", "status_last", _ROLLED),
}


def sample_trend(now: datetime, window: str = DEFAULT_RANGE) -> Trend:
    """Return the last sample, hour or day of each of POINTS slots before `now` (the newest sample's time).

    Three statements whose cost does not grow with the history: the oldest sample, the newest one in
    each slot (an index seek each), the rows of those samples. Two of a range that is drawn from roll-ups.
    """
    found = resolution_of(window, settings.SAMPLE_RETENTION_DAYS)
    reach = RANGES[window] if found.rolled_up else _held(now)
    if reach is None:
        return Trend(window=WINDOWS[0], points=())
    source, step = _SOURCES[found.grain], reach / POINTS
    times = _newest_per_slot(source, _slot_ends(now, step), step)
    rows = source.rows.filter(**{f"{source.column}__in": times}).order_by(source.column, "entity_name")
    by_time: dict[datetime, list[_Seen]] = {}
    for at, active, status, begun, loaded, eligible, latency, lag in rows.values_list(*source.columns):
        look = _Seen(
            active=bool(active),
            ok=status == PipelineStatus.OK,
            totals=(begun, loaded),
            eligible=eligible,
            latency=latency,
            lag=lag,
        )
        by_time.setdefault(at, []).append(look)
    points = tuple(_point(at, looks) for at, looks in by_time.items())
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


def _newest_per_slot(source: _Source, ends: Sequence[datetime], step: timedelta) -> list[datetime]:
    """Return the time of the newest row of each slot; a slot without one gives none."""
    newest = {f"s{index}": Subquery(_newest_before(source, end, end - step)) for index, end in enumerate(ends)}
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).annotate(**newest)
    found = row.values_list(*newest).first() or ()
    return [at for at in found if at is not None]


def _newest_before(source: _Source, end: datetime, start: datetime) -> QuerySet[Any, datetime]:
    between = {f"{source.column}__gte": start, f"{source.column}__lt": end}
    rows: QuerySet[Any, datetime] = source.rows.filter(**between).order_by(f"-{source.column}")
    return rows.values_list(source.column, flat=True)[:1]


def _point(at: datetime, looks: Iterable[_Seen]) -> TrendPoint:
    listed = list(looks)
    both = [each.totals for each in listed if each.totals[0] and each.totals[1] is not None]
    source_total = sum(source or 0 for source, _ in both)
    eligible = [each.eligible for each in listed if each.eligible is not None]
    active = [each for each in listed if each.active]
    latencies = [each.latency for each in active if each.latency is not None]
    lags = [each.lag for each in active if each.lag is not None]
    return TrendPoint(
        at=at,
        active=len(active),
        active_ok=sum(each.ok for each in active),
        coverage_percent=100 * sum(target or 0 for _, target in both) / source_total if source_total else None,
        eligible=sum(eligible) if eligible else None,
        mean_latency_seconds=fmean(latencies) if latencies else None,
        worst_lag_seconds=max(lags, default=None),
    )
