"""The snapshot: its JSON, its version, and the newest one narrowed to a user's scope."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import floor, log10
from typing import TypeVar

import msgspec
from django.db import Error
from django.utils import timezone

from etlportal.breaker import News
from monitoring.collector import store
from monitoring.models import CollectorState, scope
from monitoring.models.scope import ReaderScope
from monitoring.rules.enums import ExecutionStatus, ProblemCode
from monitoring.rules.facts import Check, Overview, Pipeline, Problem, Snapshot, Verdict
from monitoring.rules.overview import overview
from monitoring.rules.scope import pipelines_within, runs_within, within, without_logins

STALE_AFTER = timedelta(seconds=60)
"""Older snapshots are stale, and a page tries to take a sample."""

TAKEOVER = timedelta(seconds=30)
"""A lease that ended less than this ago is about to be renewed. Longer than a lease plus clock differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The newest snapshot, narrowed to the scope of this request. `snapshot` None: no sample was ever taken.

    `ticked_at` is the end of the tick by this machine's clock. The age counts from it, because the warehouse's clock
    may differ. `collecting`: a collector holds the lease or held it recently. `version` is a cache key per scope.
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
        """When the figures were read: before `sampled_at` while a database does not answer."""
        older = self.snapshot.stale_since if self.snapshot is not None else None
        return older or self.sampled_at

    @property
    def figures_seen_at(self) -> datetime | None:
        """`figures_at` by this machine's clock."""
        if self.ticked_at is None or self.sampled_at is None or self.figures_at is None:
            return self.ticked_at
        return self.ticked_at - max(self.sampled_at - self.figures_at, timedelta(0))

    @property
    def age(self) -> timedelta | None:
        return None if self.ticked_at is None else self.now - self.ticked_at

    @property
    def stale(self) -> bool:
        # A tick far in the future means that this machine's clock went back.
        return self.age is None or abs(self.age) > STALE_AFTER


def current(now: datetime | None = None) -> Current:
    """Return the newest snapshot. It is decoded once per version and process."""
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


# Small caches: each entry holds a snapshot of an earlier tick, a megabyte or more.
@lru_cache(maxsize=8)
def _as_seen(version: str, ticked_at: datetime, reader_scope: scope.ReaderScope) -> Snapshot | None:
    snapshot = _decoded(version, ticked_at)
    return snapshot if snapshot is None else seen(snapshot, reader_scope)


@lru_cache(maxsize=2)
def _decoded(version: str, ticked_at: datetime) -> Snapshot | None:
    payload = CollectorState.objects.values_list("payload", flat=True).get(pk=CollectorState.SINGLETON)
    return None if payload is None else decode(bytes(payload))


def news(alias: str) -> News | None:
    """Return whether the newest sample could read this database; None if it is stale or has no reading of it."""
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
    return msgspec.json.encode(snapshot)


def decode(payload: bytes) -> Snapshot:
    """Raises msgspec.DecodeError."""
    return _decoder.decode(payload)


_decoder = msgspec.json.Decoder(Snapshot)

_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
_CHANGING = frozenset(
    {"lag_seconds", "elapsed_seconds", "age_seconds", "latency_ms", "clock_skew_seconds", "seconds", "samples"}
)
"""Values of checks and alerts that change with every tick."""
WithValues = TypeVar("WithValues", Check, Verdict)


def version_of(snapshot: Snapshot) -> str:
    """Return a hash that changes when a page must be rendered again.

    It excludes values that a page updates itself (ages, the duration of a running execution, the lag of an unchanged
    row), round-trip times and clock differences.
    """
    still = replace(
        snapshot,
        sampled_at=_ALWAYS,
        connections=tuple(replace(each, latency_ms=None, clock_skew_seconds=None) for each in snapshot.connections),
        preflight=replace(snapshot.preflight, checked_at=_ALWAYS, checks=_still(snapshot.preflight.checks)),
        pipelines=tuple(_still_pipeline(each) for each in snapshot.pipelines),
        overview=replace(snapshot.overview, worst_lag_seconds=_sign(snapshot.overview.worst_lag_seconds)),
        verdicts=_still(snapshot.verdicts),
    )
    return hashlib.blake2b(msgspec.json.encode(still), digest_size=12).hexdigest()


def _still(items: tuple[WithValues, ...]) -> tuple[WithValues, ...]:
    return tuple(
        replace(each, values={name: None if name in _CHANGING else value for name, value in each.values.items()})
        if each.values
        else each
        for each in items
    )


def _still_pipeline(pipeline: Pipeline) -> Pipeline:
    running = pipeline.newest is not None and pipeline.newest.status is ExecutionStatus.RUNNING
    figures = pipeline.figures
    return replace(
        pipeline,
        figures=replace(
            figures,
            served_lag_seconds=_sign(figures.served_lag_seconds),
            duration_seconds=None if running else figures.duration_seconds,
            drain_seconds=_rounded(figures.drain_seconds),
        ),
        verdicts=_still(pipeline.verdicts),
    )


def _sign(seconds: float | None) -> float | None:
    """Reduce the lag to 0, 1 or None: the page counts the seconds itself."""
    return None if seconds is None else float(seconds > 0)


def _rounded(seconds: float | None) -> float | None:
    """Round to two digits, so that an estimate does not change the version every second."""
    if seconds is None or seconds <= 0:
        return seconds
    return float(round(seconds, 1 - floor(log10(seconds))))


def seen(snapshot: Snapshot, scope: ReaderScope) -> Snapshot:
    """Call inside that scope. A pipeline limit costs seven statements on `default`."""
    if scope.pipelines is not None:
        snapshot = _narrowed(snapshot, scope.pipelines)
    return snapshot if scope.logins else without_logins(snapshot)


def _narrowed(snapshot: Snapshot, names: frozenset[str]) -> Snapshot:
    # Without control rows the figures are those of the last good sample (collector/tick.py, as_of).
    until = snapshot.stale_since if snapshot.problem is not None and snapshot.stale_since else snapshot.sampled_at
    runs = store.run_figures(until)
    recent = runs_within(runs.recent, names)
    figures = Overview()
    if snapshot.overview.pipelines is not None:
        figures = overview(
            pipelines_within(snapshot, names),
            day=runs.day,
            week=runs.week,
            throughputs=runs.throughputs,
            last_run=recent[0] if recent else None,
        )
    return within(snapshot, names, overview=figures, recent=recent, running=runs.running)
