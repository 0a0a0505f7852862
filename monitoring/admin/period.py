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


def period_of(
    *, window: str | None, since: datetime | None, until: datetime | None, filtered: bool, now: datetime
) -> Period:
    """Return the period to look through.

    An unfiltered list is open: it is paged by key, whatever its length. A filtered one has a
    start, at most LONGEST before its end, because nothing but the key is indexed.
    """
    if since is None and (window in WINDOWS or filtered):
        since = (until or now) - WINDOWS.get(window or "", WINDOWS[DEFAULT_WINDOW])
    if since is not None and filtered:
        since = max(since, (until or now) - LONGEST)
    return Period(since, until)


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


def rows_of(model: type[Model]) -> QuerySet[Any]:
    """Return every row of the model, without an order."""
    return model._default_manager.order_by()
