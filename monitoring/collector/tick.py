"""One tick: look at the warehouse, judge what was seen, store it.

When a database does not answer, the snapshot keeps the last good figures of its part with the problem
beside them; the statuses and verdicts of this tick are unknown, and `stale_since` says since when
(docs/adr: a dead warehouse still gives a page).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.utils import timezone

from monitoring.actions.copies import prune_copies, update_errors
from monitoring.actions.lease import collecting_as
from monitoring.actions.retention import prune_rollups, prune_samples
from monitoring.actions.rollups import roll_up
from monitoring.actions.samples import store_tick
from monitoring.actions.sessions import expire_sessions
from monitoring.actions.trail import expire_trail
from monitoring.collector.judging import Judged, as_of, judge_all, run_figures
from monitoring.collector.memory import Memory
from monitoring.collector.preflight import preflight_facts
from monitoring.collector.reading import DW, OLTP, Looked, look
from monitoring.collector.seen import remember_logins
from monitoring.collector.version import version_of
from monitoring.enums import Grain
from monitoring.models import CollectorState
from monitoring.policies.alerts import open_verdicts, preflight_verdicts
from monitoring.policies.facts import Snapshot
from monitoring.policies.overview import overview
from monitoring.policies.preflight import preflight
from monitoring.policies.rollups import hour_of
from monitoring.selectors.pipeline_settings import decisions, required_names
from monitoring.selectors.snapshot import decode, encode

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
