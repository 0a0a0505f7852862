"""What this process is called in SQL Server's list of sessions, and how long it waits for a connection.

`name_process("collector")` is said by a command before its first connection; a process that says
nothing is the web server. So the connection audit can tell the portal's sessions from the runner's
(CONTRACT 6), and a page never waits as long as the collector may.
"""

from __future__ import annotations

from typing import Literal

Role = Literal["web", "collector", "doctor"]

_PATIENCE = {"web": 2, "collector": 5, "doctor": 5}
"""Seconds until a server that does not answer has failed to connect: a page must come within three."""

_role: Role = "web"


def name_process(role: Role) -> None:
    """Name this process: connections opened from now on carry it."""
    global _role  # noqa: PLW0603 - a process has one name
    _role = role


def application_name() -> str:
    """Return the program name (`APP=`) of this process's connections."""
    return f"etlportal-{_role}"


def connect_seconds() -> int:
    """Return how long this process waits for a connection, in seconds."""
    return _PATIENCE[_role]
