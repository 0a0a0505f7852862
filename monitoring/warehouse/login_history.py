"""Login events in bounded pieces of the primary key, for the portal's own memory of who was seen when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.policies.auditor import REMEMBERED
from monitoring.policies.sessions import FACETS
from monitoring.warehouse.dialect import Sql, dialect_of, joined, utc
from monitoring.warehouse.login_events import ALIAS
from monitoring.warehouse.reader import rows

_TABLE = "[audit].[connection_login_events]"
_HOUR = {
    "microsoft": "DATEDIFF(HOUR, '20000101', event_time_utc)",
    "sqlite": "(CAST(strftime('%%s', event_time_utc) AS INTEGER) - 946684800) / 3600",
}
FACTORS = ("login_name", "host_name", "program_name", "database_name")
"""Held by the index on event_time_utc: a look at some minutes reads nothing else."""
MOST_FACTORS = 500
"""Combinations of one look at some minutes."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The table's ends. Keys None: it is empty."""

    now: datetime
    oldest: int | None
    newest: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """Values of REMEMBERED together in one hour."""

    values: tuple[str | None, ...]
    first: datetime
    last: datetime


def ends() -> Ends:
    """Return the table's smallest and largest key and the time: two index seeks. Raises ReadFailed."""
    dialect = dialect_of(ALIAS)
    oldest = dialect.first(1, "connection_event_id", f"FROM {_TABLE} ORDER BY connection_event_id")
    newest = dialect.first(1, "connection_event_id", f"FROM {_TABLE} ORDER BY connection_event_id DESC")
    (clock, first, last), *_ = rows(ALIAS, f"SELECT {dialect.now}, (" + oldest + "), (" + newest + ")")
    now = utc(clock)
    if now is None:
        raise ValueError("the database has no clock")
    return Ends(now, first, last)


def seen_between(first_key: int, last_key: int) -> list[Seen]:
    """Return who was seen in the events of these keys, per hour: no more rows than keys. Raises ReadFailed."""
    hour = _HOUR[dialect_of(ALIAS).vendor]
    columns = ", ".join(FACETS[place] for place in REMEMBERED)
    sql = Sql(
        f"SELECT MIN(event_time_utc), MAX(event_time_utc), {columns} FROM {_TABLE} "
        f"WHERE connection_event_id >= %s AND connection_event_id <= %s GROUP BY {hour}, {columns}",
        (first_key, last_key),
    )
    found = []
    for first, last, *values in rows(ALIAS, sql):
        begun, ended = utc(first), utc(last)
        if begun is not None and ended is not None:
            found.append(Seen(tuple(values), begun, ended))
    return found


def factors_in(windows: Sequence[tuple[datetime, datetime]]) -> list[set[tuple[str | None, ...]]]:
    """Return for each window (from, until excluded) the values of FACTORS that were sampled together in it.

    One statement, a seek of the covering index per window. Raises ReadFailed.
    """
    dialect = dialect_of(ALIAS)
    columns = ", ".join(FACTORS)
    parts = []
    for number, (since, until) in enumerate(windows):
        rest = f"FROM {_TABLE} WHERE event_time_utc >= " + dialect.moment(since, "DATETIME2(3)")
        rest += " AND event_time_utc < " + dialect.moment(until, "DATETIME2(3)")
        inner = dialect.first(MOST_FACTORS, f"{number} AS part, {columns}", rest + f" GROUP BY {columns}")
        parts.append("SELECT * FROM (" + inner + ") AS q")
    found: list[set[tuple[str | None, ...]]] = [set() for _ in windows]
    answered: list[tuple[Any, ...]] = rows(ALIAS, joined(parts, " UNION ALL ")) if parts else []
    for part, *values in answered:
        found[part].add(tuple(values))
    return found
