"""The newest failed executions with their errors, from the portal's copy of the audit tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.enums import ErrorClass, ExecutionStatus
from monitoring.models import RunEntityCopy
from monitoring.rules.error_text import ErrorText, parse
from monitoring.selectors.readings import Missing, Reading, reading
from monitoring.selectors.runs import message_for

FAILURES_SHOWN = 8
FAILURES_DAYS = 7
FAILURES_READ = 500
"""Failures looked at, whatever the filters: a bound for a warehouse in which everything fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedExecution:
    """One failed run entity. `seconds` None: no finish after its start."""

    run_entity_id: int
    run_id: int
    entity_name: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    error: ErrorText

    @property
    def at(self) -> datetime:
        """When it failed; its start where the runner wrote no finish."""
        return self.finished_at or self.started_at

    @property
    def duration(self) -> Reading[float]:
        return reading(self.seconds, Missing.NOT_FINISHED)

    @property
    def kind(self) -> ErrorClass:
        return self.error.error_class

    @property
    def message(self) -> str:
        return self.error.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The newest failures since `since`, newest first. `cut`: there were more than FAILURES_READ."""

    since: datetime
    rows: tuple[FailedExecution, ...]
    cut: bool


def recent_failures(now: datetime, days: int = FAILURES_DAYS, *, logins: bool) -> Failures:
    """Return the failures of the last `days` days before `now`, the newest FAILURES_READ. One statement."""
    since = now - timedelta(days=days)
    copies = RunEntityCopy.objects.filter(started_at__gte=since, status__iexact=ExecutionStatus.FAILED.value).order_by(
        "-started_at", "-run_entity_id"
    )[: FAILURES_READ + 1]
    rows = [_failed(copy, logins) for copy in copies]
    return Failures(since=since, rows=tuple(rows[:FAILURES_READ]), cut=len(rows) > FAILURES_READ)


def select(rows: Iterable[FailedExecution], *, kind: ErrorClass | None = None, text: str = "") -> list[FailedExecution]:
    """Return those of that class whose pipeline, message or run holds `text`, whatever its case."""
    needle = text.strip().casefold()
    return [
        row
        for row in rows
        if (kind is None or row.kind is kind)
        and needle in f"{row.entity_name}\n{row.message}\n#{row.run_id}".casefold()
    ]


def _failed(copy: RunEntityCopy, logins: bool) -> FailedExecution:
    seconds = (copy.finished_at - copy.started_at).total_seconds() if copy.finished_at else None
    return FailedExecution(
        run_entity_id=copy.run_entity_id,
        run_id=copy.run_id,
        entity_name=copy.entity_name,
        started_at=copy.started_at,
        finished_at=copy.finished_at,
        seconds=seconds if seconds is not None and seconds >= 0 else None,
        error=message_for(copy, logins=logins) or parse(""),
    )
