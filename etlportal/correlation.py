"""The role of this process and its current request or tick, for log lines, SQL comments and SQL Server sessions."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Role = Literal["web", "collector", "doctor"]

_role: Role = "web"
_ACCEPTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def name_process(role: Role) -> None:
    """Set the role, before the first connection. The default is the web server."""
    global _role  # noqa: PLW0603 - a process has one name
    _role = role


def role() -> Role:
    return _role


def application_name() -> str:
    """Return the program name (`APP=`), by which the connection audit recognises the portal (CONTRACT 6)."""
    return f"etlportal-{_role}"


@dataclass(frozen=True, slots=True)
class Work:
    """One request or tick. `page` is one of a fixed set of names, `id` is unique."""

    kind: Literal["request", "tick"]
    page: str
    id: str


_work: ContextVar[Work | None] = ContextVar("work", default=None)


def current() -> Work | None:
    return _work.get()


@contextmanager
def working(work: Work) -> Iterator[Work]:
    token = _work.set(work)
    try:
        yield work
    finally:
        _work.reset(token)


def new_id() -> str:
    return secrets.token_hex(8)


def accepted(given: str | None) -> str:
    """Return a proxy's id if it has at most 64 safe characters, else a new id."""
    return given if given and _ACCEPTED.fullmatch(given) else new_id()
