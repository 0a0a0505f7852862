"""Records in `default` which login event values were seen on which day (SeenDay). Adding events again is harmless."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction

from etlportal.budget import budget
from monitoring.collector.lease import fence
from monitoring.collector.memory import Memory
from monitoring.collector.store import BATCH, delete_oldest
from monitoring.models import SeenDay, SeenHistory
from monitoring.rules.audit import REMEMBERED, digest_of
from monitoring.rules.login_events import FACETS
from monitoring.warehouse.login_events import Seen, ends, seen_between
from monitoring.warehouse.reader import ReadFailed

EVERY_SECONDS = 300.0
BEHIND_SECONDS = 60.0
"""Interval while older events are still unread."""
PIECE = 20_000
TURN_SECONDS = 2.0
MOST_PIECES = 4
LIMIT_SECONDS = 10.0
OVERLAP = 1_000
"""Keys before the newest that are read again: a lower key may be committed later."""
PRUNE_ROWS = 2_000

Key = tuple[str, str, date]
"""Column, digest, day."""


def remember_logins(memory: Memory, now: datetime) -> None:
    monotonic = time.monotonic()
    wait = BEHIND_SECONDS if memory.seen_behind else EVERY_SECONDS
    if memory.seen_at is not None and monotonic - memory.seen_at < wait:
        return
    memory.seen_at = monotonic
    try:
        with budget(LIMIT_SECONDS):
            memory.seen_behind = not _read_on(monotonic + TURN_SECONDS)
    except ReadFailed:
        memory.seen_behind = False  # the pre-flight reports that the table cannot be read
    prune_seen(before=(now - timedelta(days=settings.CONNECTION_HISTORY_DAYS)).date(), limit=PRUNE_ROWS)


def _read_on(deadline: float) -> bool:
    now, oldest, newest = ends()
    history = SeenHistory.objects.filter(pk=SeenHistory.SINGLETON).first()
    if oldest is None or newest is None:
        return True
    if history is not None and newest < history.to_key:
        forget_seen()  # the keys start again: it is another table
        history = None
    if history is None:
        history = SeenHistory(from_key=newest + 1, to_key=newest, read_until=now)
    pieces = 0
    while pieces == 0 or (pieces < MOST_PIECES and time.monotonic() < deadline):
        pieces += 1
        if history.to_key < newest or (history.complete and pieces == 1):
            _read_forward(history, newest)
        elif not history.complete:
            _read_backward(history, oldest, now)
        else:
            break
    if history.to_key >= newest and history.read_until < now:
        history.read_until = now
        history.save()
    return history.complete and history.to_key >= newest


def _read_forward(history: SeenHistory, newest: int) -> None:
    last = min(newest, history.to_key + PIECE)
    seen = seen_between(max(history.to_key - OVERLAP, history.from_key), last)
    history.to_key = last
    history.read_until = max([history.read_until, *(last_seen for _, _, last_seen in seen)])
    store_seen(found=seen, history=history)


def _read_backward(history: SeenHistory, oldest: int, now: datetime) -> None:
    until = history.from_key - 1
    first = max(oldest, until - PIECE + 1)
    horizon = now - timedelta(days=settings.CONNECTION_HISTORY_DAYS)
    seen = seen_between(first, until) if first <= until else []
    reached = min((first_seen for _, first_seen, _ in seen), default=None)
    if reached is not None:
        history.reaches_back = max(reached, horizon)
    history.from_key = min(first, history.from_key)
    # A piece without rows is a gap in the keys, not the end.
    history.complete = first <= oldest or (reached is not None and reached <= horizon)
    store_seen(found=[each for each in seen if each[2] >= horizon], history=history)


@transaction.atomic
def store_seen(*, found: Iterable[Seen], history: SeenHistory) -> None:
    fence()
    days = _days(found)
    changed = []
    for key, row in _stored(days).items():
        new = days.pop(key)
        merged = (min(row.first_seen, new.first_seen), max(row.last_seen, new.last_seen), row.hours | new.hours)
        if merged != (row.first_seen, row.last_seen, row.hours):
            row.first_seen, row.last_seen, row.hours = merged
            changed.append(row)
    SeenDay.objects.bulk_create(days.values(), batch_size=BATCH)
    SeenDay.objects.bulk_update(changed, ["first_seen", "last_seen", "hours"], batch_size=BATCH)
    history.save()


def _days(found: Iterable[Seen]) -> dict[Key, SeenDay]:
    """A group covers one hour, so both of its times are of one day."""
    days: dict[Key, SeenDay] = {}
    for values, first, last in found:
        for place, value in zip(REMEMBERED, values, strict=True):
            key = column, digest, day = (FACETS[place], digest_of(value), first.date())
            if key not in days:
                days[key] = SeenDay(
                    column=column, digest=digest, day=day, value=value or "", first_seen=first, last_seen=last, hours=0
                )
            row = days[key]
            row.first_seen, row.last_seen = min(row.first_seen, first), max(row.last_seen, last)
            row.hours |= 1 << first.hour
    return days


def _stored(keys: Collection[Key]) -> dict[Key, SeenDay]:
    days = sorted(day for _, _, day in keys)
    digests = sorted({digest for _, digest, _ in keys})
    found: dict[Key, SeenDay] = {}
    for start in range(0, len(digests), BATCH):
        rows = SeenDay.objects.filter(digest__in=digests[start : start + BATCH], day__range=(days[0], days[-1]))
        found |= {key: row for row in rows if (key := (row.column, row.digest, row.day)) in keys}
    return found


@transaction.atomic
def forget_seen() -> None:
    """Delete everything, because the warehouse's table is a different one."""
    fence()
    SeenDay.objects.all().delete()
    SeenHistory.objects.all().delete()


def prune_seen(*, before: date, limit: int) -> int:
    return delete_oldest(SeenDay.objects.filter(day__lt=before), "day", limit)
