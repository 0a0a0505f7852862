"""Roll up samples into hours, hours into days, and executions into days. None: unknown in every sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.rules.enums import FINISHED, ExecutionStatus, PipelineStatus, Severity
from monitoring.rules.facts import Thresholds

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
FIGURES = ("eligible", "cooling", "latency_seconds", "served_lag_seconds", "coverage_percent")
PARTS = ("known", "min", "avg", "max")
"""What is kept of each figure, as its columns end; the figures of samples also have "last"."""
SECONDS = ("seconds_measured", "seconds_late_warning", "seconds_late_critical", "seconds_in_maintenance")


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    return hour_of(moment).replace(hour=0)


@dataclass(slots=True)
class Spread:
    known: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    last: float | None = None

    @property
    def mean(self) -> float | None:
        return self.total / self.known if self.known else None

    def add(self, value: float | None) -> None:
        """Add one value, the newest so far; None is unknown and does not count."""
        if value is None:
            return
        # Not by `merge`, for speed: an hour of 200 pipelines has 360,000 values.
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
        """Add a summary of later values. Its mean is weighted by the number of its values."""
        if known and mean is not None:
            self.known += known
            self.total += mean * known
        # Hours of early releases have a highest and a last value, but no count and no mean.
        self.low = min((value for value in (self.low, low) if value is not None), default=None)
        self.high = max((value for value in (self.high, high) if value is not None), default=None)
        self.last = self.last if last is None else last

    def columns(self, name: str) -> dict[str, float | None]:
        values = (self.known, self.low, self.mean, self.high)
        return {f"{name}_{part}": value for part, value in zip(PARTS, values, strict=True)}


@dataclass(slots=True)
class Rolled:
    samples: int = 0
    is_active: bool | None = None
    status_last: str = ""
    status_worst: str = ""
    status_seconds: dict[str, float] = field(default_factory=dict)
    totals: tuple[int, int] | None = None
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SECONDS, 0.0))
    figures: dict[str, Spread] = field(default_factory=lambda: {name: Spread() for name in FIGURES})

    def merge(self, row: Mapping[str, Any]) -> None:
        self.samples += row["samples"]
        self.is_active = self.is_active if row["is_active"] is None else row["is_active"]
        self.status_last = row["status_last"] or self.status_last
        self.status_worst = worst_of((self.status_worst, row["status_worst"]))
        for status, lasted in row["status_seconds"].items():
            self.status_seconds[status] = self.status_seconds.get(status, 0.0) + lasted
        if row["source_total"] is not None and row["target_total"] is not None:
            self.totals = (row["source_total"], row["target_total"])
        for name in SECONDS:
            self.seconds[name] += row[name]
        for name, spread in self.figures.items():
            spread.merge(*(row[f"{name}_{part}"] for part in (*PARTS, "last")))

    def columns(self) -> dict[str, Any]:
        source, target = self.totals or (None, None)
        columns: dict[str, Any] = {
            "samples": self.samples,
            "is_active": self.is_active,
            "status_last": self.status_last,
            "status_worst": self.status_worst,
            "status_seconds": {status: round(lasted) for status, lasted in sorted(self.status_seconds.items())},
            "source_total": source,
            "target_total": target,
            **{name: round(seconds, 3) for name, seconds in self.seconds.items()},
        }
        for name, spread in self.figures.items():
            columns |= {**spread.columns(name), f"{name}_last": spread.last}
        return columns


def worst_of(statuses: Iterable[str]) -> str:
    """Return the worst of these statuses; a status of another release counts as unknown. "" of none."""
    known = [each if each in WORST_FIRST else PipelineStatus.UNKNOWN.value for each in statuses if each]
    return min(known, key=WORST_FIRST.index, default="")


class HourOf:
    """Rolls up one pipeline's samples of one hour, which are added oldest first.

    A sample stands until the next one, but no longer than `stands`: the rest was not observed. The last sample
    before the hour is added too, for the part of its time that lies in the hour.
    """

    def __init__(self, start: datetime, stands: timedelta, limits: Thresholds) -> None:
        self.start, self.end, self.stands, self.limits = start, start + HOUR, stands, limits
        self.rolled = Rolled()
        self._statuses: set[str] = set()
        self._open: tuple[datetime, str, Severity | None] | None = None

    def add(
        self,
        at: datetime,
        *,
        status: str,
        is_active: bool,
        totals: tuple[int | None, int | None],
        figures: Mapping[str, float | None],
    ) -> None:
        self._close(at)
        lag = figures.get("served_lag_seconds")
        # A paused pipeline is not judged, so its time is neither late nor on time.
        self._open = (at, status, self.limits.lateness(lag) if is_active and lag is not None else None)
        if at < self.start:
            return
        rolled, (source, target) = self.rolled, totals
        rolled.samples += 1
        rolled.is_active = is_active
        rolled.status_last = status
        self._statuses.add(status)
        for name, value in figures.items():
            rolled.figures[name].add(value)
        if source is not None and target is not None:
            rolled.totals = (source, target)
            rolled.figures["coverage_percent"].add(100 * target / source if source else None)

    def finished(self) -> Rolled | None:
        self._close(self.end)
        self._open = None
        self.rolled.status_worst = worst_of(self._statuses)
        return self.rolled if self.rolled.samples else None

    def _close(self, at: datetime) -> None:
        if self._open is None:
            return
        since, status, lateness = self._open
        until = min(at, since + self.stands, self.end)
        lasted = (until - max(since, self.start)).total_seconds()
        if lasted <= 0:
            return
        spent, seconds = self.rolled.status_seconds, self.rolled.seconds
        spent[status] = spent.get(status, 0.0) + lasted
        if lateness is not None:
            seconds["seconds_measured"] += lasted
        if lateness is Severity.WARNING:
            seconds["seconds_late_warning"] += lasted
        elif lateness is Severity.CRITICAL:
            seconds["seconds_late_critical"] += lasted


class RunDay:
    def __init__(self) -> None:
        counts = ("executions", "succeeded", "failed", "extracted", "upserted", "soft_deleted")
        self.counts = dict.fromkeys(counts, 0)
        self.duration, self.throughput = Spread(), Spread()

    def add(self, status: str, started: datetime, finished: datetime | None, **rows: int) -> None:
        """Add an execution with its `extracted`, `upserted` and `soft_deleted` rows, which are final when it ended."""
        self.counts["executions"] += 1
        known = ExecutionStatus.parse(status)
        if known not in FINISHED:
            return
        for name, count in rows.items():
            self.counts[name] += count
        self.counts["succeeded" if known is ExecutionStatus.SUCCESS else "failed"] += 1
        if known is ExecutionStatus.SUCCESS and finished is not None and finished >= started:
            seconds = (finished - started).total_seconds()
            self.duration.add(seconds)
            self.throughput.add(rows["upserted"] / max(1.0, seconds) if rows["upserted"] else None)

    def columns(self) -> dict[str, Any]:
        return {
            **self.counts,
            **self.duration.columns("duration_seconds"),
            **self.throughput.columns("throughput"),
        }
