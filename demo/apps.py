from __future__ import annotations

import sqlite3

from django.apps import AppConfig

from etlportal.guard import SNAPSHOT_PROCEDURE


class DemoConfig(AppConfig):
    name = "demo"

    def ready(self) -> None:
        from etlportal.backends.embedded.base import PROCEDURES

        PROCEDURES[SNAPSHOT_PROCEDURE] = _capture


def _capture(connection: sqlite3.Connection) -> None:
    # Imported when it is needed: a web worker should not hold the demo's modules in memory.
    from demo.sessions import capture_connection_snapshot

    capture_connection_snapshot(connection)
