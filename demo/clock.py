"""Time as the demonstration's parts see it: real while it runs, virtual while history is made.

All times are naive UTC, as the contract's tables hold them.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time, naive UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long, in this clock's own time."""
        ...


class RealClock:
    """The machine's clock. With `pace` 2, every wait is half as long; after `stop`, there is no wait."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._stopped = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._stopped.wait(seconds / self._pace)

    def stop(self) -> None:
        """End the present wait and all later ones: what is under way finishes at full speed."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()


class VirtualClock:
    """A clock that only moves when somebody sleeps or sets it: hours of history in seconds."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))

    def advance_to(self, moment: datetime) -> None:
        """Move forward to `moment`; a moment that has passed changes nothing."""
        self._now = max(self._now, moment)
