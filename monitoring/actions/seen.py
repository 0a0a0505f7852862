"""The connection audit's memory of who was seen on which day: written by the collector, pruned by age.

Nothing of this relies on INSERT ... ON CONFLICT; the lease makes the collector the only writer. Adding
the same events again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from monitoring.actions.lease import fence
from monitoring.models import SeenDay, SeenHistory
from monitoring.policies.auditor import REMEMBERED
from monitoring.policies.sessions import FACETS
from monitoring.selectors.auditor import digest_of
from monitoring.warehouse.login_events import Seen

BATCH = 200
"""Rows per INSERT or UPDATE, and digests per IN list."""
Key = tuple[str, str, date]
"""Column, digest, day."""


@dataclass(slots=True)
class _Day:
    value: str
    first: datetime
    last: datetime
    hours: int


@transaction.atomic
def store_seen(*, found: Iterable[Seen], history: SeenHistory) -> int:
    """Add what was seen to its days, and note how far the memory reaches now; return how many rows changed."""
    fence()
    days = _days(found)
    known = _known(days)
    new = [
        SeenDay(
            column=key[0],
            digest=key[1],
            day=key[2],
            value=each.value,
            first_seen=each.first,
            last_seen=each.last,
            hours=each.hours,
        )
        for key, each in days.items()
        if key not in known
    ]
    changed = []
    for key, row in known.items():
        each = days[key]
        merged = (min(row.first_seen, each.first), max(row.last_seen, each.last), row.hours | each.hours)
        if merged != (row.first_seen, row.last_seen, row.hours):
            row.first_seen, row.last_seen, row.hours = merged
            changed.append(row)
    SeenDay.objects.bulk_create(new, batch_size=BATCH)
    SeenDay.objects.bulk_update(changed, ["first_seen", "last_seen", "hours"], batch_size=BATCH)
    history.save()
    return len(new) + len(changed)


@transaction.atomic
def forget_seen() -> None:
    """Forget everything: the table over there is another one now."""
    fence()
    SeenDay.objects.all().delete()
    SeenHistory.objects.all().delete()


def prune_seen(*, before: date, limit: int) -> int:
    """Delete at most `limit` rows of days before `before`; return how many went. What is left reaches back less."""
    keys = list(SeenDay.objects.filter(day__lt=before).order_by("day", "pk").values_list("pk", flat=True)[:limit])
    for start in range(0, len(keys), BATCH):
        SeenDay.objects.filter(pk__in=keys[start : start + BATCH]).delete()
    return len(keys)


def _days(found: Iterable[Seen]) -> dict[Key, _Day]:
    days: dict[Key, _Day] = {}
    for seen in found:
        for place, value in zip(REMEMBERED, seen.values, strict=True):
            # A group is of one hour: both its times are of one day.
            key = (FACETS[place], digest_of(value), seen.first.date())
            bit = 1 << seen.first.hour
            each = days.setdefault(key, _Day(value or "", seen.first, seen.last, bit))
            each.first, each.last, each.hours = min(each.first, seen.first), max(each.last, seen.last), each.hours | bit
    return days


def _known(days: dict[Key, _Day]) -> dict[Key, SeenDay]:
    if not days:
        return {}
    oldest, newest = min(key[2] for key in days), max(key[2] for key in days)
    digests = sorted({key[1] for key in days})
    found: dict[Key, SeenDay] = {}
    for start in range(0, len(digests), BATCH):
        rows = SeenDay.objects.filter(
            digest__in=digests[start : start + BATCH], day__gte=oldest, day__lt=newest + timedelta(days=1)
        )
        for row in rows:
            key = (row.column, row.digest, row.day)
            if key in days:
                found[key] = row
    return found
