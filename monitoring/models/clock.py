"""The database's own clock in a query: machines that share a database need not agree about the time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, Func

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
