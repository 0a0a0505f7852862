"""Read audit.connection_login_events, and execute the procedure that adds to it.

The table's only index is on event_time_utc and has neither session_id nor login_time. So a time window is converted to
a range of keys once, and grouping reads that range only, however long the history is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitoring.rules.audit import REMEMBERED, Sampled
from monitoring.rules.login_events import FACETS, EventGroup, combined, session_number
from monitoring.warehouse.dialect import Sql, dialect_of, joined, utc
from monitoring.warehouse.reader import Row, execute_snapshot, rows

ALIAS = "dw"

MOST_GROUPS = 60_000
"""Maximum groups (one per hour, session and values) that one statement returns. 200 sessions: 40,000 a week."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_TABLE = "[audit].[connection_login_events]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A time window as keys. `now`: the database's clock. `first` None: the window has no event.

    `newest`: the window's last key. If the window ends now (`until` None), the newest key of the table, None if the
    table is empty. `offset`: UTC offset of the server's local time, in which login_time is stored.
    """

    now: datetime
    since: datetime
    first: int | None
    newest: int | None
    offset: timedelta = timedelta(0)
    until: datetime | None = None


_OFFSET = {"microsoft": "DATEPART(TZOFFSET, SYSDATETIMEOFFSET())", "sqlite": "0"}
"""In minutes. SQL Server can return the present offset only, in every version (ADR 13)."""
_SINCE = {
    # The start of the hour, in whole hours from a fixed time: correct in UTC on any server.
    "microsoft": "DATEADD(HOUR, DATEDIFF(HOUR, '20000101', SYSUTCDATETIME()) - %s, CAST('20000101' AS DATETIME2(3)))",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:00:00', 'now', '-' || %s || ' hours')",
}
_HOUR = {
    "microsoft": "DATEDIFF(HOUR, '20000101', event_time_utc)",
    "sqlite": "(CAST(strftime('%%s', event_time_utc) AS INTEGER) - 946684800) / 3600",
}


def _end(order: str) -> Sql:
    """Select the smallest ("ASC") or largest ("DESC") key."""
    return dialect_of(ALIAS).first(1, "connection_event_id", f"FROM {_TABLE} ORDER BY connection_event_id {order}")


def _time(value: object) -> datetime:
    found = utc(value)
    if found is None:
        raise ValueError("the database returned no time")
    return found


def bounds(hours: int) -> Bounds:
    """Return the window of the current hour and the `hours - 1` before it: three index seeks. Raises ReadFailed.

    All events of a snapshot have the same time, and the index returns them in any order of keys. So the first time is
    looked up, then the smallest key of that time.
    """
    dialect = dialect_of(ALIAS)
    since = Sql(_SINCE[dialect.vendor], (hours - 1,))
    first_time = f"SELECT MIN(event_time_utc) FROM {_TABLE} WHERE event_time_utc >= " + since
    first = f"SELECT MIN(connection_event_id) FROM {_TABLE} WHERE event_time_utc = (" + first_time + ")"
    sql = f"SELECT {dialect.now}, " + since + ", (" + first + "), (" + _end("DESC") + f"), {_OFFSET[dialect.vendor]}"
    (clock, start, first_id, newest_id, minutes), *_ = rows(ALIAS, sql)
    offset = timedelta(minutes=minutes)
    return Bounds(now=_time(clock), since=_time(start), first=first_id, newest=newest_id, offset=offset)


def bounds_between(since: datetime, until: datetime) -> Bounds:
    """Return the window from `since` to `until` (exclusive): four index seeks. Raises ReadFailed."""
    dialect = dialect_of(ALIAS)
    inside = "event_time_utc >= " + dialect.moment(since, "DATETIME2(3)")
    inside += " AND event_time_utc < " + dialect.moment(until, "DATETIME2(3)")
    sql = Sql(f"SELECT {dialect.now}, ")
    for end in ("MIN", "MAX"):
        time = f"(SELECT {end}(event_time_utc) FROM {_TABLE} WHERE " + inside + ")"
        sql += f"(SELECT {end}(connection_event_id) FROM {_TABLE} WHERE event_time_utc = " + time + "), "
    (clock, first, last, minutes), *_ = rows(ALIAS, sql + _OFFSET[dialect.vendor])
    offset = timedelta(minutes=minutes)
    return Bounds(now=_time(clock), since=since, first=first, newest=last, offset=offset, until=until)


def server_offset() -> timedelta:
    """Return the UTC offset of the server's local time. Sends no statement to SQLite. Raises ReadFailed."""
    dialect = dialect_of(ALIAS)
    if dialect.vendor == "sqlite":
        return timedelta(0)
    return timedelta(minutes=rows(ALIAS, Sql(f"SELECT {_OFFSET[dialect.vendor]}"))[0][0])


def hours(
    first_key: int, since: datetime, last_key: int | None = None, until: datetime | None = None
) -> tuple[list[EventGroup], datetime | None]:
    """Return the events from `first_key` and `since` up to `last_key` and `until`, by hour and values.

    The second value is the first complete hour if there were more than MOST_GROUPS groups, else None. One statement.
    Raises ReadFailed.
    """
    dialect = dialect_of(ALIAS)
    columns = f"{', '.join(FACETS)}, session_id, login_time"
    hour = _HOUR[dialect.vendor]
    sql = Sql(f"FROM {_TABLE} WHERE connection_event_id >= %s AND event_time_utc >= ", (first_key,))
    sql += dialect.moment(since, "DATETIME2(3)")
    if last_key is not None and until is not None:
        sql += Sql(" AND connection_event_id <= %s AND event_time_utc < ", (last_key,))
        sql += dialect.moment(until, "DATETIME2(3)")
    sql += f" GROUP BY {hour}, {columns} ORDER BY {hour} DESC"
    selected = (
        f"{hour}, COUNT(*), MIN(connection_event_id), MAX(connection_event_id), "
        f"MIN(event_time_utc), MAX(event_time_utc), {columns}"
    )
    found = [_group(row) for row in rows(ALIAS, dialect.first(MOST_GROUPS + 1, selected, sql))]
    cut = None
    if len(found) > MOST_GROUPS and found[0].hour != found[-1].hour:
        oldest = found[-1].hour  # incomplete
        found = [group for group in found if group.hour != oldest]
        cut = found[-1].hour
    found.reverse()
    return combined(found, by_hour=True), cut


def _group(row: Row) -> EventGroup:
    number, events, first_key, last_key, first, last, *values, session_id, login_time = row
    login, last_sample = utc(login_time), _time(last)
    sessions = {} if session_id is None or login is None else {session_number(session_id, login): last_sample}
    return EventGroup(
        hour=_EPOCH + timedelta(hours=number),
        values=tuple(values),
        events=events,
        sessions=sessions,
        unidentified=0 if sessions else events,
        first=_time(first),
        last=last_sample,
        first_key=first_key,
        last_key=last_key,
    )


FACTORS = ("login_name", "host_name", "program_name", "database_name")
"""Columns of the index on event_time_utc, so that a query for a few minutes reads only the index."""
MOST_FACTORS = 500
"""Maximum combinations read per window."""


Seen = tuple[tuple[str | None, ...], datetime, datetime]
"""The values of REMEMBERED that occur together in one hour, and the times of the first and the last sample."""


def ends() -> tuple[datetime, int | None, int | None]:
    """Return the database's time, and the smallest and largest key (None if the table is empty). Raises ReadFailed."""
    sql = f"SELECT {dialect_of(ALIAS).now}, (" + _end("ASC") + "), (" + _end("DESC") + ")"
    (clock, first, last), *_ = rows(ALIAS, sql)
    return _time(clock), first, last


def seen_between(first_key: int, last_key: int) -> list[Seen]:
    """Return the values seen in the events with these keys, by hour. Raises ReadFailed."""
    hour = _HOUR[dialect_of(ALIAS).vendor]
    columns = ", ".join(FACETS[place] for place in REMEMBERED)
    sql = Sql(
        f"SELECT MIN(event_time_utc), MAX(event_time_utc), {columns} FROM {_TABLE} "
        f"WHERE connection_event_id >= %s AND connection_event_id <= %s GROUP BY {hour}, {columns}",
        (first_key, last_key),
    )
    return [(tuple(values), _time(first), _time(last)) for first, last, *values in rows(ALIAS, sql)]


def factors_in(windows: Sequence[tuple[datetime, datetime]]) -> list[Sampled]:
    """Return the combinations of FACTORS in each window (from, until exclusive).

    One statement with one seek of the covering index per window. Raises ReadFailed.
    """
    dialect = dialect_of(ALIAS)
    columns = ", ".join(FACTORS)
    parts = []
    for number, (since, until) in enumerate(windows):
        rest = f"FROM {_TABLE} WHERE event_time_utc >= " + dialect.moment(since, "DATETIME2(3)")
        rest += " AND event_time_utc < " + dialect.moment(until, "DATETIME2(3)")
        inner = dialect.first(MOST_FACTORS, f"{number} AS part, {columns}", rest + f" GROUP BY {columns}")
        parts.append("SELECT * FROM (" + inner + ") AS q")
    found: list[Sampled] = [set() for _ in windows]
    answered: list[Row] = rows(ALIAS, joined(parts, " UNION ALL ")) if parts else []
    for part, *values in answered:
        found[part].add(tuple(values))
    return found


def capture_snapshot() -> int:
    """Execute the warehouse's snapshot procedure once and return the number of new events. Raises ReadFailed.

    Events that a runner adds at the same moment count too.
    """
    newest = rows(ALIAS, _end("DESC"))
    execute_snapshot(ALIAS)
    added = Sql(f"SELECT COUNT(*) FROM {_TABLE} WHERE connection_event_id > %s", newest[0] if newest else (0,))
    return int(rows(ALIAS, added)[0][0])
