"""One reading for everybody: a hundred viewers cost the warehouse what one costs.

The cache is each process's own, so a value is made once per process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from django.db import Error
from django.utils import timezone

from etlportal import budget
from etlportal.breaker import News
from monitoring.collector import store as history
from monitoring.models import CollectorState, scope
from monitoring.models.scope import ReaderScope
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Overview, Problem, Snapshot
from monitoring.rules.overview import overview
from monitoring.rules.scope import pipelines_within, runs_within, within, without_logins
from monitoring.web.local_cache import cache

T = TypeVar("T")

KEEP_SECONDS = 600
"""How long an expired value may still be returned while another request makes a new one."""
LOCK_SECONDS = 60
"""A request that died while it made a value blocks the others for this long at most."""
WAIT_SECONDS = 20
STEP_SECONDS = 0.05


class RenderInProgress(Exception):
    """There is no value yet, and another request is making it."""


def cached_once(
    key: str, make: Callable[[], T], *, fresh: Callable[[T], float], wait: bool = True, lock: str = ""
) -> T:
    """Return the cached value of `key`, or make it; one request at a time makes it.

    `fresh(value)` is the number of seconds for which a value is good. Other requests get the expired value meanwhile.
    If there is none they wait, or raise RenderInProgress if `wait` is False. An exception of `make` is not cached.
    Users with the same pipeline scope share a value. `lock`: the name of a lock that several keys have in common.
    """
    key = _scoped(key)
    lock = lock or f"{key}:lock"
    entry: tuple[T, float] | None = cache.get(key)
    if entry is not None and time.time() < entry[1]:
        return entry[0]
    if cache.add(lock, 1, LOCK_SECONDS):
        try:
            return _store(key, make(), fresh)
        finally:
            cache.delete(lock)
    if entry is None:
        if not wait:
            raise RenderInProgress
        entry = _wait(key)
    return entry[0] if entry is not None else _store(key, make(), fresh)


def forget(*keys: str) -> None:
    """Delete the cached values of these keys for the pipeline scope of this request."""
    cache.delete_many([_scoped(key) for key in keys])


def _scoped(key: str) -> str:
    return f"{key}{scope.reader_scope().stamp}"


def _store(key: str, value: T, fresh: Callable[[T], float]) -> T:
    cache.set(key, (value, time.time() + fresh(value)), KEEP_SECONDS)
    return value


def _wait(key: str) -> Any:
    """Return the value that another request is making, or None if the time budget of this request runs out."""
    mine = budget.current()
    seconds = WAIT_SECONDS if mine is None else min(WAIT_SECONDS, mine.left())
    if seconds <= 0:
        return None
    with budget.spending():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(STEP_SECONDS, seconds))
            entry = cache.get(key)
            if entry is not None or cache.get(f"{key}:lock") is None:
                return entry
    return None


STALE_AFTER = timedelta(seconds=60)
"""Figures older than this are marked old, and a page tries to take one sample itself."""

TAKEOVER = timedelta(seconds=30)
"""A lease that ended less than this ago is about to be taken: longer than a lease, and than clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The newest snapshot and how old it is. `snapshot` None: nothing was ever sampled.

    `ticked_at` is when the tick ended by this machine's clock; age counts from it, not from the
    warehouse's clock, which may differ. `collecting`: a collector holds its lease, or did just now; without one an
    open page takes a sample itself, once a minute (collector/on_demand.py).

    The snapshot is narrowed to the scope of this request (monitoring/models/scope.py), and so is `version`:
    a cache key with it is a key per scope.
    """

    snapshot: Snapshot | None
    version: str
    sampled_at: datetime | None
    ticked_at: datetime | None
    now: datetime
    collecting: bool = True
    tick_milliseconds: int | None = None

    @property
    def figures_at(self) -> datetime | None:
        """When the figures were read: an earlier moment than the sample's while a database does not answer."""
        older = self.snapshot.stale_since if self.snapshot is not None else None
        return older or self.sampled_at

    @property
    def figures_seen_at(self) -> datetime | None:
        """When the figures were read, by this machine's clock: before the tick while a database does not answer."""
        if self.ticked_at is None or self.sampled_at is None or self.figures_at is None:
            return self.ticked_at
        return self.ticked_at - max(self.sampled_at - self.figures_at, timedelta(0))

    @property
    def age(self) -> timedelta | None:
        return None if self.ticked_at is None else self.now - self.ticked_at

    @property
    def stale(self) -> bool:
        # Far in the future is as bad: this machine's clock went back since.
        return self.age is None or abs(self.age) > STALE_AFTER


def current(now: datetime | None = None) -> Current:
    """Return the newest snapshot: one row of `default`, decoded once per version and process."""
    now = now or timezone.now()
    row = CollectorState.objects.only(*_SHOWN).filter(pk=CollectorState.SINGLETON).first()
    if row is None or row.ticked_at is None:
        return Current(snapshot=None, version="", sampled_at=None, ticked_at=None, now=now)
    reader_scope = scope.reader_scope()
    unlimited = reader_scope.unlimited
    return Current(
        snapshot=(
            _decoded(row.version, row.ticked_at) if unlimited else _as_seen(row.version, row.ticked_at, reader_scope)
        ),
        version=row.version if unlimited else f"{row.version}-{reader_scope.stamp}",
        sampled_at=row.sampled_at,
        ticked_at=row.ticked_at,
        now=now,
        collecting=row.lease_until is not None and row.lease_until > now - TAKEOVER,
        tick_milliseconds=row.tick_milliseconds,
    )


_SHOWN = ("version", "ticked_at", "sampled_at", "lease_until", "tick_milliseconds")
"""What a page needs of the row: not the snapshot, nor the collector's own marks."""


# Few, each: what is kept here holds the snapshots of earlier ticks in memory, a megabyte or more each.
@lru_cache(maxsize=8)
def _as_seen(version: str, ticked_at: datetime, reader_scope: scope.ReaderScope) -> Snapshot | None:
    snapshot = _decoded(version, ticked_at)
    return snapshot if snapshot is None else seen(snapshot, reader_scope)


@lru_cache(maxsize=2)
def _decoded(version: str, ticked_at: datetime) -> Snapshot | None:
    payload = CollectorState.objects.values_list("payload", flat=True).get(pk=CollectorState.SINGLETON)
    return None if payload is None else decode(bytes(payload))


def news(alias: str) -> News | None:
    """Return what the newest sample knows of a watched database; None where it is old or says nothing."""
    try:
        state = current()
    except Error:
        return None
    if state.snapshot is None or state.ticked_at is None or state.stale:
        return None
    found = next((each for each in state.snapshot.connections if each.alias == alias), None)
    if found is None:
        return None
    reason = None if found.reachable else found.problem or Problem(code=ProblemCode.UNREACHABLE)
    return News(at=state.ticked_at, reason=reason)


def encode(snapshot: Snapshot) -> bytes:
    """Return the snapshot as JSON."""
    return msgspec.json.encode(snapshot)


def decode(payload: bytes) -> Snapshot:
    """Return the snapshot from JSON. Raises msgspec.DecodeError for anything else."""
    return _decoder.decode(payload)


_decoder = msgspec.json.Decoder(Snapshot)


RECENT_RUNS = 30
OPEN_RUNS = 50
"""As many runs as a snapshot holds (collector/judging.py)."""


def seen(snapshot: Snapshot, scope: ReaderScope) -> Snapshot:
    """Return the snapshot narrowed to the scope. A limit to pipelines costs seven statements on `default`.

    Call it inside that scope: the copies that it reads are narrowed by it.
    """
    if scope.pipelines is not None:
        snapshot = _narrowed(snapshot, scope.pipelines)
    return snapshot if scope.logins else without_logins(snapshot)


def _narrowed(snapshot: Snapshot, names: frozenset[str]) -> Snapshot:
    recent = runs_within(history.newest_runs(RECENT_RUNS), names)
    figures = Overview()
    if snapshot.overview.pipelines is not None:
        # Without control rows the figures are those of the last good sample (collector/judging.py).
        until = snapshot.stale_since if snapshot.problem is not None and snapshot.stale_since else snapshot.sampled_at
        figures = overview(
            pipelines_within(snapshot, names),
            day=history.run_counts(until - history.DAY),
            week=history.run_counts(until - history.WEEK),
            throughputs=history.throughputs(until - history.DAY),
            last_run=recent[0] if recent else None,
        )
    return within(snapshot, names, overview=figures, recent=recent, running=history.open_runs(OPEN_RUNS))
