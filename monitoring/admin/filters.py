"""Filters whose choices are known beforehand: no table is scanned to find out what could be chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from monitoring import scope
from monitoring.admin.paging import WINDOW
from monitoring.enums import ExecutionStatus, RunStatus
from monitoring.models import EtlControl
from monitoring.models.managers import of_status
from monitoring.selectors.snapshot import current
from monitoring.templatetags.signs import sign_of

MANY = 500
"""Nobody chooses from more than this many pipelines."""


def pipeline_names() -> list[str]:
    """Return the names of the control rows: the last snapshot's, else read (a row per pipeline).

    Empty when neither can be had. Names are what people typed: they may be nonsense.
    """
    snapshot = current().snapshot
    if snapshot is not None:
        return sorted(pipeline.name for pipeline in snapshot.pipelines)
    try:
        return list(EtlControl.objects.order_by("entity_name").values_list("entity_name", flat=True)[:MANY])
    except Error:
        return []


class CountedFilter(SimpleListFilter):
    """A filter by the values of one `column`; asked for, the list counts its choices as far as that is cheap."""

    column: ClassVar[str] = ""

    def choice_of(self, value: Any) -> str:
        """Return the choice that a value of the column belongs to."""
        return str(value)

    def choices(self, changelist: Any) -> Iterator[Any]:
        counts = changelist.counts(self) if changelist.add_facets and self.column else None
        chosen = self.value()
        query = changelist.get_query_string
        yield {"selected": chosen is None, "query_string": query(remove=[self.parameter_name]), "display": _("All")}
        for lookup, title in self.lookup_choices:
            yield {
                "selected": chosen == str(lookup),
                "query_string": query({self.parameter_name: lookup}),
                "display": title if counts is None else f"{title} ({counts.get(str(lookup), 0)})",
            }


class KnownFilter(CountedFilter):
    """A filter that takes none but its own choices; the list names any other value and leaves it out."""

    def value(self) -> str | None:
        value = super().value()
        return value if value is None or value in {str(lookup) for lookup, _title in self.lookup_choices} else None

    @property
    def unread(self) -> bool:
        return bool(super().value()) and self.value() is None


class WindowFilter(KnownFilter):
    """How far back. It narrows nothing by itself: the list turns it into a range of keys."""

    title = _("period")
    parameter_name = WINDOW

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return (("1h", _("1 hour")), ("24h", _("24 hours")), ("7d", _("7 days")), ("30d", _("30 days")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class PipelineFilter(CountedFilter):
    title = _("pipeline")
    parameter_name = "pipeline"
    column = "entity_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(name, name) for name in pipeline_names()[:MANY] if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        return queryset if name is None else queryset.filter(entity_name=name)


class _StatusFilter(KnownFilter):
    title = _("status")
    parameter_name = "status"
    vocabulary: ClassVar[type[RunStatus] | type[ExecutionStatus]]
    column = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(status.value, sign_of(status).word) for status in self.vocabulary]

    def choice_of(self, value: Any) -> str:
        return self.vocabulary.parse(value).value

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The chosen status; "unknown" is whatever the vocabulary does not hold."""
        value = self.value()
        if value is None:
            return queryset
        known = [status.value for status in self.vocabulary if status.value != "unknown"]
        if value == "unknown":
            return queryset.exclude(**{f"{self.column}__in": known})
        return queryset.filter(**{self.column: value})


class RunStatusFilter(_StatusFilter):
    vocabulary = RunStatus

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The status that the run has for this reader: of the pipelines that they may see."""
        value = self.value()
        if value is None or scope.pipelines() is None:
            return super().queryset(request, queryset)
        return of_status(queryset, [value])


class ExecutionStatusFilter(_StatusFilter):
    vocabulary = ExecutionStatus


class ActiveFilter(KnownFilter):
    title = _("active")
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return (("1", _("active")), ("0", _("inactive")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(is_active=value == "1")


class SessionStatusFilter(KnownFilter):
    """What SQL Server says of a session (sys.dm_exec_sessions.status)."""

    title = _("session status")
    parameter_name = "session_status"
    column = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(name, name) for name in ("running", "sleeping", "dormant", "preconnect")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(status=value)


class EncryptionFilter(KnownFilter):
    title = _("encrypted")
    parameter_name = "encrypted"
    column = "encrypt_option"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return (("TRUE", _("yes")), ("FALSE", _("no")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(encrypt_option=value)
