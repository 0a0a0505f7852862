"""What a trend is made of: points, gaps that stay gaps, and what is usual among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from monitoring.enums import Grain
from monitoring.policies.numbers import percentile
from monitoring.policies.ranges import RANGES, Resolution, resolution

BAND = (10.0, 50.0, 90.0)
"""Percentiles of the usual band (METRICS, "Charts")."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment and a figure; None is a gap. Of a roll-up the value is a mean, between `low` and `high`."""

    at: datetime
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What is usual for a figure: 10th percentile, median, 90th, over `of` executions or points."""

    low: float
    median: float
    high: float
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One figure over the window, oldest first. `band` None: fewer than five values.

    `last`: the newest value itself, whatever the points stand for; None: it is unknown, or there is none.
    """

    points: tuple[Point, ...]
    band: Band | None
    last: float | None

    @property
    def known(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.value is not None)


def usual(values: Iterable[float | None]) -> Band | None:
    """Return the usual band of the known values, None with fewer than five."""
    known = [value for value in values if value is not None]
    low, median, high = (percentile(known, percent) for percent in BAND)
    if low is None or median is None or high is None:
        return None
    return Band(low=low, median=median, high=high, of=len(known))


def slot_of(at: datetime, step: timedelta) -> datetime:
    """Return the start of the slot that `at` is in. Slots count from the epoch, so they never move: those of
    days and weeks are UTC days."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, tz=UTC)


def slots(since: datetime, now: datetime, step: timedelta) -> list[datetime]:
    """Return the starts of the slots that begin after `since`, up to the one that `now` is in."""
    first = slot_of(since, step) + step
    return [first + step * index for index in range(int((now - first) / step) + 1)]


def resolution_of(window: str, raw_days: int) -> Resolution:
    """Return from what a window is drawn, whose raw rows are kept for so many days."""
    return resolution(
        RANGES[window],
        {
            Grain.RAW: timedelta(days=raw_days),
            Grain.HOUR: timedelta(days=settings.ROLLUP_RETENTION_DAYS),
        },
    )
