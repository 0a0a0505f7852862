"""The summary's first block: what needs attention."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from statistics import median
from typing import Any

from django.db.models import Count, Q, Sum

from monitoring.collector.store import run_tallies
from monitoring.models import RunCopy, RunEntityCopy, scope
from monitoring.rules.enums import FINISHED, RUN_FINISHED, ExecutionStatus, Rule, RunStatus, Severity
from monitoring.rules.facts import Execution, Pipeline, Run, Snapshot, Verdict
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


ENOUGH = 5
"""METRICS: percentiles and medians of history need this many executions."""

CUT_AT = 500
"""`entities_requested` is a VARCHAR(500): a list this long may have been cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`done` of `total`, in rows or in pipelines."""

    done: int
    total: int

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.total) if self.total else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningExecution:
    """A running run entity. `usual`: seconds (10th percentile, median, 90th) of its successes."""

    execution: Execution
    elapsed_seconds: float
    usual: tuple[float, float, float] | None
    rows: Progress | None
    severity: Severity
    orphan: bool

    @property
    def late(self) -> bool:
        """Whether the rule "stuck run" holds."""
        return self.severity is not Severity.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRun:
    """An open run. `pipelines`: how many of the requested ones have finished, where that is known."""

    run: Run
    elapsed_seconds: float
    usual_seconds: float | None
    pipelines: Progress | None
    executions: tuple[RunningExecution, ...]
    orphan: bool


def running_now(snapshot: Snapshot) -> tuple[RunningRun, ...]:
    """Return the open runs, newest first; the abandoned ones (killed runner, CONTRACT rule 3) last."""
    runs = [_running(snapshot, run) for run in snapshot.running]
    return tuple(sorted(runs, key=lambda running: (running.orphan, -running.run.run_id)))


def _running(snapshot: Snapshot, run: Run) -> RunningRun:
    open_ones = [execution for execution in run.executions if execution.status is ExecutionStatus.RUNNING]
    executions = tuple(_execution(snapshot, execution) for execution in open_ones)
    return RunningRun(
        run=run,
        elapsed_seconds=max(0.0, (snapshot.sampled_at - run.started_at).total_seconds()),
        usual_seconds=_usual_seconds(snapshot, run),
        pipelines=_pipelines_done(run),
        executions=executions,
        orphan=_is_orphan(run, executions, snapshot),
    )


def _execution(snapshot: Snapshot, execution: Execution) -> RunningExecution:
    pipeline = snapshot.pipeline(execution.entity_name)
    severity, orphan = _stuck(pipeline, execution)
    return RunningExecution(
        execution=execution,
        elapsed_seconds=max(0.0, (snapshot.sampled_at - execution.started_at).total_seconds()),
        usual=pipeline.figures.usual_duration if pipeline else None,
        rows=_rows(pipeline, execution),
        severity=severity,
        orphan=orphan,
    )


def _stuck(pipeline: Pipeline | None, execution: Execution) -> tuple[Severity, bool]:
    """How badly the rule "stuck run" judges this execution, and whether nobody works on it any more.

    The rule tells one execution of the pipeline. Any other that is still open while a later one of
    the same pipeline has finished is an orphan too.
    """
    if pipeline is None:
        return Severity.OK, False
    for verdict in pipeline.verdicts:
        values = verdict.values or {}
        if verdict.rule == Rule.STUCK_RUN and values.get("run_id") == execution.run_id:
            return verdict.severity, values.get("orphan") is not None
    newest = pipeline.newest
    later = newest is not None and newest.run_id > execution.run_id and newest.status in FINISHED
    return (Severity.CRITICAL, True) if later else (Severity.OK, False)


def _rows(pipeline: Pipeline | None, execution: Execution) -> Progress | None:
    """Rows done against the rows there were to do, where both are known.

    The usual runner writes its counts at the end only (CONTRACT, rule 1): 0 while it runs is no
    progress but the absence of a figure. A runner that counts as it goes is believed. The watermark
    moves at the end, so the eligible rows of the newest sample still are those of this execution.
    """
    done = execution.upserted
    eligible = pipeline.source.eligible if pipeline else None
    if done <= 0 or eligible is None or eligible.capped or eligible.value < done:
        return None
    return Progress(done=done, total=eligible.value)


def _pipelines_done(run: Run) -> Progress | None:
    if len(run.entities_requested) >= CUT_AT:
        return None
    requested = {name.strip() for name in run.entities_requested.split(",") if name.strip()}
    done = sum(execution.status in FINISHED for execution in run.executions)
    total = max(len(requested), len(run.executions))
    return Progress(done=done, total=total) if total else None


def _usual_seconds(snapshot: Snapshot, run: Run) -> float | None:
    """The median duration of the newest successful runs over the same pipelines, at least ENOUGH of them."""
    seconds = [
        (other.finished_at - other.started_at).total_seconds()
        for other in snapshot.recent_runs
        if other.status is RunStatus.SUCCESS
        and other.finished_at is not None
        and other.entities_requested == run.entities_requested
    ]
    return median(seconds) if len(seconds) >= ENOUGH else None


def _is_orphan(run: Run, executions: tuple[RunningExecution, ...], snapshot: Snapshot) -> bool:
    """Whether nobody works on the run any more: all its open executions are abandoned, or it has none
    and a later run that started after it has already finished."""
    if executions:
        return all(execution.orphan for execution in executions)
    return any(other.run_id > run.run_id and other.status in RUN_FINISHED for other in snapshot.recent_runs)


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
