"""The two clocks of the demo: the machine's while it runs, a virtual one while its history is built.

All times are naive UTC, as the warehouse's tables hold them.
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
        """Wait that many seconds of this clock."""
        ...


class RealClock:
    """The machine's clock. With `pace` 2 every wait takes half as long; after `stop` no wait takes any time."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._stopped = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._stopped.wait(seconds / self._pace)

    def stop(self) -> None:
        """End the current wait and skip all later ones, so that the run in progress finishes at once."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()


class VirtualClock:
    """A clock that moves only when it sleeps or is set: days of history in seconds."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))

    def advance_to(self, moment: datetime) -> None:
        """Move forward to `moment`. A moment in the past changes nothing."""
        self._now = max(self._now, moment)
