"""The timeline of the newest runs: a bar per execution, as chart data and as a sentence for screen readers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext

from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Execution, Snapshot
from monitoring.web.formats import machine_text
from monitoring.web.parts import sign_of

TIMELINE_RUNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One execution on the time axis. `end` None: it still runs, or never said when it ended.

    `orphan`: it says "running", but its pipeline has a newer execution: its runner was killed.
    """

    execution: Execution
    start: datetime
    end: datetime | None
    orphan: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`bars` oldest run first, in each run by start. `left_out`: abandoned ones that began before the rest."""

    since: datetime
    until: datetime
    bars: tuple[Bar, ...]
    left_out: tuple[Bar, ...]


def timeline(snapshot: Snapshot, runs: int = TIMELINE_RUNS) -> Timeline:
    """Return the executions of the newest `runs` runs, up to the sample's time."""
    shown = sorted(snapshot.recent_runs[:runs], key=lambda run: run.run_id)
    executions = [execution for run in shown for execution in sorted(run.executions, key=_start)]
    bars = [_bar(snapshot, execution) for execution in executions]
    since = min((bar.start for bar in bars), default=snapshot.sampled_at)
    known = {bar.execution.run_entity_id for bar in bars}
    older = [execution for run in snapshot.running for execution in run.executions if not execution.finished]
    return Timeline(
        since=since,
        until=snapshot.sampled_at,
        bars=tuple(bars),
        left_out=tuple(
            _bar(snapshot, execution)
            for execution in older
            if execution.status is ExecutionStatus.RUNNING and execution.run_entity_id not in known
        ),
    )


def _start(execution: Execution) -> tuple[datetime, int]:
    return execution.started_at, execution.run_entity_id


def _bar(snapshot: Snapshot, execution: Execution) -> Bar:
    end = execution.finished_at
    return Bar(
        execution=execution,
        start=execution.started_at,
        end=None if end is None else max(end, execution.started_at),
        orphan=execution.status is ExecutionStatus.RUNNING and _superseded(snapshot, execution),
    )


def _superseded(snapshot: Snapshot, execution: Execution) -> bool:
    pipeline = snapshot.pipeline(execution.entity_name)
    return bool(pipeline and pipeline.newest and pipeline.newest.run_entity_id > execution.run_entity_id)


def timeline_chart(found: Timeline) -> dict[str, Any]:
    """Return a bar per execution of the newest runs, a row per pipeline; open bars have no end."""
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
    """Return what the timeline shows, for who cannot see it."""
    if not found.bars:
        return gettext("No execution has been seen yet.")
    failed = sum(bar.execution.status is ExecutionStatus.FAILED for bar in found.bars)
    running = sum(bar.execution.status is ExecutionStatus.RUNNING and not bar.orphan for bar in found.bars)
    return gettext("%(count)d executions of the latest runs: %(failed)d failed, %(running)d running.") % {
        "count": len(found.bars),
        "failed": failed,
        "running": running,
    }
