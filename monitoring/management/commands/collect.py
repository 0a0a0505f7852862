from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError, CommandParser

from etlportal import metrics
from etlportal.logs import name_process
from monitoring.collector.loop import Collector


class Command(BaseCommand):
    help = (
        "Samples the warehouse every COLLECT_BUSY_SECONDS while something runs, else every "
        "COLLECT_IDLE_SECONDS. Several may run: one collects, the others stand by. Ctrl-C or SIGTERM ends it."
    )

    # Not those of addresses, admin and templates: they would load all pages, and keep 20 MB, in a process without any.
    requires_system_checks = (Tags.compatibility, Tags.files)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="take one sample and end")

    def handle(self, *args: Any, **options: Any) -> None:
        name_process("collector")
        collector = Collector()
        if options["once"]:
            self._once(collector)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: collector.stop())
        if settings.COLLECTOR_METRICS_PORT:
            where = settings.COLLECTOR_METRICS_ADDRESS, settings.COLLECTOR_METRICS_PORT
            metrics.serve(*where, settings.METRICS_TOKEN)
        collector.run()

    def _once(self, collector: Collector) -> None:
        collector.turn()
        sampled = collector.sampled
        collector.close()
        if not sampled:
            raise CommandError("No sample was taken: another collector holds the lease, or see the log above.")
