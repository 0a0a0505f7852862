"""What an auditor asks of a window, answered once for everybody: from its events and the portal's own memory.

Nothing is read from the warehouse here: the memory is in `default`, written by the collector (models/seen.py).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from monitoring.models import SeenDay, SeenHistory
from monitoring.policies import auditor
from monitoring.policies.auditor import BEFORE, REMEMBERED, Answer, History, folded
from monitoring.policies.sessions import FACETS, LOGIN, HourEvents, merged
from monitoring.warehouse.login_events import Bounds

CHUNK = 500
"""Digests per IN list."""


def digest_of(value: str | None) -> str:
    """Return what tells a value from others in the memory: without regard to case, short enough for an index."""
    return hashlib.blake2b(folded(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def answers(sampled: Sequence[HourEvents], found: Bounds, servers: Sequence[str]) -> tuple[tuple[Answer, ...], History]:
    """Return what each question found in the window, and the history that it was compared with.

    `servers`: the database server's own names. Two statements on `default` and one per CHUNK values.
    """
    whole = merged(sampled)
    before = history(whole, found.since)
    own = [str(settings.DATABASES["dw"].get("USER") or "")]
    return (
        auditor.new_identities(whole, found.since, before),
        auditor.unencrypted(whole, servers),
        auditor.unusual_hours(sampled, found.since, before),
        auditor.shared_logins(whole, settings.RUNNER_PROGRAMS, own),
        auditor.long_sessions(sampled, found.offset),
    ), before


def history(sampled: Sequence[HourEvents], since: datetime) -> History:
    """Return what was remembered of the window's values in the 30 days before `since`."""
    values = {place: {folded(each[place]) for hour in sampled for each in hour.groups} for place in REMEMBERED}
    texts = {(FACETS[place], digest_of(text)): text for place, every in values.items() for text in every}
    reach = SeenHistory.objects.filter(pk=SeenHistory.SINGLETON).first()
    if reach is None or reach.reaches_back is None or reach.read_until < since:
        return History(known={}, hours={})
    kept = reach.read_until - timedelta(days=settings.CONNECTION_HISTORY_DAYS)
    known: defaultdict[int, set[str]] = defaultdict(set)
    weeks: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    places = {FACETS[place]: place for place in REMEMBERED}
    for row in _rows(sorted({digest for _, digest in texts}), since):
        text = texts.get((row.column, row.digest))
        hours = _inside(row, since)
        if text is None or not hours:
            continue
        known[places[row.column]].add(text)
        if places[row.column] == LOGIN:
            weeks[text].append((row.day.weekday(), hours))
    return History(
        known=dict(known),
        hours={login: (auditor.week_hours(masks), len(masks)) for login, masks in weeks.items()},
        reaches_back=max(reach.reaches_back, kept),
    )


def _rows(digests: Sequence[str], since: datetime) -> list[SeenDay]:
    found: list[SeenDay] = []
    for start in range(0, len(digests), CHUNK):
        found += SeenDay.objects.filter(
            digest__in=digests[start : start + CHUNK],
            day__gte=(since - BEFORE).date(),
            day__lte=since.date(),
            last_seen__gte=since - BEFORE,
            first_seen__lt=since,
        )
    return found


def _inside(row: SeenDay, since: datetime) -> int:
    """Return the row's hours that are before `since` and not before the 30 days, as bits."""
    hours = row.hours
    if row.day == since.date():
        # A window that begins within an hour: what was first seen in that hour was seen before it.
        hours &= (1 << (since.hour + (row.first_seen.hour == since.hour))) - 1
    if row.day == (since - BEFORE).date():
        hours &= ~((1 << (since - BEFORE).hour) - 1)
    return hours
