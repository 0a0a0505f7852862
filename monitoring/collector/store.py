"""The collector's rows in `default`: the tick that it stores, and the history and settings that it reads back."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise, takewhile
from statistics import median
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, Count, DateTimeField, F, Max, Q, QuerySet, Value, When

from monitoring.collector.lease import LeaseLost
from monitoring.models import (
    CollectorState,
    PipelineRollup,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    scope,
)
from monitoring.models.executions import execution_of, with_executions
from monitoring.rules.enums import ExecutionStatus, Grain, RunStatus
from monitoring.rules.facts import Execution, History, Pipeline, Run, Watermark
from monitoring.rules.figures import finished
from monitoring.rules.rollups import hour_of
from monitoring.rules.status import EligibleSample

logger = logging.getLogger(__name__)

BATCH = 200

# How far the roll-ups are, and how far back their sources are complete, are columns of the collector's row.
# `*_rolled_to`: everything before it is rolled up. Moving it back makes work and never loses anything.


def not_beyond(column: str, moment: datetime) -> Case:
    """Return an UPDATE expression: the earlier of the column and `moment`."""
    later = When(**{f"{column}__gt": moment}, then=Value(moment, output_field=DateTimeField()))
    return Case(later, default=F(column), output_field=DateTimeField())


def rolled_before(column: str, moment: datetime) -> datetime | None:
    """Return the earlier of `moment` and the end of the rolled up rows; None if nothing is rolled up."""
    done = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list(column, flat=True).first()
    return None if done is None else min(done, moment)


def note_kept(column: str, moment: datetime) -> None:
    """Record that rows older than `moment` may be deleted, so they are never rolled up again."""
    unset_or_earlier = Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lt": moment})
    CollectorState.objects.filter(unset_or_earlier, pk=CollectorState.SINGLETON).update(**{column: moment})


def delete_oldest(rows: QuerySet[Any], column: str, limit: int) -> int:
    """Delete up to `limit` of the rows, those with the lowest `column` first. Return their number."""
    keys = list(rows.order_by(column, "pk").values_list("pk", flat=True)[:limit])
    for start in range(0, len(keys), BATCH):
        rows.model._default_manager.filter(pk__in=keys[start : start + BATCH]).delete()
    return len(keys)


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
    """Store the snapshot and a sample per pipeline in one transaction.

    `now` is this machine's clock, `sampled_at` the warehouse's. Raises LeaseLost if `holder` lost the lease.
    """
    stored = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder).update(
        ticked_at=now,
        tick_milliseconds=milliseconds,
        sampled_at=sampled_at,
        version=version,
        payload=payload,
        # The hour may be rolled up already, where a clock went back or a tick was slow.
        hours_rolled_to=not_beyond("hours_rolled_to", hour_of(sampled_at)),
    )
    if stored != 1:
        raise LeaseLost(holder)
    try:
        with transaction.atomic():
            PipelineSample.objects.bulk_create([_sample(each, sampled_at) for each in pipelines], batch_size=BATCH)
    except IntegrityError:
        # The warehouse's clock went back to a time that has a sample: that sample is kept.
        logger.warning("no samples stored for %s: that time was sampled before", sampled_at.isoformat())


def _sample(pipeline: Pipeline, sampled_at: datetime) -> PipelineSample:
    source, target, control = pipeline.source, pipeline.target, pipeline.control
    problem = source.problem or target.problem
    latency, lag = pipeline.figures.latency_seconds, pipeline.figures.served_lag_seconds
    return PipelineSample(
        entity_name=pipeline.name,
        sampled_at=sampled_at,
        status=pipeline.status.value,
        is_active=control.is_active,
        source_total=source.total,
        target_total=target.total,
        eligible=source.eligible.value if source.eligible else None,
        cooling=source.cooling.value if source.cooling else None,
        latency_seconds=None if latency is None else round(latency),
        served_lag_seconds=None if lag is None else round(lag),
        watermark_updated_at=control.watermark.updated_at,
        watermark_id=control.watermark.id,
        run_entity_id=pipeline.newest.run_entity_id if pipeline.newest else None,
        problem=problem.code.value if problem else "",
    )


EXAMINED = 100
"""Executions read per pipeline: enough for 30 successes among failures."""
USUAL = 30
"""METRICS: the number of executions, and of successes, that define typical values."""
OPEN_LIMIT = 500
RECENT_RUNS, OPEN_RUNS = 30, 50
"""Runs in the snapshot: the newest, and the unfinished."""
WINDOW_EDGE = 20
"""Runs at the edge of a window that are searched for the smallest run_id. Ids follow the clock, except for races."""
WEEK = timedelta(days=7)
DAY = timedelta(days=1)
MINIMUM_HOURS = 5
"""Roll-ups needed for a coverage median: METRICS' minimum for a percentile."""
KNOWN = (ExecutionStatus.RUNNING, ExecutionStatus.SUCCESS, ExecutionStatus.FAILED)


def first_run_since(since: datetime) -> int:
    """Return the smallest run_id of the runs since then, or one more than the newest if there is none."""
    found = RunCopy.objects.filter(started_at__gte=since).order_by("started_at").values_list("run_id", flat=True)
    newest = RunCopy.objects.aggregate(newest=Max("run_id"))["newest"]
    return min(found[:WINDOW_EDGE], default=(newest or 0) + 1)


def execution_history(entity_name: str, now: datetime, week_run_id: int = 0) -> History:
    """Return the history of one pipeline's copied executions. Two statements, three after 100 failures.

    `week_run_id`: a lower bound for the runs of the last 7 days (first_run_since), so that counting reads only one
    pipeline's part of an index.
    """
    own = RunEntityCopy.objects.filter(entity_name=entity_name).order_by("-run_id", "-run_entity_id")
    newest = [execution_of(copy, logins=True) for copy in own[:EXAMINED]]
    ended = finished(newest)
    successes = [each for each in ended if each.status is ExecutionStatus.SUCCESS]
    finishes = [each.finished_at for each in ended[: USUAL + 1] if each.finished_at is not None]
    own_week = RunEntityCopy.objects.filter(
        entity_name=entity_name, run_id__gte=week_run_id, started_at__gte=now - WEEK
    )
    week = own_week.aggregate(
        executions=Count("pk", filter=Q(status__in=(ExecutionStatus.SUCCESS, ExecutionStatus.FAILED))),
        failures=Count("pk", filter=Q(status=ExecutionStatus.FAILED)),
    )
    return History(
        recent=tuple(newest[:USUAL]),
        durations=tuple(_seconds(each.started_at, each.finished_at) for each in successes[:USUAL] if each.finished_at),
        volumes=tuple(each.extracted for each in successes[:USUAL]),
        taken=tuple((each.finished_at, each.extracted) for each in successes if each.finished_at is not None),
        gaps=tuple(_seconds(earlier, later) for later, earlier in pairwise(finishes)),
        executions_7d=week["executions"],
        failures_7d=week["failures"],
        failing_since=_failing_since(entity_name, ended),
    )


def _failing_since(entity_name: str, ended: Sequence[Execution]) -> datetime | None:
    streak = list(takewhile(lambda each: each.status is ExecutionStatus.FAILED, ended))
    if not streak:
        return None
    if len(streak) < len(ended) or len(ended) < EXAMINED // 2:
        return streak[-1].ended_at
    # All that was read failed: find the first failure after the last success, however old.
    own = RunEntityCopy.objects.filter(entity_name=entity_name)
    success = own.filter(status=ExecutionStatus.SUCCESS).aggregate(run_id=Max("run_id"))["run_id"]
    first = own.filter(status=ExecutionStatus.FAILED, run_id__gt=success or 0).order_by("run_id").first()
    return execution_of(first, logins=True).ended_at if first is not None else streak[-1].ended_at


def open_executions() -> dict[str, tuple[Execution, ...]]:
    copies = RunEntityCopy.objects.filter(finished_at__isnull=True).order_by("-run_id")[:OPEN_LIMIT]
    found: dict[str, tuple[Execution, ...]] = {}
    for copy in copies:
        execution = execution_of(copy, logins=True)
        if execution.status is ExecutionStatus.RUNNING:
            found[copy.entity_name] = (*found.get(copy.entity_name, ()), execution)
    return found


class RunFigures(NamedTuple):
    """Figures over all runs at `at`. `throughputs`: (upserted rows, seconds) of successes of the last day."""

    at: datetime
    day: Mapping[str, int]
    week: Mapping[str, int]
    throughputs: list[tuple[int, float]]
    recent: tuple[Run, ...]
    running: tuple[Run, ...]


def run_figures(at: datetime) -> RunFigures:
    running = RunCopy.objects.filter(finished_at__isnull=True, status=RunStatus.RUNNING).order_by("-run_id")
    return RunFigures(
        at=at,
        day=run_counts(at - DAY),
        week=run_counts(at - WEEK),
        throughputs=throughputs(at - DAY),
        recent=with_executions(RunCopy.objects.order_by("-run_id")[:RECENT_RUNS], logins=True),
        running=with_executions(running[:OPEN_RUNS], logins=True),
    )


def run_counts(since: datetime) -> Mapping[str, int]:
    """Return how many runs started since then, by status."""
    if scope.pipelines() is not None:
        return Counter(status for _, status in run_tallies(since))
    runs = RunCopy.objects.filter(started_at__gte=since).order_by("status").values_list("status")
    return dict(runs.annotate(runs=Count("run_id")))


def run_tallies(since: datetime) -> list[tuple[datetime, RunStatus]]:
    """Return (start, status) of the runs since then, within the pipeline scope.

    The status follows from the executions in scope. One statement, one row per run.
    """
    rows: Iterable[Mapping[str, Any]] = (
        RunEntityCopy.objects.filter(run__started_at__gte=since)
        .order_by("run_id")
        .values("run_id", "run__started_at")
        .annotate(
            running=Count("pk", filter=Q(status__iexact=ExecutionStatus.RUNNING)),
            success=Count("pk", filter=Q(status__iexact=ExecutionStatus.SUCCESS)),
            failed=Count("pk", filter=Q(status__iexact=ExecutionStatus.FAILED)),
            every=Count("pk"),
        )
    )
    tallies = []
    for row in rows:
        statuses = {status for status in KNOWN if row[status.value]}
        if sum(row[status.value] for status in KNOWN) < row["every"]:
            statuses.add(ExecutionStatus.UNKNOWN)
        tallies.append((row["run__started_at"], RunStatus.of(statuses)))
    return tallies


def throughputs(since: datetime) -> list[tuple[int, float]]:
    """Return (upserted rows, seconds) of the successful executions."""
    rows = RunEntityCopy.objects.filter(
        started_at__gte=since, status=ExecutionStatus.SUCCESS, finished_at__isnull=False
    ).values_list("upserted", "started_at", "finished_at")
    return [
        (upserted, _seconds(started, finish))
        for upserted, started, finish in rows.order_by("started_at")
        if finish is not None
    ]


def eligible_samples(since: datetime) -> list[tuple[str, EligibleSample]]:
    """Return (pipeline, (time, eligible rows, watermark)), oldest first."""
    rows = (
        PipelineSample.objects.filter(sampled_at__gte=since)
        .order_by("sampled_at")
        .values_list("entity_name", "sampled_at", "eligible", "watermark_updated_at", "watermark_id")
    )
    return [
        (name, (at, eligible, Watermark(moved, key)))
        for name, at, eligible, moved, key in rows
        if eligible is not None and moved is not None and key is not None
    ]


def coverage_medians(since: datetime) -> dict[str, float]:
    """Return the median coverage (percent) by pipeline over its hourly roll-ups."""
    rows = (
        PipelineRollup.objects.filter(grain=Grain.HOUR, start__gte=since, coverage_percent_last__isnull=False)
        .order_by("entity_name")
        .values_list("entity_name", "coverage_percent_last")
    )
    values: dict[str, list[float]] = {}
    for name, percent in rows:
        if percent is not None:
            values.setdefault(name, []).append(percent)
    return {name: median(hours) for name, hours in values.items() if len(hours) >= MINIMUM_HOURS}


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def pipeline_settings() -> dict[str, PipelineSettings]:
    return default_settings() | {row.entity_name: row for row in PipelineSettings.objects.all()}


def default_settings() -> dict[str, PipelineSettings]:
    """Return the settings of REQUIRED_PIPELINES, which apply without a stored row."""
    return {name: PipelineSettings(entity_name=name) for name in settings.REQUIRED_PIPELINES}


def required_names(configured: Mapping[str, PipelineSettings]) -> tuple[str, ...]:
    return tuple(sorted(name for name, each in configured.items() if each.required))
