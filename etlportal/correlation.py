"""The request or tick that the code runs for. Its log lines and its SQL comments carry the same id."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Kind = Literal["request", "tick"]

_ACCEPTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Work:
    """One request or tick. `page` is one of a fixed set of names, `id` is unique."""

    kind: Kind
    page: str
    id: str


_work: ContextVar[Work | None] = ContextVar("work", default=None)


def current() -> Work | None:
    """Return the current request or tick, or None outside of both."""
    return _work.get()


@contextmanager
def working(work: Work) -> Iterator[Work]:
    """Make `work` the current request or tick inside the block."""
    token = _work.set(work)
    try:
        yield work
    finally:
        _work.reset(token)


def new_id() -> str:
    return secrets.token_hex(8)


def accepted(given: str | None) -> str:
    """Return the id from a proxy's header if it has at most 64 safe characters, else a new id."""
    return given if given and _ACCEPTED.fullmatch(given) else new_id()
