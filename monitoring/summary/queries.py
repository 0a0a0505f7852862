"""The summary's first block: what needs attention."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import Count, Q, Sum

from monitoring.collector.store import run_tallies
from monitoring.models import RunCopy, RunEntityCopy, scope
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.rules.facts import Snapshot, Verdict
from monitoring.rules.figures import CHART_DAYS, days_until

ATTENTION_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The worst open verdicts, and how many more there are."""

    verdicts: tuple[Verdict, ...]
    more: int

    @property
    def total(self) -> int:
        return len(self.verdicts) + self.more


def attention(snapshot: Snapshot, shown: int = ATTENTION_SHOWN) -> Attention:
    """Return the worst `shown` open verdicts (the snapshot has them worst first)."""
    return Attention(verdicts=snapshot.verdicts[:shown], more=max(0, len(snapshot.verdicts) - shown))


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
