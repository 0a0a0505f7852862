"""`manage.py doctor`: the pre-flight in a terminal. It reads, and says what lacks; it changes nothing."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation

from etlportal.application import name_process
from etlportal.refused import refuse
from monitoring.collector.diagnosis import Doctor
from monitoring.management.doctor.as_json import as_json
from monitoring.management.doctor.as_text import SIGNS, TextReport

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Look at the warehouse and at the portal itself, now, without a collector and without writing: what is wrong, "
        "what to do, and what a DBA could run. Exit code 0: ready, 1: ready with warnings, 2: not ready."
    )
    # It runs the checks itself, and tells what they say among the others.
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
            # Whatever it is, it is not "ready with warnings", and --json stays JSON.
            logger.exception("the doctor itself failed")
            sys.exit(refuse(error, ["doctor", *(["--json"] if options["json"] else [])], self.stdout))
        with translation.override(language):
            if options["json"]:
                text = json.dumps(as_json(diagnosis, language), indent=2)
            else:
                text = "\n".join(
                    TextReport(diagnosis, colour=self._colour(options), plain=not self._can_print(SIGNS)).lines()
                )
        self.stdout.write(self._encodable(text))
        if diagnosis.abandoned:
            # Something still waits inside the driver: nothing of ours is left to do, so it is not waited for.
            self.stdout.flush()
            os._exit(diagnosis.readiness.exit_code)
        sys.exit(diagnosis.readiness.exit_code)

    def _colour(self, options: dict[str, Any]) -> bool:
        if options.get("force_color"):
            return True
        return self.stdout.isatty() and not options.get("no_color") and not os.environ.get("NO_COLOR")

    def _can_print(self, signs: dict[Any, str]) -> bool:
        try:
            "".join(signs.values()).encode(self._encoding())
        except UnicodeEncodeError:
            return False
        return True

    def _encodable(self, text: str) -> str:
        return text.encode(self._encoding(), "replace").decode(self._encoding())

    def _encoding(self) -> str:
        return getattr(self.stdout._out, "encoding", None) or "utf-8"


def language_of_terminal() -> str:
    """Return the language that LC_ALL, LC_MESSAGES or LANG asks for, if we speak it."""
    wanted = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    spoken = wanted.split(".")[0].replace("_", "-").lower()
    for code, _ in settings.LANGUAGES:
        if spoken and (spoken == code or spoken.split("-")[0] == code.split("-")[0]):
            return code
    return str(settings.LANGUAGE_CODE)
