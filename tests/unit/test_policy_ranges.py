"""The source of a range: the finest rows that are kept long enough and few enough."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.rules.enums import Grain
from monitoring.rules.figures import POINTS, RANGES, resolution, step

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def kept(samples: int = 2, hours: int = 100) -> tuple[int, int]:
    return samples, hours


@pytest.mark.parametrize(
    ("name", "grain", "length"),
    [
        ("24h", Grain.RAW, timedelta(minutes=6)),
        ("7d", Grain.HOUR, HOUR),
        ("30d", Grain.HOUR, 3 * HOUR),
        ("1y", Grain.DAY, 2 * DAY),
        ("5y", Grain.DAY, 7 * DAY),
    ],
)
def test_the_ranges_of_the_pages(name: str, grain: Grain, length: timedelta) -> None:
    assert resolution(RANGES[name], *kept()) == (grain, length)


def test_what_is_not_kept_so_long_is_not_asked() -> None:
    assert resolution(30 * DAY, *kept(hours=20))[0] is Grain.DAY
    assert resolution(7 * DAY, *kept(hours=7))[0] is Grain.HOUR
    assert resolution(DAY, *kept(samples=1))[0] is Grain.RAW


def test_rows_that_are_kept_are_not_all_read() -> None:
    """A week of samples is 60,000 rows, for any retention; a year of hours is 8,760."""
    assert resolution(7 * DAY, *kept(samples=60))[0] is Grain.HOUR
    assert resolution(365 * DAY, *kept(hours=2000))[0] is Grain.DAY


@pytest.mark.parametrize("days", [*range(1, 40), 90, 365, 1826, 3650])
def test_points_are_bounded_and_none_is_finer_than_what_is_stored(days: int) -> None:
    grain, slot = resolution(days * DAY, *kept())
    assert days * DAY / slot <= POINTS
    assert slot >= {Grain.RAW: timedelta(minutes=6), Grain.HOUR: HOUR, Grain.DAY: DAY}[grain]
    assert (grain is not Grain.RAW) == (days > 1)


def test_beyond_every_step_the_longest_one_is_used() -> None:
    assert step(100_000 * DAY, DAY) == 28 * DAY
