from __future__ import annotations

from dataclasses import dataclass

from django.db.models import OuterRef, Subquery

from monitoring.models import EtlRun, EtlRunEntity, RunCopy, RunEntityCopy
from monitoring.models.executions import run_of
from monitoring.rules.facts import Run

EXECUTIONS_READ = 200
"""Most executions shown of one run, which has one per pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """`copied`: read from the portal's copy, not the warehouse. `earlier`, `later`: ids of the next copied runs."""

    run: Run
    copied: bool
    earlier: int | None = None
    later: int | None = None


def run_detail(run_id: int, *, logins: bool) -> RunDetail | None:
    """Return the run, or None. At most three statements.

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
        run = run_of(copy, copies[:EXECUTIONS_READ], logins=logins)
        return RunDetail(run=run, copied=True, earlier=copy.earlier, later=copy.later)
    row = EtlRun.objects.filter(pk=run_id).first()
    if row is None:
        return None
    entities = EtlRunEntity.objects.filter(run_id=run_id).order_by("run_id", "entity_name")
    return RunDetail(run=run_of(row, entities[:EXECUTIONS_READ], logins=logins), copied=False)
