"""Apply the rules to one tick's reading, with the history from `default`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from monitoring.collector import store
from monitoring.collector.memory import Memory, RunFigures
from monitoring.collector.read import DEFAULTS, DW, OLTP, WarehouseReading
from monitoring.models import PipelineSettings
from monitoring.rules.enums import ExecutionStatus, PipelineStatus, ProblemCode, WatermarkState
from monitoring.rules.error_text import execution_errors
from monitoring.rules.facts import (
    ControlRow,
    Count,
    Execution,
    Figures,
    History,
    Pipeline,
    PipelineReading,
    Problem,
    SourceReading,
    TargetReading,
)
from monitoring.rules.overview import judged
from monitoring.rules.status import EligibleSample

logger = logging.getLogger(__name__)

HISTORY_AGE = timedelta(minutes=10)
"""Maximum age of a cached history, because its windows move."""
RUNS_AGE = timedelta(minutes=1)
SAMPLES_WINDOW = timedelta(hours=1)
ARRIVAL_WINDOW, ARRIVAL_MINIMUM = timedelta(hours=1), timedelta(minutes=10)
RECENT_RUNS = 30
OPEN_RUNS = 50


def judge_all(
    memory: Memory, reading: WarehouseReading, configured: Mapping[str, PipelineSettings], previous_at: datetime | None
) -> list[Pipeline]:
    """Return every pipeline judged from this reading alone, in the order of their names.

    `previous_at`: the time of the last good snapshot. Without control rows the last known ones are judged as of then,
    so that ages do not grow meanwhile.
    """
    _refresh(memory, reading)
    if reading.control is not None:
        controls = reading.control.rows
    else:
        controls = tuple(each.control for each in memory.previous.values())
    now = as_of(reading, previous_at)
    still_open = store.open_executions()
    return [
        _judged(memory, reading, configured, row, still_open=still_open.get(row.entity_name, ()), now=now)
        for row in controls
    ]


def as_of(reading: WarehouseReading, previous_at: datetime | None) -> datetime:
    """Return the time to judge at: now, or the last good time while the control rows cannot be read."""
    return reading.now if reading.control is not None else previous_at or reading.now


def run_figures(memory: Memory, now: datetime) -> RunFigures:
    """Return the figures over all runs. They are read again when a run changed or a minute passed."""
    if memory.runs is None or abs(now - memory.runs.at) >= RUNS_AGE:
        memory.runs = RunFigures(
            at=now,
            day=store.run_counts(now - store.DAY),
            week=store.run_counts(now - store.WEEK),
            throughputs=store.throughputs(now - store.DAY),
            recent=store.newest_runs(RECENT_RUNS),
            running=store.open_runs(OPEN_RUNS),
        )
    return memory.runs


def arrival_per_second(
    samples: Iterable[EligibleSample],
    taken: Iterable[tuple[datetime, int]],
    eligible: Count | None,
    now: datetime,
    cap: int,
) -> float | None:
    """Return the arrival rate of METRICS: (eligible now - eligible then + rows taken since) / seconds, at least 0.

    "Then" is the oldest sample of the last hour. None with less than ten minutes of samples, and for a count at `cap`,
    which is only a lower bound.
    """
    window = [sample for sample in samples if now - ARRIVAL_WINDOW <= sample[0] < now]
    if eligible is None or eligible.capped or not window:
        return None
    then, before, _ = min(window, key=lambda sample: sample[0])
    seconds = (now - then).total_seconds()
    if before >= cap or seconds < ARRIVAL_MINIMUM.total_seconds():
        return None
    rows = sum(extracted for finish, extracted in taken if then < finish <= now)
    return max(0.0, (eligible.value - before + rows) / seconds)


def _refresh(memory: Memory, reading: WarehouseReading) -> None:
    if memory.samples is None:
        memory.samples = {}
        for name, sample in store.eligible_samples(reading.now - SAMPLES_WINDOW):
            memory.add_sample(name, sample)
    hour = reading.now.replace(minute=0, second=0, microsecond=0)
    if memory.medians is None or memory.medians[0] != hour:
        memory.medians = (hour, store.coverage_medians(reading.now - store.WEEK))
    week_run_id: int | None = None
    for row in reading.control.rows if reading.control is not None else ():
        name = row.entity_name
        known = memory.histories.get(name)
        if known is None or name in memory.changed or abs(reading.now - known[0]) > HISTORY_AGE:
            if week_run_id is None:
                week_run_id = store.first_run_since(reading.now - store.WEEK)
            memory.histories[name] = (reading.now, store.execution_history(name, reading.now, week_run_id))
    memory.changed.clear()


def _judged(
    memory: Memory,
    reading: WarehouseReading,
    configured: Mapping[str, PipelineSettings],
    row: ControlRow,
    *,
    still_open: tuple[Execution, ...],
    now: datetime,
) -> Pipeline:
    """Judge one pipeline. If the rules fail, its status is unknown with the error as its problem."""
    name = row.entity_name
    own, previous = configured.get(name, DEFAULTS), memory.previous.get(name)
    found = reading.pipelines.get(name) or _unread(row, reading, previous)
    try:
        history = _history(memory, reading, found, still_open=still_open, now=now)
        pipeline = judged(
            found,
            newest=_newest(reading, name, history, previous),
            history=history,
            now=now,
            thresholds=own.thresholds,
            owner=own.owner,
            required=own.required,
            newest_read=reading.copied,
        )
    except Exception as error:
        logger.exception("%s could not be judged", name)
        pipeline = _unjudged(found, own, error)
    if reading.control is not None and found.source.eligible is not None:
        memory.add_sample(name, (now, found.source.eligible.value, row.watermark))
    return pipeline


def _unread(row: ControlRow, reading: WarehouseReading, previous: Pipeline | None) -> PipelineReading:
    problem = reading.problem or Problem(code=ProblemCode.NOT_READ)
    return PipelineReading(
        control=row,
        mapping_valid=previous is not None and previous.mapping_valid,
        source=SourceReading(problem=problem),
        target=TargetReading(problem=problem),
    )


def _history(
    memory: Memory,
    reading: WarehouseReading,
    found: PipelineReading,
    *,
    still_open: tuple[Execution, ...],
    now: datetime,
) -> History:
    name = found.control.entity_name
    known = memory.histories.get(name)
    history = known[1] if known is not None else History()
    samples = tuple(reversed((memory.samples or {}).get(name, ())))
    return replace(
        history,
        open=still_open,
        eligible_samples=samples,
        coverage_median_7d=memory.medians[1].get(name) if memory.medians is not None else None,
        arrival_per_second=arrival_per_second(samples, history.taken, found.source.eligible, now, settings.PENDING_CAP),
        newest_runner_session_at=reading.structure.runner_at,
        login_samples_at=reading.structure.sessions_sampled_at,
    )


def _newest(reading: WarehouseReading, name: str, history: History, previous: Pipeline | None) -> Execution | None:
    """Return the newer of the newest copy and the execution in control's last_run_id."""
    pointed = reading.control.executions.get(name) if reading.control is not None else None
    candidates = list(history.recent[:1])
    if pointed is not None:
        error, with_logins = execution_errors(pointed.error_message, failed=pointed.status is ExecutionStatus.FAILED)
        candidates.append(replace(pointed, error_message="", error=error, error_with_logins=with_logins))
    if not candidates:
        return previous.newest if previous is not None and not reading.copied else None
    # Of two with the same id the copy is returned: it was read later than the control row.
    return max(candidates, key=lambda each: (each.run_id, each.run_entity_id))


def _unjudged(found: PipelineReading, own: PipelineSettings, error: Exception) -> Pipeline:
    problem = Problem(code=ProblemCode.OTHER, detail=f"{type(error).__name__}: {error}"[:500])
    return Pipeline(
        control=found.control,
        mapping_valid=True,
        source=replace(found.source, problem=found.source.problem or problem),
        target=replace(found.target, problem=found.target.problem or problem),
        status=PipelineStatus.UNKNOWN,
        newest=None,
        figures=Figures(),
        watermark_state=WatermarkState.UNKNOWN,
        thresholds=own.thresholds,
        owner=own.owner,
        required=own.required,
    )


def as_last_known(reading: WarehouseReading, fresh: Pipeline, previous: Pipeline | None) -> Pipeline:
    """Return the pipeline with the last good values of a database that does not answer, plus the problem.

    Its alerts remain those of this tick: unknown. A problem of a single pipeline keeps no old values.
    """
    if previous is None:
        return fresh
    source = replace(previous.source, problem=fresh.source.problem)
    target = replace(previous.target, problem=fresh.target.problem)
    if reading.control is None:
        return replace(fresh, source=source, target=target, newest=previous.newest, figures=previous.figures)
    shown, before, control = fresh, previous.control, fresh.control
    if OLTP in reading.down and fresh.source.problem and before.source_table == control.source_table:
        shown = replace(shown, source=source)
    if DW in reading.down and fresh.target.problem and before.target_table == control.target_table:
        shown = replace(shown, target=target)
    if shown is fresh:
        return fresh
    kept = {
        name: getattr(previous.figures, name)
        for name in ("coverage_percent", "latency_seconds", "served_lag_seconds", "drain_seconds", "drains_never")
    }
    return replace(shown, figures=replace(fresh.figures, **kept))
