"""The ETL's four tables: run, its run entities, the login events around it, and back to the portal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.admin import columns, filters
from monitoring.admin.columns import key, moment, text
from monitoring.admin.paging import WholeChangeList
from monitoring.admin.readonly import KeyedAdmin, ReadOnlyAdmin, url_or_none
from monitoring.enums import ExecutionStatus, RunStatus
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from monitoring.templatetags import parts

AROUND = timedelta(minutes=5)
"""How far before a start and after a finish login events belong to it: a runner samples at both ends."""

Links = list[tuple[Any, str | None]]

MOST_ENTITIES = 500
"""Run entities shown under their run; there is one per pipeline."""

ENTITY_COLUMNS = (
    "entity_name",
    "entity_started_at",
    "entity_finished_at",
    "extracted_count",
    "upserted_count",
    "soft_deleted_count",
    "watermark_to_updated_at",
    "watermark_to_id",
    "error_message",
)


def list_url(request: HttpRequest, model: type[Model], **query: Any) -> str | None:
    """Return the address of a list with this query, or None for a user who may not see it."""
    opts = model._meta
    if not request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
        return None
    return url_or_none(f"admin:{opts.app_label}_{opts.model_name}_changelist", query=urlencode(query))


def detail_url(request: HttpRequest, model: type[Model], key: Any) -> str | None:
    """Return the address of one row, or None for a user who may not see it (or a key without one)."""
    opts = model._meta
    if key in (None, "") or not request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
        return None
    return url_or_none(f"admin:{opts.app_label}_{opts.model_name}_change", quote(key))


def events_around(request: HttpRequest, started: datetime, finished: datetime | None) -> str | None:
    """Return the address of the login events from just before a start to just after its finish (or now)."""
    return list_url(
        request,
        ConnectionLoginEvent,
        since=_iso(started - AROUND),
        until=_iso((finished or timezone.now()) + AROUND),
    )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@admin.register(EtlControl)
class EtlControlAdmin(ReadOnlyAdmin):
    """One row per pipeline: small enough for one page, sortable, searched in full."""

    change_list_template = "admin/monitoring/whole_list.html"
    change_form_template = "admin/monitoring/detail.html"
    list_display = (
        "entity_name",
        "is_active",
        "state",
        moment("watermark_updated_at"),
        key("watermark_id"),
        key("last_run_id"),
        moment("last_success_at"),
        "source_table",
        "target_table",
        "batch_size",
        "cutoff_minutes",
    )
    list_filter = (filters.ActiveFilter,)
    search_fields = ("entity_name", "source_table", "target_table")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[WholeChangeList]:
        return WholeChangeList

    @admin.display(description=_("last status"), ordering="last_status")
    def state(self, row: EtlControl) -> SafeString:
        return parts.status(RunStatus.parse(row.last_status)) if row.last_status else parts.none(gettext("never run"))

    def links(self, request: HttpRequest, obj: EtlControl) -> Links:
        name = obj.entity_name
        return [
            (_("This pipeline in the portal"), url_or_none("monitoring:pipeline", name)),
            (_("Its run entities"), list_url(request, EtlRunEntity, pipeline=name, window="7d")),
            (_("Its last run"), detail_url(request, EtlRun, obj.last_run_id)),
        ]


@admin.register(EtlRun)
class EtlRunAdmin(KeyedAdmin):
    number = key("run_id")
    list_display = (
        number,
        "state",
        moment("started_at"),
        moment("finished_at"),
        "started_by",
        "entities_succeeded",
        "entities_failed",
        text("entities_requested"),
        text("error_message"),
    )
    list_display_links = (number,)
    list_filter = (filters.WindowFilter, filters.RunStatusFilter)
    page_key = period_key = period_column = "run_id"
    period_at = "started_at"
    search_texts = ("started_by", "entities_requested", "error_message")
    search_help_text = _(
        "A run's number anywhere in the history; or a text in who started it, its pipelines and its error, "
        "within the period (7 days unless chosen)."
    )

    @admin.display(description=_("status"))
    def state(self, row: EtlRun) -> SafeString:
        return parts.status(RunStatus.parse(row.status))

    def related(self, request: HttpRequest, obj: EtlRun) -> dict[str, Any]:
        """What ran in it: one row per pipeline, by the index on run_id."""
        rows = EtlRunEntity.objects.filter(run_id=obj.run_id).order_by("run_id", "entity_name")[:MOST_ENTITIES]
        shown = [columns.detail(EtlRunEntity, name) for name in ENTITY_COLUMNS]
        return {
            "title": _("run entities"),
            "headers": [_("run entity"), _("status"), *(name.replace("_", " ") for name in ENTITY_COLUMNS)],
            "rows": [
                (
                    detail_url(request, EtlRunEntity, row.pk),
                    f"#{row.pk}",
                    [
                        parts.status(ExecutionStatus.parse(row.status)),
                        *(show(row) if callable(show) else getattr(row, show) for show in shown),
                    ],
                )
                for row in rows
            ],
        }

    def links(self, request: HttpRequest, obj: EtlRun) -> Links:
        return [
            (_("This run in the portal"), url_or_none("monitoring:run", obj.run_id)),
            (_("Its run entities"), list_url(request, EtlRunEntity, run=obj.run_id)),
            (_("Login events around it"), events_around(request, obj.started_at, obj.finished_at)),
        ]


@admin.register(EtlRunEntity)
class EtlRunEntityAdmin(KeyedAdmin):
    number = key("run_entity_id")
    list_display = (
        number,
        key("run_id", _("run")),
        "entity_name",
        "state",
        moment("entity_started_at"),
        moment("entity_finished_at"),
        "started_by",
        "extracted_count",
        "upserted_count",
        "soft_deleted_count",
        text("error_message"),
    )
    list_display_links = (number,)
    list_select_related = ("run",)
    list_filter = (filters.WindowFilter, filters.ExecutionStatusFilter, filters.PipelineFilter)
    page_key = "run_entity_id"
    period_model = EtlRun
    period_at = "started_at"
    period_key = period_column = run_key = "run_id"
    search_texts = ("entity_name", "error_message")
    search_help_text = _(
        "A run's number, or # and a run entity's number, anywhere in the history; "
        "or a text in the pipeline and the error, within the period (7 days unless chosen)."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("run")

    def key_column(self, term: str) -> str:
        return "run_entity_id" if term.startswith("#") else "run_id"

    @admin.display(description=_("started by"))
    def started_by(self, row: EtlRunEntity) -> str:
        return row.run.started_by

    @admin.display(description=_("status"))
    def state(self, row: EtlRunEntity) -> SafeString:
        return parts.status(ExecutionStatus.parse(row.status))

    def links(self, request: HttpRequest, obj: EtlRunEntity) -> Links:
        return [
            (_("Its run"), detail_url(request, EtlRun, obj.run_id)),
            (_("Its run in the portal"), url_or_none("monitoring:run", obj.run_id)),
            (_("Its pipeline in the portal"), url_or_none("monitoring:pipeline", obj.entity_name)),
            (_("Its control row"), detail_url(request, EtlControl, obj.entity_name)),
            (_("Login events around it"), events_around(request, obj.entity_started_at, obj.entity_finished_at)),
        ]


@admin.register(ConnectionLoginEvent)
class ConnectionLoginEventAdmin(KeyedAdmin):
    number = key("connection_event_id")
    logged_in = columns.logged_in("login_time", _("login time"))
    replaced_fields = {"login_time": logged_in}
    list_display = (
        number,
        moment("event_time_utc"),
        key("session_id"),
        logged_in,
        "login_name",
        "host_name",
        "program_name",
        "database_name",
        "status",
        "client_net_address",
        "encrypt_option",
    )
    list_display_links = (number,)
    list_filter = (filters.WindowFilter, filters.SessionStatusFilter, filters.EncryptionFilter)
    page_key = period_key = period_column = "connection_event_id"
    period_at = "event_time_utc"
    search_texts = ("login_name", "host_name", "program_name", "database_name", "client_net_address")
    search_help_text = _(
        "An event's number anywhere in the history; or a text in login, host, program, database and address, "
        "within the period (7 days unless chosen)."
    )

    def links(self, request: HttpRequest, obj: ConnectionLoginEvent) -> Links:
        moment = obj.event_time_utc
        page = None
        if request.user.has_perm("monitoring.view_connections"):
            page = url_or_none("monitoring:connections")
        return [
            (_("Connection audit in the portal"), page),
            (
                _("Runs around it"),
                list_url(request, EtlRun, since=_iso(moment - 6 * AROUND), until=_iso(moment + AROUND)),
            ),
            (_("Events around it"), events_around(request, moment, moment)),
        ]
