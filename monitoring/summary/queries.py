"""The summary's queries on the `default` database."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from statistics import fmean
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Subquery, Sum

from monitoring.collector.store import run_tallies
from monitoring.models import CollectorState, PipelineRollup, PipelineSample, RunCopy, RunEntityCopy, scope
from monitoring.models.executions import execution_of
from monitoring.rules.enums import ExecutionStatus, Grain, PipelineStatus, RunStatus
from monitoring.rules.facts import Execution, Snapshot
from monitoring.rules.figures import CHART_DAYS, DEFAULT_RANGE, RANGES, days_until, resolution

FAILURES_DAYS = 7
FAILURES_READ = 500
"""Bounds the read when every execution fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRuns:
    """Runs that started on one day of the user's time zone."""

    day: date
    counts: dict[RunStatus, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        """Running and unknown runs do not count (METRICS)."""
        return sum(self.counts[status] for status in (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED))

    @property
    def success_percent(self) -> float | None:
        return 100 * self.counts[RunStatus.SUCCESS] / self.finished if self.finished else None


def runs_by_day(now: datetime, zone: tzinfo, days: int = CHART_DAYS) -> tuple[DayRuns, ...]:
    """Return the last `days` days, oldest first. One statement."""
    starts = days_until(now, zone, days)
    if scope.pipelines() is not None:
        return _tallied(starts)
    ends = [start for _, start in starts[1:]] + [starts[-1][1] + timedelta(days=2)]
    per_day = {
        f"d{index}": Count("pk", filter=Q(started_at__gte=start, started_at__lt=end))
        for index, ((_, start), end) in enumerate(zip(starts, ends, strict=True))
    }
    rows: list[Any] = list(
        RunCopy.objects.filter(started_at__gte=starts[0][1]).order_by("status").values("status").annotate(**per_day)
    )
    result = []
    for index, (day, _) in enumerate(starts):
        counts = dict.fromkeys(RunStatus, 0)
        for row in rows:
            counts[RunStatus.parse(row["status"])] += row[f"d{index}"]
        result.append(DayRuns(day=day, counts=counts))
    return tuple(result)


def _tallied(starts: Sequence[tuple[date, datetime]]) -> tuple[DayRuns, ...]:
    """Take each run's status from the executions that the pipeline scope allows."""
    counts = [dict.fromkeys(RunStatus, 0) for _ in starts]
    moments = [start for _, start in starts]
    for started_at, status in run_tallies(moments[0]):
        counts[bisect_right(moments, started_at) - 1][status] += 1
    return tuple(DayRuns(day=day, counts=each) for (day, _), each in zip(starts, counts, strict=True))


def recent_failures(now: datetime, days: int = FAILURES_DAYS, *, logins: bool) -> list[Execution]:
    copies = RunEntityCopy.objects.filter(
        started_at__gte=now - timedelta(days=days), status__iexact=ExecutionStatus.FAILED.value
    ).order_by("-started_at", "-run_entity_id")
    return [execution_of(copy, logins=logins) for copy in copies[:FAILURES_READ]]


def volume_by_pipeline(now: datetime, zone: tzinfo, days: int = CHART_DAYS) -> list[Any]:
    """Return the sums of each pipeline, most upserted rows first. One statement."""
    found = (
        RunEntityCopy.objects.filter(started_at__gte=days_until(now, zone, days)[0][1])
        .values("entity_name")
        .annotate(
            rows_extracted=Sum("extracted"),
            rows_upserted=Sum("upserted"),
            executions=Count("pk"),
            failed=Count("pk", filter=Q(status__iexact=ExecutionStatus.FAILED.value)),
        )
        .order_by("-rows_upserted", "-rows_extracted", "entity_name")
    )
    return list(found)


POINTS = 24
WINDOWS = (timedelta(minutes=24), timedelta(hours=2), timedelta(hours=6), timedelta(hours=24))
"""Time spans of a trend of samples: the first that covers all samples, else the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """All pipelines at one sample, or over one hour or day. None: no pipeline had a value."""

    at: datetime
    active_ok: int
    coverage_percent: float | None
    eligible: float | None
    mean_latency_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    window: timedelta
    points: tuple[TrendPoint, ...]
    grain: Grain = Grain.RAW


_SAMPLED = ("is_active", "status", "source_total", "target_total", "eligible", "latency_seconds")
_ROLLED = ("is_active", "status_last", "source_total", "target_total", "eligible_avg", "latency_seconds_avg")


def _rows_of(grain: Grain) -> QuerySet[Any]:
    if grain is Grain.RAW:
        return PipelineSample.objects.all()
    # A day can hold executions only.
    return PipelineRollup.objects.filter(grain=grain, samples__gt=0)


def sample_trend(now: datetime, window: str = DEFAULT_RANGE) -> Trend:
    """Return the last sample, hour or day of each of POINTS slots before `now`, the time of the newest sample.

    Two or three statements. An index seek finds each slot's row, so that the cost does not grow with the history.
    """
    grain, _step = resolution(RANGES[window], settings.SAMPLE_RETENTION_DAYS, settings.ROLLUP_RETENTION_DAYS)
    reach = _held(now) if grain is Grain.RAW else RANGES[window]
    if reach is None:
        return Trend(window=WINDOWS[0], points=())
    rows, step = _rows_of(grain), reach / POINTS
    column, figures = ("sampled_at", _SAMPLED) if grain is Grain.RAW else ("start", _ROLLED)
    times = _newest_per_slot(rows, column, _slot_ends(now, step), step)
    by_time: dict[datetime, list[tuple[Any, ...]]] = {}
    at_those = rows.filter(**{f"{column}__in": times}).order_by(column, "entity_name")
    for at, *seen in at_those.values_list(column, *figures):
        by_time.setdefault(at, []).append(tuple(seen))
    points = tuple(_point(at, seen) for at, seen in by_time.items())
    return Trend(window=reach, points=points, grain=grain)


def newest_point(snapshot: Snapshot) -> TrendPoint:
    overview = snapshot.overview
    active = [pipeline for pipeline in snapshot.pipelines if pipeline.control.is_active]
    return TrendPoint(
        at=snapshot.sampled_at,
        active_ok=sum(pipeline.status is PipelineStatus.OK for pipeline in active),
        coverage_percent=overview.coverage_percent,
        eligible=None if overview.eligible_total is None else overview.eligible_total.value,
        mean_latency_seconds=overview.mean_latency_seconds,
    )


def _held(now: datetime) -> timedelta | None:
    """Return the first of WINDOWS that covers all samples, or None without samples."""
    oldest = PipelineSample.objects.order_by("sampled_at").values_list("sampled_at", flat=True).first()
    if oldest is None:
        return None
    return next((window for window in WINDOWS if now - oldest <= window), WINDOWS[-1])


def _slot_ends(now: datetime, step: timedelta) -> list[datetime]:
    """Return the slots' ends, oldest first, as multiples of `step` since the epoch: a refresh must not move them."""
    seconds = step.total_seconds()
    last = datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, tz=now.tzinfo)
    return [last - step * back for back in reversed(range(POINTS))]


def _newest_per_slot(rows: QuerySet[Any], column: str, ends: Sequence[datetime], step: timedelta) -> list[datetime]:
    def newest(end: datetime) -> Subquery:
        slot = rows.filter(**{f"{column}__gte": end - step, f"{column}__lt": end})
        return Subquery(slot.order_by(f"-{column}").values(column)[:1])

    slots = {f"s{index}": newest(end) for index, end in enumerate(ends)}
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON).annotate(**slots)
    found = row.values_list(*slots).first() or ()
    return [at for at in found if at is not None]


def _point(at: datetime, rows: Sequence[tuple[Any, ...]]) -> TrendPoint:
    """`rows`: is_active, status, source and target total, eligible rows and latency (seconds) of each pipeline."""
    both = [(source, target) for _, _, source, target, *_ in rows if source and target is not None]
    source_total = sum(source for source, _ in both)
    eligible = [ready for *_, ready, _ in rows if ready is not None]
    active = [row for row in rows if row[0]]
    latencies = [latency for *_, latency in active if latency is not None]
    return TrendPoint(
        at=at,
        active_ok=sum(status == PipelineStatus.OK for _, status, *_ in active),
        coverage_percent=100 * sum(target for _, target in both) / source_total if source_total else None,
        eligible=sum(eligible) if eligible else None,
        mean_latency_seconds=fmean(latencies) if latencies else None,
    )
