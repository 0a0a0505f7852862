"""One tick: read the warehouse, judge, store; then roll up and prune."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.utils import timezone

from monitoring.collector.copies import prune_copies, update_errors
from monitoring.collector.judge import as_last_known, as_of, judge_all, run_figures
from monitoring.collector.lease import collecting_as
from monitoring.collector.login_history import remember_logins
from monitoring.collector.memory import Memory
from monitoring.collector.preflight import preflight_of
from monitoring.collector.read import DW, OLTP, WarehouseReading, read_warehouse
from monitoring.collector.rollup import expire_sessions, expire_trail, prune_rollups, prune_samples, roll_up
from monitoring.collector.snapshot import decode, encode, version_of
from monitoring.collector.store import pipeline_settings, required_names, store_tick
from monitoring.models import CollectorState
from monitoring.rules.alerts import preflight_verdicts, worst_first
from monitoring.rules.enums import Grain
from monitoring.rules.facts import Pipeline, Snapshot
from monitoring.rules.overview import overview
from monitoring.rules.rollups import hour_of

logger = logging.getLogger(__name__)

PRUNE_EVERY_SECONDS = 300.0
PRUNE_ROWS = 2000
FINGERPRINT_ROWS = 2000
ROLL_UP_SECONDS = 1.0
"""Time limit for rolling up in one tick, so that catching up does not stop the sampling."""
BUSY_AGE = timedelta(hours=6)
"""An older running run does not count as busy: its runner was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """`busy`: a run is in progress, so the next tick comes sooner."""

    snapshot: Snapshot
    version: str
    milliseconds: int
    busy: bool


def tick(memory: Memory, *, holder: str, between: Callable[[], None] = lambda: None) -> Ticked:
    """Read, judge and store once. Raises LeaseLost (nothing stored) and the errors of `default`.

    `between` is called between the parts of a tick, to renew the lease while a database is slow.
    """
    with collecting_as(holder):
        return _tick(memory, holder, between)


def _tick(memory: Memory, holder: str, between: Callable[[], None]) -> Ticked:
    started = time.perf_counter()
    previous = memory.snapshot or _stored_snapshot()
    if previous is not None and memory.snapshot is None:
        memory.remember(previous)
    configured = pipeline_settings()
    reading = read_warehouse(memory, configured, between)
    last_good = None if previous is None else previous.stale_since or previous.sampled_at
    pipelines = judge_all(memory, reading, configured, last_good)
    snapshot = _snapshot(memory, reading, pipelines, previous, required_names(configured))
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
        pipelines=pipelines,
    )
    memory.remember(snapshot)
    # A warehouse whose clock runs ahead must not age the portal's rows.
    now = min(reading.now, timezone.now())
    _upkeep(memory, now, holder)
    if DW not in reading.down and reading.control is not None:
        remember_logins(memory, now)
    busy = any(snapshot.sampled_at - run.started_at < BUSY_AGE for run in snapshot.running)
    return Ticked(snapshot=snapshot, version=version, milliseconds=milliseconds, busy=busy)


def _snapshot(
    memory: Memory,
    reading: WarehouseReading,
    pipelines: list[Pipeline],
    previous: Snapshot | None,
    required: tuple[str, ...],
) -> Snapshot:
    shown = tuple(as_last_known(reading, each, memory.previous.get(each.name)) for each in pipelines)
    preflight = preflight_of(reading, pipelines, required)
    problem = reading.problem or reading.down.get(DW) or reading.down.get(OLTP)
    last_good = None if previous is None else previous.stale_since or previous.sampled_at
    runs = run_figures(memory, as_of(reading, last_good))
    never_read = reading.control is None and previous is None
    verdicts = [verdict for each in shown for verdict in each.verdicts]
    return Snapshot(
        sampled_at=reading.now,
        embedded=settings.EMBEDDED,
        connections=tuple(reading.structure.connections[alias] for alias in (DW, OLTP)),
        preflight=preflight,
        pipelines=shown,
        overview=overview(
            None if never_read else shown,
            day=None if never_read else runs.day,
            week=None if never_read else runs.week,
            throughputs=None if never_read else runs.throughputs,
            last_run=runs.recent[0] if runs.recent else None,
        ),
        verdicts=worst_first([*verdicts, *preflight_verdicts(preflight, _unreachable(reading, previous))]),
        running=runs.running,
        recent_runs=runs.recent,
        stale_since=last_good if problem is not None else None,
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


def _stored_snapshot() -> Snapshot | None:
    """Return the stored snapshot, or None if there is none that this release can decode."""
    payload = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list("payload", flat=True).first()
    try:
        return None if payload is None else decode(bytes(payload))
    except msgspec.DecodeError:
        logger.warning("the stored snapshot is of another release and is not used")
        return None


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
