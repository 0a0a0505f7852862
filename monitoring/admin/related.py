"""Links and small tables under an admin row: one bounded index read each, only tables that the user may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.admin.fields import mask_rows, shown
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
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

Links = list[tuple[Any, str | None]]


class Related(NamedTuple):
    """A small table under a row. `rows`: (URL or None, name, cells). `note`: the limits of the search."""

    title: Any
    headers: list[Any]
    rows: list[tuple[str | None, str, list[Any]]]
    note: str = ""


def url_or_none(name: str, *args: Any) -> str | None:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return None


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    return bool(request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"))


def list_url(request: HttpRequest, model: type[Model], **query: Any) -> str | None:
    if not may_see(request, model):
        return None
    return f"{reverse(_view(model, 'changelist'))}?{urlencode(query)}"


def detail_url(request: HttpRequest, model: type[Model], key: Any) -> str | None:
    if key in (None, "") or not may_see(request, model):
        return None
    return url_or_none(_view(model, "change"), quote(key))


def _view(model: type[Model], action: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{action}"


def between(since: datetime, until: datetime | None) -> dict[str, str]:
    ends = {"since": since - AROUND, "until": (until or timezone.now()) + AROUND}
    return {name: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in ends.items()}


def events_url(request: HttpRequest, since: datetime, until: datetime | None) -> str | None:
    return list_url(request, ConnectionLoginEvent, **between(since, until))


def run_entities(request: HttpRequest, run: EtlRun) -> list[Related]:
    rows = EtlRunEntity.objects.filter(run_id=run.run_id).order_by("run_id", "entity_name")
    return _table(request, _("run entities"), EtlRunEntity, rows, most=MOST_ENTITIES)


def executions(request: HttpRequest, entity: EtlRunEntity) -> list[Related]:
    near = EtlRun.objects.values("run_id")
    before = near.filter(run_id__lt=entity.run_id).order_by("-run_id")[:NEAR_RUNS]
    after = near.filter(run_id__gt=entity.run_id).order_by("run_id")[:NEAR_RUNS]
    own = EtlRunEntity.objects.filter(entity_name=entity.entity_name)
    rows = [
        *own.filter(run_id__in=after).order_by("run_id")[:1],
        *own.filter(run_id__in=before).order_by("-run_id")[:1],
    ]
    note = gettext("Searched the %(runs)s runs before and after this one.") % {"runs": number_text(NEAR_RUNS)}
    return _table(request, _("next and previous execution of this pipeline"), EtlRunEntity, rows, note=note)


def last_executions(request: HttpRequest, control: EtlControl) -> list[Related]:
    """Return a pipeline's newest executions, through the runs up to its control row's last run."""
    if control.last_run_id is None:
        return []
    near = EtlRun.objects.values("run_id").filter(run_id__lte=control.last_run_id).order_by("-run_id")[:NEAR_RUNS]
    rows = EtlRunEntity.objects.filter(entity_name=control.entity_name, run_id__in=near).order_by("-run_id")[:10]
    note = gettext("Searched the last run named by the control row and the %(runs)s runs before it.") % {
        "runs": number_text(NEAR_RUNS)
    }
    return _table(request, _("latest executions"), EtlRunEntity, rows, note=note)


def events(request: HttpRequest, started: datetime, finished: datetime | None) -> list[Related]:
    until = (finished or timezone.now()) + AROUND
    rows = ConnectionLoginEvent.objects.filter(event_time_utc__gte=started - AROUND, event_time_utc__lte=until)
    # By the time alone, as in the index: with the key the server would sort the whole period first.
    return _table(request, _("login events around it"), ConnectionLoginEvent, rows.order_by("-event_time_utc"))


def samples(request: HttpRequest, event: ConnectionLoginEvent) -> list[Related]:
    if event.session_id is None or event.login_time is None:
        return []
    rows = ConnectionLoginEvent.objects.filter(
        connection_event_id__gte=event.pk - NEAR_EVENTS,
        connection_event_id__lte=event.pk + NEAR_EVENTS,
        session_id=event.session_id,
    ).order_by("-connection_event_id")
    # login_time is compared here: SQL Server compares DATETIME with no other type exactly.
    same = [row for row in rows[:NEAR_EVENTS] if row.login_time == event.login_time and row.pk != event.pk]
    note = gettext("Searched the %(events)s events before and after this one.") % {"events": number_text(NEAR_EVENTS)}
    return _table(request, _("other samples of this session"), ConnectionLoginEvent, same, note=note)


def runs(request: HttpRequest, moment: datetime) -> list[Related]:
    rows = EtlRun.objects.filter(started_at__gte=moment - 6 * AROUND, started_at__lte=moment + AROUND)
    return _table(request, _("runs around it"), EtlRun, rows.order_by("-started_at"))


def _table(
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
