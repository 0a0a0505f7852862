from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from django.db import Error
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower, Trim

from monitoring.collector.snapshot import Current
from monitoring.models import EtlControl, PipelineSettings, RunEntityCopy
from monitoring.models.executions import listed_executions
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import ControlRow, Execution, Pipeline, Problem, Snapshot, SourceReading, Watermark
from monitoring.rules.freshness_timeline import Timeline, draw
from monitoring.warehouse.errors import problem_from
from monitoring.web import readings
from monitoring.web.cache import cached_once

LIVE_SECONDS = 10
"""Cache time of a control row that is not in the snapshot."""

MAX_NAME = 100
"""Characters of an entity name (CONTRACT: VARCHAR(100))."""

NAMES = 1000
"""Most names that the selector offers. Other names can be typed."""

FAILURES = 5
FAILURES_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Before its first sample, `pipeline` is None and `control` was read live. `problem`: that read failed."""

    name: str
    control: ControlRow | None
    pipeline: Pipeline | None = None
    problem: Problem | None = None


def cache_key(*parts: object) -> str:
    """Hash `parts`, because not every cache allows any text as a key."""
    digest = hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16)
    return f"pipelines-{digest.hexdigest()}"


def subject(current: Current, name: str) -> Subject | None:
    """Return the pipeline, or None if it has no control row.

    One statement on dw, cached for LIVE_SECONDS, if the pipeline is not in the snapshot.
    """
    pipelines = current.snapshot.pipelines if current.snapshot else ()
    exact = current.snapshot.pipeline(name) if current.snapshot else None
    # Ignore case and outer spaces, as SQL Server's usual collations do.
    wanted = name.strip().casefold()
    pipeline = exact or next((each for each in pipelines if each.name.strip().casefold() == wanted), None)
    if pipeline is not None:
        return Subject(name=pipeline.name, control=pipeline.control, pipeline=pipeline)
    if not name.strip() or len(name) > MAX_NAME:
        return None
    found = cached_once(cache_key("control", name), lambda: _live(name), fresh=lambda _: LIVE_SECONDS)
    if isinstance(found, Problem):
        return Subject(name=name, control=None, problem=found)
    return Subject(name=found.entity_name, control=found) if found else None


def _live(name: str) -> ControlRow | Problem | None:
    try:
        row = EtlControl.objects.filter(pk=name).first()
    except (Error, ValueError, UnicodeError) as error:
        return problem_from(error, "dw")
    if row is None:
        return None
    same = {field.name: getattr(row, field.name) for field in fields(ControlRow) if field.name != "watermark"}
    return ControlRow(**same, watermark=Watermark(row.watermark_updated_at, row.watermark_id))


def names(current: Current) -> list[str]:
    return [] if current.snapshot is None else sorted(each.name for each in current.snapshot.pipelines)[:NAMES]


def timeline_of(pipeline: Pipeline, snapshot: Snapshot) -> Timeline:
    """Leave out counts from before a database stopped answering: they say nothing about the time of the sample."""
    source = pipeline.source
    if readings.blind(snapshot)[0] is not None:
        source = SourceReading(problem=source.problem)
    return draw(pipeline.control, source, pipeline.thresholds, snapshot.sampled_at)


def settings_of(name: str) -> PipelineSettings:
    return PipelineSettings.objects.filter(pk=name).first() or PipelineSettings(entity_name=name)


def executions(name: str, statuses: Iterable[ExecutionStatus] = ()) -> QuerySet[RunEntityCopy]:
    """Filter the copied executions by `statuses`, if any. A status that the portal does not know counts as UNKNOWN."""
    found = RunEntityCopy.objects.filter(entity_name=name)
    wanted = frozenset(statuses)
    if not wanted:
        return found
    condition = Q(word__in=[status.value for status in wanted])
    if ExecutionStatus.UNKNOWN in wanted:
        known = [status.value for status in ExecutionStatus if status is not ExecutionStatus.UNKNOWN]
        condition |= ~Q(word__in=known)
    return found.alias(word=Lower(Trim("status"))).filter(condition)


def failures(name: str, now: datetime, *, logins: bool) -> tuple[list[Execution], bool]:
    """Return the latest FAILURES failures, and whether there are more.

    One statement per snapshot (`now`), because the copies change only with a snapshot.
    """

    def read() -> tuple[list[Execution], bool]:
        found = executions(name, [ExecutionStatus.FAILED]).order_by("-run_id", "-run_entity_id")
        copies = list(found[: FAILURES + 1])
        return listed_executions(copies[:FAILURES], logins=logins), len(copies) > FAILURES

    return cached_once(cache_key("failures", name, now, logins), read, fresh=lambda _: FAILURES_SECONDS)
