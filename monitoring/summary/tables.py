from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import ProblemCode, Structure
from monitoring.rules.error_text import ErrorText, parse
from monitoring.rules.facts import Execution
from monitoring.web import parts, readings
from monitoring.web.filters import TableForm, kind_field, search_field
from monitoring.web.labels import label
from monitoring.web.problems import advice_for, problem_text
from monitoring.web.readings import Missing, PipelineReadings, Reading
from monitoring.web.tables import (
    EXPORT_ONLY,
    Column,
    PipelineColumn,
    PipelineNameColumn,
    PortalTable,
    ReadingColumn,
    RunIdColumn,
    StatusColumn,
    TimeColumn,
    WatermarkColumn,
    WordsColumn,
    YesNoColumn,
)

ERROR_SHOWN = 60
FAILURES_SHOWN = 8


class ServedLagColumn(ReadingColumn):
    def render(self, value: Reading[Any], record: PipelineReadings) -> SafeString:  # type: ignore[override]
        return parts.elapsed(record.late_since) if record.late_since else super().render(value)


class DurationColumn(ReadingColumn):
    """The browser counts a running execution's duration, so that the server never renders "now"."""

    def render(self, value: Reading[Any], record: PipelineReadings) -> SafeString:  # type: ignore[override]
        return parts.elapsed(record.last_started_at.value) if record.running else super().render(value)


class MatrixTable(PortalTable):
    key = staticmethod(lambda row: row.name)
    caption = _("Pipeline matrix")

    name = PipelineNameColumn(verbose_name=_("Pipeline"))
    status = StatusColumn(accessor="pipeline__status", verbose_name=_("Status"), help="status")
    active = YesNoColumn(accessor="pipeline__control__is_active", verbose_name=_("Active"), help="active")
    structure = StatusColumn(accessor="pipeline__structure", verbose_name=_("Structure"), help="structure")
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
    watermark = WatermarkColumn(
        accessor="pipeline__control__watermark", verbose_name=_("Watermark"), help="watermark", style="short"
    )
    watermark_state = StatusColumn(
        accessor="pipeline__watermark_state", verbose_name=_("Watermark state"), help="watermark_state"
    )
    unread = Column(verbose_name=_("Could not be read"), accessor="name", **EXPORT_ONLY)
    last_error = Column(
        verbose_name=_("Last error"), help="last_error", rank=lambda row: row.last_error.casefold() or None
    )

    class Meta:
        order_by = "name"
        empty_text = _("No pipeline matches.")
        row_attrs = {"data-row": lambda record: record.name}

    def render_structure(self, value: Structure, record: PipelineReadings) -> SafeString:
        pipeline = record.pipeline
        if value is Structure.UNKNOWN:
            return parts.unknown(pipeline.source.problem or pipeline.target.problem or ProblemCode.NOT_READ)
        tables = f"{pipeline.control.source_table} → {pipeline.control.target_table}"
        unread = readings.mark(record.source_unread)
        if value is Structure.COMPLETE:
            return format_html('{} <span class="muted" data-tip="{}">{}</span>', unread, tables, label(value))
        return format_html(
            '{} <span class="status tone-structure" data-tip="{}"><span class="status__sign">{}</span>'
            '<span class="status__word">{}</span></span>',
            unread,
            tables,
            parts.icon("puzzle"),
            label(value),
        )

    def value_structure(self, value: Structure) -> str:
        return label(value)

    def value_unread(self, record: PipelineReadings) -> str:
        """Why the last known values of the row are not newer."""
        each = (record.source_total, record.target_total, record.eligible, record.last_started_at)
        problems = {problem_text(reading.problem).what for reading in each if reading.problem}
        return " ".join(sorted(problems))

    def render_last_error(self, record: PipelineReadings) -> SafeString:
        unread, error = readings.mark(record.target_unread), record.error
        drawn = parts.error_text(error, ERROR_SHOWN) if error and error.text else None
        return format_html("{} {}", unread, drawn or parts.none(gettext("no error in the last execution")))

    def value_last_error(self, value: str) -> str:
        return value


class FailedAtColumn(TimeColumn):
    def render(self, value: datetime | None) -> SafeString:
        return format_html("{} <br>{}", parts.when(value), parts.age(value))


def _error(execution: Execution) -> ErrorText:
    return execution.shown_error or parse("")


class FailuresTable(PortalTable):
    key = staticmethod(lambda row: -row.run_entity_id)
    caption = _("Recent failures")

    at = FailedAtColumn(accessor="ended_at", verbose_name=_("Failed at"), unit="UTC")
    entity_name = PipelineColumn(verbose_name=_("Pipeline"))
    run_id = RunIdColumn(verbose_name=_("Run"))
    kind = Column(
        accessor="error_class",
        verbose_name=_("What it means and what to do"),
        rank=lambda row: label(_error(row).error_class).casefold(),
    )
    meaning = WordsColumn("meaning", accessor="shown_error", verbose_name=_("Meaning"))
    advice = WordsColumn("advice", accessor="shown_error", verbose_name=_("What to do"))
    duration = Column(accessor="seconds", verbose_name=_("Duration"), css="num", unit="s")
    message = Column(accessor="error_text", verbose_name=_("Message"))

    class Meta:
        order_by = "-at"
        prefix = "f-"
        empty_text = _("No failure matches.")

    def render_kind(self, record: Execution) -> SafeString:
        words = advice_for(_error(record))
        names = format_html('<span class="failure__names">{}</span>', words.names) if words.names else ""
        return format_html(
            '<div class="failure"><p class="failure__kind">{}</p><p>{} {}</p><p class="failure__advice">{}</p></div>',
            words.title,
            words.meaning,
            names,
            words.advice,
        )

    def value_kind(self, record: Execution) -> str:
        return label(_error(record).error_class)

    def render_duration(self, value: float | None) -> SafeString:
        return readings.draw(readings.reading(value, Missing.NOT_FINISHED), "duration")

    def value_duration(self, value: float | None) -> Any:
        return readings.export_value(readings.reading(value, Missing.NOT_FINISHED))

    def render_message(self, value: str, record: Execution) -> SafeString:
        if not value:
            return parts.none(gettext("the runner wrote no message"))
        return format_html(
            '<details class="disclosure failure__message" id="failure-{}">'
            '<summary>{}<span class="failure__first">{}</span></summary><p class="mono small wrap">{}</p></details>',
            record.run_entity_id,
            parts.icon("chevron-right", "disclosure__sign"),
            _error(record).words,
            value,
        )

    def value_message(self, value: str) -> str:
        return value


class FailuresForm(TableForm):
    PREFIX = "f"

    q = search_field()
    kind = kind_field()

    def apply(self, rows: Iterable[Execution]) -> list[Execution]:
        kind, needle = self.values.get("kind", ""), self.values.get("q", "").strip().casefold()
        return [
            row
            for row in rows
            if (not kind or row.error_class == kind)
            and needle in f"{row.entity_name}\n{row.error_text}\n#{row.run_id}".casefold()
        ]
