"""The present speed of this machine's processor, which is shared and can run at half its speed for minutes."""

from __future__ import annotations

from time import process_time


def loop_ms() -> float:
    """Return the milliseconds of processor time for a fixed amount of work."""
    used, total = process_time(), 0
    for number in range(10_000):
        total += number * number
    return 1000 * (process_time() - used)
