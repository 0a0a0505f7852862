"""audit.connection_login_events, read the cheap way.

The one index is on event_time_utc and holds neither session_id nor login_time, so a window is looked
up there once and becomes a range of keys; grouping then reads that range of the table and nothing
else, however long the history is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.policies.sessions import FACETS, LOGIN, HourEvents, Values, session_number
from monitoring.warehouse.dialect import GROUP_BY, Sql, dialect_of, utc
from monitoring.warehouse.reader import rows

ALIAS = "dw"

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_TABLE = "[audit].[connection_login_events]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A window as keys. `now`: the database's clock. `first` None: nothing was sampled in it.

    `newest`: the newest key of the whole table, None when the table is empty. `offset`: how far the
    server's own clock, by which login_time is written, is before UTC at this moment.
    """

    now: datetime
    since: datetime
    first: int | None
    newest: int | None
    offset: timedelta = timedelta(0)


_OFFSET = {"microsoft": "DATEPART(TZOFFSET, SYSDATETIMEOFFSET())", "sqlite": "0"}
"""Minutes. Only the present offset can be had from every version of SQL Server (ADR 13)."""
_SINCE = {
    # The start of the hour, counted in whole hours from a fixed point: right in UTC, on any server.
    "microsoft": "DATEADD(HOUR, DATEDIFF(HOUR, '20000101', SYSUTCDATETIME()) - %s, CAST('20000101' AS DATETIME2(3)))",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:00:00', 'now', '-' || %s || ' hours')",
}
_HOUR = {
    "microsoft": "DATEDIFF(HOUR, '20000101', event_time_utc)",
    "sqlite": "(CAST(strftime('%%s', event_time_utc) AS INTEGER) - 946684800) / 3600",
}


def bounds(hours: int) -> Bounds:
    """Return the window of the current hour and the `hours - 1` before it: three index seeks. Raises ReadFailed.

    One snapshot's events have one time, and an index gives them in any order of keys: the first time
    is looked up, then the smallest key of that time.
    """
    dialect = dialect_of(ALIAS)
    since = Sql(_SINCE[dialect.vendor], (hours - 1,))
    first_time = f"SELECT MIN(event_time_utc) FROM {_TABLE} WHERE event_time_utc >= " + since
    first = f"SELECT MIN(connection_event_id) FROM {_TABLE} WHERE event_time_utc = (" + first_time + ")"
    newest = dialect.first(1, "connection_event_id", Sql(f"FROM {_TABLE} ORDER BY connection_event_id DESC"))
    (clock, start, first_id, newest_id, minutes), *_ = rows(
        ALIAS, f"SELECT {dialect.now}, " + since + ", (" + first + "), (" + newest + f"), {_OFFSET[dialect.vendor]}"
    )
    now, start = utc(clock), utc(start)
    if now is None or start is None:  # neither is a column: a database always says what time it is
        raise ValueError("the database has no clock")
    return Bounds(now=now, since=start, first=first_id, newest=newest_id, offset=timedelta(minutes=minutes))


def server_offset() -> timedelta:
    """Return how far the server's own clock is before UTC now. No statement on the embedded one. Raises ReadFailed."""
    dialect = dialect_of(ALIAS)
    if dialect.vendor == "sqlite":
        return timedelta(0)
    return timedelta(minutes=rows(ALIAS, Sql(f"SELECT {_OFFSET[dialect.vendor]}"))[0][0])


def hours(first_key: int, since: datetime) -> tuple[HourEvents, ...]:
    """Return the events from `first_key` on that are not older than `since`, by hour, one statement.

    A row comes back per hour, session and values: as many as there were sessions, however often they
    were sampled. Raises ReadFailed.
    """
    dialect = dialect_of(ALIAS)
    columns = f"{', '.join(FACETS)}, session_id, login_time"
    hour = _HOUR[dialect.vendor]
    sql = Sql(
        f"SELECT {hour}, COUNT(*), MIN(connection_event_id), MAX(connection_event_id), {columns} "
        f"FROM {_TABLE} WHERE connection_event_id >= %s AND event_time_utc >= ",
        (first_key,),
    )
    sql += dialect.moment(since, "DATETIME2(3)")
    sql += f" {GROUP_BY} {hour}, {columns} ORDER BY {hour}"
    found: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for number, *group in rows(ALIAS, sql):
        found[number].append(tuple(group))
    return tuple(_hour(_EPOCH + timedelta(hours=number), groups) for number, groups in found.items())


def _hour(hour: datetime, groups: list[tuple[Any, ...]]) -> HourEvents:
    """Return one hour from its groups: (events, first key, last key, values of FACETS, session_id, login_time)."""
    counts: Counter[Values] = Counter()
    sessions: defaultdict[str | None, set[int]] = defaultdict(set)
    unidentified = 0
    for events, _first, _last, *values, session_id, login_time in groups:
        counts[tuple(values)] += events
        logged_in = utc(login_time)
        if session_id is None or logged_in is None:
            unidentified += events
        else:
            sessions[values[LOGIN]].add(session_number(session_id, logged_in))
    return HourEvents(
        hour=hour,
        counts=dict(counts),
        sessions={login: frozenset(numbers) for login, numbers in sessions.items()},
        unidentified=unidentified,
        first_key=min(group[1] for group in groups),
        last_key=max(group[2] for group in groups),
    )


def newest_key() -> int:
    """Return the table's newest key, 0 when it is empty. Raises ReadFailed."""
    rest = f"FROM {_TABLE} ORDER BY connection_event_id DESC"
    found = rows(ALIAS, dialect_of(ALIAS).first(1, "connection_event_id", rest))
    return int(found[0][0]) if found else 0


def count_after(key: int) -> int:
    """Return how many events came after `key`: a range of the primary key's end. Raises ReadFailed."""
    return int(rows(ALIAS, Sql(f"SELECT COUNT(*) FROM {_TABLE} WHERE connection_event_id > %s", (key,)))[0][0])
