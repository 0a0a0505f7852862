"""How far back trends reach, and from what they are then drawn: raw values, hours or days. Pure.

A range is read from the finest grain that is kept for all of it and of which few enough rows are in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from monitoring.enums import Grain

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

RANGES = {
    "24h": DAY,
    "7d": 7 * DAY,
    "30d": 30 * DAY,
    "1y": 365 * DAY,
    "5y": 1826 * DAY,
}
DEFAULT_RANGE = "24h"

POINTS = 300
"""Points of one line at most."""


_READ = {Grain.RAW: DAY, Grain.HOUR: 31 * DAY}
"""How far back a grain is read: a day of samples and a month of hours are rows enough for one page."""
_FINEST = {Grain.RAW: timedelta(minutes=6), Grain.HOUR: HOUR, Grain.DAY: DAY}
_STEPS = (
    timedelta(minutes=6),
    *(count * HOUR for count in (1, 3, 6, 12)),
    *(count * DAY for count in (1, 2, 7, 14, 28)),
)


@dataclass(frozen=True, slots=True)
class Resolution:
    """From what a range is drawn, and what one point of a line stands for."""

    grain: Grain
    step: timedelta

    @property
    def rolled_up(self) -> bool:
        return self.grain is not Grain.RAW


def resolution(reach: timedelta, kept: Mapping[Grain, timedelta], points: int = POINTS) -> Resolution:
    """Return how to draw the last `reach`. `kept`: how long each grain is; days are the last resort."""
    fitting = (grain for grain in (Grain.RAW, Grain.HOUR) if reach <= min(_READ[grain], kept[grain]))
    grain = next(fitting, Grain.DAY)
    return Resolution(grain, step(reach, _FINEST[grain], points))


def step(reach: timedelta, finest: timedelta, points: int = POINTS) -> timedelta:
    """Return the shortest step, not below `finest`, of which at most `points` are in `reach`."""
    return next((each for each in _STEPS if each >= finest and reach / each <= points), _STEPS[-1])
