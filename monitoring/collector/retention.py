"""How far the roll-ups are and how far back their sources are whole, and deleting what is older than its retention.

Both are columns of the collector's row. A column `*_rolled_to` says "everything before it is rolled up": moving it
back makes work and never loses anything. Nothing is deleted before it is rolled up.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Case, DateTimeField, F, Model, Q, QuerySet, Value, When

from monitoring.models import CollectorState, PipelineRollup, PipelineSample
from monitoring.rules.enums import Grain
from monitoring.rules.rollups import day_of, hour_of

BATCH = 200


def not_beyond(column: str, moment: datetime) -> Case:
    """Return the column's value for an UPDATE: `moment` where it is later, else (or unset) as it is."""
    later = When(**{f"{column}__gt": moment}, then=Value(moment, output_field=DateTimeField()))
    return Case(later, default=F(column), output_field=DateTimeField())


def rolled_before(column: str, moment: datetime) -> datetime | None:
    """Return up to when rows are both older than `moment` and rolled up; None: nothing is rolled up."""
    done = CollectorState.objects.filter(pk=CollectorState.SINGLETON).values_list(column, flat=True).first()
    return None if done is None else min(done, moment)


def note_kept(column: str, moment: datetime) -> None:
    """Note that what is older than `moment` may be deleted from now on: it is never rolled up again."""
    unset_or_earlier = Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lt": moment})
    CollectorState.objects.filter(unset_or_earlier, pk=CollectorState.SINGLETON).update(**{column: moment})


def prune_samples(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` samples of the hours before `before`, oldest first; return the number deleted."""
    edge = rolled_before("hours_rolled_to", hour_of(before))
    if edge is None:
        return 0
    ids = _oldest(PipelineSample.objects.filter(sampled_at__lt=edge), "sampled_at", limit)
    if ids:
        note_kept("samples_kept_from", edge)
    return _delete(PipelineSample, ids)


def prune_rollups(grain: Grain, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` roll-ups of the days before `before`, oldest first; return the number deleted.

    A day whose samples still exist can be rolled up again: its hours stay, whatever the settings say.
    """
    edge: datetime | None = day_of(before)
    if grain is Grain.HOUR:
        days, samples = rolled_before("days_rolled_to", day_of(before)), rolled_before("samples_kept_from", before)
        edge = None if days is None or samples is None else min(days, day_of(samples))
    if edge is None:
        return 0
    old = PipelineRollup.objects.filter(grain=grain, start__lt=edge)
    return _delete(PipelineRollup, _oldest(old, "start", limit))


def _oldest(rows: QuerySet[Any], column: str, limit: int) -> list[int]:
    return list(rows.order_by(column).values_list("pk", flat=True)[:limit])


def _delete(model: type[Model], ids: list[int]) -> int:
    for start in range(0, len(ids), BATCH):
        model._default_manager.filter(pk__in=ids[start : start + BATCH]).delete()
    return len(ids)


def expire_sessions(*, now: datetime, limit: int) -> int:
    """Delete at most `limit` sessions that expired before `now`, oldest first. Return their number."""
    ended = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    keys = list(ended.values_list("session_key", flat=True)[:limit])
    UserSession.objects.filter(session_key__in=keys).delete()
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)
