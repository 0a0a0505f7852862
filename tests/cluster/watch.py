"""Read `default` with plain SQL: samples, snapshots, copies, the activity log."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from tools.postgres import OWNER


def rows(folder: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask the server in this folder once."""
    with psycopg.connect(host=str(folder), user=OWNER, dbname="postgres", connect_timeout=3) as connection:
        return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]


class Watch(threading.Thread):
    """Looks at the collector's one row five times a second. `seen`: (sampled_at, version) as they came."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="watch", daemon=True)
        self.folder = folder
        self.seen: list[tuple[datetime, str]] = []
        self.holders: list[str] = []
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        statement = "SELECT sampled_at, version, lease_holder FROM monitoring_collectorstate"
        while not self._stopped.wait(0.2):
            with suppress(psycopg.Error):
                for sampled_at, version, holder in rows(self.folder, statement):
                    if sampled_at and (not self.seen or self.seen[-1] != (sampled_at, version)):
                        self.seen.append((sampled_at, version))
                    if holder and (not self.holders or self.holders[-1] != holder):
                        self.holders.append(holder)


def holder_pid(folder: Path) -> int:
    """Return the process id of the lease's holder (the second part of its name), or 0."""
    with suppress(psycopg.Error):
        for (holder,) in rows(folder, "SELECT lease_holder FROM monitoring_collectorstate"):
            return int(holder.split(":")[1]) if holder and not holder.startswith("page:") else 0
    return 0


def sampled_times(folder: Path) -> list[datetime]:
    """Return the samples' times in the order in which they were written."""
    statement = "SELECT sampled_at FROM monitoring_pipelinesample GROUP BY sampled_at ORDER BY MIN(id)"
    return [at for (at,) in rows(folder, statement)]
