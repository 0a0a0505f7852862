"""One refresh renders at a time in a process, and gives way to the others.

After a sample all pages are to be rendered anew, by whoever comes first. Rendering only computes: each thread that does
so keeps Python's lock from those that would answer 204 within a millisecond.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from monitoring.selectors.shared import BeingMade

T = TypeVar("T")

WAY_TIMES = 2
MOST_WAY_SECONDS = 0.2
"""Who made something waits so many times as long as it took, but no longer than this, where others asked meanwhile."""

WAITING = 2
MOST_WAIT_SECONDS = 1.0
"""So many may wait for their turn, and no longer: with few readers everybody gets one, with many most threads stay free
for those who want nothing new."""

rendering = threading.Lock()
_waiting = threading.BoundedSemaphore(WAITING)


class _Refreshes:
    """How many this process was asked for. Two at once may count as one: it only tells whether there are others."""

    asked = 0


def refresh_asked() -> None:
    """Tell that a refresh is to be answered."""
    _Refreshes.asked += 1


def in_turn(make: Callable[[], T]) -> T:
    """Return what `make` makes. Raises BeingMade where other threads are at it, or have been waiting for their turn."""
    if not _turn():
        raise BeingMade
    try:
        others, begun = _Refreshes.asked, time.perf_counter()
        made = make()
        if _Refreshes.asked != others:
            time.sleep(min(WAY_TIMES * (time.perf_counter() - begun), MOST_WAY_SECONDS))
        return made
    finally:
        rendering.release()


def _turn() -> bool:
    if rendering.acquire(blocking=False):
        return True
    if not _waiting.acquire(blocking=False):
        return False
    try:
        return rendering.acquire(timeout=MOST_WAIT_SECONDS)
    finally:
        _waiting.release()
