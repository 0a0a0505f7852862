"""Login events and sessions: what can be concluded from samples of open sessions.

CONTRACT 7: the table samples sessions. One session seen by ten snapshots is ten events. A session
is the pair (session_id, login_time); an event without both belongs to no countable session.
Failed logins are not in the table at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
PORTAL_PROGRAM = "etlportal-"
"""Program names of the portal's own connections begin so (CONTRACT 6: the program tells readers apart)."""

FACETS = (
    "login_name",
    "host_name",
    "program_name",
    "database_name",
    "status",
    "client_net_address",
    "encrypt_option",
    "auth_scheme",
)
"""The columns that events are told apart by."""
LOGIN, HOST, PROGRAM, DATABASE, STATUS, ADDRESS, ENCRYPTION, AUTHENTICATION = range(len(FACETS))

Values = tuple[str | None, ...]
"""The values of FACETS, in that order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Events of one hour that share their values. `sessions`: each one's number (`session_number`) and when it was
    last sampled in the hour. `unidentified`: events that name no session. `first`, `last`: when they were sampled."""

    events: int
    sessions: Mapping[int, datetime]
    unidentified: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HourEvents:
    """The events of one hour (`hour` is its start, aware UTC), by their values; the smallest and the largest key."""

    hour: datetime
    groups: Mapping[Values, Sampled]
    first_key: int
    last_key: int

    @property
    def events(self) -> int:
        return sum(each.events for each in self.groups.values())

    @property
    def sessions(self) -> frozenset[int]:
        return frozenset(number for each in self.groups.values() for number in each.sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourFigures:
    """One hour on the axis. `failures`: failed run entities that started in it; None: unknown."""

    hour: datetime
    events: int
    sessions: int
    failures: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one value of a column, or one combination of several, has in the window. None: the events have no value."""

    values: Values
    events: int
    sessions: int
    first: datetime
    last: datetime
    portal_events: int

    @property
    def value(self) -> str | None:
        return self.values[0]

    @property
    def portal_percent(self) -> float:
        """The share of the portal's own programs in these events, percent."""
        return 100 * self.portal_events / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The window in figures: events (samples), distinct sessions, and what belongs to no session."""

    events: int
    sessions: int
    unidentified: int
    portal_events: int
    logins: int

    @property
    def samples_per_session(self) -> float | None:
        """How often a session was sampled on average; None without sessions."""
        return (self.events - self.unidentified) / self.sessions if self.sessions else None

    @property
    def portal_percent(self) -> float | None:
        return 100 * self.portal_events / self.events if self.events else None


def session_number(session_id: int, login_time: datetime) -> int:
    """Return the session as one number: milliseconds of its login time, then its 16-bit id. No two collide."""
    milliseconds = (login_time - _EPOCH) // timedelta(milliseconds=1)
    return (milliseconds << 16) | (session_id & 0xFFFF)


def login_time_of(number: int) -> datetime:
    """Return the login time that a session's number holds."""
    return _EPOCH + timedelta(milliseconds=number >> 16)


def session_id_of(number: int) -> int:
    """Return the session's id that its number holds: a SMALLINT."""
    found = number & 0xFFFF
    return found - 0x10000 if found >= 0x8000 else found


def hour_of(moment: datetime) -> datetime:
    """Return the start of the moment's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def window_start(now: datetime, hours: int) -> datetime:
    """Return where a window of `hours` begins: it ends with the current hour, which is not over yet."""
    return hour_of(now) - (hours - 1) * HOUR


def by_hour(
    sampled: Iterable[HourEvents], failures: Iterable[datetime] | None, *, since: datetime, until: datetime
) -> tuple[HourFigures, ...]:
    """Return every hour from `since` to `until`, also those in which nothing was sampled.

    `failures`: starts of failed run entities, None when they could not be read.
    """
    known = {each.hour: each for each in sampled}
    failed = None if failures is None else Counter(hour_of(moment) for moment in failures)
    count = int((hour_of(until) - hour_of(since)) / HOUR) + 1
    return tuple(
        HourFigures(
            hour=hour,
            events=known[hour].events if hour in known else 0,
            sessions=len(known[hour].sessions) if hour in known else 0,
            failures=None if failed is None else failed[hour],
        )
        for hour in (hour_of(since) + index * HOUR for index in range(max(0, count)))
    )


def merged(sampled: Sequence[HourEvents]) -> tuple[HourEvents, ...]:
    """Return the window's events as if they were of one hour: the same figures for less work.

    A window's hours repeat each other; what differs from hour to hour is counted before.
    """
    if not sampled:
        return ()
    parts: dict[Values, list[Sampled]] = {}
    for each in sampled:
        for values, group in each.groups.items():
            parts.setdefault(values, []).append(group)
    whole = HourEvents(
        hour=sampled[0].hour,
        groups={values: _together(groups) for values, groups in parts.items()},
        first_key=min(each.first_key for each in sampled),
        last_key=max(each.last_key for each in sampled),
    )
    return (whole,)


def _together(groups: list[Sampled]) -> Sampled:
    seen: dict[int, datetime] = {}
    for group in groups:
        for number, last in group.sessions.items():
            if number not in seen or seen[number] < last:
                seen[number] = last
    return Sampled(
        events=sum(group.events for group in groups),
        sessions=seen,
        unidentified=sum(group.unidentified for group in groups),
        first=min(group.first for group in groups),
        last=max(group.last for group in groups),
    )


def figures(
    sampled: Iterable[HourEvents], columns: Sequence[int], wanted: Callable[[Values], bool] = lambda _: True
) -> tuple[Figures, ...]:
    """Return the values of these columns (places in FACETS) that occur together, most events first.

    NULL and an empty text are one value. `wanted`: which events to count.
    """
    found: dict[Values, _Sum] = {}
    for each in sampled:
        for values, group in each.groups.items():
            if wanted(values):
                found.setdefault(tuple(values[column] or None for column in columns), _Sum()).add(values, group)
    result = (total.figures(values) for values, total in found.items())
    return tuple(sorted(result, key=lambda each: (-each.events, [(text or "").casefold() for text in each.values])))


class _Sum:
    def __init__(self) -> None:
        self.events = self.portal_events = 0
        self.sessions: set[int] = set()
        self.times: list[datetime] = []

    def add(self, values: Values, group: Sampled) -> None:
        self.events += group.events
        self.portal_events += group.events if is_portal(values) else 0
        self.sessions.update(group.sessions)
        self.times = [min([*self.times, group.first]), max([*self.times, group.last])]

    def figures(self, values: Values) -> Figures:
        return Figures(
            values=values,
            events=self.events,
            sessions=len(self.sessions),
            first=self.times[0],
            last=self.times[1],
            portal_events=self.portal_events,
        )


def totals(sampled: Iterable[HourEvents]) -> Totals:
    """Return the window's sums. A session counts once, in however many hours it was seen."""
    groups = [pair for each in sampled for pair in each.groups.items()]
    return Totals(
        events=sum(group.events for _, group in groups),
        sessions=len({number for _, group in groups for number in group.sessions}),
        unidentified=sum(group.unidentified for _, group in groups),
        portal_events=sum(group.events for values, group in groups if is_portal(values)),
        logins=len({values[LOGIN] for values, _ in groups}),
    )


def is_portal(values: Values) -> bool:
    """Whether this is the portal itself, by its program's name."""
    return (values[PROGRAM] or "").casefold().startswith(PORTAL_PROGRAM)
