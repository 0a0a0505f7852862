"""The few statistics that the policies share. Empty input gives None, never 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor, isfinite
from statistics import median

MINIMUM_EXECUTIONS = 5
"""METRICS: percentiles need 5 executions."""
MINIMUM_GAPS = MINIMUM_EXECUTIONS - 1
"""Five executions have four gaps between them."""
MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation of normal data estimate its standard deviation (METRICS)."""


def usable(values: Iterable[float | int | None]) -> list[float]:
    """Return the finite values that are not below 0; a negative length of time is no measurement."""
    return [float(value) for value in values if value is not None and isfinite(value) and value >= 0]


def percentile(values: Iterable[float | int], percent: float, minimum: int = MINIMUM_EXECUTIONS) -> float | None:
    """Return the percentile of `values` with linear interpolation between neighbours.

    `percent` is 0 to 100. None with fewer than `minimum` values. The formula is that of
    Hyndman and Fan's type 7, the default of NumPy and of spreadsheets' PERCENTILE.
    """
    ordered = sorted(values)
    if len(ordered) < max(1, minimum):
        return None
    position = (len(ordered) - 1) * percent / 100
    low = floor(position)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (position - low))


def median_of(values: Sequence[float | int]) -> float | None:
    """Return the median, None of nothing."""
    return float(median(values)) if values else None


def robust_deviation(values: Sequence[float | int]) -> float | None:
    """Return 1.4826 x MAD: the robust standard deviation around the median. None of nothing."""
    middle = median_of(values)
    if middle is None:
        return None
    return MAD_TO_SIGMA * float(median([abs(value - middle) for value in values]))
