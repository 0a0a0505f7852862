"""Pages of the admin's big tables: newest first, by key, without COUNT or OFFSET.

A page costs one seek on the primary key and as many rows as it shows, at any depth. Only one time column of each
table is indexed, so a period is looked up once in that index and becomes a range of keys. Keys grow with time
(CONTRACT: IDENTITY).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple, Self

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import Max, Min, QuerySet, Subquery
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import cached_property

from etlportal.budget import budget
from monitoring.admin.fields import mask_rows
from monitoring.web.sheets import MAX_ROWS

WINDOW = "window"
OLDER, NEWER, SINCE, UNTIL, RUN, DAY, CLOCK = "older", "newer", "since", "until", "run", "on", "clock"
PLACE = (OLDER, NEWER, SINCE, UNTIL, RUN, DAY, CLOCK)
WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
DEFAULT_WINDOW = "7d"
LONGEST = timedelta(days=92)
BIGGEST_KEY = 2**63 - 1
EDGE = 500
EXPORT_SECONDS = 30.0
"""Warehouse time limit for an export. No page waits for it."""
EXPORT_CHUNK = 1_000
EXPORT_LABELS = {"csv": "CSV", "xlsx": "XLSX", "jsonl": "JSON lines"}


Keys = tuple[int | None, int | None]
"""The first and the last key, both included; None: open on that side."""


def _within(column: str, keys: Keys) -> dict[str, int]:
    ends = {f"{column}__gte": keys[0], f"{column}__lte": keys[1]}
    return {name: key for name, key in ends.items() if key is not None}


class Place(NamedTuple):
    """Position of the request in a keyed list. `moment`: start at the newest row that is not later."""

    older: int | None = None
    newer: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    run: int | None = None
    moment: datetime | None = None
    window: str | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> tuple[Self, list[str]]:
        values: dict[str, Any] = {
            OLDER: parse_key(query.get(OLDER)),
            NEWER: parse_key(query.get(NEWER)),
            SINCE: parse_moment(query.get(SINCE)),
            UNTIL: parse_moment(query.get(UNTIL), end=True),
            RUN: parse_key(query.get(RUN)),
        }
        moment = parse_day(query.get(DAY), query.get(CLOCK))
        read = {**values, DAY: moment, CLOCK: moment}
        unread = [name for name, value in read.items() if value is None and query.get(name, "").strip()]
        window = query.get(WINDOW)
        return cls(**values, moment=moment, window=window if window in WINDOWS else None), unread

    def period(self, *, filtered: bool) -> tuple[datetime | None, datetime | None]:
        """Return the first and the last moment to look through, both included; None: open on that side.

        An unfiltered list is open. A filtered one has a start at most LONGEST before its end, because only the key
        is indexed. Around `moment` it reaches as far to both sides.
        """
        reach = WINDOWS[self.window or DEFAULT_WINDOW]
        bounded = filtered or self.window is not None
        if self.moment is not None and self.since is None and self.until is None:
            return (_shifted(self.moment, -reach), _shifted(self.moment, reach)) if bounded else (None, None)
        since, end = self.since, self.until or timezone.now()
        if since is None and bounded:
            since = _shifted(end, -reach)
        if since is not None and filtered:
            since = max(since, _shifted(end, -LONGEST) or since)
        return since, self.until


class UncountedPaginator(Paginator):
    """One page of at most `per_page` rows, without a COUNT.

    The change list asks its paginator for rows only if there is more than one page, so `count` is one more than a page.
    """

    has_more = has_newer = False

    @cached_property
    def count(self) -> int:
        return self.per_page + 1

    def page(self, number: Any) -> Page[Any]:
        rows = list(self.object_list[: self.per_page + 1])
        self.has_more = len(rows) > self.per_page
        self.rows = rows[: self.per_page]
        return Page(self.rows, 1, self)

    def all_rows(self) -> Iterator[Any]:
        return iter(self.rows)


class KeysetPaginator(UncountedPaginator):
    """Pages that begin after a key.

    The admin says where a period becomes keys: `period_at` of `period_model` is an indexed time, and the key of that
    model grows with it. Where that is another table, `period_key` is its key, an indexed column here too.
    """

    def __init__(self, object_list: QuerySet[Any], per_page: int, *, admin: Any, place: Place, filtered: bool) -> None:
        super().__init__(object_list, per_page)
        self.filtered: QuerySet[Any] = object_list
        self.admin, self.place, self.key = admin, place, admin.key
        self.of_run = place.run if admin.period_key else None
        self.since = self.until = None
        self.keys: Keys = (None, None)
        if self.of_run is not None:
            self.filtered = object_list.filter(**{admin.period_key: self.of_run})
            return
        self.since, self.until = place.period(filtered=filtered)
        found = self._keys_in(self.since, self.until)
        if found is None:
            self.filtered = object_list.none()
        else:
            bounds, self.keys = found
            self.filtered = object_list.filter(**bounds)

    def page(self, number: Any) -> Page[Any]:
        place, most = self.place, self.per_page
        if place.newer is not None:
            above = self._between((min(place.newer + 1, BIGGEST_KEY), None)).order_by(self.key)
            rows = list(above[: most + 1])
            self.has_newer, self.has_more = len(rows) > most, True
            rows = rows[:most][::-1]
        else:
            rows = list(self.rows_below()[: most + 1])
            self.has_newer = place.older is not None or place.moment is not None
            self.has_more = len(rows) > most
            rows = rows[:most]
        self.rows = mask_rows(rows)
        return Page(self.rows, 1, self)

    def rows_below(self, key: int | None = None) -> QuerySet[Any]:
        """Return the rows below a key, newest first; without a key from the requested position."""
        key = self.place.older if key is None else key
        if key is not None:
            return self._between((None, key - 1))
        if self.place.moment is None:
            return self._between((None, None))
        found = self._keys_in(None, self.place.moment)
        return self.filtered.none() if found is None else self._between(found[1])

    def all_rows(self) -> Iterator[Any]:
        """Yield all rows from the requested position; each statement seeks below the last key."""
        left, key = EXPORT_SECONDS, None
        while True:
            with budget(left, anew=True) as waits:
                chunk = mask_rows(self.rows_below(key)[:EXPORT_CHUNK])
                left = waits.left()
            yield from chunk
            if len(chunk) < EXPORT_CHUNK:
                return
            key = getattr(chunk[-1], self.key)

    def _between(self, keys: Keys) -> QuerySet[Any]:
        """Return the rows between two keys and in the period's, with one bound to each side.

        Of two bounds SQL Server would take one for its seek, perhaps the wider, and walk from there.
        """
        firsts, lasts = zip(keys, self.keys, strict=True)
        first = max((key for key in firsts if key is not None), default=None)
        last = min((key for key in lasts if key is not None), default=None)
        return self.filtered.filter(**_within(self.key, (first, last))).order_by(f"-{self.key}")

    def _keys_in(self, since: datetime | None, until: datetime | None) -> tuple[dict[str, int], Keys] | None:
        """Return the period as a filter on `period_key` (of another table) and as a range of the list's own keys.

        None: nothing is in the period.
        """
        ends: list[int | None] = []
        own_ends: list[int | None] = []
        for moment, newest in ((since, False), (until, True)):
            key = own = None if moment is None else self._key_at(moment, newest=newest)
            if self.admin.period_key and key is not None:
                own = self._own_key_at(key, newest=newest)
            if moment is not None and own is None:
                return None
            ends.append(key)
            own_ends.append(own)
        first, last = own_ends
        return _within(self.admin.period_key, (ends[0], ends[1])) if self.admin.period_key else {}, (first, last)

    def _key_at(self, moment: datetime, *, newest: bool) -> int | None:
        """Return the outermost key of the outermost time in range: several rows may share one time."""
        model, at = self.admin.period_model or self.admin.model, self.admin.period_at
        compare, sign, outermost = ("lte", "-", Max) if newest else ("gte", "", Min)
        rows = model._default_manager.order_by()
        times = rows.filter(**{f"{at}__{compare}": moment}).order_by(f"{sign}{at}").values(at)[:1]
        return rows.filter(**{at: Subquery(times)}).aggregate(key=outermost("pk"))["key"]

    def _own_key_at(self, key: int, *, newest: bool) -> int | None:
        """Return the outermost own key of the rows at one end of a range of `period_key`.

        Rows are read in the order of the own key: without bounds of it the server would walk from the newest row
        down to the period, and past the period to the first row of all.
        """
        column = self.admin.period_key
        compare, sign, outermost = ("lte", "-", max) if newest else ("gte", "", min)
        rows = self.admin.model._default_manager.filter(**{f"{column}__{compare}": key}).order_by(f"{sign}{column}")
        return outermost(rows.values_list(self.key, flat=True)[:EDGE], default=None)


class ReadOnlyChangeList(ChangeList):
    most_rows = MAX_ROWS

    @property
    def files(self) -> list[tuple[str, str]]:
        return [(label, f"export.{kind}{self.get_query_string()}") for kind, label in EXPORT_LABELS.items()]

    @property
    def kept_parameters(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.params.items() if name not in {"q", *PLACE}]

    @property
    def newest_url(self) -> str:
        return self.get_query_string(remove=[DAY, CLOCK])

    @property
    def older_url(self) -> str | None:
        if not self.paginator.has_more:
            return None
        rows = self.paginator.rows
        return self.get_query_string({OLDER: rows[-1].pk}) if rows else self.newest_url

    @property
    def newer_url(self) -> str | None:
        if not self.paginator.has_newer:
            return None
        rows, place = self.paginator.rows, self.paginator.place
        if not rows and place.newer is None and place.older is None:
            return self.get_query_string({NEWER: 0})  # nothing is older than the chosen moment
        return self.get_query_string({NEWER: rows[0].pk}) if rows else self.newest_url


def parse_key(text: str | None) -> int | None:
    text = (text or "").strip()
    if not text.isascii() or not text.isdigit():
        return None
    key = int(text[:25])
    return key if key <= BIGGEST_KEY else None


def parse_moment(text: str | None, *, end: bool = False) -> datetime | None:
    """Parse ISO text to an aware time (default: user zone) or None. A date is its start, with `end` its last second."""
    text = (text or "").strip()
    try:
        if "T" in text:
            moment = parse_datetime(text.replace(" ", "+"))
        else:
            day = parse_date(text)
            clock = time.max.replace(microsecond=0) if end else time.min
            moment = datetime.combine(day, clock) if day else None
        if moment is None:
            return None
        moment = (timezone.make_aware(moment) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # The whole last second belongs to it: login events have milliseconds.
    return moment.replace(microsecond=999_000) if end and not moment.microsecond else moment


def parse_day(day: str | None, clock: str | None) -> datetime | None:
    """Return the moment of a day and optional time in the user's zone; without a time, the end of the day."""
    day, clock = (day or "").strip(), (clock or "").strip()
    return parse_moment(f"{day}T{clock}" if day and clock and "T" not in day else day, end=True)


def _shifted(moment: datetime, by: timedelta) -> datetime | None:
    try:
        return moment + by
    except OverflowError:
        return None
