"""The grouped failures as other pages show them: a few lines, and the way to all of them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from monitoring.access import CONNECTIONS
from monitoring.charts import failure_days_sentence
from monitoring.enums import FailureState
from monitoring.selectors.failure_groups import FailureGroups, failure_groups
from monitoring.selectors.snapshot import Current
from monitoring.sight import may
from monitoring.wording import failure_text

SHORT = 5
"""Groups that another page shows, of those that there are."""


def in_short(found: FailureGroups, url: str, pipeline: str = "") -> dict[str, Any]:
    """Return what monitoring/failures/_short.html needs: the unresolved ones first, then the last seen."""
    own = [group for group in found.rows if not pipeline or pipeline in group.pipelines]
    ordered = sorted(own, key=lambda group: (not group.unresolved, -group.last_seen.timestamp()))
    items = [
        {
            "group": group,
            "words": failure_text(group.error),
            "bars": [day.count for day in group.days],
            "sentence": failure_days_sentence(group.days),
        }
        for group in ordered[:SHORT]
    ]
    more = max(len(ordered) - SHORT, 0)
    known = not any(group.state is FailureState.UNKNOWN for group in ordered)
    return {"groups": items, "more": more, "url": url, "regrouping": found.regrouping, "known": known}


def found_groups(current: Current, reader: Any) -> FailureGroups:
    """Return the groups as the reader (a user) may see them, their days in the current time zone."""
    return failure_groups(current, timezone.get_current_timezone(), logins=may(reader, CONNECTIONS))
