"""What this process is called in SQL Server's list of sessions, and how long it waits for a connection at most.

`name_process("collector")` is said by a command before its first connection; a process that says
nothing is the web server. So the connection audit can tell the portal's sessions from the runner's
(CONTRACT 6).
"""

from __future__ import annotations

from typing import Literal

Role = Literal["web", "collector", "doctor"]

CONNECT_SECONDS = 5
"""Until a server that does not answer has failed to connect. A page's budget is shorter (etlportal/budget.py)."""

_role: Role = "web"


def name_process(role: Role) -> None:
    """Name this process: connections opened from now on carry it."""
    global _role  # noqa: PLW0603 - a process has one name
    _role = role


def role() -> Role:
    """Return what this process is."""
    return _role


def application_name() -> str:
    """Return the program name (`APP=`) of this process's connections."""
    return f"etlportal-{_role}"
