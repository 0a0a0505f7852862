"""Lists of big tables: newest first, "older" and "newer" by key. Never COUNT, never OFFSET.

A page costs one seek on the primary key and as many rows as it shows, at any depth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.contrib import messages
from django.contrib.admin.views.main import IGNORED_PARAMS, SEARCH_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext

from monitoring.admin.exporting import LABELS, keyed_rows
from monitoring.admin.period import (
    BIGGEST_KEY,
    KeyRange,
    Period,
    key_range,
    parse_key,
    parse_moment,
    parse_place,
    period_of,
    rows_of,
    widened,
)
from monitoring.files import MAX_ROWS
from monitoring.templatetags.formats import number_text

OLDER, NEWER, SINCE, UNTIL, WINDOW = "older", "newer", "since", "until", "window"
CURSOR = (OLDER, NEWER)
DAY, CLOCK = "on", "clock"
"""Where the reader jumped to: the list begins with the newest row that is not later, and goes on both ways."""
PLACE = (DAY, CLOCK)
COUNTED = 1_000
"""Counts beside the choices of a filter are of so many rows at most."""
EXACT = "run"
"""Only this run's rows: a link from a run, no period needed because run_id is indexed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the URL asks for beyond Django's own parameters. `unread` names what made no sense."""

    older: int | None
    newer: int | None
    since: datetime | None
    until: datetime | None
    place: datetime | None
    run: int | None
    unread: tuple[str, ...]

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Read the URL; a value that makes no sense is left out and named in `unread`."""
        values: dict[str, Any] = {
            OLDER: parse_key(query.get(OLDER)),
            NEWER: parse_key(query.get(NEWER)),
            SINCE: parse_moment(query.get(SINCE)),
            UNTIL: parse_moment(query.get(UNTIL), end=True),
            EXACT: parse_key(query.get(EXACT)),
        }
        place = parse_place(query.get(DAY), query.get(CLOCK))
        given = {**values, **({} if place else dict.fromkeys(PLACE))}
        unread = tuple(name for name, value in given.items() if value is None and query.get(name, "").strip())
        return cls(**values, place=place, unread=unread)


class DeclaredChangeList(ChangeList):
    """A change list that knows its own parameters only.

    Django would take any `?column__contains=x` for a filter and read the whole table for it; here
    it is named in a message and left out, as is everything that makes no sense.
    """

    own_parameters: tuple[str, ...] = ()
    most_rows = MAX_ROWS

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        declared = {*self._filter_names(), *self.own_parameters}
        known = {*declared, *IGNORED_PARAMS}
        for name in [*(name for name in self.params if name not in known), *self.unread()]:
            text = gettext("“%(name)s” could not be understood and was left out.") % {"name": name[:60]}
            messages.warning(request, text)

    def unread(self) -> tuple[str, ...]:
        """Return the names of own parameters whose values make no sense."""
        return tuple(spec.parameter_name for spec in self.filter_specs if getattr(spec, "unread", False))

    @property
    def files(self) -> list[tuple[str, str]]:
        """Return (label, address) of each kind of file with what this list is filtered by."""
        return [(label, f"export.{kind}{self.get_query_string()}") for kind, label in LABELS.items()]

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        lookups = super().get_filters_params(params)
        names = self._filter_names()
        return {name: value for name, value in lookups.items() if name in names}

    def _filter_names(self) -> set[str]:
        return {spec.parameter_name for spec in self.list_filter}


class KeyedChangeList(DeclaredChangeList):
    """A change list whose pages are ranges of the key that its admin names (`page_key`)."""

    own_parameters = (*CURSOR, SINCE, UNTIL, *PLACE, EXACT)

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.wanted = Wanted.parse(request.GET)
        self.period = Period()
        self.unfiltered: QuerySet[Any]
        self.within: QuerySet[Any]
        self.keys = KeyRange()
        super().__init__(request, *args, **kwargs)

    def unread(self) -> tuple[str, ...]:
        return (*super().unread(), *self.wanted.unread)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Newest first, whatever the URL says: no other order has an index."""
        return [f"-{self.model_admin.page_key}"]

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Return the query string; another filter starts at the newest page again."""
        gone = [name for name in CURSOR if name not in (new_params or {})]
        return super().get_query_string(new_params, [*(remove or []), *gone])

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        queryset = super().get_queryset(request, exclude_parameters)
        bounds = self._bounds(request.GET.get(WINDOW))
        if bounds is None:
            self.unfiltered, self.within, self.keys = self.root_queryset.none(), queryset.none(), KeyRange()
            return self.within
        key = self.model_admin.page_key
        self.keys = KeyRange(bounds.pop(f"{key}__gte", None), bounds.pop(f"{key}__lte", None))
        self.within = queryset.filter(**bounds)
        # Counts read the newest rows by the key alone: with a second bound the server may read and sort the period.
        ranged = _range(key, self.keys)
        self.unfiltered = self.root_queryset.filter(**(ranged or bounds))
        return self.within.filter(**ranged)

    def _bounds(self, window: str | None) -> dict[str, int] | None:
        """Return the range of keys to look through, as arguments of a filter; None: nothing is in it."""
        admin = self.model_admin
        if self.wanted.run is not None and admin.run_key:
            return {admin.run_key: self.wanted.run}
        self.period = period_of(
            window=window,
            since=self.wanted.since,
            until=self.wanted.until,
            place=self.wanted.place,
            filtered=self._narrowed(),
            now=timezone.now(),
        )
        keys = key_range(**admin.period_source(), period=self.period)
        bounds = _range(admin.period_column, keys)
        if admin.period_column != admin.page_key and bounds and not keys.empty:
            keys = widened(rows_of(self.model), keys, column=admin.period_column, key=admin.page_key)
            bounds |= _range(admin.page_key, keys)
        return None if keys.empty else bounds

    def get_results(self, request: HttpRequest) -> None:
        rows, self.has_newer, self.has_older = self._page()
        self.result_list = rows
        self.result_count = len(rows)
        self.full_result_count = None
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = False
        self.multi_page = self.has_newer or self.has_older
        self.paginator = None

    def _narrowed(self) -> bool:
        """Whether a filter or a search needs a start, because only the key is indexed."""
        searched = bool(self.query.strip()) and self.model_admin.searched_key(self.query) is None
        return searched or any(
            spec.value() is not None for spec in self.filter_specs if getattr(spec, "parameter_name", "") != WINDOW
        )

    @property
    def kept_parameters(self) -> list[tuple[str, str]]:
        """Return what another search leaves as it is: the filters."""
        gone = {SEARCH_VAR, *self.own_parameters}
        return [(name, value) for name, value in self.params.items() if name not in gone]

    counted_rows = COUNTED

    def counts(self, spec: Any) -> dict[str, str]:
        """Return how many rows each choice of a filter has among the newest COUNTED that are looked through.

        One bounded read for all filters, whatever else is filtered: a full count would read the whole period.
        """
        values = self._counted[spec.column]
        found = Counter(spec.choice_of(value) for value in values)
        more = "+" if len(values) == COUNTED else ""
        return {choice: f"{number_text(number)}{more}" for choice, number in found.items()}

    @cached_property
    def _counted(self) -> dict[str, list[Any]]:
        names = sorted({spec.column for spec in self.filter_specs if getattr(spec, "column", "")})
        newest = self.unfiltered.order_by(f"-{self.model_admin.page_key}")
        rows = list(newest.values_list(*names)[:COUNTED])
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    def _page(self) -> tuple[list[Any], bool, bool]:
        """Return the rows, and whether there are newer and older ones."""
        key, size = self.model_admin.page_key, self.list_per_page
        if self.wanted.newer is not None:
            first = min(self.wanted.newer + 1, BIGGEST_KEY)
            rows = list(self._between(first=first).order_by(key)[: size + 1])
            return rows[:size][::-1], len(rows) > size, True
        newest = self.wanted.older is None and self.wanted.place is None
        rows = list(self.from_place()[: size + 1])
        return rows[:size], not newest, len(rows) > size

    def from_place(self, below: int | None = None) -> QuerySet[Any]:
        """Return the filtered rows from where the reader is, or below a key, newest first."""
        admin = self.model_admin
        below = self.wanted.older if below is None else below
        if below is not None:
            return self._between(last=below - 1)
        if self.wanted.place is None:
            return self.queryset
        keys, bounds = key_range(**admin.period_source(), period=Period(until=self.wanted.place)), {}
        if keys.last is not None and admin.period_column != admin.page_key:
            bounds = _range(admin.period_column, keys)
            keys = widened(rows_of(self.model), keys, column=admin.period_column, key=admin.page_key)
        return self.within.none() if keys.empty else self._between(last=keys.last).filter(**bounds)

    def _between(self, first: int | None = None, last: int | None = None) -> QuerySet[Any]:
        """Return the filtered rows between two keys, and in the period's: one bound to each side.

        Of two the server would take one for its seek, perhaps the wider, and walk from there.
        """
        low = max((key for key in (first, self.keys.first) if key is not None), default=None)
        high = min((key for key in (last, self.keys.last) if key is not None), default=None)
        return self.within.filter(**_range(self.model_admin.page_key, KeyRange(low, high)))

    def all_rows(self) -> Iterator[Any]:
        """Return every row from where the reader is, not only the page's."""
        return keyed_rows(self)

    @property
    def newest_url(self) -> str:
        return self.get_query_string(remove=PLACE)

    @property
    def older_url(self) -> str | None:
        return self._cursor_url(OLDER, -1) if self.has_older else None

    @property
    def newer_url(self) -> str | None:
        if self.has_newer and not self.result_list and self.wanted.place is not None:
            return self.get_query_string({NEWER: 0})  # the reader jumped to before the first row
        return self._cursor_url(NEWER, 0) if self.has_newer else None

    def _cursor_url(self, name: str, index: int) -> str:
        """Return the next page's address. An empty page past an end leads back to the newest."""
        if not self.result_list:
            return self.newest_url
        return self.get_query_string({name: getattr(self.result_list[index], self.model_admin.page_key)})


def _range(column: str, keys: KeyRange) -> dict[str, int]:
    ends = {f"{column}__gte": keys.first, f"{column}__lte": keys.last}
    return {name: key for name, key in ends.items() if key is not None}


class WholeChangeList(DeclaredChangeList):
    """A small table at once, sortable, without a COUNT: its rows are counted after reading them."""

    LIMIT = 1000

    def all_rows(self) -> Iterator[Any]:
        return iter(self.result_list)

    def get_results(self, request: HttpRequest) -> None:
        rows = list(self.queryset[: self.LIMIT + 1])
        self.cut = len(rows) > self.LIMIT
        self.result_list = rows[: self.LIMIT]
        self.result_count = len(self.result_list)
        self.full_result_count = None
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = self.multi_page = False
        self.paginator = None
