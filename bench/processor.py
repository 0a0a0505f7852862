"""How fast this machine's processor is at this moment: it is shared, and runs at half its speed for minutes."""

from __future__ import annotations

from time import process_time


def loop_ms() -> float:
    """Return the milliseconds of processor that always the same work takes."""
    used, total = process_time(), 0
    for number in range(10_000):
        total += number * number
    return 1000 * (process_time() - used)
