from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.models import RunCopy, scope
from monitoring.models.managers import of_status
from monitoring.rules.enums import RunStatus
from monitoring.rules.figures import RANGES
from monitoring.web import parts
from monitoring.web.filters import RANGE_LABELS, TEXT_LENGTH, TableForm, pipeline_field, status_field
from monitoring.web.tables import (
    ERROR_SHOWN,
    Column,
    CountColumn,
    ExecutionTable,
    MessageColumn,
    PipelineColumn,
    PortalTable,
    RunIdColumn,
    SecondsColumn,
    StatusColumn,
    TimeColumn,
    WatermarkColumn,
    YesNoColumn,
)


class RunsTable(PortalTable):
    """Only columns with an index can be sorted."""

    presorted = True
    caption = _("Runs")

    run_id = RunIdColumn(verbose_name=_("Run"), css="sticky")
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"), orderable=False)
    seconds = SecondsColumn(verbose_name=_("Duration"), orderable=False, help="duration")
    started_by = Column(verbose_name=_("Started by"))
    entities_requested = Column(verbose_name=_("Pipelines requested"), accessor="requested", orderable=False)
    entities_succeeded = CountColumn(verbose_name=_("Succeeded"), accessor="succeeded_count", orderable=False)
    entities_failed = CountColumn(verbose_name=_("Failed"), accessor="failed_count", orderable=False)
    error_message = MessageColumn(verbose_name=_("Error"), orderable=False)

    class Meta:
        row_attrs = {"data-row": lambda record: str(record.run_id)}

    def render_entities_requested(self, value: tuple[str, ...]) -> SafeString:
        return parts.cut_text(", ".join(value), ERROR_SHOWN) if value else parts.none(gettext("no error"))

    def value_entities_requested(self, value: tuple[str, ...]) -> str:
        return ", ".join(value)


class ControlTable(PortalTable):
    key = staticmethod(lambda row: row.name)
    caption = _("Incremental control")

    entity_name = PipelineColumn(verbose_name=_("Pipeline"), accessor="name", css="sticky")
    status = StatusColumn(verbose_name=_("Status"), help="status")
    active = YesNoColumn(verbose_name=_("Active"), accessor="control__is_active")
    watermark = WatermarkColumn(verbose_name=_("Watermark"), accessor="control__watermark")
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

    def render_last_status(self, value: str | None) -> SafeString:
        return format_html("{}", value) if value else parts.none(gettext("no run has finished yet"))


class ExecutionsTable(ExecutionTable):
    caption = _("Executions of this run")

    entity_name = PipelineColumn(verbose_name=_("Pipeline"), css="sticky")

    class Meta:
        order_by = "started_at"
        sequence = ("entity_name", "...")
        row_attrs = {"data-row": lambda record: record.entity_name}


BIGINT = 2**63 - 1
PERIODS = ("24h", "7d", "30d")
SORTABLE = ("run_id", "started_at", "status", "started_by")
"""The sortable columns of the list, none of them nullable."""
NEWEST_FIRST = "-run_id"


class RunsForm(TableForm):
    run = forms.IntegerField(
        label=_("Run"),
        required=False,
        min_value=1,
        max_value=BIGINT,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={
            "invalid": _("Enter a run number. The filter was ignored."),
            "min_value": _("Run numbers start at 1. The filter was ignored."),
            "max_value": _("Run numbers are not that large. The filter was ignored."),
        },
    )
    status = status_field([status for status in RunStatus if status is not RunStatus.UNKNOWN])
    by = forms.CharField(label=_("Started by"), required=False, max_length=TEXT_LENGTH)
    pipeline = pipeline_field("pipeline-names")
    period = forms.ChoiceField(
        label=_("Period"),
        required=False,
        choices=[
            *((key, RANGE_LABELS[key]) for key in PERIODS),
            ("", pgettext_lazy("period", "All that the portal keeps")),
        ],
        error_messages={"invalid_choice": _("There is no period “%(value)s”. Showing all periods.")},
    )

    def __init__(self, data: QueryDict, *, logins: bool, **kwargs: Any) -> None:
        # Sorting by hidden columns would reveal their values.
        hidden = {"status": scope.pipelines() is not None, "started_by": not logins}
        names = [name for name in SORTABLE if not hidden.get(name)]
        super().__init__(data, sortable=frozenset([*names, *(f"-{name}" for name in names)]), **kwargs)
        if not logins:
            del self.fields["by"]

    @property
    def order(self) -> str:
        return self.values.get("sort") or NEWEST_FIRST

    def apply(self, now: datetime) -> QuerySet[RunCopy]:
        """Return the copied runs that match, unordered. Periods count back from `now`."""
        values = self.values
        found: QuerySet[RunCopy] = RunCopy.objects.all()
        if run_id := values.get("run"):
            found = found.filter(run_id=run_id)
        if statuses := values.get("status"):
            found = of_status(found, statuses)
        if login := values.get("by"):
            found = found.filter(started_by__icontains=login)
        if period := values.get("period"):
            found = found.filter(started_at__gte=now - RANGES[period])
        if name := values.get("pipeline"):
            found = found.filter(run_entities__entity_name=name) if scope.within(name) else found.none()
        return found
