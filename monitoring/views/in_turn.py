"""One refresh renders at a time in a process, and where many ask it then leaves the others some time.

After a sample all pages are to be rendered anew, by whoever comes first. Rendering only computes: each thread that does
so keeps Python's lock from those that would answer 204 within a millisecond.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from monitoring.selectors.shared import BeingMade

T = TypeVar("T")

MANY = 20
"""So many refreshes of this process within a second: most threads must stay free for those who want nothing new."""

WAITING = 2
MOST_WAIT_SECONDS = 1.0
"""Where few ask, so many may wait for their turn, and no longer."""

MOST_PAUSE_SECONDS = 0.2
"""Where many ask, nobody renders for as long as the last one did, but no longer than this."""

TURN_SECONDS = 4
"""And a reader has one turn in so many: who asks again and again takes it from nobody who comes every five."""

rendering = threading.Lock()
_waiting = threading.BoundedSemaphore(WAITING)
_asked: deque[float] = deque(maxlen=MANY)

_KNOWN = 2048
_had: dict[object, float] = {}
"""When a reader's last turn began."""


class _Pause:
    until = 0.0


def refresh_asked() -> None:
    """Tell that a refresh is to be answered."""
    _asked.append(time.monotonic())


def many_ask() -> bool:
    """Return whether MANY refreshes were asked for within the last second."""
    return len(_asked) == MANY and time.monotonic() - _asked[0] < 1


def forget() -> None:
    """Forget who asked and who rendered: for tests and measurements."""
    _asked.clear()
    _had.clear()
    _Pause.until = 0.0


class Turn:
    """What one refresh renders: `with Turn(reader) as turn: turn.make(...)`, all of its blocks in one turn."""

    def __init__(self, reader: object) -> None:
        self._reader = reader
        self._begun: float | None = None

    def __enter__(self) -> Turn:
        return self

    def make(self, make: Callable[[], T]) -> T:
        """Return what `make` makes. Raises BeingMade where it is another's turn."""
        if self._begun is None:
            if not (self._free() if many_ask() else _waited()):
                raise BeingMade
            self._begun = time.monotonic()
            if len(_had) >= _KNOWN:
                _had.clear()
            _had[self._reader] = self._begun
        return make()

    def end(self) -> None:
        """Let others have their turn."""
        if self._begun is not None:
            now = time.monotonic()
            _Pause.until = now + min(now - self._begun, MOST_PAUSE_SECONDS)
            self._begun = None
            rendering.release()

    def __exit__(self, *error: object) -> None:
        self.end()

    def _free(self) -> bool:
        now = time.monotonic()
        allowed = now >= _Pause.until and now - _had.get(self._reader, -TURN_SECONDS) >= TURN_SECONDS
        return allowed and rendering.acquire(blocking=False)


def _waited() -> bool:
    if rendering.acquire(blocking=False):
        return True
    if not _waiting.acquire(blocking=False):
        return False
    try:
        return rendering.acquire(timeout=MOST_WAIT_SECONDS)
    finally:
        _waiting.release()
