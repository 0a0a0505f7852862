from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils.translation import gettext

from monitoring.models import EtlRun, EtlRunEntity, RunCopy, RunEntityCopy
from monitoring.models.executions import run_of
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Execution, Run, Snapshot
from monitoring.web.formats import machine_text
from monitoring.web.parts import sign_of

EXECUTIONS_READ = 200
"""Most executions shown of one run, which has one per pipeline."""
TIMELINE_RUNS = 10


def run_detail(run_id: int, *, logins: bool) -> tuple[Run, RunCopy | None] | None:
    """Return the run and its copy, or None. At most three statements.

    The copy has the ids of the next copied runs as `earlier` and `later`. It is None for a run of the warehouse only.

    Raises DatabaseError if the copy lacks the run and the warehouse cannot be read.
    """
    neighbours = RunCopy.objects.order_by("-pk").values("pk")
    copy = (
        RunCopy.objects.filter(pk=run_id)
        .annotate(
            earlier=Subquery(neighbours.filter(pk__lt=OuterRef("pk"))[:1]),
            later=Subquery(neighbours.filter(pk__gt=OuterRef("pk")).order_by("pk")[:1]),
        )
        .first()
    )
    if copy is not None:
        copies = RunEntityCopy.objects.filter(run_id=run_id).order_by("started_at", "run_entity_id")
        return run_of(copy, copies[:EXECUTIONS_READ], logins=logins), copy
    row = EtlRun.objects.filter(pk=run_id).first()
    if row is None:
        return None
    entities = EtlRunEntity.objects.filter(run_id=run_id).order_by("run_id", "entity_name")
    return run_of(row, entities[:EXECUTIONS_READ], logins=logins), None


class Bar(NamedTuple):
    """`orphan`: the status is "running", but the pipeline has a newer execution, so the runner was killed."""

    execution: Execution
    orphan: bool

    @property
    def end(self) -> datetime | None:
        """The finish, not before the start; None while it runs, or if the runner wrote none."""
        finish = self.execution.finished_at
        return None if finish is None else max(finish, self.execution.started_at)


def timeline(snapshot: Snapshot) -> tuple[list[Bar], list[Bar]]:
    """Return the bars of the newest runs, by run and start, and those of running executions of older runs."""

    def bar(execution: Execution) -> Bar:
        pipeline = snapshot.pipeline(execution.entity_name)
        newest = pipeline.newest if pipeline else None
        superseded = newest is not None and newest.run_entity_id > execution.run_entity_id
        return Bar(execution, orphan=execution.running and superseded)

    newest = [execution for run in snapshot.recent_runs[:TIMELINE_RUNS] for execution in run.executions]
    newest.sort(key=lambda execution: (execution.run_id, execution.started_at, execution.run_entity_id))
    known = {execution.run_entity_id for execution in newest}
    running = [execution for run in snapshot.running for execution in run.executions if execution.running]
    older = [execution for execution in running if execution.run_entity_id not in known]
    return [bar(execution) for execution in newest], [bar(execution) for execution in older]


def timeline_chart(bars: Sequence[Bar], until: datetime) -> dict[str, Any]:
    rows = sorted({bar.execution.entity_name for bar in bars})
    return {
        "type": "gantt",
        "rows": rows,
        "start": machine_text(min((bar.execution.started_at for bar in bars), default=until)),
        "end": machine_text(until),
        "spans": [
            {
                "row": rows.index(bar.execution.entity_name),
                "start": machine_text(bar.execution.started_at),
                "end": None if bar.end is None else machine_text(bar.end),
                "tone": sign_of(bar.execution.status).tone,
                "label": f"#{bar.execution.run_id} {sign_of(bar.execution.status).word}",
                "url": reverse("monitoring:run", args=(bar.execution.run_id,)),
            }
            for bar in bars
        ],
    }


def timeline_sentence(bars: Sequence[Bar]) -> str:
    """Return the chart in words, for screen readers."""
    if not bars:
        return gettext("No execution has been seen yet.")
    failed = sum(bar.execution.status is ExecutionStatus.FAILED for bar in bars)
    running = sum(bar.execution.running and not bar.orphan for bar in bars)
    return gettext("%(count)d executions of the latest runs: %(failed)d failed, %(running)d running.") % {
        "count": len(bars),
        "failed": failed,
        "running": running,
    }
