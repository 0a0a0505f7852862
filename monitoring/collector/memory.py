"""What a collector keeps between its ticks. All of it can be read again from `default`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.collector.store import RunFigures
from monitoring.rules.facts import ConnectionReading, History, Pipeline, Problem, Snapshot
from monitoring.rules.preflight import Rights
from monitoring.rules.status import EligibleSample
from monitoring.warehouse.catalog import Catalog
from monitoring.warehouse.names import TableName

SAMPLES_KEPT = 400
"""Samples kept per pipeline for the watermark rules. Older ones are thinned out."""


@dataclass(slots=True)
class Structure:
    """`runner_at`: the newest session of the runner. `sessions_sampled_at`: sample times of sessions, newest first."""

    at: float  # monotonic seconds
    connections: dict[str, ConnectionReading]
    catalogs: dict[str, Catalog | Problem]
    wanted: dict[str, set[TableName]]
    checked_at: datetime
    runner_at: datetime | None = None
    sessions_sampled_at: tuple[datetime, ...] = ()
    rights: Rights | Problem | None = None

    def covers(self, wanted: dict[str, set[TableName]]) -> bool:
        return all(names <= self.wanted.get(alias, set()) for alias, names in wanted.items())


@dataclass(slots=True)
class Memory:
    snapshot: Snapshot | None = None
    previous: dict[str, Pipeline] = field(default_factory=dict)  # the snapshot's pipelines by name
    # Reading:
    structure: Structure | None = None
    # Probes that made a common statement fail, by alias and pipeline: why, and when to send each again on its own.
    failing_probes: dict[tuple[str, str], tuple[Problem, float]] = field(default_factory=dict)
    orphans_read_at: float | None = None
    changed: set[str] = field(default_factory=set)  # pipelines whose executions changed since they were judged
    # Judging:
    histories: dict[str, tuple[datetime, History]] = field(default_factory=dict)
    samples: dict[str, deque[EligibleSample]] | None = None
    medians: tuple[datetime, dict[str, float]] | None = None
    runs: RunFigures | None = None  # None: a run changed
    # Upkeep:
    pruned_at: float | None = None
    rolled: datetime | None = None
    fingerprinted: bool = False  # every copied failure has a fingerprint of this version
    seen_at: float | None = None
    seen_behind: bool = False

    def retry_failing_probes(self) -> None:
        self.failing_probes = {key: (problem, 0.0) for key, (problem, _) in self.failing_probes.items()}

    def remember(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.previous = {each.name: each for each in snapshot.pipelines}

    def forget_runs(self) -> None:
        """Drop everything derived from runs, because the warehouse was rebuilt."""
        self.histories.clear()
        self.changed.clear()
        self.runs = None

    def add_sample(self, name: str, sample: EligibleSample) -> None:
        if self.samples is None:
            self.samples = {}
        own = self.samples.setdefault(name, deque())
        while own and own[-1][0] >= sample[0]:
            own.pop()  # the clock went back: drop samples that lie in the future
        own.append(sample)
        if len(own) > SAMPLES_KEPT:
            self.samples[name] = deque(_thinned(list(own)))


def _thinned(samples: list[EligibleSample]) -> list[EligibleSample]:
    """Drop every second sample of the older half, except those without eligible rows or with a moved watermark."""
    half = len(samples) // 2
    kept = [
        sample
        for index, sample in enumerate(samples[:half])
        if index % 2 == 0 or sample[1] == 0 or sample[2] != samples[index - 1][2]
    ]
    newest = samples[-1][0]
    # The rules read ten runs back at most, which a daily load reaches within eleven days.
    return [each for each in kept if newest - each[0] < timedelta(days=11)][-SAMPLES_KEPT:] + samples[half:]
