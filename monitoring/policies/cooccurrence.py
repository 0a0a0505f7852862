"""Which logins, hosts, programs and databases are connected more often around failures than otherwise.

Co-occurrence, not cause: two things in the same minutes. Nothing is said below 3 failures and 20 windows to
compare with (docs/connections.md).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

AROUND = timedelta(minutes=5)
"""On either side of a start: a window is 10 minutes."""
LEAST_FAILURES, LEAST_CONTROLS = 3, 20
MOST_FAILURES, MOST_CONTROLS = 60, 120
"""Windows that are looked at: the newest failures, and controls spread evenly over the period."""
LEAST_LIFT = 1.5

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A value of one column (its place among the factors): in how many windows of each kind it was sampled."""

    column: int
    value: str
    failures: int
    controls: int
    of_failures: int
    of_controls: int

    @property
    def failure_percent(self) -> float:
        return 100 * self.failures / self.of_failures

    @property
    def control_percent(self) -> float:
        return 100 * self.controls / self.of_controls

    @property
    def lift(self) -> float | None:
        """How many times more frequent around failures; None: otherwise never seen."""
        return self.failure_percent / self.control_percent if self.controls else None


def windows(failed: Iterable[datetime], others: Iterable[datetime]) -> tuple[list[Window], list[Window]]:
    """Return the windows around failed starts, and those around other starts that touch none of them.

    Starts whose windows overlap make one window: a run whose nine pipelines failed is one failure here.
    """
    at = sorted(failed)
    quiet = [start for start in others if not _near(start, at)]
    return _merged(at)[-MOST_FAILURES:], _spread(_merged(quiet), MOST_CONTROLS)


def factors(
    failures: Sequence[set[tuple[str | None, ...]]], controls: Sequence[set[tuple[str | None, ...]]]
) -> tuple[int, int, tuple[Factor, ...] | None]:
    """Return how many windows of each kind had samples, and the factors; None: too few to say anything.

    A window without a sample says nothing of who was there, and does not count. A factor was there around 3
    failures at least, and LEAST_LIFT times as often as otherwise.
    """
    around, otherwise = [each for each in failures if each], [each for each in controls if each]
    if len(around) < LEAST_FAILURES or len(otherwise) < LEAST_CONTROLS:
        return len(around), len(otherwise), None
    seen, compared = _counted(around), _counted(otherwise)
    found = [
        Factor(
            column=column,
            value=value,
            failures=count,
            controls=compared[column, value],
            of_failures=len(around),
            of_controls=len(otherwise),
        )
        for (column, value), count in seen.items()
        if count >= LEAST_FAILURES
    ]
    more = [each for each in found if each.lift is None or each.lift >= LEAST_LIFT]
    more.sort(key=lambda each: (each.control_percent - each.failure_percent, each.column, each.value))
    return len(around), len(otherwise), tuple(more)


def _counted(listed: Iterable[set[tuple[str | None, ...]]]) -> Counter[tuple[int, str]]:
    counts: Counter[tuple[int, str]] = Counter()
    for window in listed:
        counts.update({(column, value) for values in window for column, value in enumerate(values) if value})
    return counts


def _merged(starts: Iterable[datetime]) -> list[Window]:
    merged: list[Window] = []
    for start in sorted(starts):
        since, until = start - AROUND, start + AROUND
        if merged and since <= merged[-1][1]:
            continue  # the first start's window stands for both: every window is as long
        merged.append((since, until))
    return merged


def _near(start: datetime, failed: list[datetime]) -> bool:
    """Whether the windows around `start` and around one of the failures (in order) share a moment."""
    place = bisect_left(failed, start - 2 * AROUND)
    return place < len(failed) and failed[place] <= start + 2 * AROUND


def _spread(listed: list[Window], most: int) -> list[Window]:
    """Return at most `most` of the windows, evenly over all of them: the same ones each time."""
    if len(listed) <= most:
        return listed
    return [listed[index * len(listed) // most] for index in range(most)]
