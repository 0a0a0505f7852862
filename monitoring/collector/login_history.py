"""The connection audit's memory of who was seen on which day: written by the collector, pruned by age.

Nothing of this relies on INSERT ... ON CONFLICT; the lease makes the collector the only writer. Adding
the same events again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction

from etlportal.budget import budget
from monitoring.collector.lease import fence
from monitoring.collector.memory import NO_SESSIONS, Memory, Sessions
from monitoring.models import SeenDay, SeenHistory
from monitoring.rules.audit import REMEMBERED, digest_of
from monitoring.rules.facts import ConnectionReading, Problem
from monitoring.rules.preflight import Rights
from monitoring.rules.sessions import FACETS
from monitoring.warehouse.audit import session_samples
from monitoring.warehouse.login_events import Ends, Seen, ends, seen_between
from monitoring.warehouse.permissions import read_rights
from monitoring.warehouse.reader import ReadFailed

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


EVERY_SECONDS = 300.0
BEHIND_SECONDS = 60.0
"""While there is more to read than one turn may."""
PIECE = 20_000
"""Keys of one statement."""
TURN_SECONDS = 2.0
"""How long one turn may go on with further pieces."""
MOST_PIECES = 4
LIMIT_SECONDS = 10.0
OVERLAP = 1_000
"""Keys before the newest that are read again: a lower key may be committed later."""
PRUNE_ROWS = 2_000


def remember_logins(memory: Memory, now: datetime) -> None:
    """Read some more events where it is time to; never raises for what the warehouse does."""
    monotonic = time.monotonic()
    wait = BEHIND_SECONDS if memory.seen_behind else EVERY_SECONDS
    if memory.seen_at is not None and monotonic - memory.seen_at < wait:
        return
    memory.seen_at = monotonic
    try:
        with budget(LIMIT_SECONDS):
            memory.seen_behind = not _read_on(monotonic + TURN_SECONDS)
    except ReadFailed:
        memory.seen_behind = False  # the pre-flight tells that the table cannot be read
    prune_seen(before=(now - timedelta(days=settings.CONNECTION_HISTORY_DAYS)).date(), limit=PRUNE_ROWS)


def _read_on(deadline: float) -> bool:
    """Read what is new, then what is older; return whether nothing is left."""
    found = ends()
    history = SeenHistory.objects.filter(pk=SeenHistory.SINGLETON).first()
    if found.newest is None or found.oldest is None:
        return True
    if history is not None and found.newest < history.to_key:
        forget_seen()  # keys began anew: another table
        history = None
    if history is None:
        history = SeenHistory(from_key=found.newest + 1, to_key=found.newest, read_until=found.now)
    pieces = 0
    while pieces == 0 or (pieces < MOST_PIECES and time.monotonic() < deadline):
        pieces += 1
        if history.to_key < found.newest or (history.complete and pieces == 1):
            _forward(history, found)
        elif not history.complete:
            _backward(history, found)
        else:
            break
    if history.to_key >= found.newest and history.read_until < found.now:
        history.read_until = found.now
        history.save()
    return history.complete and history.to_key >= found.newest


def _forward(history: SeenHistory, found: Ends) -> None:
    last = min(found.newest or 0, history.to_key + PIECE)
    seen = seen_between(max(history.to_key - OVERLAP, history.from_key), last)
    history.to_key = last
    if seen:
        history.read_until = max(history.read_until, _last(seen))
    store_seen(found=seen, history=history)


def _backward(history: SeenHistory, found: Ends) -> None:
    oldest, until = found.oldest or 0, history.from_key - 1
    first = max(oldest, until - PIECE + 1)
    horizon = found.now - timedelta(days=settings.CONNECTION_HISTORY_DAYS)
    read = seen_between(first, until) if first <= until else []
    begun = min((each.first for each in read), default=None)
    if begun is not None:
        history.reaches_back = max(begun, horizon)
    history.from_key = min(first, history.from_key)
    # A piece without a row is a gap in the keys, not the end.
    history.complete = first <= oldest or (begun is not None and begun <= horizon)
    store_seen(found=[each for each in read if each.last >= horizon], history=history)


def _last(seen: list[Seen]) -> datetime:
    return max(each.last for each in seen)


SESSION_EVENTS = 2000
SESSION_SAMPLES = 10


def rights_of(dw: ConnectionReading) -> Rights | Problem | None:
    """What our own login may do on `dw`, or why that could not be read. None: not applicable, or not asked."""
    if not dw.reachable:
        return None
    try:
        return read_rights(dw.alias)
    except ReadFailed as failure:
        return failure.problem


def runner_sessions(dw: ConnectionReading) -> Sessions:
    """What the newest login events say of the runner's sessions.

    Where no sample at all shows the runner's program, its name here is probably not the one that is
    configured: then the samples prove nothing, and none are given.
    """
    if not dw.reachable:
        return NO_SESSIONS
    try:
        events = session_samples(dw.alias, SESSION_EVENTS)
    except ReadFailed:
        return NO_SESSIONS  # the pre-flight tells that the table cannot be read
    programs = tuple(name.lower() for name in settings.RUNNER_PROGRAMS)
    runners = [when for when, program in events if program.lower().startswith(programs)]
    if not runners:
        return NO_SESSIONS
    times = sorted({when.replace(microsecond=0) for when, _ in events}, reverse=True)
    return Sessions(runner_at=max(runners), sampled_at=tuple(times[:SESSION_SAMPLES]))
