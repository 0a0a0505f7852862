"""The pipeline matrix: one row per control row, every figure a reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import ExecutionStatus, PipelineStatus, ProblemCode, Severity, WatermarkState
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Count, Execution, Pipeline, Problem, Snapshot, Watermark
from monitoring.templatetags.sentences import pipeline_link
from monitoring.web import parts, readings
from monitoring.web.formats import utc_text
from monitoring.web.problems import problem_text
from monitoring.web.readings import Missing, Reading
from monitoring.web.tables import Column, PortalTable, ReadingColumn, StatusColumn


class Structure(StrEnum):
    """Whether a pipeline's two tables are there, as far as it could be found out."""

    COMPLETE = "complete"
    SOURCE_MISSING = "source_missing"
    TARGET_MISSING = "target_missing"
    BOTH_MISSING = "both_missing"
    NAME_INVALID = "name_invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One pipeline. Totals, pending and counts are rows; latency, lag and duration seconds;
    coverage percent; throughput rows per second; times aware UTC. `late_since`: the oldest eligible
    row's time, None where nothing waits or nobody can see whether it still does. `structure_unread`, `runs_unread`:
    why what is said of the tables, and of the newest execution, is what was last known."""

    name: str
    status: PipelineStatus
    severity: Severity
    active: bool
    required: bool
    owner: str
    structure: Structure
    structure_problem: Problem | None
    structure_unread: Problem | None
    runs_unread: Problem | None
    source_table: str
    target_table: str
    source_total: Reading[int]
    target_total: Reading[int]
    coverage: Reading[float]
    eligible: Reading[Count]
    cooling: Reading[Count]
    latency: Reading[float]
    served_lag: Reading[float]
    late_since: datetime | None
    newest: Execution | None
    last_started_at: Reading[datetime]
    last_finished_at: Reading[datetime]
    extracted: Reading[int]
    upserted: Reading[int]
    soft_deleted: Reading[int]
    duration: Reading[float]
    throughput: Reading[float]
    watermark: Watermark
    watermark_state: WatermarkState
    error: ErrorText | None

    @property
    def last_error(self) -> str:
        """The newest execution's error message."""
        return self.error.text if self.error else ""

    @property
    def running(self) -> bool:
        """Whether it runs, as far as anybody can see: without the audit tables nobody can."""
        return self.status is PipelineStatus.RUNNING and self.newest is not None

    @property
    def run_id(self) -> int | None:
        return None if self.newest is None else self.newest.run_id


def matrix(snapshot: Snapshot) -> list[MatrixRow]:
    """Return a row per pipeline, in the order of their names."""
    return sorted((matrix_row(each, snapshot) for each in snapshot.pipelines), key=lambda row: row.name)


def select(
    rows: Iterable[MatrixRow],
    *,
    statuses: Iterable[PipelineStatus] = (),
    active: bool | None = None,
    attention: bool = False,
    text: str = "",
) -> list[MatrixRow]:
    """Return the rows that match everything asked for.

    `text` is looked for in names, tables, owner and last error, whatever its case; `attention`
    keeps those with an open verdict or an unknown.
    """
    wanted, needle = frozenset(statuses), text.strip().casefold()
    return [
        row
        for row in rows
        if (not wanted or row.status in wanted)
        and (active is None or row.active is active)
        and (not attention or row.severity is not Severity.OK)
        and (not needle or needle in _haystack(row))
    ]


def _haystack(row: MatrixRow) -> str:
    return "\n".join((row.name, row.source_table, row.target_table, row.owner, row.last_error)).casefold()


def matrix_row(pipeline: Pipeline, snapshot: Snapshot) -> MatrixRow:
    """Return the pipeline's figures, each as the last known one where its database could not be read this time."""
    source, target = readings.blind(snapshot)
    control, newest = pipeline.control, pipeline.newest
    structure = structure_of(pipeline)
    return MatrixRow(
        name=pipeline.name,
        status=pipeline.status,
        severity=pipeline.severity,
        active=control.is_active,
        required=pipeline.required,
        owner=pipeline.owner,
        structure=structure,
        structure_problem=None if structure is Structure.COMPLETE else _structure_problem(pipeline),
        structure_unread=source or target,
        runs_unread=target,
        source_table=control.source_table,
        target_table=control.target_table,
        source_total=readings.kept(readings.of_source(pipeline, pipeline.source.total), source),
        target_total=readings.kept(readings.of_target(pipeline, pipeline.target.total), target),
        coverage=readings.kept(readings.coverage(pipeline), source or target),
        eligible=readings.kept(readings.of_source(pipeline, pipeline.source.eligible), source),
        cooling=readings.kept(readings.of_source(pipeline, pipeline.source.cooling), source),
        latency=readings.kept(readings.latency(pipeline), source or target),
        served_lag=readings.kept(readings.of_source(pipeline, pipeline.figures.served_lag_seconds), source),
        late_since=late_since(pipeline) if source is None else None,
        newest=newest,
        last_started_at=readings.kept(_started(newest), target),
        last_finished_at=readings.kept(_finished(newest), target),
        extracted=readings.kept(readings.rows_of(newest, newest.extracted if newest else 0), target),
        upserted=readings.kept(readings.rows_of(newest, newest.upserted if newest else 0), target),
        soft_deleted=readings.kept(readings.rows_of(newest, newest.soft_deleted if newest else 0), target),
        duration=readings.kept(readings.duration(pipeline), target),
        throughput=readings.kept(readings.throughput(pipeline), target),
        watermark=control.watermark,
        watermark_state=pipeline.watermark_state,
        error=newest.shown_error if newest else None,
    )


def late_since(pipeline: Pipeline) -> datetime | None:
    """Return the time of the oldest eligible row, from which its lag counts; None when nothing waits."""
    return pipeline.source.oldest_eligible_at if pipeline.figures.served_lag_seconds else None


def structure_of(pipeline: Pipeline) -> Structure:
    """Return what is known of the pipeline's tables: a missing one is worse than an unreadable one."""
    if not pipeline.mapping_valid:
        return Structure.NAME_INVALID
    source, target = pipeline.source.exists, pipeline.target.exists
    if source is False and target is False:
        return Structure.BOTH_MISSING
    if source is False:
        return Structure.SOURCE_MISSING
    if target is False:
        return Structure.TARGET_MISSING
    return Structure.COMPLETE if source and target else Structure.UNKNOWN


def _structure_problem(pipeline: Pipeline) -> Problem:
    return pipeline.source.problem or pipeline.target.problem or Problem(code=ProblemCode.NOT_READ)


def _started(newest: Execution | None) -> Reading[datetime]:
    return Reading(None, Missing.NEVER_RUN) if newest is None else Reading(newest.started_at)


def _finished(newest: Execution | None) -> Reading[datetime]:
    if newest is None:
        return Reading(None, Missing.NEVER_RUN)
    running = newest.status is ExecutionStatus.RUNNING
    return readings.reading(newest.finished_at, Missing.STILL_RUNNING if running else Missing.NOT_FINISHED)


ERROR_SHOWN = 60

STRUCTURES = {
    Structure.COMPLETE: pgettext_lazy("structure", "Complete"),
    Structure.SOURCE_MISSING: pgettext_lazy("structure", "Source missing"),
    Structure.TARGET_MISSING: pgettext_lazy("structure", "Target missing"),
    Structure.BOTH_MISSING: pgettext_lazy("structure", "Source and target missing"),
    Structure.NAME_INVALID: pgettext_lazy("structure", "Name not valid"),
    Structure.UNKNOWN: pgettext_lazy("structure", "Unknown"),
}


class NameColumn(Column):
    """The pipeline's name, linked; a required one is marked, and who owns it is on hover."""

    def render(self, record: MatrixRow) -> SafeString:
        tag = format_html(' <span class="tag">{}</span>', gettext("required")) if record.required else ""
        owner = format_html(' data-tip="{}"', gettext("owner: %s") % record.owner) if record.owner else ""
        return format_html('<span class="nowrap"{}>{}{}</span>', owner, pipeline_link(record.name), tag)

    def value(self, record: MatrixRow) -> str:
        return record.name


class PipelineStatusColumn(StatusColumn):
    def render(self, record: MatrixRow) -> SafeString:
        return parts.status(record.status)


class ActiveColumn(Column):
    def render(self, value: bool) -> SafeString:
        if value:
            return format_html("{}", gettext("yes"))
        return format_html('<span class="muted">{}</span>', gettext("no"))

    def value(self, value: bool) -> str:
        return gettext("yes") if value else gettext("no")


class StructureColumn(Column):
    """Whether source and target are there; the names that were looked for on hover."""

    def render(self, record: MatrixRow) -> SafeString:
        if record.structure is Structure.UNKNOWN:
            return parts.unknown(record.structure_problem)
        text, tables = STRUCTURES[record.structure], f"{record.source_table} → {record.target_table}"
        unread = readings.mark(record.structure_unread)
        if record.structure is Structure.COMPLETE:
            return format_html('{} <span class="muted" data-tip="{}">{}</span>', unread, tables, text)
        return format_html(
            '{} <span class="status tone-structure" data-tip="{}"><span class="status__sign">{}</span>'
            '<span class="status__word">{}</span></span>',
            unread,
            tables,
            parts.icon("puzzle"),
            text,
        )

    def value(self, record: MatrixRow) -> str:
        return str(STRUCTURES[record.structure])


class WatermarkColumn(Column):
    """The tuple (updated_at, key) up to which the source was read."""

    def render(self, value: Watermark) -> SafeString:
        if value.never_loaded:
            return parts.none(gettext("never loaded"))
        return format_html(
            '<span class="nowrap">{} <span class="muted">#{}</span></span>', parts.when(value.updated_at), value.id
        )

    def value(self, value: Watermark) -> str:
        return gettext("never loaded") if value.never_loaded else f"{utc_text(value.updated_at)} #{value.id}"


class ErrorColumn(Column):
    """The driver's words, cut on the page, whole on hover and in the export."""

    def render(self, value: str, record: MatrixRow) -> SafeString:
        unread = readings.mark(record.runs_unread)
        if record.error is None or not value:
            return format_html("{} {}", unread, parts.none(gettext("no error in the last execution")))
        return format_html("{} {}", unread, parts.error_text(record.error, ERROR_SHOWN))


class ServedLagColumn(ReadingColumn):
    """The oldest row waits on while nobody looks: its lag ticks in the browser."""

    def render(self, value: Reading[Any], record: MatrixRow) -> SafeString:
        return parts.elapsed(record.late_since) if record.late_since else readings.draw(value, self.kind)


class DurationColumn(ReadingColumn):
    """A running execution's duration ticks in the browser; the server never renders "now"."""

    def render(self, value: Reading[Any], record: MatrixRow) -> SafeString:
        if record.running and record.newest is not None:
            return parts.elapsed(record.newest.started_at)
        return readings.draw(value, self.kind)


class UnreadColumn(Column):
    """Only in exports, where a last known value is a number like any other: why there is none newer."""

    def value(self, record: MatrixRow) -> str:
        each = (record.source_total, record.target_total, record.eligible, record.last_started_at)
        problems = {problem_text(reading.problem).what for reading in each if reading.problem}
        return " ".join(sorted(problems))


def _structure_rank(row: MatrixRow) -> int:
    return list(Structure).index(row.structure)


class MatrixTable(PortalTable):
    """All columns that the summary's matrix has. Sorted by name unless told."""

    key = staticmethod(lambda row: row.name)

    name = NameColumn(verbose_name=_("Pipeline"))
    status = PipelineStatusColumn(verbose_name=_("Status"), help="status")
    active = ActiveColumn(verbose_name=_("Active"), help="active")
    structure = StructureColumn(verbose_name=_("Structure"), help="structure", rank=_structure_rank)
    eligible = ReadingColumn("rows", verbose_name=_("Eligible"), help="eligible", unit=_("rows"))
    cooling = ReadingColumn("rows", verbose_name=_("Cooling"), help="cooling", unit=_("rows"))
    served_lag = ServedLagColumn("duration", verbose_name=_("Served lag"), help="served_lag", unit="s")
    latency = ReadingColumn("duration", verbose_name=_("Latency"), help="latency", unit="s")
    coverage = ReadingColumn("percent", verbose_name=_("Coverage"), help="coverage", unit="%")
    source_total = ReadingColumn("rows", verbose_name=_("Source rows"), help="source_total", unit=_("rows"))
    target_total = ReadingColumn("rows", verbose_name=_("Target rows"), help="target_total", unit=_("rows"))
    last_started_at = ReadingColumn("age", verbose_name=_("Last started"), css="", unit="UTC")
    last_finished_at = ReadingColumn("age", verbose_name=_("Last finished"), css="", unit="UTC")
    extracted = ReadingColumn("rows", verbose_name=_("Extracted"), help="extracted", unit=_("rows"))
    upserted = ReadingColumn("rows", verbose_name=_("Upserted"), help="upserted", unit=_("rows"))
    soft_deleted = ReadingColumn("rows", verbose_name=_("Soft-deleted"), help="soft_deleted", unit=_("rows"))
    duration = DurationColumn("duration", verbose_name=_("Duration"), help="duration", unit="s")
    throughput = ReadingColumn("rate", verbose_name=_("Throughput"), help="throughput", unit=_("rows/s"))
    watermark = WatermarkColumn(verbose_name=_("Watermark"), help="watermark", rank=lambda row: row.watermark)
    watermark_state = StatusColumn(verbose_name=_("Watermark state"), help="watermark_state")
    unread = UnreadColumn(verbose_name=_("Could not be read"), accessor="name", visible=False, orderable=False)
    last_error = ErrorColumn(
        verbose_name=_("Last error"), help="last_error", rank=lambda row: row.last_error.casefold() or None
    )

    class Meta:
        order_by = "name"
        empty_text = _("No pipeline matches.")
        row_attrs = {"data-row": lambda record: record.name}
