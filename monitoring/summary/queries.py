"""The summary's queries on the `default` database."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from statistics import fmean
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Subquery, Sum

from monitoring.collector.store import run_tallies
from monitoring.models import CollectorState, PipelineRollup, PipelineSample, RunCopy, RunEntityCopy, scope
from monitoring.models.executions import listed_executions
from monitoring.rules.enums import RUN_FINISHED, ExecutionStatus, Grain, PipelineStatus, RunStatus
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
        return sum(self.counts[status] for status in RUN_FINISHED)

    @property
    def success_percent(self) -> float | None:
        return 100 * self.counts[RunStatus.SUCCESS] / self.finished if self.finished else None


def runs_by_day(now: datetime, zone: tzinfo) -> tuple[DayRuns, ...]:
    """Return the last CHART_DAYS days, oldest first. One statement."""
    starts = days_until(now, zone, CHART_DAYS)
    moments = [start for _, start in starts]
    counts = [dict.fromkeys(RunStatus, 0) for _ in starts]
    if scope.pipelines() is None:
        ends = [*moments[1:], moments[-1] + timedelta(days=2)]
        per_day = {
            f"d{index}": Count("pk", filter=Q(started_at__gte=start, started_at__lt=end))
            for index, (start, end) in enumerate(zip(moments, ends, strict=True))
        }
        runs: QuerySet[Any, Any] = RunCopy.objects.filter(started_at__gte=moments[0]).order_by("status")
        for row in runs.values("status").annotate(**per_day):
            for index, count in enumerate(counts):
                count[RunStatus.parse(row["status"])] += row[f"d{index}"]
    else:
        # The pipeline scope limits the executions, from which the run's status follows.
        for started_at, status in run_tallies(moments[0]):
            counts[bisect_right(moments, started_at) - 1][status] += 1
    return tuple(DayRuns(day=day, counts=count) for (day, _), count in zip(starts, counts, strict=True))


def recent_failures(now: datetime, *, logins: bool) -> list[Execution]:
    copies = RunEntityCopy.objects.filter(
        started_at__gte=now - timedelta(days=FAILURES_DAYS), status__iexact=ExecutionStatus.FAILED.value
    ).order_by("-started_at", "-run_entity_id")
    return listed_executions(copies[:FAILURES_READ], logins=logins)


def volume_by_pipeline(now: datetime, zone: tzinfo) -> list[Any]:
    """Return the sums of each pipeline, most upserted rows first. One statement."""
    found = (
        RunEntityCopy.objects.filter(started_at__gte=days_until(now, zone, CHART_DAYS)[0][1])
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


class TrendPoint(NamedTuple):
    """All pipelines at one sample, or over one hour or day. None: no pipeline had a value."""

    at: datetime
    active_ok: int
    coverage_percent: float | None
    eligible: float | None
    mean_latency_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """`points`: oldest first."""

    window: timedelta
    points: tuple[TrendPoint, ...]
    grain: Grain = Grain.RAW


_SAMPLED = ("is_active", "status", "source_total", "target_total", "eligible", "latency_seconds")
_ROLLED = ("is_active", "status_last", "source_total", "target_total", "eligible_avg", "latency_seconds_avg")


def sample_trend(now: datetime, window: str = DEFAULT_RANGE) -> Trend:
    """Return the last sample, hour or day of each of POINTS slots before `now`, the time of the newest sample.

    Two or three statements. An index seek finds each slot's row, so that the cost does not grow with the history.
    """
    rows: QuerySet[Any]
    grain, _step = resolution(RANGES[window], settings.SAMPLE_RETENTION_DAYS, settings.ROLLUP_RETENTION_DAYS)
    if grain is Grain.RAW:
        rows, column, figures = PipelineSample.objects.all(), "sampled_at", _SAMPLED
        oldest = rows.order_by(column).values_list(column, flat=True).first()
        if oldest is None:
            return Trend(window=WINDOWS[0], points=())
        reach = next((each for each in WINDOWS if now - oldest <= each), WINDOWS[-1])
    else:
        # A day can hold executions only.
        rows, column, figures = PipelineRollup.objects.filter(grain=grain, samples__gt=0), "start", _ROLLED
        reach = RANGES[window]
    by_time: dict[datetime, list[tuple[Any, ...]]] = {}
    at_those = rows.filter(**{f"{column}__in": _newest_per_slot(rows, column, now, reach / POINTS)})
    for at, *seen in at_those.order_by(column, "entity_name").values_list(column, *figures):
        by_time.setdefault(at, []).append(tuple(seen))
    return Trend(window=reach, points=tuple(_point(at, seen) for at, seen in by_time.items()), grain=grain)


def newest_point(snapshot: Snapshot) -> TrendPoint:
    overview = snapshot.overview
    return TrendPoint(
        at=snapshot.sampled_at,
        active_ok=sum(each.control.is_active and each.status is PipelineStatus.OK for each in snapshot.pipelines),
        coverage_percent=overview.coverage_percent,
        eligible=None if overview.eligible_total is None else overview.eligible_total.value,
        mean_latency_seconds=overview.mean_latency_seconds,
    )


def _newest_per_slot(rows: QuerySet[Any], column: str, now: datetime, step: timedelta) -> list[datetime]:
    """Return the time of each slot's newest row. Slots count from the epoch, so that a refresh does not move them."""
    seconds = step.total_seconds()
    last = datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, tz=now.tzinfo)
    slots = {}
    for back in reversed(range(POINTS)):
        end = last - step * back
        slot = rows.filter(**{f"{column}__gte": end - step, f"{column}__lt": end})
        slots[f"s{back}"] = Subquery(slot.order_by(f"-{column}").values(column)[:1])
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
