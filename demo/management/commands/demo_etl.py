from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from demo.processes import on_stop
from demo.simulation import RealClock, run_live
from demo.warehouse import (
    AlreadyHeld,
    DemoRefused,
    EmbeddedWarehouse,
    ServerWarehouse,
    exclusive,
    refuse_real_warehouse,
)


class Command(BaseCommand):
    help = (
        "Run the demo's shop and ETL until SIGTERM or Ctrl-C: over the embedded warehouse, or over a SQL Server that "
        "was made for it (compose.yaml) and that the ETL_RUNNER_ variables name."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pace", type=float, default=1.0, help="how fast: 1 is a run a minute, 2 two (default 1)")
        parser.add_argument(
            "--sqlserver", action="store_true", help="write into the databases ETL_RUNNER_DW_DB and ETL_RUNNER_OLTP_DB"
        )

    def handle(self, *args: Any, pace: float, sqlserver: bool, **options: Any) -> None:
        if not 0.05 <= pace <= 1000:
            raise CommandError("--pace must be between 0.05 and 1000.")
        clock = RealClock(pace)
        try:
            with on_stop(clock.stop):
                if sqlserver:
                    run_live(ServerWarehouse(os.environ, settings.DATA_DIR / "odbc"), clock)
                    return
                refuse_real_warehouse()
                with exclusive(settings.DATA_DIR / "demo-etl.lock"):
                    run_live(EmbeddedWarehouse(settings.DATA_DIR / "warehouse"), clock)
        except DemoRefused as error:
            raise CommandError(str(error)) from error
        except AlreadyHeld as error:
            raise CommandError(f"Another demo ETL runs over {settings.DATA_DIR / 'warehouse'}.") from error
