"""`manage.py doctor`: the pre-flight in a terminal. It only reads."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation

from etlportal.correlation import name_process
from etlportal.refused import refuse
from monitoring.collector.doctor import Doctor
from monitoring.management.doctor_report import SIGNS, TextReport, as_json

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Look at the warehouse and at the portal itself, now, without a collector and without writing: what is wrong, "
        "what to do, and what a DBA could run. Exit code 0: ready, 1: ready with warnings, 2: not ready."
    )
    # The doctor runs Django's checks itself and reports them with its own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON instead of text (docs/doctor.md)")
        parser.add_argument(
            "--language",
            choices=[code for code, _ in settings.LANGUAGES],
            help="of the texts; the default is the terminal's (LANG), else that of the settings",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        language = options["language"] or language_of_terminal()
        name_process("doctor")
        try:
            diagnosis = Doctor().examine()
        except Exception as error:
            # An unexpected error is "not ready" too, and --json still writes JSON.
            logger.exception("the doctor itself failed")
            sys.exit(refuse(error, ["doctor", *(["--json"] if options["json"] else [])], self.stdout))
        encoding = getattr(options.get("stdout") or sys.stdout, "encoding", None) or "utf-8"
        with translation.override(language):
            if options["json"]:
                text = json.dumps(as_json(diagnosis, language), indent=2)
            else:
                plain = not _can_print("".join(SIGNS.values()), encoding)
                text = "\n".join(TextReport(diagnosis, colour=self._colour(options), plain=plain).lines())
        self.stdout.write(text.encode(encoding, "replace").decode(encoding))
        if diagnosis.abandoned:
            # A thread still waits inside the driver: end the process without waiting for it.
            self.stdout.flush()
            os._exit(diagnosis.readiness.exit_code)
        sys.exit(diagnosis.readiness.exit_code)

    def _colour(self, options: dict[str, Any]) -> bool:
        if options.get("force_color"):
            return True
        return self.stdout.isatty() and not options.get("no_color") and not os.environ.get("NO_COLOR")


def _can_print(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def language_of_terminal() -> str:
    """Return the language of LC_ALL, LC_MESSAGES or LANG if the portal has it, else the settings'."""
    wanted = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    spoken = wanted.split(".")[0].replace("_", "-").lower()
    for code, _ in settings.LANGUAGES:
        if spoken and (spoken == code or spoken.split("-")[0] == code.split("-")[0]):
            return code
    return str(settings.LANGUAGE_CODE)
