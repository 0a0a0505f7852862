"""Links to the connection audit from other pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from monitoring.access import CONNECTIONS, may
from monitoring.rules.enums import ExecutionStatus, RunStatus

AROUND = timedelta(minutes=5)
FAILED = (RunStatus.FAILED, RunStatus.PARTIAL, ExecutionStatus.FAILED)


def utc_stamp(moment: datetime) -> str:
    """Return a time as URLs hold it: the same for every user, whatever their time zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def audit_url(since: datetime, until: datetime, **narrowing: str) -> str:
    """Return the URL of the audit from `since` to `until`, filtered by `narrowing` (column to value)."""
    query = urlencode({"from": utc_stamp(since), "to": utc_stamp(until), **narrowing})
    return f"{reverse('monitoring:connections')}?{query}"


def around_run(row: Any) -> str:
    """Return the URL of the connections from 5 minutes before the start of a run or execution to 5 minutes after
    its end."""
    return audit_url(row.started_at - AROUND, (row.finished_at or row.started_at + AROUND) + AROUND)


def around_failed(request: HttpRequest) -> Callable[[Any], str] | None:
    """Return a function from a row (run or execution) to `around_run`, "" if it has not failed.

    None if the user may not see the audit.
    """
    if not may(request.user, CONNECTIONS):
        return None
    return lambda row: around_run(row) if row.status in FAILED else ""
