"""The one thing that the portal may make happen on the warehouse: a snapshot of the open sessions."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import Error, connections

from etlportal.guard import SNAPSHOT_PROCEDURE, WarehouseReadOnly, snapshot_allowed
from monitoring.warehouse import login_events
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.reader import ReadFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What the table gained: the events after `after_key`. A runner's snapshot in that moment counts too."""

    after_key: int
    events: int


def capture_snapshot() -> Captured:
    """Execute the warehouse's own snapshot procedure, once. Raises ReadFailed.

    The guard is lifted for exactly this statement, and only while it runs.
    """
    before = login_events.newest_key()
    try:
        with connections[login_events.ALIAS].cursor() as cursor, snapshot_allowed():
            cursor.execute(SNAPSHOT_PROCEDURE)
    except WarehouseReadOnly:
        raise
    except Error as error:
        raise ReadFailed(problem_from(error, login_events.ALIAS)) from error
    return Captured(after_key=before, events=login_events.count_after(before))
