"""How samples become hours, hours become days, and executions become days: pure.

Unknown stays unknown: a figure that no sample knew has no value, and one that some knew says how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from monitoring.enums import ExecutionStatus, PipelineStatus

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WORST_FIRST = (
    PipelineStatus.FAILED,
    PipelineStatus.STRUCTURE_MISSING,
    PipelineStatus.UNKNOWN,
    PipelineStatus.NEVER_RUN,
    PipelineStatus.RUNNING,
    PipelineStatus.OK,
)
_RANKS = {status.value: place for place, status in enumerate(WORST_FIRST)}
FIGURES = ("eligible", "cooling", "latency_seconds", "served_lag_seconds", "coverage_percent")
"""The figures that are rolled up, as their columns begin."""


def hour_of(moment: datetime) -> datetime:
    """Return the start of the moment's hour, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    """Return the start of the moment's day, UTC."""
    return hour_of(moment).replace(hour=0)


@dataclass(slots=True)
class Spread:
    """One figure over many values: of how many, the lowest, their mean, the highest, the last."""

    known: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    last: float | None = None

    @property
    def mean(self) -> float | None:
        return self.total / self.known if self.known else None

    def add(self, value: float | None) -> None:
        """Add one value, the newest so far; None is one that nobody knew."""
        if value is None:
            return
        # Without `merge`: an hour of 200 pipelines is 360,000 values.
        self.known += 1
        self.total += value
        if self.low is None or value < self.low:
            self.low = value
        if self.high is None or value > self.high:
            self.high = value
        self.last = value

    def merge(
        self, known: int, low: float | None, mean: float | None, high: float | None, last: float | None = None
    ) -> None:
        """Add what is known of later values. A mean counts as often as there were values."""
        if known and mean is not None:
            self.known += known
            self.total += mean * known
        # Roll-ups of earlier releases know no more than the highest and the last.
        self.low = _least(self.low, low)
        self.high = _most(self.high, high)
        self.last = self.last if last is None else last


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _most(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


@dataclass(slots=True)
class Rolled:
    """One pipeline over some time, as far as it was added."""

    samples: int = 0
    is_active: bool | None = None
    status: str = ""
    worst: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    totals: tuple[int, int] | None = None
    figures: dict[str, Spread] = field(default_factory=lambda: {name: Spread() for name in FIGURES})

    def also(self, status: str, worst: str, seconds: Mapping[str, float]) -> None:
        """Add what is known of a later status, and of how long each was had."""
        self.status = status or self.status
        self.worst = worst_of((self.worst, worst))
        for name, lasted in seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + lasted


def worst_of(statuses: Iterable[str]) -> str:
    """Return the worst of these statuses; one that this release does not know counts as unknown. "" of none."""
    known = [each if each in _RANKS else PipelineStatus.UNKNOWN.value for each in statuses if each]
    return min(known, key=_RANKS.__getitem__, default="")


class HourOf:
    """Rolls up one pipeline's samples of one hour, which are added oldest first.

    A sample stands until the next one, but no longer than `stands`: then nobody looked. The last one before
    the hour is added too, for the time it stands within.
    """

    def __init__(self, start: datetime, stands: timedelta) -> None:
        self.start, self.end, self.stands = start, start + HOUR, stands
        self.rolled = Rolled()
        self._statuses: set[str] = set()
        self._open: tuple[datetime, str] | None = None

    def add(
        self,
        at: datetime,
        *,
        status: str,
        is_active: bool,
        totals: tuple[int | None, int | None],
        figures: Mapping[str, float | None],
    ) -> None:
        """Add a sample: its status, its totals (source, target), its figures without the coverage."""
        self._close(at)
        self._open = (at, status)
        if at < self.start:
            return
        rolled, (source, target) = self.rolled, totals
        rolled.samples += 1
        rolled.is_active = is_active
        rolled.status = status
        self._statuses.add(status)
        for name, value in figures.items():
            rolled.figures[name].add(value)
        if source is not None and target is not None:
            rolled.totals = (source, target)
            rolled.figures["coverage_percent"].add(100 * target / source if source else None)

    def finished(self) -> Rolled | None:
        """Return the hour; None when no sample lies within."""
        self._close(self.end)
        self._open = None
        self.rolled.worst = worst_of(self._statuses)
        return self.rolled if self.rolled.samples else None

    def _close(self, at: datetime) -> None:
        if self._open is None:
            return
        since, status = self._open
        until = min(at, since + self.stands, self.end)
        lasted = (until - max(since, self.start)).total_seconds()
        if lasted > 0:
            seconds = self.rolled.seconds
            seconds[status] = seconds.get(status, 0.0) + lasted


@dataclass(slots=True)
class RunDay:
    """One pipeline's executions that began on one day."""

    executions: int = 0
    succeeded: int = 0
    failed: int = 0
    extracted: int = 0
    upserted: int = 0
    soft_deleted: int = 0
    duration: Spread = field(default_factory=Spread)
    throughput: Spread = field(default_factory=Spread)

    def add(
        self, status: str, started: datetime, finished: datetime | None, *, extracted: int, upserted: int, deleted: int
    ) -> None:
        """Add an execution. What one says of its rows before it has ended is not final: it is not counted."""
        self.executions += 1
        known = ExecutionStatus.parse(status)
        if known not in {ExecutionStatus.SUCCESS, ExecutionStatus.FAILED}:
            return
        self.extracted += extracted
        self.upserted += upserted
        self.soft_deleted += deleted
        if known is ExecutionStatus.FAILED:
            self.failed += 1
            return
        self.succeeded += 1
        if finished is not None and finished >= started:
            seconds = (finished - started).total_seconds()
            self.duration.add(seconds)
            self.throughput.add(upserted / max(1.0, seconds) if upserted else None)
