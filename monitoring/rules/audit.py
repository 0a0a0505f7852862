"""The questions of the connection audit, and connections more frequent around failures (docs/connections.md)."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from monitoring.rules.enums import AuditQuestion
from monitoring.rules.login_events import (
    ADDRESS,
    AUTHENTICATION,
    ENCRYPTION,
    HOST,
    HOUR,
    LOGIN,
    PROGRAM,
    EventGroup,
    Figures,
    Values,
    figures,
    is_portal,
    login_time_of,
    session_id_of,
)

REMEMBERED = (LOGIN, HOST, ADDRESS, PROGRAM, AUTHENTICATION, ENCRYPTION)
"""Columns whose values the portal remembers after the warehouse prunes its events (SeenDay)."""
BEFORE = timedelta(days=30)
"""A value is new in a window if it was not seen for this long before it."""
USUAL_DAYS = 14
"""A login has usual hours if it was seen on at least this many days."""
WEEK_HOURS = 168
OPEN_FOR = timedelta(days=3)
"""A session is long if it is open for longer than this."""
_LOCAL = frozenset({"<local machine>", "::1", "0:0:0:0:0:0:0:1", "localhost"})
"""Addresses of connections from the server itself. A named pipe may come from another host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One finding. `values`: column (index in FACETS) to value; they filter the events that the finding counts.

    `events` is None for a long session. `certain` is False if the history does not reach back far enough.
    `day_count`: days that a long session has been open, or days on which a login with an unusual hour was seen before.
    `hour`, `until`: start and end of a stretch of unusual hours. `session_id`: of a long session.
    """

    question: AuditQuestion
    values: Mapping[int, str | None]
    events: int | None
    sessions: int
    first: datetime | None
    last: datetime | None
    certain: bool = True
    day_count: float | None = None
    hour: datetime | None = None
    until: datetime | None = None
    session_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`unknown`: not answered completely. `left_out`: logins or events that could not be judged."""

    question: AuditQuestion
    found: tuple[Evidence, ...] = ()
    unknown: bool = False
    left_out: int = 0


def folded(value: str | None) -> str:
    return (value or "").casefold()


def digest_of(value: str | None) -> str:
    """Return the folded value as a digest that fits into an index."""
    return hashlib.blake2b(folded(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def hour_of_week(moment: datetime) -> int:
    """Return 0 (Monday, 00:00 to 01:00 UTC) to 167."""
    return moment.weekday() * 24 + moment.hour


def week_hours(day_masks: Iterable[tuple[int, int]]) -> frozenset[int]:
    """Return the hours of the week in masks of days: (weekday, 24 bits, bit N for hour N)."""
    return frozenset(day * 24 + hour for day, mask in day_masks for hour in range(24) if mask >> hour & 1)


def new_identities(
    groups: Sequence[EventGroup],
    since: datetime,
    known: Mapping[int, Collection[str]],
    reaches_back: datetime | None,
) -> Answer:
    """Return the values of each remembered column that were not seen in the 30 days before the window.

    `known`: column (index in FACETS) to the values seen, `folded`. `reaches_back`: the start of the complete history,
    or None without any.
    """
    certain = reaches_back is not None and reaches_back <= since - BEFORE
    found = tuple(
        _evidence(AuditQuestion.NEW_IDENTITY, (column,), each, certain=certain)
        for column in REMEMBERED
        for each in figures(groups, (column,))
        if folded(each.value) not in known.get(column, ())
    )
    return Answer(question=AuditQuestion.NEW_IDENTITY, found=found, unknown=not certain)


def unencrypted(groups: Sequence[EventGroup], servers: Collection[str]) -> Answer:
    """Return the unencrypted connections from other hosts than the server (`servers`: its names)."""
    own = {folded(name) for name in servers}

    def remote(values: Values) -> bool:
        address = folded(values[ADDRESS])
        local = address in _LOCAL or address.removeprefix("::ffff:").startswith("127.")
        return not local and (not values[HOST] or folded(values[HOST]) not in own)

    columns = (LOGIN, HOST, ADDRESS, PROGRAM)
    plain = figures(groups, columns, lambda values: folded(values[ENCRYPTION]) == "false" and remote(values))
    unstated = figures(groups, (ENCRYPTION,), lambda values: not values[ENCRYPTION] and remote(values))
    return Answer(
        question=AuditQuestion.UNENCRYPTED,
        found=tuple(
            _evidence(AuditQuestion.UNENCRYPTED, (*columns, ENCRYPTION), replace(each, values=(*each.values, "FALSE")))
            for each in plain
        ),
        unknown=bool(unstated) and not plain,
        left_out=sum(each.events for each in unstated),
    )


def unusual_hours(
    groups: Iterable[EventGroup],
    since: datetime,
    hours: Mapping[str, tuple[Collection[int], int]],
    reaches_back: datetime | None,
) -> Answer:
    """Return the logins seen in an hour of the week in which they were not seen in the 30 days before.

    Consecutive hours are one finding. The hours before and after a usual hour are usual too. A login that was seen on
    fewer than USUAL_DAYS days is left out; so is every login if the history is shorter. `hours`: login (`folded`) to
    the hours of the week (UTC) in which it was seen, and the number of days.
    """
    reaches = reaches_back is not None and reaches_back <= since - timedelta(days=USUAL_DAYS)
    by_login: defaultdict[str, list[EventGroup]] = defaultdict(list)
    for group in groups:
        if login := group.values[LOGIN]:
            by_login[login].append(group)
    without: set[str] = set()
    found: list[Evidence] = []
    for login, own in by_login.items():
        usual, days = hours.get(folded(login), ((), 0))
        if not reaches or days < USUAL_DAYS:
            without.add(folded(login))
            continue
        usual_or_beside = {(hour + step) % WEEK_HOURS for hour in usual for step in (-1, 0, 1)}
        for stretch in _stretches(group for group in own if hour_of_week(group.hour) not in usual_or_beside):
            (total,) = figures(stretch, (LOGIN,))
            more = {"day_count": days, "hour": stretch[0].hour, "until": stretch[-1].hour + HOUR}
            found.append(_evidence(AuditQuestion.UNUSUAL_HOUR, (LOGIN,), total, **more))
    return Answer(
        question=AuditQuestion.UNUSUAL_HOUR,
        found=tuple(sorted(found, key=lambda each: -(each.events or 0))),
        unknown=bool(without) and not found,
        left_out=len(without),
    )


def shared_logins(
    groups: Sequence[EventGroup], runner_programs: Sequence[str], known_logins: Collection[str]
) -> Answer:
    """Return other programs that use a login of the runner or the portal: seen in the window or `known_logins`."""
    prefixes = tuple(folded(name) for name in runner_programs if name)

    def own(values: Values) -> bool:
        return is_portal(values) or folded(values[PROGRAM]).startswith(prefixes)

    logins = {folded(each.value) for each in figures(groups, (LOGIN,), own)} | {folded(name) for name in known_logins}
    logins.discard("")
    columns = (LOGIN, PROGRAM, HOST)
    others = figures(groups, columns, lambda values: folded(values[LOGIN]) in logins and not own(values))
    return Answer(
        question=AuditQuestion.SHARED_LOGIN,
        found=tuple(_evidence(AuditQuestion.SHARED_LOGIN, columns, each) for each in others),
        unknown=not logins,
    )


def long_sessions(groups: Iterable[EventGroup], offset: timedelta) -> Answer:
    """`offset`: UTC offset of the server's clock, in which login times are stored."""
    sampled: dict[tuple[Values, int], tuple[datetime, datetime]] = {}
    columns = (LOGIN, HOST, PROGRAM)
    for group in groups:
        values = tuple(group.values[column] or None for column in columns)
        for number, at in group.sessions.items():
            first, last = sampled.get((values, number), (at, at))
            sampled[values, number] = (min(first, at), max(last, at))
    found = [
        Evidence(
            question=AuditQuestion.LONG_SESSION,
            values=dict(zip(columns, values, strict=True)),
            events=None,
            sessions=1,
            first=first,
            last=last,
            day_count=age / timedelta(days=1),
            session_id=session_id_of(number),
        )
        for (values, number), (first, last) in sampled.items()
        if (age := last - (login_time_of(number) - offset)) > OPEN_FOR
    ]
    found.sort(key=lambda each: -(each.day_count or 0))
    return Answer(question=AuditQuestion.LONG_SESSION, found=tuple(found))


def _stretches(groups: Iterable[EventGroup]) -> list[list[EventGroup]]:
    found: list[list[EventGroup]] = []
    for group in sorted(groups, key=lambda group: group.hour):
        if found and group.hour - found[-1][-1].hour <= HOUR:
            found[-1].append(group)
        else:
            found.append([group])
    return found


def _evidence(question: AuditQuestion, columns: Sequence[int], total: Figures, **more: Any) -> Evidence:
    return Evidence(
        question=question,
        events=total.events,
        sessions=total.sessions,
        first=total.first,
        last=total.last,
        values=dict(zip(columns, total.values, strict=True)),
        **more,
    )


AROUND = timedelta(minutes=5)
"""Half of the length of a window around a start."""
LEAST_FAILURES, LEAST_CONTROLS = 3, 20
MOST_FAILURES, MOST_CONTROLS = 60, 120
"""The newest windows around failures, and controls spread evenly over the period."""
LEAST_LIFT = 1.5

Window = tuple[datetime, datetime]
Sampled = set[tuple[str | None, ...]]
"""The combinations of values sampled in one window, in the order of FACETS; trailing columns may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A value of one column (index in FACETS), and the number of windows of each kind in which it was sampled."""

    column: int
    value: str
    failures: int
    controls: int
    of_failures: int
    of_controls: int

    @property
    def failure_percent(self) -> float:
        return 100 * self.failures / self.of_failures

    @property
    def control_percent(self) -> float:
        return 100 * self.controls / self.of_controls

    @property
    def lift(self) -> float | None:
        """How many times as frequent it is around failures; None if it was never seen otherwise."""
        return self.failure_percent / self.control_percent if self.controls else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """The factors, and the number of windows compared. `found` is None if they are too few."""

    failures: int
    controls: int
    found: tuple[Factor, ...] | None = None


def windows(failed: Iterable[datetime], others: Iterable[datetime]) -> tuple[list[Window], list[Window]]:
    """Return failure and control windows. Overlapping windows count once: a run with nine failures is one failure."""
    at = sorted(failed)

    def near(start: datetime) -> bool:
        index = bisect_left(at, start - 2 * AROUND)
        return index < len(at) and at[index] <= start + 2 * AROUND

    quiet = _merged(start for start in others if not near(start))
    step = max(len(quiet), MOST_CONTROLS)
    spread = [quiet[index * step // MOST_CONTROLS] for index in range(min(len(quiet), MOST_CONTROLS))]
    return _merged(at)[-MOST_FAILURES:], spread


def enough(failures: Sequence[object], controls: Sequence[object]) -> bool:
    return len(failures) >= LEAST_FAILURES and len(controls) >= LEAST_CONTROLS


def factors(failures: Iterable[Sampled], controls: Iterable[Sampled]) -> Factors:
    """Return values in at least 3 failure windows and LEAST_LIFT times as frequent. Empty windows do not count."""
    around, otherwise = [each for each in failures if each], [each for each in controls if each]
    if not enough(around, otherwise):
        return Factors(failures=len(around), controls=len(otherwise))
    seen, compared = _counted(around), _counted(otherwise)
    found = [
        Factor(
            column=column,
            value=value,
            failures=count,
            controls=compared[column, value],
            of_failures=len(around),
            of_controls=len(otherwise),
        )
        for (column, value), count in seen.items()
        if count >= LEAST_FAILURES
    ]
    more = [each for each in found if each.lift is None or each.lift >= LEAST_LIFT]
    more.sort(key=lambda each: (each.control_percent - each.failure_percent, each.column, each.value))
    return Factors(failures=len(around), controls=len(otherwise), found=tuple(more))


def _counted(windows: Iterable[Sampled]) -> Counter[tuple[int, str]]:
    counts: Counter[tuple[int, str]] = Counter()
    for window in windows:
        counts.update({(column, value) for values in window for column, value in enumerate(values) if value})
    return counts


def _merged(starts: Iterable[datetime]) -> list[Window]:
    merged: list[Window] = []
    for start in sorted(starts):
        # Of overlapping windows, the first one stays: all windows have the same length.
        if not merged or start - AROUND > merged[-1][1]:
            merged.append((start - AROUND, start + AROUND))
    return merged
