"""The ETL's four tables: run, its run entities, the login events around it, and back to the portal."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.admin import columns, filters, neighbours
from monitoring.admin.addresses import AROUND, Links, Related, detail_url, events_around, iso, list_url, url_or_none
from monitoring.admin.columns import key, moment, text
from monitoring.admin.paging import WholeChangeList
from monitoring.admin.readonly import KeyedAdmin, ReadOnlyAdmin
from monitoring.enums import ExecutionStatus, RunStatus
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from monitoring.templatetags import parts


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

    def related(self, request: HttpRequest, obj: EtlControl) -> list[Related]:
        return neighbours.last_executions(request, obj)

    def neighbours(self, request: HttpRequest, obj: EtlControl) -> tuple[str | None, str | None]:
        """Before and after it by name, among the names that are known anyway."""
        names = [name for name in filters.pipeline_names() if name]
        before = max((name for name in names if name < obj.entity_name), default=None)
        after = min((name for name in names if name > obj.entity_name), default=None)
        return detail_url(request, EtlControl, before), detail_url(request, EtlControl, after)

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

    def related(self, request: HttpRequest, obj: EtlRun) -> list[Related]:
        """What ran in it, and who was connected then."""
        return [
            *neighbours.run_entities(request, obj),
            *neighbours.events(request, obj.started_at, obj.finished_at),
        ]

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

    def related(self, request: HttpRequest, obj: EtlRunEntity) -> list[Related]:
        """The same pipeline's executions before and after, and who was connected meanwhile."""
        return [
            *neighbours.executions(request, obj),
            *neighbours.events(request, obj.entity_started_at, obj.entity_finished_at),
        ]

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

    def related(self, request: HttpRequest, obj: ConnectionLoginEvent) -> list[Related]:
        """The same session's other samples, and the runs that started around this one."""
        return [*neighbours.samples(request, obj), *neighbours.runs(request, obj.event_time_utc)]

    def links(self, request: HttpRequest, obj: ConnectionLoginEvent) -> Links:
        moment = obj.event_time_utc
        page = None
        if request.user.has_perm("monitoring.view_connections"):
            page = url_or_none("monitoring:connections")
        return [
            (_("Connection audit in the portal"), page),
            (
                _("Runs around it"),
                list_url(request, EtlRun, since=iso(moment - 6 * AROUND), until=iso(moment + AROUND)),
            ),
            (_("Events around it"), events_around(request, moment, moment)),
        ]
