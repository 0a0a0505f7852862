"""A time window as a range of keys.

The audit tables grow for ever and only one time column of each is indexed, so a window is looked
up once in that index, and everything else works on the primary key: `first <= key <= last`.
Keys grow with time (CONTRACT: IDENTITY).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Max, Min, Model, QuerySet, Subquery
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
DEFAULT_WINDOW = "7d"
"""What a filter or a text search looks through when nobody said otherwise."""
LONGEST = timedelta(days=92)
"""No filtered list looks further than this in one request."""

BIGGEST_KEY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` (included) to `until` (included), aware; None: open on that side."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def open(self) -> bool:
        return self.since is None and self.until is None


def parse_key(text: str | None) -> int | None:
    """Return a primary key from the URL, or None where it cannot be one."""
    if not text or not text.strip().isascii() or not text.strip().isdigit():
        return None
    key = int(text.strip()[:25])
    return key if key <= BIGGEST_KEY else None


def parse_moment(text: str | None, *, end: bool = False) -> datetime | None:
    """Return an aware time from ISO text; without an offset it is in the reader's zone.

    A date alone is its start, with `end` its last second. None where it is no time at all.
    """
    if not text:
        return None
    text = text.strip().replace(" ", "+") if "T" in text else text.strip()
    try:
        moment = parse_datetime(text) if "T" in text else None
        if moment is None:
            day = parse_date(text)
            if day is None:
                return None
            moment = datetime.combine(day, time.max.replace(microsecond=0) if end else time.min)
        if moment.tzinfo is None:
            moment = timezone.make_aware(moment)
        moment = moment.astimezone(UTC)
        # The whole last second belongs to it: login events have milliseconds.
        return moment.replace(microsecond=999_000) if end and not moment.microsecond else moment
    except (ValueError, OverflowError):
        return None


def parse_place(day: str | None, clock: str | None) -> datetime | None:
    """Return the moment that a day and perhaps a time of day name, in the reader's zone; without a time its end."""
    day, clock = (day or "").strip(), (clock or "").strip()
    return parse_moment(f"{day}T{clock}" if day and clock and "T" not in day else day, end=True)


def period_of(
    *,
    window: str | None,
    since: datetime | None,
    until: datetime | None,
    filtered: bool,
    now: datetime,
    place: datetime | None = None,
) -> Period:
    """Return the period to look through.

    An unfiltered list is open: it is paged by key, whatever its length. A filtered one has a
    start, at most LONGEST before its end, because nothing but the key is indexed. Around a `place`
    that the reader jumped to it reaches as far to both sides.
    """
    if place is not None and since is None and until is None:
        if window not in WINDOWS and not filtered:
            return Period()
        reach = WINDOWS.get(window or "", WINDOWS[DEFAULT_WINDOW])
        return Period(_shifted(place, -reach), _shifted(place, reach))
    if since is None and (window in WINDOWS or filtered):
        since = (until or now) - WINDOWS.get(window or "", WINDOWS[DEFAULT_WINDOW])
    if since is not None and filtered:
        since = max(since, (until or now) - LONGEST)
    return Period(since, until)


def _shifted(moment: datetime, by: timedelta) -> datetime | None:
    """Return the moment that much earlier or later; None beyond the calendar, where nothing is."""
    try:
        return moment + by
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Primary keys from `first` to `last`, both included; None: open on that side."""

    first: int | None = None
    last: int | None = None
    empty: bool = False


def key_range(rows: QuerySet[Any], *, at: str, key: str, period: Period) -> KeyRange:
    """Return the keys of `rows` in the period: at most two seeks on column `at` for each end.

    Several rows may have one time, in any order of keys: the outermost time is looked up, then its
    outermost key. Raises DatabaseError when the database cannot be read.
    """
    if period.open:
        return KeyRange()
    first = last = None
    if period.since is not None:
        times = rows.filter(**{f"{at}__gte": period.since}).order_by(at).values(at)[:1]
        first = rows.filter(**{at: Subquery(times)}).aggregate(key=Min(key))["key"]
        if first is None:
            return KeyRange(empty=True)
    if period.until is not None:
        times = rows.filter(**{f"{at}__lte": period.until}).order_by(f"-{at}").values(at)[:1]
        last = rows.filter(**{at: Subquery(times)}).aggregate(key=Max(key))["key"]
        if last is None:
            return KeyRange(empty=True)
    return KeyRange(first, last)


EDGE = 500
"""Rows at each end of a range of one key that tell where it begins and ends in another: far more than
overlap there."""


def widened(rows: QuerySet[Any], keys: KeyRange, *, column: str, key: str) -> KeyRange:
    """Return a range of `key` that holds every row of the range `keys` of the indexed `column`.

    Both grow with time, but rows are read in the order of `key`: without bounds of its own the server
    would walk it from the newest row down to the period, and past the period to the first row of all.
    """
    first = last = None
    if keys.first is not None:
        low = rows.filter(**{f"{column}__gte": keys.first}).order_by(column)
        first = min(low.values_list(key, flat=True)[:EDGE], default=None)
    if keys.last is not None:
        high = rows.filter(**{f"{column}__lte": keys.last}).order_by(f"-{column}")
        last = max(high.values_list(key, flat=True)[:EDGE], default=None)
    outside = (keys.first is not None and first is None) or (keys.last is not None and last is None)
    return KeyRange(first, last, empty=keys.empty or outside)


def rows_of(model: type[Model]) -> QuerySet[Any]:
    """Return every row of the model, without an order."""
    return model._default_manager.order_by()
