from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import DateTimeField, Func, Lookup, lookups
from django.db.models.expressions import Col

Compiled = tuple[str, list[Any]]
Compare = Callable[[str, Any, Any], Compiled]
"""Of a column's SQL, its field and the value."""


class DatabaseTime(Func):
    """The database clock plus `after` (may be negative), because clocks of different machines may disagree."""

    output_field = DateTimeField()

    def __init__(self, after: timedelta = timedelta()) -> None:
        super().__init__()
        self.after = after

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Compiled:
        return "(STATEMENT_TIMESTAMP() + %s * INTERVAL '1 second')", [self.after.total_seconds()]

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        # As Django writes times: text, UTC.
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', %s)", [f"{self.after.total_seconds():+.3f} seconds"]

    def as_microsoft(self, compiler: Any, connection: Any, **extra: Any) -> Compiled:
        milliseconds = round(self.after.total_seconds() * 1000)
        return "TODATETIMEOFFSET(DATEADD(MILLISECOND, %s, SYSUTCDATETIME()), '+00:00')", [milliseconds]


AS_VARCHAR = "CAST(%s AS VARCHAR(8000))"
"""The longest VARCHAR: a cast to the column's own length would truncate a longer text into a match."""

_SURVIVES = f"CAST({AS_VARCHAR} AS NVARCHAR(4000)) = CAST(%s AS NVARCHAR(4000)) COLLATE Latin1_General_BIN2"


def _lookup(base: type[Lookup[Any]], compare: Compare, takes: type = str) -> type[Lookup[Any]]:
    """Return the lookup that compares, on SQL Server, a column with a value in the column's own type."""

    class OwnType(base):  # type: ignore[valid-type, misc]
        def as_sql(self, compiler: Any, connection: Any) -> Any:
            column, value = self.lhs, self.rhs
            if connection.vendor != "microsoft" or not isinstance(column, Col) or not isinstance(value, takes):
                return super().as_sql(compiler, connection)
            sql, params = compiler.compile(column)
            compared, more = compare(sql, column.output_field, value)
            return compared, [*params, *more]

    return OwnType


def _fits(field: Any, text: str) -> bool:
    """Return whether the column may hold the text. Comparisons ignore trailing blanks."""
    return len(text.rstrip(" ")) <= field.max_length


def _equal_to(column: str, text: str) -> Compiled:
    if text.isascii():
        return f"{column} = {AS_VARCHAR}", [text]
    return f"({column} = {AS_VARCHAR} AND {_SURVIVES})", [text, text, text]


def _equal(column: str, field: Any, text: str) -> Compiled:
    """The database's collation defines equality, for names and searches alike."""
    if not _fits(field, text):
        raise EmptyResultSet
    return _equal_to(column, text)


def _in(column: str, field: Any, values: Iterable[Any]) -> Compiled:
    texts = [text for text in dict.fromkeys(values) if isinstance(text, str) and _fits(field, text)]
    plain = [text for text in texts if text.isascii()]
    parts = [_equal_to(column, text) for text in texts if not text.isascii()]
    if plain:
        parts.append((f"{column} IN ({', '.join([AS_VARCHAR] * len(plain))})", plain))
    if not parts:
        raise EmptyResultSet
    sql = " OR ".join(part for part, _ in parts)
    return (f"({sql})" if len(parts) > 1 else sql), [value for _, own in parts for value in own]


def _order(sign: str) -> Compare:
    return lambda column, field, text: (f"{column} {sign} {AS_VARCHAR}", [text])


_ESCAPED = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_", "[": "[[]"})
"""T-SQL's wildcards in a LIKE pattern with ESCAPE '\\'."""


def _like(before: str = "%", after: str = "%") -> Compare:
    """The collation defines case sensitivity, so that no function wraps the column."""

    def compare(column: str, field: Any, text: str) -> Compiled:
        if len(text) > field.max_length:
            raise EmptyResultSet
        like = f"{column} LIKE {AS_VARCHAR} ESCAPE '\\'"
        pattern = f"{before}{text.translate(_ESCAPED)}{after}"
        if text.isascii():
            return like, [pattern]
        return f"({like} AND {_SURVIVES})", [pattern, text, text]

    return compare


def _moment(sign: str, *, up: bool = False) -> Compare:
    """Compare a time with a column of whole seconds or milliseconds. CAST would round it and change the result.

    So the value is rounded here to the column's digits, in the direction that keeps every row's answer.
    """

    def compare(column: str, field: Any, value: datetime) -> Compiled:
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        unit = 10 ** (6 - field.precision)
        rest = value.microsecond % unit
        if rest and sign == "=":
            raise EmptyResultSet
        value -= timedelta(microseconds=rest)
        if rest and up:
            with suppress(OverflowError):
                value += timedelta(microseconds=unit)
        return f"{column} {sign} CAST(%s AS DATETIME2({field.precision}))", [value]

    return compare


VARCHAR = (
    *(_lookup(base, _equal) for base in (lookups.Exact, lookups.IExact)),
    _lookup(lookups.In, _in, takes=Iterable),
    _lookup(lookups.GreaterThan, _order(">")),
    _lookup(lookups.GreaterThanOrEqual, _order(">=")),
    _lookup(lookups.LessThan, _order("<")),
    _lookup(lookups.LessThanOrEqual, _order("<=")),
    *(_lookup(base, _like()) for base in (lookups.Contains, lookups.IContains)),
    *(_lookup(base, _like(before="")) for base in (lookups.StartsWith, lookups.IStartsWith)),
    *(_lookup(base, _like(after="")) for base in (lookups.EndsWith, lookups.IEndsWith)),
)
MOMENT = (
    _lookup(lookups.Exact, _moment("="), takes=datetime),
    _lookup(lookups.GreaterThan, _moment(">"), takes=datetime),
    _lookup(lookups.GreaterThanOrEqual, _moment(">=", up=True), takes=datetime),
    _lookup(lookups.LessThan, _moment("<", up=True), takes=datetime),
    _lookup(lookups.LessThanOrEqual, _moment("<="), takes=datetime),
)
