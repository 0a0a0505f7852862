"""The tables of runs: the incremental control, the runs, the executions of one run."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.web import parts
from monitoring.web.failure_texts import class_text
from monitoring.web.labels import label
from monitoring.web.tables import (
    ERROR_SHOWN,
    Column,
    CountColumn,
    MessageColumn,
    MovedColumn,
    PagedTable,
    PipelineColumn,
    PortalTable,
    RunIdColumn,
    SecondsColumn,
    StatusColumn,
    ThroughputColumn,
    TimeColumn,
    WatermarkColumn,
)


class RequestedColumn(Column):
    """Names of pipelines: cut on the page, all of them on hover and in the export."""

    def render(self, value: tuple[str, ...]) -> SafeString:
        return parts.cut_text(", ".join(value), ERROR_SHOWN) if value else parts.none(gettext("no error"))

    def value(self, value: tuple[str, ...]) -> str:
        return ", ".join(value)


class RunsTable(PagedTable):
    """Runs. Only columns with an index can be sorted."""

    run_id = RunIdColumn(verbose_name=_("Run"), css="sticky")
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"), orderable=False)
    seconds = SecondsColumn(verbose_name=_("Duration"), orderable=False, help="duration")
    started_by = Column(verbose_name=_("Started by"))
    entities_requested = RequestedColumn(verbose_name=_("Pipelines requested"), accessor="requested", orderable=False)
    entities_succeeded = CountColumn(verbose_name=_("Succeeded"), accessor="succeeded_count", orderable=False)
    entities_failed = CountColumn(verbose_name=_("Failed"), accessor="failed_count", orderable=False)
    error_message = MessageColumn(verbose_name=_("Error"), orderable=False)

    class Meta:
        row_attrs = {"data-row": lambda record: str(record.run_id)}


class ControlTable(PortalTable):
    """The pipelines of a snapshot, with all columns of ctl.etl_control."""

    key = staticmethod(lambda row: row.name)

    entity_name = PipelineColumn(verbose_name=_("Pipeline"), accessor="name", css="sticky")
    status = StatusColumn(verbose_name=_("Status"), help="status")
    active = Column(verbose_name=_("Active"), accessor="control__is_active")
    watermark = WatermarkColumn(
        verbose_name=_("Watermark"), accessor="control__watermark", rank=lambda row: row.control.watermark
    )
    watermark_state = StatusColumn(verbose_name=_("Watermark state"), help="watermark_state")
    last_run_id = RunIdColumn(verbose_name=_("Last run"), accessor="control__last_run_id")
    last_status = Column(verbose_name=_("Last status written"), accessor="control__last_status")
    last_success_at = TimeColumn(verbose_name=_("Last success"), accessor="control__last_success_at")
    source_table = Column(verbose_name=_("Source"), accessor="control__source_table")
    target_table = Column(verbose_name=_("Target"), accessor="control__target_table")
    source_pk_column = Column(verbose_name=_("Source key"), accessor="control__source_pk_column")
    cutoff_minutes = CountColumn(verbose_name=_("Cutoff (min)"), accessor="control__cutoff_minutes")
    batch_size = CountColumn(verbose_name=_("Batch size"), accessor="control__batch_size")
    created_at = TimeColumn(verbose_name=_("Created"), accessor="control__created_at")
    updated_at = TimeColumn(verbose_name=_("Updated"), accessor="control__updated_at")

    class Meta:
        order_by = "entity_name"
        prefix = "control-"
        row_attrs = {"data-row": lambda record: record.name}

    def render_active(self, value: bool) -> str:
        return gettext("yes") if value else gettext("no")

    def value_active(self, value: bool) -> str:
        return gettext("yes") if value else gettext("no")

    def render_last_status(self, value: str | None) -> SafeString:
        return parts.value(value, why=gettext("no run has finished yet"))


class ExecutionsTable(PortalTable):
    key = staticmethod(lambda row: row.run_entity_id)

    entity_name = PipelineColumn(verbose_name=_("Pipeline"), css="sticky")
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"))
    seconds = SecondsColumn(verbose_name=_("Duration"), help="duration")
    extracted = CountColumn(verbose_name=_("Extracted"))
    upserted = CountColumn(verbose_name=_("Upserted"))
    soft_deleted = CountColumn(verbose_name=_("Soft-deleted"))
    throughput = ThroughputColumn(verbose_name=_("Throughput"))
    watermark_from = WatermarkColumn(verbose_name=_("Watermark from"), rank=lambda row: row.watermark_from)
    watermark_to = WatermarkColumn(verbose_name=_("Watermark to"), rank=lambda row: row.watermark_to)
    moved = MovedColumn(verbose_name=_("Watermark moved"))
    error_class = Column(verbose_name=_("Kind of failure"))
    error_message = MessageColumn(verbose_name=_("Error"))

    class Meta:
        order_by = "started_at"
        row_attrs = {"data-row": lambda record: record.entity_name}

    def render_error_class(self, value: Any) -> SafeString:
        if value is None:
            return parts.none(gettext("no error"))
        _, advice = class_text(value)
        return format_html('<span data-tip="{}" tabindex="0">{}</span>', advice, label(value))

    def value_error_class(self, value: Any) -> str:
        return "" if value is None else label(value)
