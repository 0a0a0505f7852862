from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.admin import filters, related
from monitoring.admin.readonly import KeyedAdmin, ReadOnlyAdmin
from monitoring.admin.related import AROUND, Links, Related, between, detail_url, events_url, list_url, url_or_none
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, scope
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.web import parts


@admin.register(EtlControl)
class EtlControlAdmin(ReadOnlyAdmin):
    list_display = (
        *("entity_name", "is_active", "state", "watermark_updated_at", "watermark_id", "last_run_id"),
        *("last_success_at", "source_table", "target_table", "batch_size", "cutoff_minutes"),
    )
    list_filter = (filters.ActiveFilter,)
    search_fields = ("entity_name", "source_table", "target_table")

    @admin.display(description=_("last status"), ordering="last_status")
    def state(self, row: EtlControl) -> SafeString:
        return parts.status(RunStatus.parse(row.last_status)) if row.last_status else parts.none(gettext("never run"))

    def related(self, request: HttpRequest, obj: EtlControl) -> list[Related]:
        return related.last_executions(request, obj)

    def neighbours(self, request: HttpRequest, obj: EtlControl) -> tuple[str | None, str | None]:
        """Take the neighbours from the known names, without a query."""
        names = filters.pipeline_names()
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
    list_display = (
        *("run_id", "state", "started_at", "finished_at", "started_by"),
        *("entities_succeeded", "entities_failed", "entities_requested", "error_message"),
    )
    list_filter = (filters.WindowFilter, filters.RunStatusFilter)
    period_at = "started_at"
    search_fields = ("run_id", "started_by", "entities_requested", "error_message")
    search_help_text = _(
        "A run number anywhere in the history; or text in the starter, pipelines or error within the period "
        "(7 days by default)."
    )

    @admin.display(description=_("status"))
    def state(self, row: EtlRun) -> SafeString:
        return parts.status(RunStatus.parse(row.status))

    def related(self, request: HttpRequest, obj: EtlRun) -> list[Related]:
        return [*related.run_entities(request, obj), *related.events(request, obj.started_at, obj.finished_at)]

    def links(self, request: HttpRequest, obj: EtlRun) -> Links:
        return [
            (_("This run in the portal"), url_or_none("monitoring:run", obj.run_id)),
            (_("Its run entities"), list_url(request, EtlRunEntity, run=obj.run_id)),
            (_("Login events around it"), events_url(request, obj.started_at, obj.finished_at)),
        ]


@admin.register(EtlRunEntity)
class EtlRunEntityAdmin(KeyedAdmin):
    list_display = (
        *("run_entity_id", "run", "entity_name", "state", "entity_started_at", "entity_finished_at"),
        *("started_by", "extracted_count", "upserted_count", "soft_deleted_count", "error_message"),
    )
    list_filter = (filters.WindowFilter, filters.ExecutionStatusFilter, filters.PipelineFilter)
    period_model, period_at, period_key = EtlRun, "started_at", "run_id"
    search_fields = ("run_entity_id", "entity_name", "error_message")
    search_help_text = _(
        "A run number, or # and an execution number, anywhere in the history; or text in the pipeline or "
        "error within the period (7 days by default)."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("run")

    @admin.display(description=_("started by"))
    def started_by(self, row: EtlRunEntity) -> str:
        return str(row.run.started_by)

    @admin.display(description=_("status"))
    def state(self, row: EtlRunEntity) -> SafeString:
        return parts.status(ExecutionStatus.parse(row.status))

    def related(self, request: HttpRequest, obj: EtlRunEntity) -> list[Related]:
        return [
            *related.executions(request, obj),
            *related.events(request, obj.entity_started_at, obj.entity_finished_at),
        ]

    def links(self, request: HttpRequest, obj: EtlRunEntity) -> Links:
        return [
            (_("Its run"), detail_url(request, EtlRun, obj.run_id)),
            (_("Its run in the portal"), url_or_none("monitoring:run", obj.run_id)),
            (_("Its pipeline in the portal"), url_or_none("monitoring:pipeline", obj.entity_name)),
            (_("Its control row"), detail_url(request, EtlControl, obj.entity_name)),
            (_("Login events around it"), events_url(request, obj.entity_started_at, obj.entity_finished_at)),
        ]


@admin.register(ConnectionLoginEvent)
class ConnectionLoginEventAdmin(KeyedAdmin):
    list_display = (
        *("connection_event_id", "event_time_utc", "session_id", "login_time", "login_name", "host_name"),
        *("program_name", "database_name", "status", "client_net_address", "encrypt_option"),
    )
    list_filter = (filters.WindowFilter, filters.SessionStatusFilter, filters.EncryptionFilter)
    period_at = "event_time_utc"
    search_fields = (
        *("connection_event_id", "login_name", "host_name", "program_name", "database_name", "client_net_address"),
    )
    search_help_text = _(
        "An event number anywhere in the history; or text in login, host, program, database or address within"
        " the period (7 days by default)."
    )

    def related(self, request: HttpRequest, obj: ConnectionLoginEvent) -> list[Related]:
        return [*related.samples(request, obj), *related.runs(request, obj.event_time_utc)]

    def links(self, request: HttpRequest, obj: ConnectionLoginEvent) -> Links:
        moment = obj.event_time_utc
        page = url_or_none("monitoring:connections") if scope.reader_scope().logins else None
        return [
            (_("Connection audit in the portal"), page),
            (_("Runs around it"), list_url(request, EtlRun, **between(moment - 5 * AROUND, moment))),
            (_("Events around it"), events_url(request, moment, moment)),
        ]
