"""The role of this process, and its name in SQL Server's list of sessions.

The connection audit tells the portal's sessions from the ETL runner's by this name (CONTRACT 6). A command calls
`name_process` before its first connection. The default is the web server.
"""

from __future__ import annotations

from typing import Literal

Role = Literal["web", "collector", "doctor"]

CONNECT_SECONDS = 5
"""Connect timeout. The time budget of a page is shorter (etlportal/budget.py)."""

_role: Role = "web"


def name_process(role: Role) -> None:
    """Set the role. It applies to connections that are opened afterwards."""
    global _role  # noqa: PLW0603 - a process has one name
    _role = role


def role() -> Role:
    """Return the role of this process."""
    return _role


def application_name() -> str:
    """Return the program name (`APP=`) of this process's connections."""
    return f"etlportal-{_role}"
