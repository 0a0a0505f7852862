"""One pipeline for its page: from the snapshot, or, when it was added since, its control row read live."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import Error
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower, Trim

from monitoring.collector.snapshot import Current
from monitoring.models import EtlControl, PipelineSettings, RunEntityCopy, scope
from monitoring.models.executions import execution_of
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import ControlRow, Execution, Pipeline, Problem, Snapshot, SourceReading, Watermark
from monitoring.rules.freshness_timeline import Timeline, draw
from monitoring.warehouse.errors import problem_from
from monitoring.web import readings
from monitoring.web.cache import cache

LIVE_SECONDS = 10
"""How long a control row that the snapshot lacks is kept for all viewers."""

MAX_NAME = 100
"""Characters of an entity name (CONTRACT: VARCHAR(100))."""

LISTED = 1000
"""Names offered by the selector; any other can be typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The pipeline that a page is about.

    `pipeline` None: the collector has not sampled it yet, and only its control row is known.
    `problem`: neither the snapshot has it nor could the control table be asked.
    """

    name: str
    control: ControlRow | None
    pipeline: Pipeline | None = None
    problem: Problem | None = None


def subject(current: Current, name: str) -> Subject | None:
    """Return the pipeline called `name`, None when there is no such control row.

    No statement when the snapshot has it; else one on dw, whose answer is kept LIVE_SECONDS.
    """
    pipeline = _in_snapshot(current.snapshot, name)
    if pipeline is not None:
        return Subject(name=pipeline.name, control=pipeline.control, pipeline=pipeline)
    if not name.strip() or len(name) > MAX_NAME:
        return None
    found: ControlRow | Problem | str | None = cache.get(_cache_key(name))
    if found is None:
        found = _live(name) or "absent"
        cache.set(_cache_key(name), found, LIVE_SECONDS)
    if isinstance(found, str):
        return None
    if isinstance(found, Problem):
        return Subject(name=name, control=None, problem=found)
    return Subject(name=found.entity_name, control=found)


def _in_snapshot(snapshot: Snapshot | None, name: str) -> Pipeline | None:
    """Return the pipeline of that name, case and outer blanks ignored as SQL Server's usual collations do."""
    if snapshot is None:
        return None
    wanted = name.strip().casefold()
    exact = snapshot.pipeline(name)
    return exact or next((each for each in snapshot.pipelines if each.name.strip().casefold() == wanted), None)


def _cache_key(name: str) -> str:
    # A cache's key has its own limits: any name, of any length, becomes plain hexadecimal.
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"control-row-{digest}{scope.reader_scope().stamp}"


def _live(name: str) -> ControlRow | Problem | None:
    try:
        row = EtlControl.objects.filter(pk=name).first()
    except (Error, ValueError, UnicodeError) as error:
        return problem_from(error, "dw")
    return None if row is None else control_of_row(row)


def control_of_row(row: EtlControl) -> ControlRow:
    """Return a control row read live as facts."""
    return ControlRow(
        entity_name=row.entity_name,
        source_table=row.source_table,
        target_table=row.target_table,
        source_pk_column=row.source_pk_column,
        watermark=Watermark(row.watermark_updated_at, row.watermark_id),
        cutoff_minutes=row.cutoff_minutes,
        batch_size=row.batch_size,
        is_active=row.is_active,
        last_run_id=row.last_run_id,
        last_status=row.last_status,
        last_success_at=row.last_success_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def names(current: Current) -> list[str]:
    """Return the names that the selector offers: those of the snapshot, at most LISTED."""
    return [] if current.snapshot is None else sorted(each.name for each in current.snapshot.pipelines)[:LISTED]


def timeline_of(pipeline: Pipeline, snapshot: Snapshot) -> Timeline:
    """Return the pipeline's freshness timeline at the time of the sample.

    Counts from before a database stopped answering are left out: they say nothing about now.
    """
    source = pipeline.source
    if readings.blind(snapshot)[0] is not None:
        source = SourceReading(problem=source.problem)
    return draw(pipeline.control, source, pipeline.thresholds, snapshot.sampled_at)


def settings_of(name: str) -> PipelineSettings:
    """Return the pipeline's settings, or the defaults. One statement."""
    return PipelineSettings.objects.filter(pk=name).first() or PipelineSettings(entity_name=name)


FAILURES = 5
"""Failures shown: the newest."""

KEPT_SECONDS = 120


def executions(name: str, statuses: Iterable[ExecutionStatus] = ()) -> QuerySet[RunEntityCopy]:
    """Return the pipeline's copied run entities with one of `statuses` (all without any), not yet evaluated.

    A status that the portal does not know counts as UNKNOWN.
    """
    found = RunEntityCopy.objects.filter(entity_name=name)
    wanted = frozenset(statuses)
    if not wanted:
        return found
    known = [status.value for status in ExecutionStatus if status is not ExecutionStatus.UNKNOWN]
    condition = Q(word__in=[status.value for status in wanted])
    if ExecutionStatus.UNKNOWN in wanted:
        condition |= ~Q(word__in=known)
    return found.alias(word=Lower(Trim("status"))).filter(condition)


def failures(name: str, now: datetime, shown: int = FAILURES, *, logins: bool) -> tuple[list[Execution], bool]:
    """Return the pipeline's newest failures, and whether there are more.

    One statement per snapshot (`now`) and scope: copies change only when a snapshot does.
    """
    stamp, key_name = scope.reader_scope().stamp, name.encode("utf-8", "surrogatepass").hex()
    key = f"pipeline-failures-{now.timestamp()}-{shown}-{key_name}-{logins}-{stamp}"
    kept: tuple[list[Execution], bool] | None = cache.get(key)
    if kept is None:
        kept = _failures(name, shown, logins)
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def _failures(name: str, shown: int, logins: bool) -> tuple[list[Execution], bool]:
    copies = list(executions(name, [ExecutionStatus.FAILED]).order_by("-run_id", "-run_entity_id")[: shown + 1])
    found = [execution_of(copy, logins=logins) for copy in copies[:shown]]
    return found, len(copies) > shown
