"""One-line output of `manage.py` for invalid settings; JSON for `doctor --json`, with the same keys."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured

FORMAT = 1
"""Version of the doctor's JSON (docs/doctor.md)."""


def refuse(error: Exception, arguments: list[str], out: Any = None) -> int:
    out = out or sys.stdout
    if arguments[:1] != ["doctor"]:
        sys.stderr.write(f"{message_of(error)}\n")
        return 1
    if "--json" in arguments:
        out.write(json.dumps(as_json(message_of(error)), indent=2) + "\n")
    else:
        out.write(f"Not ready. {message_of(error)}\n")
    return 2


def message_of(error: Exception) -> str:
    """Return the reason. Only the portal's own messages are shown: others may contain a secret."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"It could not be checked ({type(error).__name__}): the log, or manage.py check, shows where."


def as_json(message: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "language": "en",
        "checked_at": None,
        "state": "not_ready",
        "exit_code": 2,
        "ready_for": {"monitoring": None, "first_run": None, "all_active": None},
        "connections": [],
        "checks": [
            {
                "code": "portal.settings",
                "group": "portal",
                "entity_name": "",
                "state": "failed",
                "label": "Settings",
                "detail": message,
                "to_do": "Correct the environment or the file .env beside manage.py.",
                "problem": None,
            }
        ],
        "sql": "",
    }
