"""How long a statement that a person asked for may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from monitoring.warehouse.reader import _connect

STEPS_BETWEEN_LOOKS = 10_000
"""SQLite asks this often (in its own machine's steps) whether to go on: about every 100 microseconds."""


@contextmanager
def patience(alias: str, seconds: float) -> Iterator[None]:
    """Give every statement on `alias` inside this block at most `seconds`; beyond it the driver raises.

    reader.rows turns that into ReadFailed with ProblemCode.TIMEOUT. Raises ReadFailed when the
    database cannot be reached.
    """
    _connect(alias)
    wrapper = connections[alias]
    if wrapper.vendor == "microsoft":
        with _odbc_timeout(wrapper, seconds):
            yield
    else:
        with _sqlite_deadline(wrapper.connection, seconds):
            yield


@contextmanager
def _odbc_timeout(wrapper: Any, seconds: float) -> Iterator[None]:
    """Whole seconds, for cursors opened from now on; 0 means for ever."""
    before = wrapper.statement_seconds
    wrapper.statement_seconds = max(1, min(int(seconds), before or int(seconds)))
    try:
        yield
    finally:
        wrapper.statement_seconds = before


@contextmanager
def _sqlite_deadline(raw: Any, seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    too_late: Callable[[], bool] = lambda: time.monotonic() > end  # noqa: E731
    raw.set_progress_handler(too_late, STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)
