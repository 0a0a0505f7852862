"""Let one person see personal data of one pipeline's source for a while, and write that down."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from monitoring.actions.trail import record
from monitoring.enums import TrailAction

FOR = timedelta(minutes=10)


@transaction.atomic
def unmask(*, entity_name: str, by: str, now: datetime, address: str = "") -> datetime:
    """Record that `by` may see the pipeline's personal columns; return until when.

    The caller keeps the answer in the person's own session: nobody else gains anything by it.
    """
    until = now + FOR
    record(action=TrailAction.UNMASKED, by=by, now=now, address=address, object=entity_name, until=until.isoformat())
    return until
