"""Keeps the connection audit's memory up with the login events: a bounded piece of new keys every few minutes.

At the start it reads backwards, piece by piece, as far as the memory is kept or the table reaches; how far
that is is always known, and what was before it is never taken for "not seen".
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.conf import settings

from etlportal.budget import budget
from monitoring.actions.seen import forget_seen, prune_seen, store_seen
from monitoring.collector.memory import Memory
from monitoring.models import SeenHistory
from monitoring.warehouse.login_events import Ends, Seen, ends, seen_between
from monitoring.warehouse.reader import ReadFailed

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
