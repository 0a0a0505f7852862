"""When does a page have to be drawn again: a short text that changes when anything shown changes.

What the page ticks by itself (ages, the length of what is running, how late an unchanged row is) and
what nobody reads second by second (round-trip times, clock differences) is left out.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import floor, log10

import msgspec
from django.conf import settings
from django.utils import timezone

from monitoring.collector.copies import prune_copies, update_errors
from monitoring.collector.judge import Judged, as_of, judge_all, preflight_facts, run_figures
from monitoring.collector.lease import collecting_as
from monitoring.collector.login_history import remember_logins
from monitoring.collector.memory import Memory
from monitoring.collector.read import DW, OLTP, Looked, look
from monitoring.collector.retention import expire_sessions, prune_rollups, prune_samples
from monitoring.collector.rollup import roll_up
from monitoring.collector.snapshot import decode, encode
from monitoring.collector.store import decisions, required_names, store_tick
from monitoring.models import CollectorState
from monitoring.rules.alerts import open_verdicts, preflight_verdicts
from monitoring.rules.enums import ExecutionStatus, Grain
from monitoring.rules.facts import Check, ConnectionReading, Figures, Pipeline, Preflight, Snapshot, Verdict
from monitoring.rules.overview import overview
from monitoring.rules.preflight import preflight
from monitoring.rules.rollups import hour_of
from monitoring.web.activity import expire_trail

_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
_TICKING = frozenset(
    {"lag_seconds", "elapsed_seconds", "age_seconds", "latency_ms", "clock_skew_seconds", "seconds", "samples"}
)
"""Values of checks and verdicts that move with the clock or with every look."""

Values = dict[str, str | int | float | None]


def version_of(snapshot: Snapshot) -> str:
    """Return the version of what the snapshot shows: the same text for the same pages."""
    still = replace(
        snapshot,
        sampled_at=_ALWAYS,
        connections=tuple(_connection(each) for each in snapshot.connections),
        preflight=_preflight(snapshot.preflight),
        pipelines=tuple(_pipeline(each) for each in snapshot.pipelines),
        overview=replace(snapshot.overview, worst_lag_seconds=_sign(snapshot.overview.worst_lag_seconds)),
        verdicts=tuple(_verdict(each) for each in snapshot.verdicts),
    )
    return hashlib.blake2b(msgspec.json.encode(still), digest_size=12).hexdigest()


def _connection(reading: ConnectionReading) -> ConnectionReading:
    return replace(reading, latency_ms=None, clock_skew_seconds=None)


def _preflight(preflight: Preflight) -> Preflight:
    return replace(preflight, checked_at=_ALWAYS, checks=tuple(_check(check) for check in preflight.checks))


def _check(check: Check) -> Check:
    return replace(check, values=_still(check.values))


def _verdict(verdict: Verdict) -> Verdict:
    return replace(verdict, values=_still(verdict.values))


def _still(values: Values | None) -> Values | None:
    return values and {name: None if name in _TICKING else value for name, value in values.items()}


def _pipeline(pipeline: Pipeline) -> Pipeline:
    running = pipeline.newest is not None and pipeline.newest.status is ExecutionStatus.RUNNING
    return replace(
        pipeline,
        figures=_figures(pipeline.figures, running),
        verdicts=tuple(_verdict(each) for each in pipeline.verdicts),
    )


def _figures(figures: Figures, running: bool) -> Figures:
    return replace(
        figures,
        served_lag_seconds=_sign(figures.served_lag_seconds),
        duration_seconds=None if running else figures.duration_seconds,
        drain_seconds=_rough(figures.drain_seconds),
    )


def _sign(seconds: float | None) -> float | None:
    """0, more than 0, or unknown: how much more, the page counts."""
    return None if seconds is None else float(seconds > 0)


def _rough(seconds: float | None) -> float | None:
    """Two digits: an estimate is not news because it lost a second."""
    if seconds is None or seconds <= 0:
        return seconds
    return float(round(seconds, 1 - floor(log10(seconds))))


logger = logging.getLogger(__name__)

PRUNE_EVERY_SECONDS = 300.0
PRUNE_ROWS = 2000
FINGERPRINT_ROWS = 2000
ROLL_UP_SECONDS = 1.0
"""How long one tick may go on rolling up after a pause, so that catching up takes turns with looking."""
BUSY_AGE = timedelta(hours=6)
"""A run that says it runs for longer than this keeps nobody busy: its runner was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """How one tick went. `busy`: something runs, so the next look comes sooner."""

    snapshot: Snapshot
    version: str
    milliseconds: int
    busy: bool


def tick(memory: Memory, *, holder: str, between: Callable[[], None] = lambda: None) -> Ticked:
    """Look, judge and store once. Raises LeaseLost (nothing stored) and what `default` itself raises.

    `between` is called between the parts of a tick: to renew the lease where a database is slow.
    """
    with collecting_as(holder):
        return _tick(memory, holder, between)


def _tick(memory: Memory, holder: str, between: Callable[[], None]) -> Ticked:
    started = time.perf_counter()
    previous = memory.snapshot or _stored_snapshot()
    if previous is not None and not memory.previous:
        memory.previous = {each.name: each for each in previous.pipelines}
    decided = decisions()
    looked = look(memory, decided, between)
    last_good = None if previous is None else previous.stale_since or previous.sampled_at
    pipelines = judge_all(memory, looked, decided, last_good)
    snapshot = _assembled(memory, looked, pipelines, previous, required_names(decided))
    version = version_of(snapshot)
    between()
    milliseconds = round((time.perf_counter() - started) * 1000)
    store_tick(
        holder=holder,
        now=timezone.now(),
        milliseconds=milliseconds,
        sampled_at=snapshot.sampled_at,
        version=version,
        payload=encode(snapshot),
        pipelines=[each.fresh for each in pipelines],
    )
    memory.snapshot = snapshot
    memory.previous = {each.name: each for each in snapshot.pipelines}
    # A warehouse whose clock runs ahead must not make old what is not.
    now = min(looked.now, timezone.now())
    _upkeep(memory, now, holder)
    if DW not in looked.down and looked.control is not None:
        remember_logins(memory, now)
    return Ticked(snapshot=snapshot, version=version, milliseconds=milliseconds, busy=_busy(snapshot))


def _assembled(
    memory: Memory,
    looked: Looked,
    pipelines: list[Judged],
    previous: Snapshot | None,
    required: tuple[str, ...],
) -> Snapshot:
    shown = tuple(each.shown for each in pipelines)
    checks = preflight(preflight_facts(looked, [each.fresh for each in pipelines], required))
    problem = looked.problem or looked.down.get(DW) or looked.down.get(OLTP)
    last_good = None if previous is None else previous.stale_since or previous.sampled_at
    runs = run_figures(memory, as_of(looked, last_good))
    unseen = looked.control is None and previous is None
    verdicts = [verdict for each in shown for verdict in each.verdicts]
    return Snapshot(
        sampled_at=looked.now,
        embedded=settings.EMBEDDED,
        connections=tuple(looked.structure.connections[alias] for alias in (DW, OLTP)),
        preflight=checks,
        pipelines=shown,
        overview=overview(
            None if unseen else shown,
            day=None if unseen else runs.day,
            week=None if unseen else runs.week,
            throughputs=None if unseen else runs.throughputs,
            last_run=runs.recent[0] if runs.recent else None,
        ),
        verdicts=open_verdicts([*verdicts, *preflight_verdicts(checks, _unreachable(looked, previous))]),
        running=runs.running,
        recent_runs=runs.recent,
        stale_since=last_good if problem is not None else None,
        problem=looked.problem,
    )


def _unreachable(looked: Looked, previous: Snapshot | None) -> dict[str, int]:
    """How many samples in a row, this one included, could not reach each database.

    Counted on from what the previous snapshot says, so that it survives a change of collectors.
    """
    before: dict[str, int] = {}
    for verdict in previous.verdicts if previous is not None else ():
        values = verdict.values or {}
        samples = values.get("samples")
        if isinstance(samples, int):
            before[str(values.get("check", "")).removesuffix(".connection")] = samples
    return {
        alias: before.get(alias, 0) + 1
        for alias, reading in looked.structure.connections.items()
        if not reading.reachable
    }


def _stored_snapshot() -> Snapshot | None:
    """The last snapshot of whoever collected before; None where there is none or an older release wrote it."""
    payload = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list("payload", flat=True).first()
    try:
        return None if payload is None else decode(bytes(payload))
    except msgspec.DecodeError:
        logger.warning("the stored snapshot is of another release and is not used")
        return None


def _busy(snapshot: Snapshot) -> bool:
    return any(snapshot.sampled_at - run.started_at < BUSY_AGE for run in snapshot.running)


def _upkeep(memory: Memory, now: datetime, holder: str) -> None:
    """Roll up what is over, prune a little now and then, and see to it that failures have fingerprints."""
    if memory.rolled != hour_of(now):
        progress = roll_up(holder=holder, now=now, seconds=ROLL_UP_SECONDS)
        if not progress.left:
            memory.rolled = hour_of(now)
        if progress.steps:
            memory.medians = None
    if not memory.fingerprinted:
        memory.fingerprinted = update_errors(limit=FINGERPRINT_ROWS)
    monotonic = time.monotonic()
    if memory.pruned_at is not None and monotonic - memory.pruned_at < PRUNE_EVERY_SECONDS:
        return
    pruned = (
        prune_samples(before=now - timedelta(days=settings.SAMPLE_RETENTION_DAYS), limit=PRUNE_ROWS),
        prune_rollups(Grain.HOUR, before=now - timedelta(days=settings.ROLLUP_RETENTION_DAYS), limit=PRUNE_ROWS),
        prune_rollups(Grain.DAY, before=now - timedelta(days=settings.DAY_RETENTION_DAYS), limit=PRUNE_ROWS),
        # By our own clock: sessions are the web server's, not the warehouse's.
        expire_sessions(now=timezone.now(), limit=PRUNE_ROWS),
        expire_trail(before=now - timedelta(days=settings.TRAIL_RETENTION_DAYS), limit=PRUNE_ROWS),
        10 * prune_copies(before=now - timedelta(days=settings.COPY_RETENTION_DAYS), limit=PRUNE_ROWS // 10),
    )
    # Something left over: go on in the next tick instead of falling behind.
    full = max(pruned) >= PRUNE_ROWS
    memory.pruned_at = None if full else monotonic
