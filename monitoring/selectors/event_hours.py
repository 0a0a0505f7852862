"""Login events by hour, remembered: an hour that is over is read once, whatever looks at it afterwards.

Events are only ever added, with the present time, and pruned after weeks; so what was read of a past
hour stays true, and a refresh reads the current hour and, for some minutes, the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.policies.sessions import HourEvents, hour_of
from monitoring.selectors.local_cache import cache
from monitoring.warehouse import login_events
from monitoring.warehouse.login_events import Bounds, HoursRead

KEY = "connections:hours"
KEEP = timedelta(hours=168)
"""As long as the longest window."""
KEEP_SECONDS = 86_400
GRACE = timedelta(minutes=5)
"""How long after its end an hour may still get events: a snapshot that waited for a lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Hours that are over: all of them from `since` (included) to `until` (excluded) that have events.

    `asked`: the start of the window that was read; later than that `since` is only where there was too much.
    """

    asked: datetime
    since: datetime
    until: datetime
    hours: tuple[HourEvents, ...]

    def fits(self, found: Bounds) -> bool:
        """Whether this is about the table that is there now, and reaches over the window's start.

        A table that was emptied or replaced has other keys: the window's first event is not ours.
        """
        if self.asked > found.since or self.until > found.now:
            return False
        inside = [each.first_key for each in self.hours if each.hour >= found.since]
        if not inside:
            return found.first is None or found.first > self.last_key
        if self.since > found.since:  # what was before our first hour was left out
            return found.first is not None and found.first <= min(inside)
        return min(inside) == found.first

    @property
    def last_key(self) -> int:
        return max((each.last_key for each in self.hours), default=0)


def event_hours(found: Bounds) -> HoursRead:
    """Return the window's hours that have events, oldest first: at most one statement. Raises ReadFailed.

    A window that does not end now is read as it is, and not remembered here.
    """
    if found.first is None:
        return HoursRead()
    if found.until is not None:
        return login_events.hours(found.first, found.since, found.newest, found.until)
    known: Remembered | None = cache.get(KEY)
    if known is None or not known.fits(found):
        read = login_events.hours(found.first, found.since)
        _remember(found.since, read.cut or found.since, read.hours, found)
        return read
    news = login_events.hours(known.last_key + 1, known.until)
    since = news.cut or known.since
    every = (*(each for each in known.hours if each.hour >= since), *news.hours)
    _remember(known.asked, since, every, found)
    hours = tuple(each for each in every if each.hour >= found.since)
    return HoursRead(hours=hours, cut=since if since > found.since else None)


def _remember(asked: datetime, since: datetime, hours: tuple[HourEvents, ...], found: Bounds) -> None:
    """Keep the hours that are over. What two processes remember at a time is equally true."""
    until = hour_of(found.now - GRACE)
    oldest = hour_of(found.now - KEEP)
    asked, since = max(asked, oldest), max(since, oldest)
    kept = tuple(each for each in hours if since <= each.hour < until)
    cache.set(KEY, Remembered(asked=asked, since=since, until=max(since, until), hours=kept), KEEP_SECONDS)
