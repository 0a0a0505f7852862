"""One tick: read the warehouse, judge, store; then roll up and prune."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from django.conf import settings
from django.utils import timezone

from monitoring.collector import store
from monitoring.collector.copies import prune_copies, update_errors
from monitoring.collector.lease import collecting_as
from monitoring.collector.login_history import remember_logins
from monitoring.collector.memory import Memory
from monitoring.collector.preflight import preflight_of
from monitoring.collector.read import DEFAULTS, DW, OLTP, WarehouseReading, read_warehouse
from monitoring.collector.rollup import expire_sessions, expire_trail, prune_rollups, prune_samples, roll_up
from monitoring.collector.snapshot import decode, encode, version_of
from monitoring.models import CollectorState, PipelineSettings
from monitoring.rules.alerts import preflight_verdicts, worst_first
from monitoring.rules.enums import ExecutionStatus, Grain, PipelineStatus, ProblemCode, WatermarkState
from monitoring.rules.error_text import execution_errors
from monitoring.rules.facts import (
    ControlRow,
    Count,
    Execution,
    Figures,
    History,
    Overview,
    Pipeline,
    PipelineReading,
    Problem,
    Snapshot,
    SourceReading,
    TargetReading,
)
from monitoring.rules.overview import judged, overview
from monitoring.rules.rollups import hour_of
from monitoring.rules.status import EligibleSample

logger = logging.getLogger(__name__)

PRUNE_EVERY_SECONDS = 300.0
PRUNE_ROWS = 2000
FINGERPRINT_ROWS = 2000
ROLL_UP_SECONDS = 1.0
"""Time limit for rolling up in one tick, so that catching up does not stop the sampling."""
BUSY_AGE = timedelta(hours=6)
"""An older running run does not count as busy: its runner was killed."""
HISTORY_AGE = timedelta(minutes=10)
"""Maximum age of a cached history, because its windows move."""
RUNS_AGE = timedelta(minutes=1)
SAMPLES_WINDOW = timedelta(hours=1)
ARRIVAL_WINDOW, ARRIVAL_MINIMUM = timedelta(hours=1), timedelta(minutes=10)


class Ticked(NamedTuple):
    snapshot: Snapshot
    version: str
    milliseconds: int

    @property
    def busy(self) -> bool:
        """Whether a run is in progress, so that the next tick comes sooner."""
        return any(self.snapshot.sampled_at - run.started_at < BUSY_AGE for run in self.snapshot.running)


def tick(memory: Memory, *, holder: str, between: Callable[[], None] = lambda: None) -> Ticked:
    """Read, judge and store once. Raises LeaseLost (nothing stored) and the errors of `default`.

    `between` is called between the parts of a tick, to renew the lease while a database is slow.
    """
    with collecting_as(holder):
        started = time.perf_counter()
        if memory.snapshot is None and (stored := _stored_snapshot()) is not None:
            memory.remember(stored)
        configured = store.pipeline_settings()
        reading = read_warehouse(memory, configured, between)
        pipelines = _judge_all(memory, reading, configured)
        snapshot = _snapshot(memory, reading, pipelines, store.required_names(configured))
        version = version_of(snapshot)
        between()
        milliseconds = round((time.perf_counter() - started) * 1000)
        store.store_tick(
            holder=holder,
            now=timezone.now(),
            milliseconds=milliseconds,
            sampled_at=snapshot.sampled_at,
            version=version,
            payload=encode(snapshot),
            pipelines=pipelines,
        )
        memory.remember(snapshot)
        # A warehouse whose clock runs ahead must not age the portal's rows.
        now = min(reading.now, timezone.now())
        _upkeep(memory, now, holder)
        if DW not in reading.down and reading.control is not None:
            remember_logins(memory, now)
        return Ticked(snapshot, version, milliseconds)


def _stored_snapshot() -> Snapshot | None:
    """Return the stored snapshot, or None if there is none that this release can decode."""
    payload = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list("payload", flat=True).first()
    try:
        return None if payload is None else decode(bytes(payload))
    except msgspec.DecodeError:
        logger.warning("the stored snapshot is of another release and is not used")
        return None


def _snapshot(
    memory: Memory, reading: WarehouseReading, pipelines: list[Pipeline], required: tuple[str, ...]
) -> Snapshot:
    previous = memory.snapshot
    shown = tuple(_as_last_known(reading, each, memory.previous.get(each.name)) for each in pipelines)
    preflight = preflight_of(reading, pipelines, required)
    problem = reading.problem or reading.down.get(DW) or reading.down.get(OLTP)
    now = as_of(reading, previous)
    if memory.runs is None or abs(now - memory.runs.at) >= RUNS_AGE:
        memory.runs = store.run_figures(now)
    runs = memory.runs
    last_run = runs.recent[0] if runs.recent else None
    if reading.control is None and previous is None:
        figures = Overview(last_run=last_run)
    else:
        figures = overview(shown, day=runs.day, week=runs.week, throughputs=runs.throughputs, last_run=last_run)
    verdicts = [verdict for each in shown for verdict in each.verdicts]
    return Snapshot(
        sampled_at=reading.now,
        embedded=settings.EMBEDDED,
        connections=tuple(reading.structure.connections[alias] for alias in (DW, OLTP)),
        preflight=preflight,
        pipelines=shown,
        overview=figures,
        verdicts=worst_first([*verdicts, *preflight_verdicts(preflight, _unreachable(reading, previous))]),
        running=runs.running,
        recent_runs=runs.recent,
        stale_since=None if problem is None or previous is None else previous.stale_since or previous.sampled_at,
        problem=reading.problem,
    )


def _unreachable(reading: WarehouseReading, previous: Snapshot | None) -> dict[str, int]:
    """Count consecutive samples that could not reach each database, continuing from the previous snapshot."""
    before: dict[str, int] = {}
    for verdict in previous.verdicts if previous is not None else ():
        values = verdict.values
        samples = values.get("samples")
        if isinstance(samples, int):
            before[str(values.get("check", "")).removesuffix(".connection")] = samples
    connections = reading.structure.connections
    return {alias: before.get(alias, 0) + 1 for alias, each in connections.items() if not each.reachable}


def as_of(reading: WarehouseReading, previous: Snapshot | None) -> datetime:
    """Return the time to judge at: now, or the last good time while the control rows cannot be read.

    Ages do not grow meanwhile.
    """
    if reading.control is not None or previous is None:
        return reading.now
    return previous.stale_since or previous.sampled_at


def _judge_all(memory: Memory, reading: WarehouseReading, configured: Mapping[str, PipelineSettings]) -> list[Pipeline]:
    """Return every pipeline judged from this reading alone. Without control rows the last known ones are judged."""
    _refresh(memory, reading)
    if reading.control is not None:
        controls = reading.control.rows
    else:
        controls = tuple(each.control for each in memory.previous.values())
    now, still_open = as_of(reading, memory.snapshot), store.open_executions()
    pipelines = []
    for row in controls:
        own, running = configured.get(row.entity_name, DEFAULTS), still_open.get(row.entity_name, ())
        pipelines.append(_judge(memory, reading, row, own, still_open=running, now=now))
    return pipelines


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


def _judge(
    memory: Memory,
    reading: WarehouseReading,
    row: ControlRow,
    own: PipelineSettings,
    *,
    still_open: tuple[Execution, ...],
    now: datetime,
) -> Pipeline:
    """Judge one pipeline. If the rules fail, its status is unknown with the error as its problem."""
    name = row.entity_name
    previous = memory.previous.get(name)
    found = reading.pipelines.get(name)
    if found is None:
        problem = reading.problem or Problem(code=ProblemCode.NOT_READ)
        found = PipelineReading(
            control=row,
            mapping_valid=previous is not None and previous.mapping_valid,
            source=SourceReading(problem=problem),
            target=TargetReading(problem=problem),
        )
    try:
        history = replace(_history(memory, reading, found, now), open=still_open)
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


def _history(memory: Memory, reading: WarehouseReading, found: PipelineReading, now: datetime) -> History:
    name = found.control.entity_name
    _, history = memory.histories.get(name, (now, History()))
    samples = tuple(reversed((memory.samples or {}).get(name, ())))
    return replace(
        history,
        eligible_samples=samples,
        coverage_median_7d=memory.medians[1].get(name) if memory.medians is not None else None,
        arrival_per_second=arrival_per_second(samples, history.taken, found.source.eligible, now, settings.PENDING_CAP),
        newest_runner_session_at=reading.structure.runner_at,
        login_samples_at=reading.structure.sessions_sampled_at,
    )


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


def _as_last_known(reading: WarehouseReading, fresh: Pipeline, previous: Pipeline | None) -> Pipeline:
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


def _upkeep(memory: Memory, now: datetime, holder: str) -> None:
    if memory.rolled != hour_of(now):
        steps, left = roll_up(holder=holder, now=now, seconds=ROLL_UP_SECONDS)
        if not left:
            memory.rolled = hour_of(now)
        if steps:
            memory.medians = None
    if not memory.fingerprinted:
        memory.fingerprinted = update_errors(limit=FINGERPRINT_ROWS)
    monotonic = time.monotonic()
    if memory.pruned_at is not None and monotonic - memory.pruned_at < PRUNE_EVERY_SECONDS:
        return

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    pruned = (
        prune_samples(before=before(settings.SAMPLE_RETENTION_DAYS), limit=PRUNE_ROWS),
        prune_rollups(Grain.HOUR, before=before(settings.ROLLUP_RETENTION_DAYS), limit=PRUNE_ROWS),
        prune_rollups(Grain.DAY, before=before(settings.DAY_RETENTION_DAYS), limit=PRUNE_ROWS),
        # Sessions belong to the web server, so this machine's clock applies.
        expire_sessions(now=timezone.now(), limit=PRUNE_ROWS),
        expire_trail(before=before(settings.TRAIL_RETENTION_DAYS), limit=PRUNE_ROWS),
        10 * prune_copies(before=before(settings.COPY_RETENTION_DAYS), limit=PRUNE_ROWS // 10),
    )
    # If rows are left over, the next tick continues.
    memory.pruned_at = None if max(pruned) >= PRUNE_ROWS else monotonic
