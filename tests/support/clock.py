"""A clock that a test moves forward."""

from __future__ import annotations


class Clock:
    """Calling it returns `now`, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now
