"""When does a page have to be drawn again: a short text that changes when anything shown changes.

What the page ticks by itself (ages, the length of what is running, how late an unchanged row is) and
what nobody reads second by second (round-trip times, clock differences) is left out.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from math import floor, log10

import msgspec

from monitoring.enums import ExecutionStatus
from monitoring.policies.facts import Check, ConnectionReading, Figures, Pipeline, Preflight, Snapshot, Verdict

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
