"""How far the roll-ups are, and how far back what they are made of is whole: columns of the collector's one row.

A column `*_rolled_to` only says "everything before it is done": moving it back makes work, never a loss.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Case, DateTimeField, F, Q, Value, When

from monitoring.models import CollectorState


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
