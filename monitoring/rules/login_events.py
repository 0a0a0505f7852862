"""Counts of login events and sessions.

A login event is a sample of an open session: a session in ten snapshots is ten events (CONTRACT 7). A session is
identified by (session_id, login_time). Failed logins are not in the table.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

HOUR = timedelta(hours=1)
PORTAL_PROGRAM = "etlportal-"
"""Prefix of the program names of the portal's own connections."""

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
LOGIN, HOST, PROGRAM, DATABASE, STATUS, ADDRESS, ENCRYPTION, AUTHENTICATION = range(len(FACETS))

Values = tuple[str | None, ...]
"""The values of FACETS, in that order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventGroup(NamedTuple):
    """The events of the hour that starts at `hour` which have the same `values`. A tuple, because there are many.

    `sessions`: session number (`session_number`) to the time of its last sample. `unidentified`: number of events
    without a session id or a login time. `first`, `last`: times of the first and the last sample.
    """

    hour: datetime
    values: Values
    events: int
    sessions: Mapping[int, datetime]
    unidentified: int
    first: datetime
    last: datetime
    first_key: int
    last_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a set of events: of a window, of an hour, or of one combination of column values.

    `values`: that combination; None for a column that is NULL or empty. `sessions`: distinct sessions. `unidentified`:
    events without a session. `first`, `last`: None without events. `failures`: of an hour, the failed run entities
    that started in it, or None if unknown.
    """

    values: Values
    events: int
    sessions: int
    unidentified: int
    portal_events: int
    first: datetime | None
    last: datetime | None
    failures: int | None = None

    @property
    def value(self) -> str | None:
        return self.values[0]

    @property
    def samples_per_session(self) -> float | None:
        return (self.events - self.unidentified) / self.sessions if self.sessions else None

    @property
    def portal_percent(self) -> float | None:
        return 100 * self.portal_events / self.events if self.events else None


def session_number(session_id: int, login_time: datetime) -> int:
    """Return a unique number for a session: the milliseconds of its login time, then its 16-bit id."""
    milliseconds = (login_time - _EPOCH) // timedelta(milliseconds=1)
    return (milliseconds << 16) | (session_id & 0xFFFF)


def login_time_of(number: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=number >> 16)


def session_id_of(number: int) -> int:
    found = number & 0xFFFF
    return found - 0x10000 if found >= 0x8000 else found


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def by_hour(
    groups: Iterable[EventGroup], failures: Iterable[datetime] | None, *, since: datetime, until: datetime
) -> dict[datetime, Figures]:
    """Return every hour, also without samples. `failures`: start times of failed run entities; None: unknown."""
    sampled: defaultdict[datetime, list[EventGroup]] = defaultdict(list)
    for group in groups:
        sampled[group.hour].append(group)
    failed = None if failures is None else Counter(hour_of(moment) for moment in failures)
    count = int((hour_of(until) - hour_of(since)) / HOUR) + 1
    return {
        hour: totals(sampled[hour], failures=None if failed is None else failed[hour])
        for hour in (hour_of(since) + index * HOUR for index in range(count))
    }


def combined(groups: Iterable[EventGroup], *, by_hour: bool = False) -> list[EventGroup]:
    """Combine groups with equal values, which makes figures cheaper."""
    parts: defaultdict[object, list[EventGroup]] = defaultdict(list)
    for group in groups:
        parts[group.values, group.hour if by_hour else None].append(group)
    return [_combine(part) for part in parts.values()]


def _combine(groups: Sequence[EventGroup]) -> EventGroup:
    sessions: dict[int, datetime] = {}
    for group in groups:
        for number, last in group.sessions.items():
            sessions[number] = max(last, sessions.get(number, last))
    return EventGroup(
        hour=groups[0].hour,
        values=groups[0].values,
        events=sum(group.events for group in groups),
        sessions=sessions,
        unidentified=sum(group.unidentified for group in groups),
        first=min(group.first for group in groups),
        last=max(group.last for group in groups),
        first_key=min(group.first_key for group in groups),
        last_key=max(group.last_key for group in groups),
    )


def figures(
    groups: Iterable[EventGroup], columns: Sequence[int], wanted: Callable[[Values], bool] = lambda _: True
) -> tuple[Figures, ...]:
    """Return combinations of column values, most events first. NULL and an empty text are the same value."""
    found: defaultdict[Values, list[EventGroup]] = defaultdict(list)
    for group in groups:
        if wanted(group.values):
            found[tuple(group.values[column] or None for column in columns)].append(group)
    result = (totals(own, values) for values, own in found.items())
    return tuple(sorted(result, key=lambda each: (-each.events, [(text or "").casefold() for text in each.values])))


def totals(groups: Sequence[EventGroup], values: Values = (), *, failures: int | None = None) -> Figures:
    """Return the sums of these events. A session counts once, in however many hours it was sampled."""
    return Figures(
        values=values,
        events=sum(group.events for group in groups),
        sessions=len({number for group in groups for number in group.sessions}),
        unidentified=sum(group.unidentified for group in groups),
        portal_events=sum(group.events for group in groups if is_portal(group.values)),
        first=min((group.first for group in groups), default=None),
        last=max((group.last for group in groups), default=None),
        failures=failures,
    )


def is_portal(values: Values) -> bool:
    return (values[PROGRAM] or "").casefold().startswith(PORTAL_PROGRAM)
