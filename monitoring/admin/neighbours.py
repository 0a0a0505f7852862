"""What belongs to a row: in its run, in its session, at its time. Each is one bounded read by an index."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.admin import columns
from monitoring.admin.addresses import AROUND, Related, detail_url, may_see
from monitoring.enums import ExecutionStatus, RunStatus
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from monitoring.templatetags import parts
from monitoring.templatetags.formats import number_text

MOST_ENTITIES = 500
"""Run entities shown under their run; there is one per pipeline."""
MOST = 50
"""Rows shown of anything else."""
NEAR_RUNS = 500
"""Runs before and after one in which the same pipeline's executions are looked for: each is one seek."""
NEAR_EVENTS = 2_000
"""Events before and after one in which the same session's are looked for: one range of the key."""

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
EVENT_COLUMNS = (
    "event_time_utc",
    "session_id",
    "login_name",
    "host_name",
    "program_name",
    "database_name",
    "status",
    "client_net_address",
)
RUN_COLUMNS = ("started_at", "finished_at", "started_by", "entities_succeeded", "entities_failed", "error_message")

MODELS: dict[tuple[str, ...], Any] = {
    ENTITY_COLUMNS: EtlRunEntity,
    EVENT_COLUMNS: ConnectionLoginEvent,
    RUN_COLUMNS: EtlRun,
}


def run_entities(request: HttpRequest, run: EtlRun) -> list[Related]:
    """What ran in the run: one row per pipeline, by the index on run_id."""
    rows = EtlRunEntity.objects.filter(run_id=run.run_id).order_by("run_id", "entity_name")
    return _table(request, _("run entities"), rows, ENTITY_COLUMNS, vocabulary=ExecutionStatus, most=MOST_ENTITIES)


def executions(request: HttpRequest, entity: EtlRunEntity) -> list[Related]:
    """The same pipeline's executions before and after this one, through the runs around it."""
    near = EtlRun.objects.values("run_id")
    before = near.filter(run_id__lt=entity.run_id).order_by("-run_id")[:NEAR_RUNS]
    after = near.filter(run_id__gt=entity.run_id).order_by("run_id")[:NEAR_RUNS]
    own = EtlRunEntity.objects.filter(entity_name=entity.entity_name)
    rows = [
        *own.filter(run_id__in=after).order_by("run_id")[:1],
        *own.filter(run_id__in=before).order_by("-run_id")[:1],
    ]
    note = gettext("Looked for in the %(runs)s runs before and after it.") % {"runs": number_text(NEAR_RUNS)}
    return _table(
        request,
        _("next and previous execution of this pipeline"),
        rows,
        ENTITY_COLUMNS,
        vocabulary=ExecutionStatus,
        note=note,
    )


def last_executions(request: HttpRequest, control: EtlControl) -> list[Related]:
    """A pipeline's newest executions, through the runs up to the last one that its control row names."""
    if control.last_run_id is None:
        return []
    near = EtlRun.objects.values("run_id").filter(run_id__lte=control.last_run_id).order_by("-run_id")[:NEAR_RUNS]
    rows = EtlRunEntity.objects.filter(entity_name=control.entity_name, run_id__in=near).order_by("-run_id")[:10]
    note = gettext("Looked for in the last run that the control row names and the %(runs)s before it.") % {
        "runs": number_text(NEAR_RUNS)
    }
    return _table(request, _("newest executions"), list(rows), ENTITY_COLUMNS, vocabulary=ExecutionStatus, note=note)


def events(request: HttpRequest, started: datetime, finished: datetime | None) -> list[Related]:
    """The login events from just before a start to just after its finish (or now), by the index on their time."""
    until = (finished or timezone.now()) + AROUND
    rows = ConnectionLoginEvent.objects.filter(event_time_utc__gte=started - AROUND, event_time_utc__lte=until)
    # By the time alone, as the index has it: the key would be sorted for the whole period first.
    return _table(request, _("login events around it"), rows.order_by("-event_time_utc"), EVENT_COLUMNS)


def samples(request: HttpRequest, event: ConnectionLoginEvent) -> list[Related]:
    """The same session's other samples, among the events before and after this one."""
    if event.session_id is None or event.login_time is None:
        return []
    key = event.connection_event_id
    rows = ConnectionLoginEvent.objects.filter(
        connection_event_id__gte=key - NEAR_EVENTS,
        connection_event_id__lte=key + NEAR_EVENTS,
        session_id=event.session_id,
    ).order_by("-connection_event_id")
    # login_time is compared here: SQL Server compares DATETIME with nothing else exactly.
    same = [row for row in rows[:NEAR_EVENTS] if row.login_time == event.login_time and row.pk != key]
    note = gettext("Looked for in the %(events)s events before and after it.") % {"events": number_text(NEAR_EVENTS)}
    return _table(request, _("other samples of this session"), same, EVENT_COLUMNS, note=note)


def runs(request: HttpRequest, moment: datetime) -> list[Related]:
    """The runs that started from half an hour before a moment to just after it, by the index on their start."""
    rows = EtlRun.objects.filter(started_at__gte=moment - 6 * AROUND, started_at__lte=moment + AROUND)
    return _table(request, _("runs around it"), rows.order_by("-started_at"), RUN_COLUMNS, vocabulary=RunStatus)


def _table(
    request: HttpRequest,
    title: Any,
    rows: QuerySet[Any] | list[Any],
    names: tuple[str, ...],
    *,
    vocabulary: type[RunStatus] | type[ExecutionStatus] | None = None,
    note: str = "",
    most: int = MOST,
) -> list[Related]:
    """Return the rows as a table; nothing for a reader who may not see them."""
    model = MODELS[names]
    if not may_see(request, model):
        return []
    shown = [columns.detail(model, name) for name in names]
    found = list(rows[: most + 1])
    if len(found) > most:
        note = gettext("The newest %(rows)s; the link above leads to all of them.") % {"rows": number_text(most)}
    lines = [
        (
            detail_url(request, model, row.pk),
            f"#{row.pk}",
            [
                *([parts.status(vocabulary.parse(row.status))] if vocabulary else []),
                *(show(row) if callable(show) else getattr(row, show) for show in shown),
            ],
        )
        for row in found[:most]
    ]
    status = [_("status")] if vocabulary else []
    headers = [model._meta.verbose_name, *status, *(name.replace("_", " ") for name in names)]
    return [Related(title, headers, lines, note)]
