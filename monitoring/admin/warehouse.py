from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.admin import filters
from monitoring.admin.fields import mask_rows, shown
from monitoring.admin.readonly import (
    KeyedAdmin,
    Links,
    ReadOnlyAdmin,
    Related,
    detail_url,
    list_url,
    may_see,
    url_or_none,
)
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, scope
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.web import parts
from monitoring.web.formats import number_text

AROUND = timedelta(minutes=5)
MOST_ENTITIES = 500
MOST = 50
NEAR_RUNS = 500
"""Runs on each side that are searched for executions of the pipeline: one seek each."""
NEAR_EVENTS = 2_000
"""Events on each side that are searched for the same session: one range of the key."""

COLUMNS: dict[type[Model], tuple[str, ...]] = {
    EtlRunEntity: (
        *("entity_name", "entity_started_at", "entity_finished_at"),
        *("extracted_count", "upserted_count", "soft_deleted_count"),
        *("watermark_to_updated_at", "watermark_to_id", "error_message"),
    ),
    ConnectionLoginEvent: (
        *("event_time_utc", "session_id", "login_name", "host_name"),
        *("program_name", "database_name", "status", "client_net_address"),
    ),
    EtlRun: ("started_at", "finished_at", "started_by", "entities_succeeded", "entities_failed", "error_message"),
}
STATUSES: dict[type[Model], type[RunStatus] | type[ExecutionStatus]] = {
    EtlRunEntity: ExecutionStatus,
    EtlRun: RunStatus,
}


def between(since: datetime, until: datetime | None) -> dict[str, str]:
    ends = {"since": since - AROUND, "until": (until or timezone.now()) + AROUND}
    return {name: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in ends.items()}


def events_url(request: HttpRequest, since: datetime, until: datetime | None) -> str | None:
    return list_url(request, ConnectionLoginEvent, **between(since, until))


def events_around(request: HttpRequest, started: datetime, finished: datetime | None) -> list[Related]:
    until = (finished or timezone.now()) + AROUND
    rows = ConnectionLoginEvent.objects.filter(event_time_utc__gte=started - AROUND, event_time_utc__lte=until)
    # By the time alone, as in the index: with the key the server would sort the whole period first.
    return related_table(request, _("login events around it"), ConnectionLoginEvent, rows.order_by("-event_time_utc"))


def related_table(
    request: HttpRequest, title: Any, model: type[Model], rows: Any, *, note: str = "", most: int = MOST
) -> list[Related]:
    if not may_see(request, model):
        return []
    names, statuses = COLUMNS[model], STATUSES.get(model)
    draws = [shown(model, name) for name in names]
    found = mask_rows(rows[: most + 1])
    if len(found) > most:
        note = gettext("Showing the latest %(rows)s. The link above opens the full list.") % {"rows": number_text(most)}
    lines = []
    for row in found[:most]:
        cells = [draw(row) if callable(draw) else getattr(row, draw) for draw in draws]
        if statuses:
            cells.insert(0, parts.status(statuses.parse(row.status)))
        lines.append((detail_url(request, model, row.pk), f"#{row.pk}", cells))
    status = [_("status")] if statuses else []
    headers = [model._meta.verbose_name, *status, *(name.replace("_", " ") for name in names)]
    return [Related(title, headers, lines, note)]


@admin.display(description=_("status"))
def status_column(self: Any, row: EtlRun | EtlRunEntity) -> SafeString:
    return parts.status(STATUSES[type(row)].parse(row.status))


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
        """Return the newest executions, through the runs up to the control row's last run."""
        if obj.last_run_id is None:
            return []
        near = EtlRun.objects.values("run_id").filter(run_id__lte=obj.last_run_id).order_by("-run_id")[:NEAR_RUNS]
        rows = EtlRunEntity.objects.filter(entity_name=obj.entity_name, run_id__in=near).order_by("-run_id")[:10]
        note = gettext("Searched the last run named by the control row and the %(runs)s runs before it.") % {
            "runs": number_text(NEAR_RUNS)
        }
        return related_table(request, _("latest executions"), EtlRunEntity, rows, note=note)

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
    state = status_column
    search_fields = ("run_id", "started_by", "entities_requested", "error_message")
    search_help_text = _(
        "A run number anywhere in the history; or text in the starter, pipelines or error within the period "
        "(7 days by default)."
    )

    def related(self, request: HttpRequest, obj: EtlRun) -> list[Related]:
        entities = EtlRunEntity.objects.filter(run_id=obj.run_id).order_by("run_id", "entity_name")
        return [
            *related_table(request, _("run entities"), EtlRunEntity, entities, most=MOST_ENTITIES),
            *events_around(request, obj.started_at, obj.finished_at),
        ]

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
    state = status_column
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

    def related(self, request: HttpRequest, obj: EtlRunEntity) -> list[Related]:
        near = EtlRun.objects.values("run_id")
        before = near.filter(run_id__lt=obj.run_id).order_by("-run_id")[:NEAR_RUNS]
        after = near.filter(run_id__gt=obj.run_id).order_by("run_id")[:NEAR_RUNS]
        own = EtlRunEntity.objects.filter(entity_name=obj.entity_name)
        rows = [
            *own.filter(run_id__in=after).order_by("run_id")[:1],
            *own.filter(run_id__in=before).order_by("-run_id")[:1],
        ]
        note = gettext("Searched the %(runs)s runs before and after this one.") % {"runs": number_text(NEAR_RUNS)}
        return [
            *related_table(request, _("next and previous execution of this pipeline"), EtlRunEntity, rows, note=note),
            *events_around(request, obj.entity_started_at, obj.entity_finished_at),
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
        moment = obj.event_time_utc
        runs = EtlRun.objects.filter(started_at__gte=moment - 6 * AROUND, started_at__lte=moment + AROUND)
        return [
            *self._samples(request, obj),
            *related_table(request, _("runs around it"), EtlRun, runs.order_by("-started_at")),
        ]

    def _samples(self, request: HttpRequest, event: ConnectionLoginEvent) -> list[Related]:
        if event.session_id is None or event.login_time is None:
            return []
        rows = ConnectionLoginEvent.objects.filter(
            connection_event_id__gte=event.pk - NEAR_EVENTS,
            connection_event_id__lte=event.pk + NEAR_EVENTS,
            session_id=event.session_id,
        ).order_by("-connection_event_id")
        # login_time is compared here: SQL Server compares DATETIME with no other type exactly.
        same = [row for row in rows[:NEAR_EVENTS] if row.login_time == event.login_time and row.pk != event.pk]
        note = gettext("Searched the %(events)s events before and after this one.") % {
            "events": number_text(NEAR_EVENTS)
        }
        return related_table(request, _("other samples of this session"), ConnectionLoginEvent, same, note=note)

    def links(self, request: HttpRequest, obj: ConnectionLoginEvent) -> Links:
        moment = obj.event_time_utc
        page = url_or_none("monitoring:connections") if scope.reader_scope().logins else None
        return [
            (_("Connection audit in the portal"), page),
            (_("Runs around it"), list_url(request, EtlRun, **between(moment - 5 * AROUND, moment))),
            (_("Events around it"), events_url(request, moment, moment)),
        ]
