"""The newest failed executions with their errors, from the portal's copy of the audit tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.enums import ErrorClass, ExecutionStatus
from monitoring.models import RunEntityCopy
from monitoring.selectors.run_lines import ExecutionLine, execution_line
from monitoring.selectors.runs import execution_of_copy

FAILURES_SHOWN = 8
FAILURES_DAYS = 7
FAILURES_READ = 500
"""Failures looked at, whatever the filters: a bound for a warehouse in which everything fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The newest failures since `since`, newest first. `cut`: there were more than FAILURES_READ."""

    since: datetime
    rows: tuple[ExecutionLine, ...]
    cut: bool


def recent_failures(now: datetime, days: int = FAILURES_DAYS, *, logins: bool) -> Failures:
    """Return the failures of the last `days` days before `now`, the newest FAILURES_READ. One statement."""
    since = now - timedelta(days=days)
    copies = RunEntityCopy.objects.filter(started_at__gte=since, status__iexact=ExecutionStatus.FAILED.value).order_by(
        "-started_at", "-run_entity_id"
    )[: FAILURES_READ + 1]
    rows = [execution_line(execution_of_copy(copy, logins=logins)) for copy in copies]
    return Failures(since=since, rows=tuple(rows[:FAILURES_READ]), cut=len(rows) > FAILURES_READ)


def select(rows: Iterable[ExecutionLine], *, kind: ErrorClass | None = None, text: str = "") -> list[ExecutionLine]:
    """Return those of that class whose pipeline, message or run holds `text`, whatever its case."""
    needle = text.strip().casefold()
    return [
        row
        for row in rows
        if (kind is None or row.error_class is kind)
        and needle in f"{row.entity_name}\n{row.error_message}\n#{row.run_id}".casefold()
    ]
