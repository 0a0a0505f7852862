"""The tables of runs: the incremental control, the runs, the executions of one run."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.facts import Watermark
from monitoring.runs.queries import ExecutionLine, RunLine
from monitoring.templatetags.sentences import pipeline_link, run_link
from monitoring.web import parts
from monitoring.web.failure_texts import class_text
from monitoring.web.formats import utc_text
from monitoring.web.labels import label
from monitoring.web.tables import Column, PagedTable, PortalTable, StatusColumn, TimeColumn

ERROR_SHOWN = 80


def watermark_text(value: Watermark | None) -> str:
    """Return the tuple as text for an export; empty where there is none."""
    return "" if value is None else f"{utc_text(value.updated_at)} #{value.id}"


class WatermarkColumn(Column):
    """The tuple (updated_at, key) of the source."""

    def render(self, value: Watermark | None) -> SafeString:
        if value is None:
            return parts.none(gettext("the runner wrote none"))
        if value.never_loaded:
            return parts.none(gettext("never loaded"))
        return format_html(
            '<span class="nowrap">{} <span class="muted">#{}</span></span>',
            parts.when(value.updated_at, "full"),
            value.id,
        )

    def value(self, value: Watermark | None) -> str:
        return watermark_text(value)


class CountColumn(Column):
    """A number of rows, right-aligned."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, css="num", **kwargs)

    def render(self, value: int) -> SafeString:
        return parts.rows(value)


class SecondsColumn(Column):
    """How long it took; while it runs, the browser counts on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, css="num", **kwargs)

    def render(self, value: float | None, record: RunLine | ExecutionLine) -> SafeString:
        if value is not None:
            return parts.duration(value)
        if record.running:
            return parts.elapsed(record.started_at)
        return parts.none(gettext("no finish was written after its start"))


class MessageColumn(Column):
    """The server's words: cut on the page, the whole message on hover and in the export."""

    def render(self, record: RunLine | ExecutionLine) -> SafeString:
        error = record.error
        return parts.error_text(error, ERROR_SHOWN) if error and error.text else parts.none(gettext("no error"))


class NamesColumn(Column):
    """Names of pipelines: cut on the page, all of them on hover and in the export."""

    def render(self, value: str) -> SafeString:
        return parts.cut_text(value, ERROR_SHOWN) if value else parts.none(gettext("no error"))


class RunIdColumn(Column):
    """The run; where it failed also the way to the connections around it, for who may see them."""

    def render(self, value: int | None, record: Any, table: PortalTable) -> SafeString:
        url = table.around(record) if table.around else ""
        if not url:
            return run_link(value)
        more = format_html('<a class="small cell-more" href="{}">{}</a>', url, gettext("connections"))
        return format_html("{} {}", run_link(value), more)


class PipelineColumn(Column):
    def render(self, value: str) -> SafeString:
        return pipeline_link(value)


class RunsTable(PagedTable):
    """Runs, newest first unless told. What has no index to page by cannot be sorted."""

    run_id = RunIdColumn(verbose_name=_("Run"), css="sticky")
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"), orderable=False)
    seconds = SecondsColumn(verbose_name=_("Duration"), orderable=False, help="duration")
    started_by = Column(verbose_name=_("Started by"))
    entities_requested = NamesColumn(verbose_name=_("Pipelines requested"), orderable=False)
    entities_succeeded = CountColumn(verbose_name=_("Succeeded"), orderable=False)
    entities_failed = CountColumn(verbose_name=_("Failed"), orderable=False)
    error_message = MessageColumn(verbose_name=_("Error"), orderable=False)

    class Meta:
        row_attrs = {"data-row": lambda record: str(record.run_id)}


class ControlTable(PortalTable):
    """ctl.etl_control as it stands, each row with the status that the portal gives it."""

    key = staticmethod(lambda row: row.entity_name)

    entity_name = PipelineColumn(verbose_name=_("Pipeline"), css="sticky")
    status = StatusColumn(verbose_name=_("Status"), help="status")
    active = Column(verbose_name=_("Active"), accessor="is_active")
    watermark = WatermarkColumn(verbose_name=_("Watermark"), rank=lambda row: row.watermark)
    watermark_state = StatusColumn(verbose_name=_("Watermark state"), help="watermark_state")
    last_run_id = RunIdColumn(verbose_name=_("Last run"))
    last_status = Column(verbose_name=_("Last status written"))
    last_success_at = TimeColumn(verbose_name=_("Last success"))
    source_table = Column(verbose_name=_("Source"))
    target_table = Column(verbose_name=_("Target"))
    source_pk_column = Column(verbose_name=_("Source key"))
    cutoff_minutes = CountColumn(verbose_name=_("Cutoff (min)"))
    batch_size = CountColumn(verbose_name=_("Batch size"))
    created_at = TimeColumn(verbose_name=_("Created"))
    updated_at = TimeColumn(verbose_name=_("Updated"))

    class Meta:
        order_by = "entity_name"
        prefix = "control-"
        row_attrs = {"data-row": lambda record: record.entity_name}

    def render_active(self, value: bool) -> str:
        return gettext("yes") if value else gettext("no")

    def value_active(self, value: bool) -> str:
        return gettext("yes") if value else gettext("no")

    def render_last_status(self, value: str | None) -> SafeString:
        return parts.value(value, why=gettext("no run has finished yet"))


class ExecutionsTable(PortalTable):
    """The run entities of one run: what ran, what moved, what failed and why."""

    key = staticmethod(lambda row: row.run_entity_id)

    entity_name = PipelineColumn(verbose_name=_("Pipeline"), css="sticky")
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"))
    seconds = SecondsColumn(verbose_name=_("Duration"), help="duration")
    extracted = CountColumn(verbose_name=_("Extracted"))
    upserted = CountColumn(verbose_name=_("Upserted"))
    soft_deleted = CountColumn(verbose_name=_("Soft-deleted"))
    throughput = Column(verbose_name=_("Throughput"), css="num", help="throughput")
    watermark_from = WatermarkColumn(verbose_name=_("Watermark from"), rank=lambda row: row.watermark_from)
    watermark_to = WatermarkColumn(verbose_name=_("Watermark to"), rank=lambda row: row.watermark_to)
    moved = Column(verbose_name=_("Watermark moved"))
    error_class = Column(verbose_name=_("Kind of failure"))
    error_message = MessageColumn(verbose_name=_("Error"))

    class Meta:
        order_by = "started_at"
        row_attrs = {"data-row": lambda record: record.entity_name}

    def render_throughput(self, value: float | None) -> SafeString:
        return parts.rate(value) if value is not None else parts.none(gettext("only a success has a throughput"))

    def render_moved(self, value: bool | None, record: ExecutionLine) -> SafeString:
        return moved_text(value, record)

    def value_moved(self, value: bool | None) -> str:
        return "" if value is None else gettext("yes") if value else gettext("no")

    def render_error_class(self, value: Any) -> SafeString:
        if value is None:
            return parts.none(gettext("no error"))
        _, advice = class_text(value)
        return format_html('<span data-tip="{}" tabindex="0">{}</span>', advice, label(value))

    def value_error_class(self, value: Any) -> str:
        return "" if value is None else label(value)


def moved_text(moved: bool | None, line: ExecutionLine) -> SafeString:
    """Return whether the pipeline's watermark moved in this execution, in a word."""
    if line.running:
        return parts.none(gettext("it is written when the execution ends"))
    if moved is None:
        return parts.unknown(gettext("the runner did not write where the watermark began and ended"))
    if moved:
        return format_html("{}", gettext("moved"))
    return format_html('<strong class="tone-text-warning">{}</strong>', gettext("stayed"))
