"""The freshness timeline of one pipeline, logarithmic in age. Positions are percent of the width; now is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.rules.enums import Severity
from monitoring.rules.facts import ControlRow, Count, SourceReading, Thresholds
from monitoring.rules.figures import served_lag_seconds

UNIT_SECONDS = 10.0
"""Ages below this are drawn almost linearly, so that the last seconds keep a visible width."""

LEFT, RIGHT, RIGHT_WITH_FUTURE, FUTURE_END = 3.0, 97.0, 84.0, 98.0
"""Positions of the oldest age, of now, of now if a moment lies in the future, and of the last such moment."""

MINIMUM_ZONE = 0.8

TICK_DISTANCE = 9.0

SPANS = (
    *(60 * minutes for minutes in (1, 5, 15)),
    *(3600 * hours for hours in (1, 3, 6, 12)),
    *(86_400 * days for days in (1, 3, 7, 30, 90, 365, 3650)),
)
"""Lengths of the axis in seconds. They are fixed, so that the marks do not move with every sample."""


class TimelineState(StrEnum):
    """The first state that applies."""

    UNKNOWN = "unknown"
    AHEAD = "ahead"  # the watermark lies in the future: rows would be skipped
    PAUSED = "paused"  # ready rows of an inactive pipeline
    LATE = "late"
    NEVER_LOADED = "never_loaded"  # rows wait for the first run
    WAITING = "waiting"  # ready rows, within the limits
    COOLING = "cooling"  # only rows in the cutoff window: normal
    EMPTY = "empty"  # the source has no row
    QUIET = "quiet"  # no backlog


class MarkCode(StrEnum):
    WATERMARK = "watermark"
    OLDEST_PENDING = "oldest_pending"
    CUTOFF = "cutoff"
    NEWEST = "newest"
    NOW = "now"


class ZoneCode(StrEnum):
    DONE = "done"
    ELIGIBLE = "eligible"
    QUIET = "quiet"
    COOLING = "cooling"
    UNKNOWN = "unknown"  # the rows were not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment on the axis. `at` None: never loaded. `age_seconds` is negative in the future.

    `off_scale`: older than the axis, drawn at its edge. `lane`: the row of the label, 0 on top.
    """

    code: MarkCode
    at: datetime | None
    x: float
    age_seconds: float | None
    lane: int = 0
    off_scale: bool = False

    @property
    def anchor(self) -> str:
        return "start" if self.x < 50 else "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """`rows` None: not counted."""

    code: ZoneCode
    x: float
    width: float
    rows: Count | None = None

    @property
    def striped(self) -> bool:
        cooling = self.code is ZoneCode.COOLING and self.rows is not None and self.rows.value > 0
        return cooling or self.code is ZoneCode.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled age, or with a severity the limit beyond which a row is late."""

    age_seconds: int
    x: float
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    state: TimelineState
    severity: Severity
    marks: tuple[Mark, ...] = ()
    zones: tuple[Zone, ...] = ()
    ticks: tuple[Tick, ...] = ()
    limits: tuple[Tick, ...] = ()
    lag_seconds: float | None = None


def draw(control: ControlRow, source: SourceReading, thresholds: Thresholds, now: datetime) -> Timeline:
    cutoff = now - timedelta(minutes=control.cutoff_minutes)
    loaded = None if control.watermark.never_loaded else control.watermark.updated_at
    moments = {
        MarkCode.WATERMARK: loaded,
        MarkCode.OLDEST_PENDING: source.oldest_pending_at or source.oldest_eligible_at,
        MarkCode.CUTOFF: cutoff,
        MarkCode.NEWEST: source.newest_at,
        MarkCode.NOW: now,
    }
    ages = {code: (now - at).total_seconds() for code, at in moments.items() if at is not None}
    oldest = max(SPANS[0], *(age for age in ages.values() if age <= SPANS[-1]))
    span = next(span for span in SPANS if span >= oldest)
    ahead = max(0.0, -min(ages.values()))
    right = RIGHT_WITH_FUTURE if ahead else RIGHT

    def x(age: float) -> float:
        edge, end, longest = (FUTURE_END, -age, ahead) if age < 0 else (LEFT, age, span)
        share = math.log1p(end / UNIT_SECONDS) / math.log1p(longest / UNIT_SECONDS) if longest else 1.0
        return _round(right + (edge - right) * min(1.0, share))

    marks = [
        Mark(code=code, at=moments[code], x=x(age), age_seconds=age, off_scale=age > span) for code, age in ages.items()
    ]
    if loaded is None:
        marks.insert(0, Mark(code=MarkCode.WATERMARK, at=None, x=LEFT, age_seconds=None, off_scale=True))
    lag = served_lag_seconds(source, now)
    state, severity = _judge(control, source, thresholds, lag, now)
    limits = (
        (thresholds.late_warning_minutes * 60, Severity.WARNING),
        (thresholds.late_critical_minutes * 60, Severity.CRITICAL),
    )
    return Timeline(
        state=state,
        severity=severity,
        marks=_in_lanes(marks),
        zones=_zones(source, lambda at: x((now - at).total_seconds()), right, cutoff, loaded),
        ticks=_ticks([(age, x(age)) for age in (10, *SPANS) if age <= span], right),
        limits=tuple(Tick(age_seconds=age, x=x(age), severity=level) for age, level in limits if age <= span),
        lag_seconds=lag,
    )


def _judge(
    control: ControlRow, source: SourceReading, thresholds: Thresholds, lag: float | None, now: datetime
) -> tuple[TimelineState, Severity]:
    if source.eligible is None or source.cooling is None or lag is None:
        return TimelineState.UNKNOWN, Severity.UNKNOWN
    if control.watermark.updated_at > now:
        return TimelineState.AHEAD, Severity.WARNING
    if not source.eligible.value:
        return _idle_state(source.total, source.cooling), Severity.OK
    if not control.is_active:
        return TimelineState.PAUSED, Severity.OK
    lateness = thresholds.lateness(lag)
    if lateness is not Severity.OK:
        return TimelineState.LATE, lateness
    return (TimelineState.NEVER_LOADED if control.watermark.never_loaded else TimelineState.WAITING), Severity.OK


def _idle_state(total: int | None, cooling: Count) -> TimelineState:
    if total == 0:
        return TimelineState.EMPTY
    return TimelineState.COOLING if cooling.value else TimelineState.QUIET


def _zones(
    source: SourceReading, x: Callable[[datetime], float], at_now: float, cutoff: datetime, loaded: datetime | None
) -> tuple[Zone, ...]:
    at_loaded = 0.0 if loaded is None else min(x(loaded), at_now)
    cooling_from = max(x(cutoff), at_loaded)
    zones = [_zone(ZoneCode.DONE, 0.0, at_loaded)]
    if source.eligible is None or source.cooling is None:
        zones.append(_zone(ZoneCode.UNKNOWN, at_loaded, at_now))
    elif source.eligible.value:
        first = x(source.oldest_eligible_at) if source.oldest_eligible_at else at_loaded
        first = min(max(first, at_loaded), cooling_from)
        last = cooling_from if source.newest_at is None else min(x(source.newest_at), cooling_from)
        last = max(last, min(first + MINIMUM_ZONE, at_now))
        zones += [
            _zone(ZoneCode.QUIET, at_loaded, first),
            _zone(ZoneCode.ELIGIBLE, first, last, source.eligible),
            _zone(ZoneCode.QUIET, last, cooling_from),
            _zone(ZoneCode.COOLING, cooling_from, at_now, source.cooling),
        ]
    else:
        zones += [
            _zone(ZoneCode.QUIET, at_loaded, cooling_from),
            _zone(ZoneCode.COOLING, cooling_from, at_now, source.cooling),
        ]
    return tuple(zone for zone in zones if zone.width > 0)


def _zone(code: ZoneCode, start: float, end: float, rows: Count | None = None) -> Zone:
    return Zone(code=code, x=_round(start), width=_round(end - start), rows=rows)


def _in_lanes(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Give each mark its own label row. The outermost marks are on top, so that few poles cross a label."""
    by_distance = sorted(marks, key=lambda mark: (min(mark.x, 100 - mark.x), mark.x))
    lanes = {mark.code: lane for lane, mark in enumerate(by_distance)}
    return tuple(replace(mark, lane=lanes[mark.code]) for mark in marks)


def _ticks(ages: Sequence[tuple[int, float]], right: float) -> tuple[Tick, ...]:
    """Return labelled ages, oldest first, none closer to another (or to now) than TICK_DISTANCE."""
    chosen: list[Tick] = []
    for age, x in sorted(ages, reverse=True):
        if (not chosen or x - chosen[-1].x >= TICK_DISTANCE) and right - x >= TICK_DISTANCE:
            chosen.append(Tick(age_seconds=age, x=x))
    return tuple(chosen)


def _round(value: float) -> float:
    """Return percent with one decimal (about a pixel), so that the picture does not change with every second."""
    return round(max(0.0, value), 1)
