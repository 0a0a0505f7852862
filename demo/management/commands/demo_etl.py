from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from demo.processes import on_stop
from demo.runner import RealClock
from demo.simulation import run_live
from demo.warehouse import EmbeddedWarehouse, ServerWarehouse, exclusive, refuse_real_warehouse


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
        with on_stop(clock.stop):
            if sqlserver:
                run_live(ServerWarehouse(os.environ, settings.DATA_DIR / "odbc"), clock)
                return
            refuse_real_warehouse()
            folder = settings.DATA_DIR / "warehouse"
            with exclusive(settings.DATA_DIR / "demo-etl.lock", f"Another demo ETL runs over {folder}."):
                run_live(EmbeddedWarehouse(folder), clock)
