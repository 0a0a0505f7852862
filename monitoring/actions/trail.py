"""The activity log: one row in `default` and one JSON line on stdout, for a SIEM, per action."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from django.contrib.admin.models import LogEntry
from django.db import transaction

from monitoring.enums import TrailAction, TrailOutcome
from monitoring.models import TrailEntry

lines = logging.getLogger("etlportal.trail")
"""Its handler writes the message only (settings.LOGGING)."""

BATCH = 200
Detail = str | int | float | bool | None


@transaction.atomic
def record(
    *,
    action: TrailAction,
    by: str,
    now: datetime,
    address: str = "",
    object: str = "",
    outcome: TrailOutcome = TrailOutcome.DONE,
    **detail: Detail,
) -> TrailEntry:
    """Add an entry. `by` is the user's name, or the typed name of a failed sign-in.

    The row belongs to the caller's transaction, and a rollback also drops the JSON line. `detail` holds numbers and
    short texts, no secrets and no personal values.
    """
    entry = TrailEntry.objects.create(
        at=now,
        user_name=by[:150],
        address=address[:48],
        action=action.value,
        object=object[:200],
        outcome=outcome.value,
        detail={name: value[:1000] if isinstance(value, str) else value for name, value in detail.items()},
    )
    transaction.on_commit(lambda: lines.info(json_line(entry)))
    return entry


def json_line(entry: TrailEntry) -> str:
    """Return the entry as one line of JSON: at (ISO 8601, UTC), user, address, action, object, outcome, detail."""
    return json.dumps(
        {
            "at": entry.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "trail": entry.pk,
            "user": entry.user_name,
            "address": entry.address,
            "action": entry.action,
            "object": entry.object,
            "outcome": entry.outcome,
            "detail": entry.detail,
        },
        ensure_ascii=True,
    )


def expire_trail(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` entries older than `before` (the retention). Return their number.

    The admin's LogEntry rows, which repeat some of them, are deleted as well. Their keys are in the order of time.
    """
    oldest = LogEntry.objects.order_by("pk").values_list("pk", "action_time")[:limit]
    logged = [pk for pk, at in oldest if at < before]
    for start in range(0, len(logged), BATCH):
        LogEntry.objects.filter(pk__in=logged[start : start + BATCH]).delete()
    return max(len(logged), TrailEntry.objects.expire(before=before, limit=limit))
