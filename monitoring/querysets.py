"""Chainable filters over the watched tables, each bounded by an index of the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn, Self

from django.db import models

from etlportal.guard import WarehouseReadOnly


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise WarehouseReadOnly(f"{self.model.__name__} belongs to the ETL and is only read.")


class ReadOnlyQuerySet(models.QuerySet[Any]):
    """A queryset whose writing methods raise WarehouseReadOnly."""

    create = bulk_create = get_or_create = update_or_create = _refuse
    update = bulk_update = delete = _refuse
    _raw_delete = _insert = _update = _refuse  # type: ignore[assignment]


class RunQuerySet(ReadOnlyQuerySet):
    def started_since(self, since: datetime) -> Self:
        """Runs that started at or after `since`, by the index on started_at."""
        return self.filter(started_at__gte=since)


class RunEntityQuerySet(ReadOnlyQuerySet):
    def of_runs_since(self, first_run_id: int) -> Self:
        """Run entities of the runs from `first_run_id` on, by the index on run_id.

        The table has no index on its times: a time window is read through its runs.
        """
        return self.filter(run_id__gte=first_run_id)


class ConnectionLoginEventQuerySet(ReadOnlyQuerySet):
    def since(self, since: datetime) -> Self:
        """Events at or after `since`, by the index on event_time_utc."""
        return self.filter(event_time_utc__gte=since)
