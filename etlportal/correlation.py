"""For whom the code works right now: a request or a tick. Log lines and SQL comments know it by the same id."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["request", "tick"]

_ACCEPTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FOREIGN = re.compile(r"[^A-Za-z0-9._:-]")
PAGE_LENGTH = 80
ID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work. `page` is one of a fixed set of names; `id` is this work's own.

    What its SQL statements carry is made of plain characters only, so that nothing can end the comment, and no driver
    takes anything in it for a parameter.
    """

    kind: Kind
    page: str
    id: str

    @property
    def page_comment(self) -> str:
        """The same text for all work of this page."""
        return _page_comment(self.page)

    @property
    def id_comment(self) -> str:
        """A text that no other work has."""
        return f"/* {self.kind}={plain(self.id)[:ID_LENGTH]} */"


@lru_cache(maxsize=512)
def _page_comment(page: str) -> str:
    return f"/* etlportal page={plain(page)[:PAGE_LENGTH]} */"


_work: ContextVar[Work | None] = ContextVar("work", default=None)


def current() -> Work | None:
    """Return the work that is being done here, None outside of requests and ticks."""
    return _work.get()


@contextmanager
def working(work: Work) -> Iterator[Work]:
    """Say for whom what happens inside this block happens."""
    token = _work.set(work)
    try:
        yield work
    finally:
        _work.reset(token)


def new_id() -> str:
    """Return an id that nobody else has."""
    return secrets.token_hex(8)


def accepted(given: str | None) -> str:
    """Return an id that a proxy gave if it is one (at most 64 plain characters), else a new one."""
    return given if given and _ACCEPTED.fullmatch(given) else new_id()


def plain(text: str) -> str:
    """Return the text without what means something to SQL, to a driver or to a terminal."""
    return _FOREIGN.sub("_", text)
