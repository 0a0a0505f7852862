"""`manage.py demo_etl`: the embedded warehouse's shop and ETL, until stopped."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from monitoring.demo.clock import RealClock
from monitoring.demo.files import AlreadyHeld, WarehouseFiles, exclusive
from monitoring.demo.live import LiveEtl
from monitoring.demo.signals import on_stop
from monitoring.demo.users import DemoRefused, refuse_real_warehouse


class Command(BaseCommand):
    help = "Run the demonstration's shop and ETL over the embedded warehouse until SIGTERM or Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pace", type=float, default=1.0, help="how fast: 1 is a run a minute, 2 two (default 1)")

    def handle(self, *args: Any, pace: float, **options: Any) -> None:
        if not 0.05 <= pace <= 1000:
            raise CommandError("--pace must be between 0.05 and 1000.")
        clock = RealClock(pace)
        files = WarehouseFiles(settings.DATA_DIR / "warehouse")
        try:
            refuse_real_warehouse()
            with exclusive(settings.DATA_DIR / "demo-etl.lock"), on_stop(clock.stop):
                LiveEtl(files, clock, pace).run_forever()
        except DemoRefused as error:
            raise CommandError(str(error)) from error
        except AlreadyHeld as error:
            raise CommandError(f"Another demo ETL runs over {files.folder}.") from error
