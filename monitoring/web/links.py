"""URLs: names of pipelines in paths, and links to the connection audit from other pages.

A control row may be called anything: `a/b`, `..`, an emoji, a hundred quotes. Percent-encoding does not carry a slash
or dots through servers and browsers, which decode and normalise paths. So all but plain characters are written as ~
and their UTF-8 bytes in hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.urls.converters import StringConverter

from monitoring.access import CONNECTIONS, may
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.web.formats import machine_text

_PLAIN = re.compile(r"[A-Za-z0-9_\-]")
_ESCAPED = re.compile(r"~([0-9A-Fa-f]{2})")
EMPTY = "~"


class EntityConverter(StringConverter):
    """`{% url ... "a/b" %}` gives `a~2Fb`. A name without escapes, as a person types it, is accepted too."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        """Return the name. Raises ValueError, which Django answers with 404, for a broken escape."""
        if value == EMPTY:
            return ""
        if "~" not in value:
            return value
        if _ESCAPED.sub("", value).find("~") >= 0:
            raise ValueError("a ~ without two hexadecimal digits")
        pieces = _ESCAPED.split(value)
        return b"".join(
            bytes.fromhex(piece) if index % 2 else piece.encode() for index, piece in enumerate(pieces)
        ).decode()

    def to_url(self, value: str) -> str:
        if not value:
            return EMPTY
        return "".join(
            character
            if _PLAIN.match(character)
            else "".join(f"~{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
            for character in value
        )


AROUND = timedelta(minutes=5)
FAILED = (RunStatus.FAILED, RunStatus.PARTIAL, ExecutionStatus.FAILED)


def audit_url(since: datetime, until: datetime, **narrowing: str) -> str:
    query = urlencode({"from": machine_text(since), "to": machine_text(until), **narrowing})
    return f"{reverse('monitoring:connections')}?{query}"


def around_run(row: Any) -> str:
    """Return the URL of the connections from 5 minutes before a run or execution to 5 minutes after it."""
    return audit_url(row.started_at - AROUND, (row.finished_at or row.started_at + AROUND) + AROUND)


def around_failed(request: HttpRequest) -> Callable[[Any], str] | None:
    """Return a function from a row to `around_run`, "" if it has not failed. None: the user may not see the audit."""
    if not may(request.user, CONNECTIONS):
        return None
    return lambda row: around_run(row) if row.status in FAILED else ""
