"""Login events and sessions: what can be concluded from samples of open sessions.

CONTRACT 7: the table samples sessions. One session seen by ten snapshots is ten events. A session
is the pair (session_id, login_time); an event without both belongs to no countable session.
Failed logins are not in the table at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
PORTAL_PROGRAM = "etlportal-"
"""Program names of the portal's own connections begin so (CONTRACT 6: the program tells readers apart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginHour:
    """What one login did in one hour (`hour` is its start, aware UTC).

    `sessions`: distinct ones in this hour, each counted for one login only; `login_sessions`: the
    login's sessions that the window saw first in this hour, so that they add up over the window;
    `new_sessions`: the same over all logins. `unidentified`: events that name no session.
    """

    hour: datetime
    login: str | None
    events: int
    portal_events: int
    sessions: int
    login_sessions: int
    new_sessions: int
    unidentified: int


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


def hour_of(moment: datetime) -> datetime:
    """Return the start of the moment's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def window_start(now: datetime, hours: int) -> datetime:
    """Return where a window of `hours` begins: it ends with the current hour, which is not over yet."""
    return hour_of(now) - (hours - 1) * HOUR


def by_hour(
    rows: Iterable[LoginHour], failures: Iterable[datetime] | None, *, since: datetime, until: datetime
) -> tuple[HourFigures, ...]:
    """Return every hour from `since` to `until`, also those in which nothing was sampled.

    `failures`: starts of failed run entities, None when they could not be read.
    """
    events: Counter[datetime] = Counter()
    sessions: Counter[datetime] = Counter()
    for row in rows:
        events[row.hour] += row.events
        sessions[row.hour] += row.sessions
    failed = None if failures is None else Counter(hour_of(moment) for moment in failures)
    count = int((hour_of(until) - hour_of(since)) / HOUR) + 1
    hours = [hour_of(since) + index * HOUR for index in range(max(0, count))]
    return tuple(
        HourFigures(
            hour=hour, events=events[hour], sessions=sessions[hour], failures=None if failed is None else failed[hour]
        )
        for hour in hours
    )


def by_login(rows: Iterable[LoginHour]) -> tuple[LoginFigures, ...]:
    """Return the logins of the window, most events first."""
    sums: dict[str | None, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        entry = sums[row.login]
        entry[0] += row.events
        entry[1] += row.login_sessions
        entry[2] += row.portal_events
    figures = (
        LoginFigures(login=login, events=events, sessions=sessions, portal_events=portal)
        for login, (events, sessions, portal) in sums.items()
    )
    return tuple(sorted(figures, key=lambda each: (-each.events, each.login or "")))


def totals(rows: Iterable[LoginHour]) -> Totals:
    """Return the window's sums."""
    listed = list(rows)
    return Totals(
        events=sum(row.events for row in listed),
        sessions=sum(row.new_sessions for row in listed),
        unidentified=sum(row.unidentified for row in listed),
        portal_events=sum(row.portal_events for row in listed),
        logins=len({row.login for row in listed}),
    )
