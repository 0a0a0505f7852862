"""Login events and sessions: what can be concluded from samples of open sessions.

CONTRACT 7: the table samples sessions. One session seen by ten snapshots is ten events. A session
is the pair (session_id, login_time); an event without both belongs to no countable session.
Failed logins are not in the table at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
PORTAL_PROGRAM = "etlportal-"
"""Program names of the portal's own connections begin so (CONTRACT 6: the program tells readers apart)."""

FACETS = ("login_name", "host_name", "program_name", "database_name", "status")
"""The columns that events are told apart by."""
LOGIN, PROGRAM = FACETS.index("login_name"), FACETS.index("program_name")

Values = tuple[str | None, ...]
"""The values of FACETS, in that order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourEvents:
    """The events of one hour (`hour` is its start, aware UTC).

    `counts`: how many have these values. `sessions`: the sessions of each login, as numbers
    (`session_number`). `unidentified`: events that name no session. `first_key`, `last_key`: the
    smallest and the largest key.
    """

    hour: datetime
    counts: Mapping[Values, int]
    sessions: Mapping[str | None, frozenset[int]]
    unidentified: int
    first_key: int
    last_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HourFigures:
    """One hour on the axis. `failures`: failed run entities that started in it; None: unknown."""

    hour: datetime
    events: int
    sessions: int
    failures: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFigures:
    """One login over the whole window. `login` None: the event has no login name."""

    login: str | None
    events: int
    sessions: int
    portal_events: int

    @property
    def portal_percent(self) -> float:
        """The share of the portal's own programs in this login's events, percent."""
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
            events=sum(known[hour].counts.values()) if hour in known else 0,
            sessions=len(frozenset().union(*known[hour].sessions.values())) if hour in known else 0,
            failures=None if failed is None else failed[hour],
        )
        for hour in (hour_of(since) + index * HOUR for index in range(max(0, count)))
    )


def by_login(sampled: Iterable[HourEvents]) -> tuple[LoginFigures, ...]:
    """Return the logins of the window, most events first."""
    events: Counter[str | None] = Counter()
    portal: Counter[str | None] = Counter()
    sessions: defaultdict[str | None, set[int]] = defaultdict(set)
    for each in sampled:
        for values, count in each.counts.items():
            events[values[LOGIN]] += count
            portal[values[LOGIN]] += count if _portals(values) else 0
        for login, numbers in each.sessions.items():
            sessions[login] |= numbers
    figures = (
        LoginFigures(login=login, events=count, sessions=len(sessions[login]), portal_events=portal[login])
        for login, count in events.items()
    )
    return tuple(sorted(figures, key=lambda each: (-each.events, each.login or "")))


def by_value(sampled: Iterable[HourEvents]) -> tuple[tuple[tuple[str | None, int], ...], ...]:
    """Return for each of FACETS the values that occur, with their events, most first."""
    sums: tuple[Counter[str | None], ...] = tuple(Counter() for _ in FACETS)
    for each in sampled:
        for values, count in each.counts.items():
            for counter, value in zip(sums, values, strict=True):
                counter[value] += count
    return tuple(
        tuple(sorted(counter.items(), key=lambda pair: (-pair[1], (pair[0] or "").casefold()))) for counter in sums
    )


def totals(sampled: Iterable[HourEvents]) -> Totals:
    """Return the window's sums. A session counts once, in however many hours it was seen."""
    listed = list(sampled)
    counts: Counter[Values] = Counter()
    sessions: set[int] = set()
    for each in listed:
        counts.update(each.counts)
        sessions.update(*each.sessions.values())
    return Totals(
        events=sum(counts.values()),
        sessions=len(sessions),
        unidentified=sum(each.unidentified for each in listed),
        portal_events=sum(count for values, count in counts.items() if _portals(values)),
        logins=len({values[LOGIN] for values in counts}),
    )


def _portals(values: Values) -> bool:
    return (values[PROGRAM] or "").casefold().startswith(PORTAL_PROGRAM)
