"""A clock that a test moves forward."""

from __future__ import annotations


class Clock:
    """Called, it says `now`, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now
