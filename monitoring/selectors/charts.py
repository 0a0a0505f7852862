"""The summary's two charts, from the portal's copy of the audit tables: bounded, indexed by start.

Days are the viewer's. Their boundaries go into the statement as UTC times, so that a day is right
in zones that are half an hour off too, and on the days on which the clocks change; and the database
returns a handful of rows however many runs there were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from django.db.models import Count, Q, Sum

from monitoring import scope
from monitoring.enums import ExecutionStatus, RunStatus
from monitoring.models import RunCopy, RunEntityCopy
from monitoring.selectors.history import run_tallies

CHART_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRuns:
    """Runs that started on one of the viewer's days, by status."""

    day: date
    counts: dict[RunStatus, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        """Runs with a verdict of their own: running and unknown ones are left out (METRICS)."""
        return sum(self.counts[status] for status in (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED))

    @property
    def success_percent(self) -> float | None:
        return 100 * self.counts[RunStatus.SUCCESS] / self.finished if self.finished else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineVolume:
    """Rows that one pipeline moved in the chart's days."""

    entity_name: str
    extracted: int
    upserted: int
    executions: int
    failed: int


def days_until(now: datetime, zone: tzinfo, days: int = CHART_DAYS) -> list[tuple[date, datetime]]:
    """Return the last `days` days of `zone`, oldest first, each with the UTC time at which it began."""
    today = now.astimezone(zone).date()
    wanted = [today - timedelta(days=back) for back in reversed(range(days))]
    return [(day, datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)) for day in wanted]


def runs_by_day(now: datetime, zone: tzinfo, days: int = CHART_DAYS) -> tuple[DayRuns, ...]:
    """Return the runs of each of the last `days` days by status, oldest first. One statement."""
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
    """The same for who sees some pipelines only: each run with the status that those give it."""
    counts = [dict.fromkeys(RunStatus, 0) for _ in starts]
    moments = [start for _, start in starts]
    for started_at, status in run_tallies(moments[0]):
        counts[bisect_right(moments, started_at) - 1][status] += 1
    return tuple(DayRuns(day=day, counts=each) for (day, _), each in zip(starts, counts, strict=True))


def volume_by_pipeline(now: datetime, zone: tzinfo, days: int = CHART_DAYS) -> tuple[PipelineVolume, ...]:
    """Return what each pipeline extracted and upserted in the last `days` days, most first. One statement."""
    since = days_until(now, zone, days)[0][1]
    rows = (
        RunEntityCopy.objects.filter(started_at__gte=since)
        .order_by("entity_name")
        .values("entity_name")
        .annotate(
            extracted_sum=Sum("extracted"),
            upserted_sum=Sum("upserted"),
            executions=Count("pk"),
            failed_count=Count("pk", filter=Q(status__iexact=ExecutionStatus.FAILED.value)),
        )
    )
    volumes = [
        PipelineVolume(
            entity_name=row["entity_name"],
            extracted=row["extracted_sum"] or 0,
            upserted=row["upserted_sum"] or 0,
            executions=row["executions"],
            failed=row["failed_count"],
        )
        for row in rows
    ]
    return tuple(sorted(volumes, key=lambda volume: (-volume.upserted, -volume.extracted, volume.entity_name)))
