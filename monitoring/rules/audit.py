"""What an auditor asks of the login events: five questions, each with one definition (docs/connections.md).

Pure: a window's events, what was remembered of the time before it, and what can be said of both. What
is not known is said to be so, never to be nothing.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring.rules.enums import AuditQuestion
from monitoring.rules.sessions import (
    ADDRESS,
    AUTHENTICATION,
    ENCRYPTION,
    HOST,
    HOUR,
    LOGIN,
    PROGRAM,
    Figures,
    HourEvents,
    Values,
    figures,
    is_portal,
    login_time_of,
    session_id_of,
)

REMEMBERED = (LOGIN, HOST, ADDRESS, PROGRAM, AUTHENTICATION, ENCRYPTION)
"""The columns whose values are remembered for the time after the events are pruned."""
BEFORE = timedelta(days=30)
"""What was not seen in so long before the window is new in it."""
USUAL_DAYS = 14
"""Days on which a login must have been seen before it can be said to have usual hours."""
WEEK_HOURS = 168
OPEN_FOR = timedelta(days=3)
"""A session that is open for longer is named."""
_LOCAL = frozenset({"<local machine>", "::1", "0:0:0:0:0:0:0:1", "localhost"})
"""Addresses of connections from the server itself. `<named pipe>` is none: a pipe may come from another host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that was found, with its figures. `values`: places in FACETS to values, which lead to its events.

    `certain` False: the history does not reach back far enough to say so. `day_count`: days that the session
    was open (LONG_SESSION; its events are not counted), or on which the login was seen before (UNUSUAL_HOUR).
    `hour`, `until`: the first unusual hour, and the end of the last that follows without a gap. `session_id`: the
    open session's.
    """

    question: AuditQuestion
    values: Mapping[int, str | None]
    events: int | None
    sessions: int
    first: datetime
    last: datetime
    certain: bool = True
    day_count: float | None = None
    hour: datetime | None = None
    until: datetime | None = None
    session_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one question found. `unknown`: it could not be answered, or not for everything; nothing found is no OK.

    `left_out`: things that could not be judged (logins with too little history, events that do not say).
    """

    question: AuditQuestion
    found: tuple[Evidence, ...] = ()
    unknown: bool = False
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was remembered of the 30 days before the window.

    `known`: per column (a place in FACETS) the values seen, in lower case. `hours`: per login (lower case)
    the hours of the week, UTC, and on how many days. `reaches_back`: since when that is complete; None: not at all.
    """

    known: Mapping[int, Collection[str]]
    hours: Mapping[str, tuple[Collection[int], int]]
    reaches_back: datetime | None = None

    def covers(self, since: datetime) -> bool:
        return self.reaches_back is not None and self.reaches_back <= since


def folded(value: str | None) -> str:
    """Return a value as it is compared: without regard to case, no value as an empty text."""
    return (value or "").casefold()


def digest_of(value: str | None) -> str:
    """Return the folded value as a digest that fits into an index."""
    return hashlib.blake2b(folded(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def hour_of_week(moment: datetime) -> int:
    """Return 0 (Monday, midnight to one, UTC) to 167."""
    return moment.weekday() * 24 + moment.hour


def new_identities(sampled: Sequence[HourEvents], since: datetime, history: History) -> Answer:
    """Name the values of each remembered column that were not seen in the 30 days before the window."""
    certain = history.covers(since - BEFORE)
    found = [
        Evidence(
            question=AuditQuestion.NEW_IDENTITY,
            values={column: each.value},
            events=each.events,
            sessions=each.sessions,
            first=each.first,
            last=each.last,
            certain=certain,
        )
        for column in REMEMBERED
        for each in figures(sampled, (column,))
        if folded(each.value) not in history.known.get(column, ())
    ]
    return Answer(question=AuditQuestion.NEW_IDENTITY, found=tuple(found), unknown=not certain)


def unencrypted(sampled: Sequence[HourEvents], servers: Collection[str]) -> Answer:
    """Name who was connected without encryption from another host than the server (`servers`: its names)."""
    own = {folded(name) for name in servers}

    def remote(values: Values) -> bool:
        address = folded(values[ADDRESS])
        local = address in _LOCAL or address.removeprefix("::ffff:").startswith("127.")
        return not local and (not values[HOST] or folded(values[HOST]) not in own)

    columns = (LOGIN, HOST, ADDRESS, PROGRAM)
    plain = figures(sampled, columns, lambda values: folded(values[ENCRYPTION]) == "false" and remote(values))
    silent = figures(sampled, (ENCRYPTION,), lambda values: not values[ENCRYPTION] and remote(values))
    return Answer(
        question=AuditQuestion.UNENCRYPTED,
        found=tuple(_evidence(AuditQuestion.UNENCRYPTED, columns, each, {ENCRYPTION: "FALSE"}) for each in plain),
        unknown=bool(silent) and not plain,
        left_out=sum(each.events for each in silent),
    )


def unusual_hours(sampled: Sequence[HourEvents], since: datetime, history: History) -> Answer:
    """Name the logins seen in an hour of the week in which they were not seen in the 30 days before, each
    stretch of such hours on its own: between two of them there may be a usual one.

    The hour before and the one after count as usual too. A login that was seen on fewer than USUAL_DAYS days,
    and every login where the history reaches back for fewer, has no usual hours: it is left out, and counted.
    """
    reaches = history.covers(since - timedelta(days=USUAL_DAYS))
    unusual: defaultdict[str, list[HourEvents]] = defaultdict(list)
    without: set[str] = set()
    for each in sampled:
        for login in {values[LOGIN] for values in each.groups if values[LOGIN]}:
            hours, days = history.hours.get(folded(login), ((), 0))
            if not reaches or days < USUAL_DAYS:
                without.add(folded(login))
            elif not any((hour_of_week(each.hour) + step) % WEEK_HOURS in hours for step in (-1, 0, 1)):
                unusual[str(login)].append(each)
    found = []
    for login, hours_of_login in unusual.items():
        days = history.hours[folded(login)][1]
        for stretch in _stretches(hours_of_login):
            (total,) = figures(stretch, (LOGIN,), _equals(LOGIN, login))
            evidence = _evidence(AuditQuestion.UNUSUAL_HOUR, (LOGIN,), total, {}, day_count=days)
            found.append(replace(evidence, hour=stretch[0].hour, until=stretch[-1].hour + HOUR))
    return Answer(
        question=AuditQuestion.UNUSUAL_HOUR,
        found=tuple(sorted(found, key=lambda each: -(each.events or 0))),
        unknown=bool(without) and not found,
        left_out=len(without),
    )


def shared_logins(
    sampled: Sequence[HourEvents], runner_programs: Sequence[str], known_logins: Collection[str]
) -> Answer:
    """Name the programs that use the runner's or the portal's login and are neither of the two.

    The logins are those that the two use in the window, and `known_logins`, which the settings name.
    """
    prefixes = tuple(folded(name) for name in runner_programs if name)

    def own(values: Values) -> bool:
        return is_portal(values) or folded(values[PROGRAM]).startswith(prefixes)

    logins = {folded(each.value) for each in figures(sampled, (LOGIN,), own)} | {folded(name) for name in known_logins}
    logins.discard("")
    columns = (LOGIN, PROGRAM, HOST)
    others = figures(sampled, columns, lambda values: folded(values[LOGIN]) in logins and not own(values))
    return Answer(
        question=AuditQuestion.SHARED_LOGIN,
        found=tuple(_evidence(AuditQuestion.SHARED_LOGIN, columns, each, {}) for each in others),
        unknown=not logins,
    )


def long_sessions(sampled: Sequence[HourEvents], offset: timedelta) -> Answer:
    """Name the sessions whose login was more than OPEN_FOR before they were last sampled.

    `offset`: how far the server's clock, which dates the login, is before UTC.
    """
    open_since: dict[tuple[Values, int], tuple[datetime, datetime]] = {}
    for each in sampled:
        for values, group in each.groups.items():
            who = tuple(values[column] or None for column in (LOGIN, HOST, PROGRAM))
            for number, last in group.sessions.items():
                first, latest = open_since.get((who, number), (last, last))
                open_since[who, number] = (min(first, last), max(latest, last))
    found = []
    for (who, number), (first, last) in open_since.items():
        age = last - (login_time_of(number) - offset)
        if age > OPEN_FOR:
            found.append(
                Evidence(
                    question=AuditQuestion.LONG_SESSION,
                    values=dict(zip((LOGIN, HOST, PROGRAM), who, strict=True)),
                    events=None,
                    sessions=1,
                    first=first,
                    last=last,
                    day_count=age / timedelta(days=1),
                    session_id=session_id_of(number),
                )
            )
    return Answer(
        question=AuditQuestion.LONG_SESSION, found=tuple(sorted(found, key=lambda each: -(each.day_count or 0)))
    )


def week_hours(day_masks: Iterable[tuple[int, int]]) -> frozenset[int]:
    """Return the hours of the week in masks of days: (weekday, 24 bits, bit N for hour N)."""
    return frozenset(day * 24 + hour for day, mask in day_masks for hour in range(24) if mask >> hour & 1)


def _stretches(hours: Iterable[HourEvents]) -> list[list[HourEvents]]:
    """Return the hours in order, cut wherever one is missing."""
    found: list[list[HourEvents]] = []
    for each in sorted(hours, key=lambda each: each.hour):
        if found and each.hour - found[-1][-1].hour <= HOUR:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _equals(column: int, value: str | None) -> Callable[[Values], bool]:
    return lambda values: (values[column] or None) == value


def _evidence(
    question: AuditQuestion,
    columns: Sequence[int],
    each: Figures,
    more: Mapping[int, str],
    *,
    day_count: float | None = None,
) -> Evidence:
    return Evidence(
        question=question,
        values={**dict(zip(columns, each.values, strict=True)), **more},
        events=each.events,
        sessions=each.sessions,
        first=each.first,
        last=each.last,
        day_count=day_count,
    )


AROUND = timedelta(minutes=5)
"""On either side of a start: a window is 10 minutes."""
LEAST_FAILURES, LEAST_CONTROLS = 3, 20
MOST_FAILURES, MOST_CONTROLS = 60, 120
"""Windows that are looked at: the newest failures, and controls spread evenly over the period."""
LEAST_LIFT = 1.5

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A value of one column (its place among the factors): in how many windows of each kind it was sampled."""

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
        """How many times more frequent around failures; None: otherwise never seen."""
        return self.failure_percent / self.control_percent if self.controls else None


def windows(failed: Iterable[datetime], others: Iterable[datetime]) -> tuple[list[Window], list[Window]]:
    """Return the windows around failed starts, and those around other starts that touch none of them.

    Starts whose windows overlap make one window: a run whose nine pipelines failed is one failure here.
    """
    at = sorted(failed)
    quiet = [start for start in others if not _near(start, at)]
    return _merged(at)[-MOST_FAILURES:], _spread(_merged(quiet), MOST_CONTROLS)


def factors(
    failures: Sequence[set[tuple[str | None, ...]]], controls: Sequence[set[tuple[str | None, ...]]]
) -> tuple[int, int, tuple[Factor, ...] | None]:
    """Return how many windows of each kind had samples, and the factors; None: too few to say anything.

    A window without a sample says nothing of who was there, and does not count. A factor was there around 3
    failures at least, and LEAST_LIFT times as often as otherwise.
    """
    around, otherwise = [each for each in failures if each], [each for each in controls if each]
    if len(around) < LEAST_FAILURES or len(otherwise) < LEAST_CONTROLS:
        return len(around), len(otherwise), None
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
    return len(around), len(otherwise), tuple(more)


def _counted(listed: Iterable[set[tuple[str | None, ...]]]) -> Counter[tuple[int, str]]:
    counts: Counter[tuple[int, str]] = Counter()
    for window in listed:
        counts.update({(column, value) for values in window for column, value in enumerate(values) if value})
    return counts


def _merged(starts: Iterable[datetime]) -> list[Window]:
    merged: list[Window] = []
    for start in sorted(starts):
        since, until = start - AROUND, start + AROUND
        if merged and since <= merged[-1][1]:
            continue  # the first start's window stands for both: every window is as long
        merged.append((since, until))
    return merged


def _near(start: datetime, failed: list[datetime]) -> bool:
    """Whether the windows around `start` and around one of the failures (in order) share a moment."""
    place = bisect_left(failed, start - 2 * AROUND)
    return place < len(failed) and failed[place] <= start + 2 * AROUND


def _spread(listed: list[Window], most: int) -> list[Window]:
    """Return at most `most` of the windows, evenly over all of them: the same ones each time."""
    if len(listed) <= most:
        return listed
    return [listed[index * len(listed) // most] for index in range(most)]
