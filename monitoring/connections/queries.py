"""Login events by hour, remembered: an hour that is over is read once, whatever looks at it afterwards.

Events are only ever added, with the present time, and pruned after weeks; so what was read of a past
hour stays true, and a refresh reads the current hour and, for some minutes, the one before it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import Error
from django.db.models import Q, QuerySet

from etlportal.guard import WarehouseReadOnly
from monitoring.collector.snapshot import current
from monitoring.models import CollectorState, ConnectionLoginEvent, RunCopy, RunEntityCopy, SeenDay, SeenHistory
from monitoring.rules import audit as auditor
from monitoring.rules import sessions
from monitoring.rules.audit import BEFORE, REMEMBERED, Answer, History, digest_of, folded
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Problem
from monitoring.rules.sessions import (
    DATABASE,
    FACETS,
    HOST,
    LOGIN,
    PROGRAM,
    Figures,
    HourEvents,
    HourFigures,
    Totals,
    hour_of,
    merged,
)
from monitoring.warehouse import login_events
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.login_events import Bounds, HoursRead
from monitoring.warehouse.reader import ReadFailed
from monitoring.web import keyset
from monitoring.web.cache import cache, cached_once

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


WINDOWS = {"6h": 6, "24h": 24, "48h": 48, "7d": 168}
"""Hours of each window that the page offers; the last is the current one."""
DEFAULT_WINDOW = "24h"
MOST_DAYS = 14
"""The longest range that may be asked for; a longer one is cut, and that is said."""
EXTRACTION = (LOGIN, PROGRAM, HOST)
"""What the extraction view tells apart."""

FRESH_SECONDS = 20.0
LONG_FRESH_SECONDS = 60.0
PROBLEM_SECONDS = 5.0
"""How long a failure is believed: a dead warehouse is asked again soon, but not by every viewer."""

NONE = "∅"
"""Stands in the URL for "no value": NULL or an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was asked for: a key of WINDOWS, or from `since` to `until` (excluded), both aware."""

    key: str = DEFAULT_WINDOW
    since: datetime | None = None
    until: datetime | None = None

    @property
    def name(self) -> str:
        """A short text that tells two windows apart."""
        if self.since is None or self.until is None:
            return self.key
        return f"{self.since.astimezone(UTC):%Y%m%d%H%M%S}-{self.until.astimezone(UTC):%Y%m%d%H%M%S}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One window of the audit. With a `problem`, nothing of it could be read.

    `failures_known` False: the portal's copy of the run entities does not reach over the window.
    `facets`: per column of FACETS its values; `extraction`: who reads the sources' database, with what, from where.
    `answers`: what an auditor asks, compared with what is remembered since `remembered_since` (None: nothing yet).
    `cut`: the window had too many sessions for one look, and begins with this hour instead.
    `stamp` changes when anything in here changes.
    """

    window: Window
    bounds: Bounds | None = None
    hours: tuple[HourFigures, ...] = ()
    totals: Totals | None = None
    facets: dict[str, tuple[Figures, ...]] = field(default_factory=dict)
    extraction: tuple[Figures, ...] = ()
    answers: tuple[Answer, ...] = ()
    remembered_since: datetime | None = None
    failures_known: bool = False
    cut: datetime | None = None
    problem: Problem | None = None
    stamp: str = ""

    def facet(self, column: str) -> tuple[Figures, ...]:
        """Return the values of one of FACETS, most events first; empty when they could not be read."""
        return self.facets.get(column, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What a reader asked for. An empty text: everything; NONE: those without a value."""

    login_name: str = ""
    host_name: str = ""
    program_name: str = ""
    database_name: str = ""
    status: str = ""
    client_net_address: str = ""
    encrypt_option: str = ""
    auth_scheme: str = ""
    session_id: int | None = None

    @property
    def any(self) -> bool:
        return self.session_id is not None or any(getattr(self, name) for name in FACETS)

    @property
    def key(self) -> str:
        """A short text that tells two filters apart."""
        text = "\x00".join([*(getattr(self, name) for name in FACETS), str(self.session_id)])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Some events, newest first. `after`, `before`: the cursors of older and newer ones."""

    rows: tuple[ConnectionLoginEvent, ...] = ()
    after: str = ""
    before: str = ""
    problem: Problem | None = None


def activity(window: Window) -> Activity:
    """Return the window, at most FRESH_SECONDS old (the longest: LONG_FRESH_SECONDS).

    Two statements on `dw`, three on `default`, once for all viewers. A failure is a value too.
    """
    return cached_once(f"connections:{window.name}", lambda: _read(window), fresh=_fresh)


def _fresh(value: Activity) -> float:
    if value.problem is not None:
        return PROBLEM_SECONDS
    if value.window.since is not None:
        return LONG_FRESH_SECONDS
    return LONG_FRESH_SECONDS if WINDOWS[value.window.key] > 48 else FRESH_SECONDS


def _read(window: Window) -> Activity:
    try:
        found = _bounds(window)
        read = event_hours(found)
    except ReadFailed as failure:
        return Activity(window=window, problem=failure.problem, stamp=f"problem:{failure.problem.code}")
    # The end of a range is not in it: where it is a whole hour, that hour is not.
    until = found.now if found.until is None else min(found.now, found.until - timedelta(microseconds=1))
    failures = failures_between(found.since, found.until)
    hours = sessions.by_hour(read.hours, failures, since=read.cut or found.since, until=until)
    whole = sessions.merged(read.hours)
    facets = {name: sessions.figures(whole, (place,)) for place, name in enumerate(FACETS)}
    answers, before = answer_questions(read.hours, found, _server_names())
    stamp = repr((found.first, found.newest, found.since, hours, read.cut, answers))
    return Activity(
        window=window,
        bounds=found,
        hours=hours,
        totals=sessions.totals(whole),
        facets=facets,
        extraction=sessions.figures(whole, EXTRACTION, _extracts),
        answers=answers,
        remembered_since=before.reaches_back,
        failures_known=failures is not None,
        cut=read.cut,
        stamp=hashlib.blake2b(stamp.encode(), digest_size=8).hexdigest(),
    )


def _bounds(window: Window) -> Bounds:
    if window.since is None or window.until is None:
        return login_events.bounds(WINDOWS[window.key])
    return login_events.bounds_between(window.since, window.until)


def _server_names() -> list[str]:
    """Return the database server's own names, as a session from the server itself carries them."""
    snapshot = current().snapshot
    names = []
    for reading in snapshot.connections if snapshot else ():
        host = reading.terms.host if reading.terms else ""
        first = host.partition(".")[0]
        names += [reading.server.partition("\\")[0], host, "" if first.isdigit() else first]
    return [name for name in names if name]


def source_name() -> str:
    """Return the sources' database by its own name, as sessions carry it."""
    return str(settings.OLTP_NAME)


def _extracts(values: sessions.Values) -> bool:
    """Whether a session is in the sources' database: who takes rows out of it."""
    return (values[DATABASE] or "").casefold() == source_name().casefold()


def failures_between(since: datetime, until: datetime | None) -> list[datetime] | None:
    """Return the starts of the failed run entities of the window, from the portal's copy.

    None when the copy does not reach back to `since`: unknown is not "no failure".
    """
    state = CollectorState.objects.filter(pk=CollectorState.SINGLETON).only("copied_to_run_id", "copied_all").first()
    if state is None or state.copied_to_run_id is None:
        return None
    if not state.copied_all and not RunCopy.objects.filter(started_at__lt=since).exists():
        return None
    failed = RunEntityCopy.objects.filter(started_at__gte=since, status__iexact=ExecutionStatus.FAILED.value)
    if until is not None:
        failed = failed.filter(started_at__lt=until)
    return list(failed.order_by("started_at").values_list("started_at", flat=True))


def events(found: Bounds, wanted: EventFilter, *, after: str = "", before: str = "") -> EventPage:
    """Return a page of the window's events, one statement on `dw`, the same for everybody who asks the same.

    Raises BadCursor for a cursor that this list never gave out.
    """
    if found.first is None:
        return EventPage()
    place = hashlib.blake2b(f"{after}|{before}".encode(), digest_size=8).hexdigest()
    window = f"{found.since.timestamp():.0f}-{found.until.timestamp():.0f}" if found.until else ""
    key = f"connections:events:{found.first}:{found.newest}:{window}:{wanted.key}:{place}"
    return cached_once(
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
    if found.until is not None:
        rows = rows.filter(event_time_utc__gte=found.since, event_time_utc__lt=found.until)
    if wanted.session_id is not None:
        rows = rows.filter(session_id=wanted.session_id)
    for name in FACETS:
        value = getattr(wanted, name)
        if value == NONE:
            rows = rows.filter(Q(**{f"{name}__isnull": True}) | Q(**{name: ""}))
        elif value:
            rows = rows.filter(**{name: value})
    return rows.order_by("-connection_event_id")


CHUNK = 500
"""Digests per IN list."""


def answer_questions(
    sampled: Sequence[HourEvents], found: Bounds, servers: Sequence[str]
) -> tuple[tuple[Answer, ...], History]:
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
