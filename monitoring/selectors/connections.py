"""The connection audit: what the samples of open sessions say, read from the warehouse for everybody at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error
from django.db.models import Q, QuerySet

from etlportal.guard import WarehouseReadOnly
from monitoring.enums import ExecutionStatus
from monitoring.models import CollectorState, ConnectionLoginEvent, RunCopy, RunEntityCopy
from monitoring.policies import sessions
from monitoring.policies.facts import Problem
from monitoring.policies.sessions import FACETS, HourEvents, HourFigures, LoginFigures, Totals
from monitoring.selectors import keyset
from monitoring.selectors.event_hours import event_hours
from monitoring.selectors.shared import shared
from monitoring.warehouse import login_events
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.login_events import Bounds
from monitoring.warehouse.reader import ReadFailed

WINDOWS = {"6h": 6, "24h": 24, "48h": 48, "7d": 168}
"""Hours of each window that the page offers; the last is the current one."""
DEFAULT_WINDOW = "24h"
TOP_LOGINS = 12

FRESH_SECONDS = 20.0
LONG_FRESH_SECONDS = 60.0
OFFSET_SECONDS = 60.0
PROBLEM_SECONDS = 5.0
"""How long a failure is believed: a dead warehouse is asked again soon, but not by every viewer."""

NONE = "∅"
"""Stands in the URL for "no value": NULL or an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A value that a column has in the window, with its events. `value` NONE: NULL or empty."""

    value: str
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One window of the audit. With a `problem`, nothing of it could be read.

    `failures_known` False: the portal's copy of the run entities does not reach over the window.
    `stamp` changes when anything in here changes.
    """

    window: str
    bounds: Bounds | None = None
    hours: tuple[HourFigures, ...] = ()
    logins: tuple[LoginFigures, ...] = ()
    totals: Totals | None = None
    facets: tuple[tuple[Facet, ...], ...] = ()
    failures_known: bool = False
    problem: Problem | None = None
    stamp: str = ""

    def facet(self, column: str) -> tuple[Facet, ...]:
        """Return the values of one of FACETS, most events first; empty when they could not be read."""
        return self.facets[FACETS.index(column)] if self.facets else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What a reader asked for. An empty text: everything; NONE: those without a value."""

    login_name: str = ""
    host_name: str = ""
    program_name: str = ""
    database_name: str = ""
    status: str = ""

    @property
    def any(self) -> bool:
        return any(getattr(self, name) for name in FACETS)

    @property
    def key(self) -> str:
        """A short text that tells two filters apart."""
        text = "\x00".join(getattr(self, name) for name in FACETS)
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Some events, newest first. `after`, `before`: the cursors of older and newer ones."""

    rows: tuple[ConnectionLoginEvent, ...] = ()
    after: str = ""
    before: str = ""
    problem: Problem | None = None


def activity(window: str) -> Activity:
    """Return the window (a key of WINDOWS), at most FRESH_SECONDS old (the longest: LONG_FRESH_SECONDS).

    Two statements on `dw`, three on `default`, once for all viewers. A failure is a value too.
    """
    return shared(f"connections:{window}", lambda: _read(window), fresh=_fresh)


def server_offset() -> timedelta | None:
    """Return how far the server's clock is before UTC, at most OFFSET_SECONDS old; None where it could not be read."""
    return shared(
        "connections:offset", _offset, fresh=lambda found: PROBLEM_SECONDS if found is None else OFFSET_SECONDS
    )


def _offset() -> timedelta | None:
    try:
        return login_events.server_offset()
    except ReadFailed:
        return None


def _fresh(value: Activity) -> float:
    if value.problem is not None:
        return PROBLEM_SECONDS
    return LONG_FRESH_SECONDS if WINDOWS[value.window] > 48 else FRESH_SECONDS


def _read(window: str) -> Activity:
    try:
        found = login_events.bounds(WINDOWS[window])
        sampled = event_hours(found)
    except ReadFailed as failure:
        return Activity(window=window, problem=failure.problem, stamp=f"problem:{failure.problem.code}")
    failures = failures_since(found.since)
    hours = sessions.by_hour(sampled, failures, since=found.since, until=found.now)
    stamp = repr((found.first, found.newest, found.since, hours))
    return Activity(
        window=window,
        bounds=found,
        hours=hours,
        logins=sessions.by_login(sampled),
        totals=sessions.totals(sampled),
        facets=facets(sampled),
        failures_known=failures is not None,
        stamp=hashlib.blake2b(stamp.encode(), digest_size=8).hexdigest(),
    )


def facets(sampled: Iterable[HourEvents]) -> tuple[tuple[Facet, ...], ...]:
    """Return each column's values with their events, most first; NULL and empty texts are one value."""
    result = []
    for pairs in sessions.by_value(sampled):
        merged: dict[str, int] = {}
        for value, events in pairs:
            merged[value or NONE] = merged.get(value or NONE, 0) + events
        ordered = sorted(merged.items(), key=lambda pair: -pair[1])
        result.append(tuple(Facet(value=value, events=events) for value, events in ordered))
    return tuple(result)


def failures_since(since: datetime) -> list[datetime] | None:
    """Return the starts of the failed run entities since then, from the portal's copy.

    None when the copy does not reach back to `since`: unknown is not "no failure".
    """
    state = CollectorState.objects.filter(pk=CollectorState.SINGLETON).only("copied_to_run_id", "copied_all").first()
    if state is None or state.copied_to_run_id is None:
        return None
    if not state.copied_all and not RunCopy.objects.filter(started_at__lt=since).exists():
        return None
    return list(
        RunEntityCopy.objects.filter(started_at__gte=since, status__iexact=ExecutionStatus.FAILED.value)
        .order_by("started_at")
        .values_list("started_at", flat=True)
    )


def events(found: Bounds, wanted: EventFilter, *, after: str = "", before: str = "") -> EventPage:
    """Return a page of the window's events, one statement on `dw`, the same for everybody who asks the same.

    Raises BadCursor for a cursor that this list never gave out.
    """
    if found.first is None:
        return EventPage()
    place = hashlib.blake2b(f"{after}|{before}".encode(), digest_size=8).hexdigest()
    key = f"connections:events:{found.first}:{found.newest}:{wanted.key}:{place}"
    return shared(
        key,
        lambda: _events(found, wanted, after, before),
        fresh=lambda page: PROBLEM_SECONDS if page.problem else LONG_FRESH_SECONDS,
    )


def _events(found: Bounds, wanted: EventFilter, after: str, before: str) -> EventPage:
    try:
        page = keyset.page(matching(found, wanted), field="pk", descending=True, after=after, before=before)
    except WarehouseReadOnly:
        raise
    except Error as error:
        return EventPage(problem=problem_from(error, login_events.ALIAS))
    return EventPage(rows=page.rows, after=page.after, before=page.before)


def matching(found: Bounds, wanted: EventFilter) -> QuerySet[ConnectionLoginEvent]:
    """Return the window's events that match, newest first, not yet read: a range of the primary key."""
    if found.first is None:
        return ConnectionLoginEvent.objects.none()
    rows = ConnectionLoginEvent.objects.filter(connection_event_id__gte=found.first)
    if found.newest is not None:
        rows = rows.filter(connection_event_id__lte=found.newest)
    for name in FACETS:
        value = getattr(wanted, name)
        if value == NONE:
            rows = rows.filter(Q(**{f"{name}__isnull": True}) | Q(**{name: ""}))
        elif value:
            rows = rows.filter(**{name: value})
    return rows.order_by("-connection_event_id")
