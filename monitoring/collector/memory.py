"""What a collector remembers between its ticks: only what it could find out again.

A second collector, or the one sample that a page takes, starts with an empty memory and comes to
the same conclusions from `default`, at the price of a few more statements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.collector.store import EligibleSample, ExecutionPast
from monitoring.rules.facts import ConnectionReading, Pipeline, Problem, Run, Snapshot, Watermark
from monitoring.rules.overview import RunCounts
from monitoring.rules.preflight import Rights
from monitoring.warehouse.catalog import Catalog
from monitoring.warehouse.names import TableName

SAMPLES_KEPT = 400
"""Samples of one pipeline kept for the watermark rules; older ones are thinned out."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """When a runner's session was last seen, and when sessions were sampled at all, newest first."""

    runner_at: datetime | None = None
    sampled_at: tuple[datetime, ...] = ()


NO_SESSIONS = Sessions()


@dataclass(slots=True)
class Structure:
    """What the databases looked like when they were last looked over, by alias."""

    at: float  # monotonic seconds
    connections: dict[str, ConnectionReading]
    catalogs: dict[str, Catalog | Problem]
    asked: dict[str, frozenset[TableName]]
    checked_at: datetime
    sessions: Sessions = NO_SESSIONS
    rights: Rights | Problem | None = None

    def covers(self, alias: str, wanted: Iterable[TableName]) -> bool:
        """Whether all these tables were asked about."""
        return set(wanted) <= self.asked.get(alias, frozenset())


@dataclass(slots=True)
class Guilty:
    """A pipeline whose table made a common statement fail: asked alone, and not in every tick."""

    problem: Problem
    retry_at: float  # monotonic seconds


@dataclass(slots=True)
class RunFigures:
    """What the runs say together; read again when a run changed or the window moved on."""

    at: datetime
    day: RunCounts
    week: RunCounts
    throughputs: list[tuple[int, float]]
    recent: tuple[Run, ...]
    running: tuple[Run, ...]


@dataclass(slots=True)
class Memory:
    """The collector's memory. `forget` when the warehouse turns out to be another one."""

    structure: Structure | None = None
    guilty: dict[tuple[str, str], Guilty] = field(default_factory=dict)
    past: dict[str, tuple[datetime, ExecutionPast]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    runs_changed: bool = True
    runs: RunFigures | None = None
    samples: dict[str, deque[EligibleSample]] | None = None
    medians: tuple[datetime, dict[str, float]] | None = None
    previous: dict[str, Pipeline] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    orphans_read_at: float | None = None
    pruned_at: float | None = None
    rolled: datetime | None = None
    fingerprinted: bool = False  # every copied failure has its fingerprint by the present rules
    seen_at: float | None = None
    seen_behind: bool = False

    def forget(self) -> None:
        """Drop what was concluded from runs that are no more."""
        self.past.clear()
        self.changed.clear()
        self.runs = None
        self.runs_changed = True

    def add_sample(self, name: str, when: datetime, eligible: int, watermark: Watermark) -> None:
        """Remember one pipeline's sample; thin the older half where there are too many."""
        if self.samples is None:
            self.samples = {}
        own = self.samples.setdefault(name, deque())
        while own and own[-1][0] >= when:
            own.pop()  # the clock went back: what it calls the future is not known yet
        own.append((when, eligible, watermark))
        if len(own) > SAMPLES_KEPT:
            self.samples[name] = deque(_thinned(list(own)))


def _thinned(samples: list[EligibleSample]) -> list[EligibleSample]:
    """Drop every second of the older half, but none that says "nothing waits" and none where W changed."""
    half = len(samples) // 2
    kept = [
        sample
        for index, sample in enumerate(samples[:half])
        if index % 2 == 0 or sample[1] == 0 or sample[2] != samples[index - 1][2]
    ]
    newest = samples[-1][0]
    # Nothing is judged further back than ten runs; two days is more than that for a daily load's tenth.
    return [each for each in kept if newest - each[0] < timedelta(days=11)][-SAMPLES_KEPT:] + samples[half:]
