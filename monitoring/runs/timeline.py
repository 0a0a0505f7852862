"""The timeline of the newest runs: a bar per execution, as chart data and as a sentence for screen readers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext

from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Execution, Snapshot
from monitoring.web.formats import machine_text
from monitoring.web.parts import sign_of

TIMELINE_RUNS = 10


class Bar(NamedTuple):
    """`orphan`: the status is "running", but the pipeline has a newer execution, so the runner was killed."""

    execution: Execution
    orphan: bool

    @property
    def start(self) -> datetime:
        return self.execution.started_at

    @property
    def end(self) -> datetime | None:
        """The finish, not before the start; None while it runs, or if the runner wrote none."""
        finish = self.execution.finished_at
        return None if finish is None else max(finish, self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`bars` by run, oldest first, then by start. `left_out`: running executions of older runs."""

    since: datetime
    until: datetime
    bars: tuple[Bar, ...]
    left_out: tuple[Bar, ...]


def timeline(snapshot: Snapshot, runs: int = TIMELINE_RUNS) -> Timeline:
    shown = sorted(snapshot.recent_runs[:runs], key=lambda run: run.run_id)
    bars = [
        _bar(snapshot, execution)
        for run in shown
        for execution in sorted(run.executions, key=lambda each: (each.started_at, each.run_entity_id))
    ]
    known = {bar.execution.run_entity_id for bar in bars}
    older = [execution for run in snapshot.running for execution in run.executions if execution.running]
    return Timeline(
        since=min((bar.start for bar in bars), default=snapshot.sampled_at),
        until=snapshot.sampled_at,
        bars=tuple(bars),
        left_out=tuple(_bar(snapshot, execution) for execution in older if execution.run_entity_id not in known),
    )


def _bar(snapshot: Snapshot, execution: Execution) -> Bar:
    pipeline = snapshot.pipeline(execution.entity_name)
    newest = pipeline.newest if pipeline else None
    superseded = newest is not None and newest.run_entity_id > execution.run_entity_id
    return Bar(execution=execution, orphan=execution.running and superseded)


def timeline_chart(found: Timeline) -> dict[str, Any]:
    rows = sorted({bar.execution.entity_name for bar in found.bars})
    return {
        "type": "gantt",
        "rows": rows,
        "start": machine_text(found.since),
        "end": machine_text(found.until),
        "spans": [
            {
                "row": rows.index(bar.execution.entity_name),
                "start": machine_text(bar.start),
                "end": None if bar.end is None else machine_text(bar.end),
                "tone": sign_of(bar.execution.status).tone,
                "label": f"#{bar.execution.run_id} {sign_of(bar.execution.status).word}",
                "url": reverse("monitoring:run", args=(bar.execution.run_id,)),
            }
            for bar in found.bars
        ],
    }


def timeline_sentence(found: Timeline) -> str:
    if not found.bars:
        return gettext("No execution has been seen yet.")
    failed = sum(bar.execution.status is ExecutionStatus.FAILED for bar in found.bars)
    running = sum(bar.execution.running and not bar.orphan for bar in found.bars)
    return gettext("%(count)d executions of the latest runs: %(failed)d failed, %(running)d running.") % {
        "count": len(found.bars),
        "failed": failed,
        "running": running,
    }
