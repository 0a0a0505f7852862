"""audit.connection_login_events, read the cheap way.

The one index is on event_time_utc and holds neither session_id nor login_time, so a window is looked
up there once and becomes a range of keys; grouping then reads that range of the table and nothing
else, however long the history is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitoring.policies.sessions import PORTAL_PROGRAM, LoginHour
from monitoring.warehouse.dialect import Sql, dialect_of, utc
from monitoring.warehouse.reader import rows

ALIAS = "dw"
FACETS = ("login_name", "host_name", "program_name", "database_name", "status")
MOST_COMBINATIONS = 500
"""Combinations of the facets read at most, the most frequent first."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A window as keys. `now`: the database's clock. `first` None: nothing was sampled in it.

    `newest`: the newest key of the whole table, None when the table is empty.
    """

    now: datetime
    since: datetime
    first: int | None
    newest: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """How many events have these values of FACETS, in that order."""

    values: tuple[str | None, ...]
    events: int


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
    """Return the window of the current hour and the `hours - 1` before it: two index seeks. Raises ReadFailed."""
    dialect = dialect_of(ALIAS)
    since = Sql(_SINCE[dialect.vendor], (hours - 1,))
    table = "FROM [audit].[connection_login_events]"
    first = dialect.first(
        1, "connection_event_id", f"{table} WHERE event_time_utc >= " + since + " ORDER BY event_time_utc"
    )
    newest = dialect.first(1, "connection_event_id", Sql(f"{table} ORDER BY connection_event_id DESC"))
    (clock, start, first_id, newest_id), *_ = rows(
        ALIAS, f"SELECT {dialect.now}, " + since + ", (" + first + "), (" + newest + ")"
    )
    now, start = utc(clock), utc(start)
    if now is None or start is None:  # neither is a column: a database always says what time it is
        raise ValueError("the database has no clock")
    return Bounds(now=now, since=start, first=first_id, newest=newest_id)


def activity(found: Bounds) -> tuple[LoginHour, ...]:
    """Return events and sessions per hour and login, one statement. Raises ReadFailed.

    A session (session_id, login_time) is numbered three ways, so that it counts once per hour, once
    per login and once in the window, whatever it is grouped by afterwards.
    """
    if found.first is None:
        return ()
    dialect = dialect_of(ALIAS)
    sql = Sql(
        f"""
        SELECT n.hour_no, n.login_name, SUM(n.events), SUM(n.portal_events),
               SUM(CASE WHEN n.identified = 1 AND n.in_hour = 1 THEN 1 ELSE 0 END),
               SUM(CASE WHEN n.identified = 1 AND n.of_login = 1 THEN 1 ELSE 0 END),
               SUM(CASE WHEN n.identified = 1 AND n.in_window = 1 THEN 1 ELSE 0 END),
               SUM(CASE WHEN n.identified = 0 THEN n.events ELSE 0 END)
        FROM (
            SELECT g.hour_no, g.login_name, g.events, g.portal_events,
                   CASE WHEN g.session_id IS NULL OR g.login_time IS NULL THEN 0 ELSE 1 END AS identified,
                   ROW_NUMBER() OVER (PARTITION BY g.session_id, g.login_time, g.hour_no
                                      ORDER BY g.login_name) AS in_hour,
                   ROW_NUMBER() OVER (PARTITION BY g.session_id, g.login_time, g.login_name
                                      ORDER BY g.hour_no) AS of_login,
                   ROW_NUMBER() OVER (PARTITION BY g.session_id, g.login_time
                                      ORDER BY g.hour_no, g.login_name) AS in_window
            FROM (
                SELECT {_HOUR[dialect.vendor]} AS hour_no, login_name, session_id, login_time, COUNT(*) AS events,
                       SUM(CASE WHEN program_name LIKE %s THEN 1 ELSE 0 END) AS portal_events
                FROM [audit].[connection_login_events]
                WHERE connection_event_id >= %s AND event_time_utc >= """,
        (f"{PORTAL_PROGRAM}%", found.first),
    )
    sql += dialect.moment(found.since, "DATETIME2(3)")
    sql += Sql(
        f"""
                GROUP BY {_HOUR[dialect.vendor]}, login_name, session_id, login_time
            ) AS g
        ) AS n
        GROUP BY n.hour_no, n.login_name
        ORDER BY n.hour_no, n.login_name"""
    )
    return tuple(
        LoginHour(
            hour=_EPOCH + timedelta(hours=hour),
            login=login,
            events=events,
            portal_events=portal,
            sessions=sessions,
            login_sessions=of_login,
            new_sessions=new,
            unidentified=unidentified,
        )
        for hour, login, events, portal, sessions, of_login, new, unidentified in rows(ALIAS, sql)
    )


def combinations(found: Bounds) -> tuple[Combination, ...]:
    """Return how often each combination of FACETS occurs in the window, most first. Raises ReadFailed."""
    if found.first is None:
        return ()
    columns = ", ".join(FACETS)
    dialect = dialect_of(ALIAS)
    rest = (
        Sql(
            "FROM [audit].[connection_login_events] WHERE connection_event_id >= %s AND event_time_utc >= ",
            (found.first,),
        )
        + dialect.moment(found.since, "DATETIME2(3)")
        + f" GROUP BY {columns} ORDER BY COUNT(*) DESC, {columns}"
    )
    return tuple(
        Combination(values=tuple(values), events=events)
        for events, *values in rows(ALIAS, dialect.first(MOST_COMBINATIONS, f"COUNT(*), {columns}", rest))
    )


def newest_key() -> int:
    """Return the table's newest key, 0 when it is empty. Raises ReadFailed."""
    rest = "FROM [audit].[connection_login_events] ORDER BY connection_event_id DESC"
    found = rows(ALIAS, dialect_of(ALIAS).first(1, "connection_event_id", rest))
    return int(found[0][0]) if found else 0


def count_after(key: int) -> int:
    """Return how many events came after `key`: a range of the primary key's end. Raises ReadFailed."""
    sql = Sql("SELECT COUNT(*) FROM [audit].[connection_login_events] WHERE connection_event_id > %s", (key,))
    return int(rows(ALIAS, sql)[0][0])
