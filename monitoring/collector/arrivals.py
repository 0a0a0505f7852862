"""How fast rows become eligible (METRICS: arrival rate a, rows per second over the last hour)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitoring.policies.facts import Count
from monitoring.selectors.history import EligibleSample

WINDOW = timedelta(hours=1)
MINIMUM = timedelta(minutes=10)
"""A shorter look back says more about the moment than about a rate."""


def arrival_per_second(
    samples: Iterable[EligibleSample],
    taken: Iterable[tuple[datetime, int]],
    eligible: Count | None,
    now: datetime,
    cap: int,
) -> float | None:
    """Return (eligible now - eligible then + rows taken since) / seconds, never below 0.

    "Then" is the oldest sample of the last hour. A count that reached `cap` is only "at least":
    no rate. None with less than ten minutes of samples.
    """
    window = [sample for sample in samples if now - WINDOW <= sample[0] < now]
    if eligible is None or eligible.capped or not window:
        return None
    then, before, _ = min(window, key=lambda sample: sample[0])
    seconds = (now - then).total_seconds()
    if before >= cap or seconds < MINIMUM.total_seconds():
        return None
    rows = sum(extracted for finish, extracted in taken if then < finish <= now)
    return max(0.0, (eligible.value - before + rows) / seconds)
