"""The database's own clock in a query: machines that share a database need not agree about the time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import DateTimeField, Func, lookups
from django.db.models.expressions import Col

Compiled = tuple[str, list[Any]]


class DatabaseTime(Func):
    """The time of the statement by the database's clock, and `after` it (less than none: before)."""

    output_field = DateTimeField()

    def __init__(self, after: timedelta = timedelta()) -> None:
        super().__init__()
        self.after = after

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Compiled:
        raise NotImplementedError(f"the clock of {connection.vendor} is not known")

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Compiled:
        return "(STATEMENT_TIMESTAMP() + %s * INTERVAL '1 second')", [self.after.total_seconds()]

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Compiled:
        # As Django writes times: text, UTC.
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', %s)", [f"{self.after.total_seconds():+.3f} seconds"]

    def as_microsoft(self, compiler: Any, connection: Any, **extra: Any) -> Compiled:
        milliseconds = round(self.after.total_seconds() * 1000)
        return "TODATETIMEOFFSET(DATEADD(MILLISECOND, %s, SYSUTCDATETIME()), '+00:00')", [milliseconds]


AS_VARCHAR = "CAST(%s AS VARCHAR(8000))"
"""As long as a VARCHAR can be: a cast to the column's own length would cut a longer text into a match."""

_SURVIVES = f"CAST({AS_VARCHAR} AS NVARCHAR(4000)) = CAST(%s AS NVARCHAR(4000)) COLLATE Latin1_General_BIN2"


class _Own:
    """A lookup that compares a column with a value in the column's own type on SQL Server."""

    lhs: Any
    rhs: Any
    kind: type = str

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if connection.vendor != "microsoft" or not self.mine():
            return super().as_sql(compiler, connection)  # type: ignore[misc]
        column, params = compiler.compile(self.lhs)
        sql, more = self.compared(column, connection)
        return sql, [*params, *more]

    def mine(self) -> bool:
        """Whether a column is compared with a value: two columns are compared as they are."""
        return isinstance(self.lhs, Col) and isinstance(self.rhs, self.kind)

    def compared(self, column: str, connection: Any) -> Compiled:
        raise NotImplementedError


def _fits(text: str, length: int) -> bool:
    """Whether a VARCHAR of that length may hold the text. Blanks at its end do not count in a comparison."""
    return len(text.rstrip(" ")) <= length


def _equal(column: str, text: str) -> Compiled:
    if text.isascii():
        return f"{column} = {AS_VARCHAR}", [text]
    return f"({column} = {AS_VARCHAR} AND {_SURVIVES})", [text, text, text]


class _VarCharExact(_Own):
    def compared(self, column: str, connection: Any) -> Compiled:
        if not _fits(self.rhs, self.lhs.output_field.max_length):
            raise EmptyResultSet
        return _equal(column, self.rhs)


class VarCharExact(_VarCharExact, lookups.Exact):
    pass


class VarCharIExact(_VarCharExact, lookups.IExact):
    """The database's collation decides what is the same, as it does for names and searches."""


class _VarCharOrder(_Own):
    """A place in the column's order: nothing has to be equal."""

    sign = ""

    def compared(self, column: str, connection: Any) -> Compiled:
        return f"{column} {self.sign} {AS_VARCHAR}", [self.rhs]


class VarCharGreaterThan(_VarCharOrder, lookups.GreaterThan):
    sign = ">"


class VarCharGreaterThanOrEqual(_VarCharOrder, lookups.GreaterThanOrEqual):
    sign = ">="


class VarCharLessThan(_VarCharOrder, lookups.LessThan):
    sign = "<"


class VarCharLessThanOrEqual(_VarCharOrder, lookups.LessThanOrEqual):
    sign = "<="


class VarCharIn(_Own, lookups.In):
    def mine(self) -> bool:
        return isinstance(self.lhs, Col) and isinstance(self.rhs, Iterable) and self.rhs_is_direct_value()

    def compared(self, column: str, connection: Any) -> Compiled:
        length = self.lhs.output_field.max_length
        texts = [text for text in dict.fromkeys(self.rhs) if isinstance(text, str) and _fits(text, length)]
        plain = [text for text in texts if text.isascii()]
        parts = [_equal(column, text) for text in texts if not text.isascii()]
        if plain:
            parts.append((f"{column} IN ({', '.join([AS_VARCHAR] * len(plain))})", plain))
        if not parts:
            raise EmptyResultSet
        sql = " OR ".join(part for part, _ in parts)
        return (f"({sql})" if len(parts) > 1 else sql), [value for _, own in parts for value in own]


class _VarCharLike(_Own):
    """A part of a text. The collation decides about case, so that nothing is wrapped around the column."""

    before = after = "%"

    def compared(self, column: str, connection: Any) -> Compiled:
        text = self.rhs
        if len(text) > self.lhs.output_field.max_length:
            raise EmptyResultSet
        like = f"{column} LIKE {AS_VARCHAR} ESCAPE '\\'"
        pattern = f"{self.before}{like_escaped(text)}{self.after}"
        if text.isascii():
            return like, [pattern]
        return f"({like} AND {_SURVIVES})", [pattern, text, text]


def like_escaped(text: str) -> str:
    """Return a text as it stands in a LIKE pattern with ESCAPE '\\': T-SQL's wildcards are %, _ and [."""
    for character in "\\%_":
        text = text.replace(character, f"\\{character}")
    return text.replace("[", "[[]")


class VarCharContains(_VarCharLike, lookups.Contains):
    pass


class VarCharIContains(_VarCharLike, lookups.IContains):
    pass


class VarCharStartsWith(_VarCharLike, lookups.StartsWith):
    before = ""


class VarCharIStartsWith(_VarCharLike, lookups.IStartsWith):
    before = ""


class VarCharEndsWith(_VarCharLike, lookups.EndsWith):
    after = ""


class VarCharIEndsWith(_VarCharLike, lookups.IEndsWith):
    after = ""


class _Moment(_Own):
    """A time against a column of whole seconds or milliseconds: CAST would round it, and let a row in or out.

    So it is brought to the column's own digits here, on the side where no row changes its mind.
    """

    kind = datetime
    sign = ""
    up = False

    def compared(self, column: str, connection: Any) -> Compiled:
        field = self.lhs.output_field
        value: datetime = field.get_db_prep_value(self.rhs, connection, prepared=True)
        return f"{column} {self.sign} CAST(%s AS DATETIME2({field.precision}))", [self.cut(value, field.precision)]

    def cut(self, value: datetime, digits: int) -> datetime:
        unit = 10 ** (6 - digits)
        rest = value.microsecond % unit
        floor = value - timedelta(microseconds=rest)
        try:
            return floor + timedelta(microseconds=unit) if rest and self.up else floor
        except OverflowError:
            return floor


class MomentExact(_Moment, lookups.Exact):
    sign = "="

    def cut(self, value: datetime, digits: int) -> datetime:
        if value.microsecond % 10 ** (6 - digits):
            raise EmptyResultSet
        return value


class MomentGreaterThan(_Moment, lookups.GreaterThan):
    sign = ">"


class MomentGreaterThanOrEqual(_Moment, lookups.GreaterThanOrEqual):
    sign, up = ">=", True


class MomentLessThan(_Moment, lookups.LessThan):
    sign, up = "<", True


class MomentLessThanOrEqual(_Moment, lookups.LessThanOrEqual):
    sign = "<="


VARCHAR = (
    *(VarCharExact, VarCharIExact, VarCharIn),
    *(VarCharGreaterThan, VarCharGreaterThanOrEqual, VarCharLessThan, VarCharLessThanOrEqual),
    *(VarCharContains, VarCharIContains, VarCharStartsWith, VarCharIStartsWith, VarCharEndsWith, VarCharIEndsWith),
)
MOMENT = (MomentExact, MomentGreaterThan, MomentGreaterThanOrEqual, MomentLessThan, MomentLessThanOrEqual)
