from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import DateTimeField, Func, Lookup, lookups
from django.db.models.expressions import Col

Compiled = tuple[str, list[Any]]


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


class _Own:
    """Mixin of a lookup: on SQL Server, compare a column with a value in the column's own type."""

    lhs: Any
    rhs: Any
    kind: type = str

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if connection.vendor != "microsoft" or not self.applies():
            return super().as_sql(compiler, connection)  # type: ignore[misc]
        column, params = compiler.compile(self.lhs)
        sql, more = self.compared(column, connection)
        return sql, [*params, *more]

    def applies(self) -> bool:
        return isinstance(self.lhs, Col) and isinstance(self.rhs, self.kind)

    def compared(self, column: str, connection: Any) -> Compiled:
        raise NotImplementedError

    def fits(self, text: str) -> bool:
        """Return whether the column may hold the text. Comparisons ignore trailing blanks."""
        return len(text.rstrip(" ")) <= self.lhs.output_field.max_length


def _equal(column: str, text: str) -> Compiled:
    if text.isascii():
        return f"{column} = {AS_VARCHAR}", [text]
    return f"({column} = {AS_VARCHAR} AND {_SURVIVES})", [text, text, text]


class _Equal(_Own):
    """The database's collation defines equality, for names and searches alike."""

    def compared(self, column: str, connection: Any) -> Compiled:
        if not self.fits(self.rhs):
            raise EmptyResultSet
        return _equal(column, self.rhs)


class _Order(_Own):
    sign = ""

    def compared(self, column: str, connection: Any) -> Compiled:
        return f"{column} {self.sign} {AS_VARCHAR}", [self.rhs]


class _In(_Own):
    def applies(self) -> bool:
        return isinstance(self.lhs, Col) and isinstance(self.rhs, Iterable) and not hasattr(self.rhs, "as_sql")

    def compared(self, column: str, connection: Any) -> Compiled:
        texts = [text for text in dict.fromkeys(self.rhs) if isinstance(text, str) and self.fits(text)]
        plain = [text for text in texts if text.isascii()]
        parts = [_equal(column, text) for text in texts if not text.isascii()]
        if plain:
            parts.append((f"{column} IN ({', '.join([AS_VARCHAR] * len(plain))})", plain))
        if not parts:
            raise EmptyResultSet
        sql = " OR ".join(part for part, _ in parts)
        return (f"({sql})" if len(parts) > 1 else sql), [value for _, own in parts for value in own]


class _Like(_Own):
    """The collation defines case sensitivity, so that no function wraps the column."""

    before = after = "%"

    def compared(self, column: str, connection: Any) -> Compiled:
        text = self.rhs
        if len(text) > self.lhs.output_field.max_length:
            raise EmptyResultSet
        like = f"{column} LIKE {AS_VARCHAR} ESCAPE '\\'"
        pattern = f"{self.before}{text.translate(_ESCAPED)}{self.after}"
        if text.isascii():
            return like, [pattern]
        return f"({like} AND {_SURVIVES})", [pattern, text, text]


_ESCAPED = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_", "[": "[[]"})
"""T-SQL's wildcards in a LIKE pattern with ESCAPE '\\'."""


class _Moment(_Own):
    """Compare a time with a column of whole seconds or milliseconds. CAST would round it and change the result.

    So the value is rounded here to the column's digits, in the direction that keeps every row's answer.
    """

    kind = datetime
    sign = ""
    up = False

    def compared(self, column: str, connection: Any) -> Compiled:
        field = self.lhs.output_field
        value: datetime = field.get_db_prep_value(self.rhs, connection, prepared=True)
        unit = 10 ** (6 - field.precision)
        rest = value.microsecond % unit
        if rest and self.sign == "=":
            raise EmptyResultSet
        value -= timedelta(microseconds=rest)
        if rest and self.up:
            with suppress(OverflowError):
                value += timedelta(microseconds=unit)
        return f"{column} {self.sign} CAST(%s AS DATETIME2({field.precision}))", [value]


def _lookup(own: type[_Own], base: type[Lookup[Any]], **attributes: Any) -> type[Lookup[Any]]:
    return type(base.__name__, (own, base), attributes)


VARCHAR = (
    *(_lookup(_Equal, base) for base in (lookups.Exact, lookups.IExact)),
    _lookup(_In, lookups.In),
    _lookup(_Order, lookups.GreaterThan, sign=">"),
    _lookup(_Order, lookups.GreaterThanOrEqual, sign=">="),
    _lookup(_Order, lookups.LessThan, sign="<"),
    _lookup(_Order, lookups.LessThanOrEqual, sign="<="),
    *(_lookup(_Like, base) for base in (lookups.Contains, lookups.IContains)),
    *(_lookup(_Like, base, before="") for base in (lookups.StartsWith, lookups.IStartsWith)),
    *(_lookup(_Like, base, after="") for base in (lookups.EndsWith, lookups.IEndsWith)),
)
MOMENT = (
    _lookup(_Moment, lookups.Exact, sign="="),
    _lookup(_Moment, lookups.GreaterThan, sign=">"),
    _lookup(_Moment, lookups.GreaterThanOrEqual, sign=">=", up=True),
    _lookup(_Moment, lookups.LessThan, sign="<", up=True),
    _lookup(_Moment, lookups.LessThanOrEqual, sign="<="),
)
