"""Ticks in a test: a warehouse with the real clock, and a collector."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from monitoring.collector.lease import claim_lease
from monitoring.collector.memory import Memory
from monitoring.collector.tick import Ticked, tick
from monitoring.rules.facts import Pipeline, Snapshot
from tests.support.warehouse import Warehouse

HOLDER = "test"


class Watcher:
    """Ticks with one memory, as a running collector does; `fresh()` forgets, as a restarted one has."""

    def __init__(self) -> None:
        self.memory = Memory()

    def tick(self) -> Ticked:
        assert claim_lease(holder=HOLDER)
        return tick(self.memory, holder=HOLDER)

    def snapshot(self) -> Snapshot:
        return self.tick().snapshot

    def pipeline(self, name: str = "dim_cliente") -> Pipeline:
        found = self.snapshot().pipeline(name)
        assert found is not None
        return found

    def fresh(self) -> Watcher:
        self.memory = Memory()
        return self

    def look_over(self) -> Watcher:
        """Make the next tick look over the structure again, as it does once a minute."""
        if self.memory.structure is not None:
            self.memory.structure.at -= 3600
        self.memory.retry_failing_probes()
        return self


def in_real_time(warehouse: Warehouse) -> Warehouse:
    """Let the warehouse's rows count from the database's own clock, which a test cannot set."""
    warehouse.now = timezone.now().replace(microsecond=0)
    return warehouse


def problem_codes(pipeline: Pipeline) -> tuple[Any, Any]:
    """The problem codes of source and target, None where there is none."""
    return (
        pipeline.source.problem.code if pipeline.source.problem else None,
        pipeline.target.problem.code if pipeline.target.problem else None,
    )
