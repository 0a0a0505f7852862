from __future__ import annotations

from django.apps import AppConfig

from etlportal.guard import SNAPSHOT_PROCEDURE


class DemoConfig(AppConfig):
    name = "demo"

    def ready(self) -> None:
        from demo.sessions import capture_connection_snapshot
        from etlportal.backends.embedded.base import PROCEDURES

        PROCEDURES[SNAPSHOT_PROCEDURE] = capture_connection_snapshot
