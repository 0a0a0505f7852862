"""The portal's own tables as a collector leaves them for given pipelines.

Two pipelines have distinctive words in all their data, so that a test can search a response for those of the other
one. The same history can be stored with all pipelines or with some: a page for a user limited to some must equal the
page of a world without the others.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from monitoring.collector import store as history
from monitoring.collector.copies import execution_error_columns, run_error_columns
from monitoring.models import (
    CollectorState,
    IntegrityReport,
    PipelineRollup,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
)
from monitoring.rules.enums import ExecutionStatus, Grain, PipelineStatus, RunStatus
from monitoring.rules.error_text import parse
from monitoring.rules.facts import Count, Execution, Pipeline, Snapshot
from monitoring.rules.overview import overview
from tests import factories
from tests.factories import NOW

MINE, ALSO_MINE, OTHER = "dim_mine", "dim_mine_too", "dim_zqother"
EVERY = (MINE, ALSO_MINE, OTHER)
CANARY = "zqother"
"""This word is in all data of OTHER: its name, tables and errors."""

S, F, R = ExecutionStatus.SUCCESS, ExecutionStatus.FAILED, ExecutionStatus.RUNNING
RUNS: dict[int, tuple[timedelta, dict[str, ExecutionStatus]]] = {
    1: (timedelta(days=6), {MINE: S}),
    2: (timedelta(days=5), {OTHER: F}),
    3: (timedelta(days=2), {MINE: F, OTHER: S}),
    4: (timedelta(hours=20), {MINE: S, ALSO_MINE: F, OTHER: F}),
    5: (timedelta(hours=8), {MINE: S, OTHER: F}),
    6: (timedelta(hours=3), {OTHER: S}),
    7: (timedelta(hours=2), {MINE: S, ALSO_MINE: S, OTHER: S}),
    8: (timedelta(hours=1), {MINE: F, OTHER: F}),
    9: (timedelta(minutes=20), {OTHER: R}),
    10: (timedelta(minutes=10), {MINE: R, OTHER: S}),
}
"""How long before NOW each run began, and what its pipelines came to."""


def error(name: str) -> str:
    """The error messages. OTHER has its own, so that it is another failure group."""
    what = "Invalid column name" if name == OTHER else "Invalid object name"
    return f"OperationalError: ('42S02', \"{what} 'fact.{name.upper()}'. ({207 if name == OTHER else 208})\")"


def group_of(name: str) -> str:
    """Return the fingerprint of what failed in that pipeline; of no failure for one that there is not."""
    return parse(error(name)).fingerprint if name in EVERY else "0" * 16


def build(names: Collection[str] = EVERY) -> Snapshot:
    """Leave the copies, samples and settings of these pipelines; return the snapshot that belongs to them."""
    for model in (RunEntityCopy, RunCopy, PipelineSample, PipelineRollup, IntegrityReport, PipelineSettings):
        model._base_manager.all().delete()
    for run_id, (since, statuses) in RUNS.items():
        shown = {name: status for name, status in statuses.items() if name in names}
        if shown:
            _run(run_id, NOW - since, shown)
    for name in names:
        _past(name)
    CollectorState.objects.update_or_create(
        pk=CollectorState.SINGLETON, defaults={"copied_from_run_id": 1, "copied_to_run_id": 10, "copied_all": True}
    )
    return build_snapshot(names)


def build_snapshot(names: Collection[str]) -> Snapshot:
    """Return the snapshot that belongs to what the tables hold of these pipelines."""
    pipelines = tuple(_pipeline(name) for name in sorted(names))
    runs = history.run_figures(NOW)
    return factories.snapshot(
        *pipelines,
        overview=overview(
            pipelines,
            day=runs.day,
            week=runs.week,
            throughputs=runs.throughputs,
            last_run=runs.recent[0],
        ),
        recent_runs=runs.recent,
        running=runs.running,
    )


def _run(run_id: int, started: datetime, statuses: dict[str, ExecutionStatus]) -> None:
    """A run as the runner writes it (CONTRACT), one pipeline after the other."""
    rows = []
    for name, status in statuses.items():
        begun = started + timedelta(minutes=EVERY.index(name))
        running = status is R
        rows.append(
            RunEntityCopy(
                run_entity_id=run_id * 100 + EVERY.index(name),
                run_id=run_id,
                entity_name=name,
                started_at=begun,
                finished_at=None if running else begun + timedelta(seconds=30 + 7 * EVERY.index(name)),
                status=status.value,
                extracted=0 if running else 1000 * (EVERY.index(name) + 1) + run_id,
                upserted=0 if status is not S else 1000 * (EVERY.index(name) + 1) + run_id,
                soft_deleted=0,
                error_message=error(name) if status is F else "",
                **execution_error_columns(status, error(name) if status is F else ""),
            )
        )
    ends = [row.finished_at for row in rows]
    message = " | ".join(row.error_message for row in rows if row.error_message)
    RunCopy.objects.create(
        run_id=run_id,
        entities_requested=",".join(statuses),
        started_by="svc_etl",
        started_at=started,
        finished_at=None if None in ends else max(ends),
        status=RunStatus.of(statuses.values()).value,
        entities_succeeded=sum(status is S for status in statuses.values()),
        entities_failed=sum(status is F for status in statuses.values()),
        error_message=message,
        **run_error_columns(message),
    )
    RunEntityCopy.objects.bulk_create(rows)


def _past(name: str) -> None:
    place = EVERY.index(name) + 1
    for minutes in (1, 6, 11, 16, 21):
        PipelineSample.objects.create(
            entity_name=name,
            sampled_at=NOW - timedelta(minutes=minutes),
            status=PipelineStatus.OK if place == 1 else PipelineStatus.FAILED,
            is_active=True,
            source_total=1000 * place + minutes,
            target_total=990 * place,
            eligible=10 * place,
            latency_seconds=60 * place,
            served_lag_seconds=600 * place,
        )
    figures = {"samples": 12, "eligible_known": 12, "status_last": "ok" if place == 1 else "failed"}
    figures |= {"eligible_min": 10 * place, "eligible_avg": 15.0 * place, "eligible_max": 20 * place}
    figures["coverage_percent_last"] = 99.0
    PipelineRollup.objects.create(entity_name=name, grain=Grain.HOUR, start=NOW - timedelta(hours=5), **figures)
    for back in (3, 40, 400):
        day = NOW.replace(hour=0) - timedelta(days=back)
        PipelineRollup.objects.create(
            entity_name=name, grain=Grain.DAY, start=day, **figures, executions=3, succeeded=2, failed=1,
            extracted=5000 * place, upserted=4000 * place, soft_deleted=0,
            duration_seconds_known=2, duration_seconds_avg=50 * place, duration_seconds_min=40 * place,
            duration_seconds_max=60 * place, throughput_known=2, throughput_avg=35 * place, throughput_min=30 * place,
            throughput_max=40 * place,
        )  # fmt: skip
    PipelineSettings.objects.create(entity_name=name, owner=f"team of {name}")
    IntegrityReport.objects.create(entity_name=name, finished_at=NOW, finished_by="operator", milliseconds=5)


def _pipeline(name: str) -> Pipeline:
    place = EVERY.index(name) + 1
    newest = max(
        (_execution(row) for row in RunEntityCopy.objects.filter(entity_name=name)), key=lambda row: row.run_id
    )
    control = factories.control_row(
        name, source_table=f"core.{name}_rows", target_table=f"dim.{name.upper()}", last_run_id=newest.run_id
    )
    source = factories.pending_source(Count(10 * place), oldest=timedelta(hours=4 * place), total=1000 * place)
    return factories.pipeline(name, control=control, source=source, newest=newest, owner=f"team of {name}")


def _execution(row: RunEntityCopy) -> Execution:
    from monitoring.models.executions import execution_of

    return execution_of(row, logins=True)


def in_warehouse(warehouse: Any) -> None:
    """Leave the same rows in the embedded warehouse: control rows, runs and run entities."""
    for name in EVERY:
        warehouse.control(name, source_table=f"core.{name}_rows", target_table=f"dim.{name.upper()}")
    for run in RunCopy._base_manager.order_by("pk"):
        warehouse.run(
            run_id=run.run_id,
            entities_requested=run.entities_requested,
            started_by=run.started_by,
            started_at=run.started_at,
            finished_at=run.finished_at,
            status=run.status,
            entities_succeeded=run.entities_succeeded,
            entities_failed=run.entities_failed,
            error_message=run.error_message or None,
        )
    for row in RunEntityCopy._base_manager.order_by("pk"):
        warehouse.run_entity(
            row.run_id,
            row.entity_name,
            run_entity_id=row.run_entity_id,
            entity_started_at=row.started_at,
            entity_finished_at=row.finished_at,
            status=row.status,
            error_message=row.error_message or None,
        )
