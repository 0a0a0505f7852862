"""The lag ruler: one time axis on which "late", "quiet" and "just cooling" look different.

The axis runs from the past (left) to now (right) and is logarithmic in age, so that a cutoff of two
minutes and a backlog of three days both show. Everything is a position in percent of the width; the
template only draws it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.rules.enums import Severity
from monitoring.rules.facts import Count, Thresholds, Watermark

UNIT_SECONDS = 10.0
"""Ages well below this are drawn linearly, above it logarithmically: 10 s to now gets a visible piece."""

LEFT, RIGHT, RIGHT_WITH_FUTURE, FUTURE_END = 3.0, 97.0, 84.0, 98.0
"""Percent of the width: the oldest age, now, now when something lies in the future, its end."""

MINIMUM_ZONE = 0.8
"""Percent: a zone that has rows in it is never too thin to see."""

TICK_DISTANCE = 9.0
"""Percent between two labelled ticks, at least."""

SPANS = (
    *(60 * minutes for minutes in (1, 5, 15)),
    *(3600 * hours for hours in (1, 3, 6, 12)),
    *(86_400 * days for days in (1, 3, 7, 30, 90, 365, 3650)),
)
"""Seconds: the axis ends at one of these, so that its marks do not drift with every sample."""


class RulerState(StrEnum):
    """What the picture says, the first that holds."""

    UNKNOWN = "unknown"
    AHEAD = "ahead"  # the watermark lies in the future: rows would be skipped
    PAUSED = "paused"  # rows wait, but the pipeline is switched off: nobody expects them to move
    LATE = "late"
    NEVER_LOADED = "never_loaded"  # rows wait for the first run
    WAITING = "waiting"  # eligible rows, within the limits
    COOLING = "cooling"  # only rows younger than the cutoff: normal
    EMPTY = "empty"  # the source holds no row
    QUIET = "quiet"  # nothing pending at all


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
    UNKNOWN = "unknown"  # what lies here could not be counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment on the axis. `x`: percent; `off_scale`: older than the axis, drawn at its edge.

    `age_seconds` is relative to the ruler's now, negative in the future. `lane`: the label's row, 0 on top.
    """

    code: MarkCode
    at: datetime | None  # None: never loaded
    x: float
    age_seconds: float | None
    lane: int = 0
    off_scale: bool = False

    @property
    def anchor(self) -> str:
        """Where the label starts, so that it never leaves the picture: SVG's text-anchor."""
        return "start" if self.x < 50 else "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A stretch of the axis in percent. `rows`: how many lie in it, None where that is not counted."""

    code: ZoneCode
    x: float
    width: float
    rows: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled age on the axis, or (with a severity) the limit beyond which a row is late."""

    age_seconds: int
    x: float
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """The whole picture; for UNKNOWN and EMPTY what is known of it."""

    state: RulerState
    severity: Severity
    now: datetime
    marks: tuple[Mark, ...] = ()
    zones: tuple[Zone, ...] = ()
    ticks: tuple[Tick, ...] = ()
    limits: tuple[Tick, ...] = ()
    lag_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What the ruler is drawn from. `eligible` None: could not be counted."""

    now: datetime
    watermark: Watermark
    cutoff_minutes: int
    total: int | None = None
    newest_at: datetime | None = None
    oldest_eligible_at: datetime | None = None
    oldest_pending_at: datetime | None = None
    eligible: Count | None = None
    cooling: Count | None = None
    is_active: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)


def draw(readings: Readings) -> Ruler:
    """Return the ruler for these readings."""
    now = readings.now
    cutoff = now - timedelta(minutes=readings.cutoff_minutes)
    loaded = None if readings.watermark.never_loaded else readings.watermark.updated_at
    moments: list[tuple[MarkCode, datetime | None]] = [(MarkCode.WATERMARK, loaded)]
    if readings.oldest_pending_at is not None:
        moments.append((MarkCode.OLDEST_PENDING, readings.oldest_pending_at))
    moments.append((MarkCode.CUTOFF, cutoff))
    if readings.newest_at is not None:
        moments.append((MarkCode.NEWEST, readings.newest_at))
    moments.append((MarkCode.NOW, now))
    scale = _Scale.over(now, [at for _, at in moments if at is not None])
    lag = served_lag_seconds(readings)
    state, severity = _judge(readings, lag)
    return Ruler(
        state=state,
        severity=severity,
        now=now,
        marks=_in_lanes([scale.mark(code, at) for code, at in moments]),
        zones=_zones(readings, scale, cutoff, loaded),
        ticks=scale.ticks(),
        limits=tuple(
            Tick(age_seconds=minutes * 60, x=scale.x(minutes * 60), severity=level)
            for minutes, level in (
                (readings.thresholds.late_warning_minutes, Severity.WARNING),
                (readings.thresholds.late_critical_minutes, Severity.CRITICAL),
            )
            if minutes * 60 <= scale.span
        ),
        lag_seconds=lag,
    )


def served_lag_seconds(readings: Readings) -> float | None:
    """Return METRICS' served lag: 0 with nothing eligible, else now - the oldest eligible ts, None if unknown."""
    if readings.eligible is None:
        return None
    if readings.eligible.value == 0:
        return 0.0
    if readings.oldest_eligible_at is None:
        return None
    return max(0.0, (readings.now - readings.oldest_eligible_at).total_seconds())


def _judge(readings: Readings, lag: float | None) -> tuple[RulerState, Severity]:
    if readings.eligible is None or readings.cooling is None or lag is None:
        return RulerState.UNKNOWN, Severity.UNKNOWN
    if readings.watermark.updated_at > readings.now:
        return RulerState.AHEAD, Severity.WARNING
    if not readings.eligible.value:
        return _judge_nothing_due(readings), Severity.OK
    if not readings.is_active:
        return RulerState.PAUSED, Severity.OK
    if lag > readings.thresholds.late_warning_minutes * 60:
        critical = lag > readings.thresholds.late_critical_minutes * 60
        return RulerState.LATE, Severity.CRITICAL if critical else Severity.WARNING
    return (RulerState.NEVER_LOADED if readings.watermark.never_loaded else RulerState.WAITING), Severity.OK


def _judge_nothing_due(readings: Readings) -> RulerState:
    if readings.total == 0:
        return RulerState.EMPTY
    return RulerState.COOLING if readings.cooling and readings.cooling.value else RulerState.QUIET


def _zones(readings: Readings, scale: _Scale, cutoff: datetime, loaded: datetime | None) -> tuple[Zone, ...]:
    """Return the stretches from left to right; together they cover the axis up to now."""
    at_now, at_cutoff = scale.at(readings.now), scale.at(cutoff)
    at_loaded = 0.0 if loaded is None else min(scale.at(loaded), at_now)
    cooling_from = max(at_cutoff, at_loaded)
    zones = [Zone(code=ZoneCode.DONE, x=0.0, width=_round(at_loaded))] if at_loaded else []
    if readings.eligible is None or readings.cooling is None:
        return (*zones, Zone(code=ZoneCode.UNKNOWN, x=_round(at_loaded), width=_round(at_now - at_loaded)))
    if readings.eligible.value:
        first = scale.at(readings.oldest_eligible_at) if readings.oldest_eligible_at else at_loaded
        first = min(max(first, at_loaded), cooling_from)
        last = cooling_from if readings.newest_at is None else min(scale.at(readings.newest_at), cooling_from)
        last = max(last, min(first + MINIMUM_ZONE, at_now))
        zones.append(Zone(code=ZoneCode.QUIET, x=_round(at_loaded), width=_round(first - at_loaded)))
        zones.append(Zone(code=ZoneCode.ELIGIBLE, x=_round(first), width=_round(last - first), rows=readings.eligible))
        zones.append(Zone(code=ZoneCode.QUIET, x=_round(last), width=_round(cooling_from - last)))
    else:
        zones.append(Zone(code=ZoneCode.QUIET, x=_round(at_loaded), width=_round(cooling_from - at_loaded)))
    zones.append(
        Zone(code=ZoneCode.COOLING, x=_round(cooling_from), width=_round(at_now - cooling_from), rows=readings.cooling)
    )
    return tuple(zone for zone in zones if zone.width > 0)


def _in_lanes(marks: list[Mark]) -> tuple[Mark, ...]:
    """Give each mark its own label row, so that no two labels can overlap in any language.

    Labels of the left half run to the right, of the right half to the left; with the outermost ones
    on top a label is crossed by as few poles as possible.
    """
    by_distance = sorted(marks, key=lambda mark: (min(mark.x, 100 - mark.x), mark.x))
    lanes = {id(mark): lane for lane, mark in enumerate(by_distance)}
    return tuple(
        Mark(
            code=mark.code, at=mark.at, x=mark.x, age_seconds=mark.age_seconds,
            off_scale=mark.off_scale, lane=lanes[id(mark)],
        )
        for mark in marks
    )  # fmt: skip


def _round(value: float) -> float:
    """Return percent with one decimal: what one pixel can show, so that seconds do not redraw it."""
    return round(max(0.0, value), 1)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Age in seconds to percent of the width."""

    now: datetime
    span: int  # seconds, the age at LEFT
    ahead: float  # seconds, the furthest future moment; 0 with none

    @classmethod
    def over(cls, now: datetime, moments: list[datetime]) -> _Scale:
        ages = [(now - at).total_seconds() for at in moments]
        oldest = max(60.0, *(age for age in ages if age <= SPANS[-1]), 0.0)
        span = next((span for span in SPANS if span >= oldest), SPANS[-1])
        return cls(now, span, max(0.0, *(-age for age in ages)))

    @property
    def right(self) -> float:
        return RIGHT_WITH_FUTURE if self.ahead else RIGHT

    def x(self, age: float) -> float:
        """Return the position of an age (negative: the future), never outside the picture."""
        if age < 0:
            share = math.log1p(-age / UNIT_SECONDS) / math.log1p(self.ahead / UNIT_SECONDS) if self.ahead else 1.0
            return _round(self.right + (FUTURE_END - self.right) * min(1.0, share))
        share = math.log1p(age / UNIT_SECONDS) / math.log1p(self.span / UNIT_SECONDS)
        return _round(self.right - (self.right - LEFT) * min(1.0, share))

    def at(self, moment: datetime) -> float:
        return self.x((self.now - moment).total_seconds())

    def mark(self, code: MarkCode, at: datetime | None) -> Mark:
        if at is None:
            return Mark(code=code, at=None, x=LEFT, age_seconds=None, off_scale=True)
        age = (self.now - at).total_seconds()
        return Mark(code=code, at=at, x=self.x(age), age_seconds=age, off_scale=age > self.span)

    def ticks(self) -> tuple[Tick, ...]:
        """Return labelled ages, oldest first, none closer to another (or to now) than TICK_DISTANCE."""
        chosen: list[Tick] = []
        for age in sorted((10, *(span for span in SPANS if span <= self.span)), reverse=True):
            x = self.x(age)
            if (not chosen or x - chosen[-1].x >= TICK_DISTANCE) and self.right - x >= TICK_DISTANCE:
                chosen.append(Tick(age_seconds=age, x=x))
        return tuple(chosen)
