"""List filters with known choices: no table is scanned to find them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db import Error
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from monitoring.admin.paging import PLACE, WINDOW
from monitoring.collector.snapshot import current
from monitoring.models import EtlControl, PipelineRollup, scope
from monitoring.models.managers import of_status
from monitoring.rules.enums import ExecutionStatus, RunStatus, TrailAction, TrailOutcome
from monitoring.web import labels as web_labels
from monitoring.web.parts import sign_of

MANY = 500

Options = Iterable[tuple[str, Any]]


def pipeline_names() -> list[str]:
    """Return the pipeline names of the last snapshot, else of the table, else none. Any text can be a name."""
    snapshot = current().snapshot
    if snapshot is not None:
        return sorted(pipeline.name for pipeline in snapshot.pipelines if pipeline.name)
    try:
        names = EtlControl.objects.order_by("entity_name").values_list("entity_name", flat=True)
        return [name for name in names[:MANY] if name]
    except Error:
        return []


class ColumnFilter(SimpleListFilter):
    column: ClassVar[str] = ""

    @classmethod
    def options(cls) -> Options:
        return ()

    @classmethod
    def accepts(cls, value: str) -> bool:
        return value in {option for option, _title in cls.options()}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Options:
        return self.options()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if not value else queryset.filter(**{self.column: value})


def column_filter(title: Any, name: str, column: str, options: Callable[[], Options]) -> type[ColumnFilter]:
    attributes = {"title": title, "parameter_name": name, "column": column, "options": staticmethod(options)}
    return type(f"{name}_filter", (ColumnFilter,), attributes)


ActiveFilter = column_filter(_("active"), "active", "is_active", lambda: [("1", _("active")), ("0", _("inactive"))])
GrainFilter = column_filter(_("period length"), "grain", "grain", lambda: PipelineRollup.GRAINS)
SESSION_STATUSES = ("running", "sleeping", "dormant", "preconnect")
"""Of sys.dm_exec_sessions."""
SessionStatusFilter = column_filter(
    _("session status"), "session_status", "status", lambda: [(name, name) for name in SESSION_STATUSES]
)
EncryptionFilter = column_filter(
    _("encrypted"), "encrypted", "encrypt_option", lambda: [("TRUE", _("yes")), ("FALSE", _("no"))]
)
ActionFilter = column_filter(
    _("action"), "action", "action", lambda: [(code.value, web_labels.label(code)) for code in TrailAction]
)
OutcomeFilter = column_filter(
    _("outcome"), "outcome", "outcome", lambda: [(code.value, web_labels.label(code)) for code in TrailOutcome]
)


class WindowFilter(ColumnFilter):
    """The period. The paginator turns it and the other position parameters into a range of keys."""

    title, parameter_name = _("period"), WINDOW

    @classmethod
    def options(cls) -> Options:
        return (("1h", _("1 hour")), ("24h", _("24 hours")), ("7d", _("7 days")), ("30d", _("30 days")))

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in PLACE:
            params.pop(name, None)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class PipelineFilter(ColumnFilter):
    title, parameter_name, column = _("pipeline"), "pipeline", "entity_name"

    @classmethod
    def options(cls) -> Options:
        return [(name, name) for name in pipeline_names()[:MANY]]

    @classmethod
    def accepts(cls, value: str) -> bool:
        """Accept any name: rows may belong to pipelines without a control row."""
        return True


class ExecutionStatusFilter(ColumnFilter):
    title, parameter_name, column = _("status"), "status", "status"
    vocabulary: ClassVar[type[RunStatus] | type[ExecutionStatus]] = ExecutionStatus

    @classmethod
    def options(cls) -> Options:
        return [(status.value, sign_of(status).word) for status in cls.vocabulary]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "unknown":
            known = [status.value for status in self.vocabulary if status.value != "unknown"]
            return queryset.exclude(status__in=known)
        return super().queryset(request, queryset)


class RunStatusFilter(ExecutionStatusFilter):
    vocabulary = RunStatus

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter by the status computed from the pipelines in the user's scope."""
        value = self.value()
        if not value or scope.pipelines() is None:
            return super().queryset(request, queryset)
        return of_status(queryset, [value])
