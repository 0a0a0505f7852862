"""The pipeline matrix (selectors/matrix.py) as a table: on the page the newest state, exported the same rows."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.policies.facts import Watermark
from monitoring.selectors.matrix import MatrixRow, Structure
from monitoring.selectors.readings import Reading
from monitoring.tables.base import Column, PortalTable, ReadingColumn, StatusColumn
from monitoring.templatetags import parts, readings
from monitoring.templatetags.formats import utc_text
from monitoring.templatetags.sentences import pipeline_link
from monitoring.wording import problem_text

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
