"""Samples to hours, hours to days, executions to days: what is unknown stays so, and time is not counted twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitoring.rules.facts import Thresholds
from monitoring.rules.rollups import HourOf, Rolled, RunDay, Spread, day_of, hour_of, worst_of
from tests.factories import NOW

STANDS = timedelta(seconds=90)
LIMITS = Thresholds()
END = NOW + timedelta(hours=1)


def hour(
    *samples: tuple[float, str], totals: tuple[int | None, int | None] = (100, 90), **figures: Any
) -> Rolled | None:
    """Roll up samples of (minutes after NOW, status)."""
    made = HourOf(NOW, STANDS, LIMITS)
    for minutes, status in samples:
        made.add(NOW + timedelta(minutes=minutes), status=status, is_active=True, totals=totals, figures=figures)
    return made.finished()


def test_a_figure_says_of_how_many_values_it_is() -> None:
    spread = Spread()
    for value in (4, None, 0, 8):
        spread.add(value)
    assert (spread.known, spread.low, spread.mean, spread.high, spread.last) == (3, 0, 4, 8, 8)


def test_what_nobody_knew_is_not_0() -> None:
    rolled = hour((0, "unknown"), (1, "unknown"), totals=(None, None), eligible=None)
    assert rolled is not None
    assert rolled.samples == 2
    assert rolled.totals is None
    for name in ("eligible", "coverage_percent"):
        spread = rolled.figures[name]
        assert (spread.known, spread.low, spread.mean, spread.high, spread.last) == (0, None, None, None, None)


def test_means_of_hours_count_as_often_as_they_had_values() -> None:
    day = Spread()
    day.merge(3, 1, 2, 3, 3)
    day.merge(0, None, None, None, None)
    day.merge(1, 10, 10, 10, 10)
    assert (day.known, day.low, day.mean, day.high, day.last) == (4, 1, 4, 10, 10)


def test_an_hour_of_an_earlier_release_keeps_its_highest_and_has_no_mean() -> None:
    day = Spread()
    day.merge(0, None, None, 7, None)
    assert (day.mean, day.high) == (None, 7)


def test_a_status_lasts_until_the_next_sample_but_no_longer_than_a_sample_stands() -> None:
    rolled = hour((0, "ok"), (1, "running"), (2, "ok"), (30, "failed"), (59.5, "ok"))
    assert rolled is not None
    # ok: 60 s, then 90 s, then the last half minute; no samples from 3:30 on.
    assert rolled.status_seconds == {"ok": 180, "running": 60, "failed": 90}
    assert (rolled.status_last, rolled.status_worst) == ("ok", "failed")


def test_the_sample_before_the_hour_only_lends_its_time() -> None:
    rolled = hour((-0.5, "failed"), (0.5, "ok"), (1, "ok"))
    assert rolled is not None
    assert rolled.status_seconds == {"failed": 30, "ok": 120}
    assert (rolled.samples, rolled.status_worst) == (2, "ok")
    assert hour((-0.5, "failed")) is None


def seconds(*samples: tuple[float, float | None], active: bool = True) -> tuple[float, float, float]:
    """Roll up samples of (minutes after NOW, freshness lag in minutes): measured, late (warning), late (critical)."""
    made = HourOf(NOW, STANDS, LIMITS)
    for minutes, lag in samples:
        figures = {"served_lag_seconds": None if lag is None else lag * 60}
        at = NOW + timedelta(minutes=minutes)
        made.add(at, status="ok", is_active=active, totals=(1, 1), figures=figures)
    rolled = made.finished()
    assert rolled is not None
    assert rolled.seconds["seconds_in_maintenance"] == 0
    measured, warning, critical, _ = rolled.seconds.values()
    return measured, warning, critical


@pytest.mark.parametrize(
    ("lag", "warning", "critical"), [(0, 0, 0), (120, 0, 0), (120.1, 60, 0), (360, 60, 0), (360.1, 0, 60)]
)
def test_late_is_over_the_limit_and_critical_is_not_a_warning_too(lag: float, warning: int, critical: int) -> None:
    # Half a minute more is measured by the last sample, which is on time.
    assert seconds((0, lag), (1, 0)) == (150, warning, critical)


def test_unknown_time_is_not_measured() -> None:
    assert seconds((0, None), (1, 500), (2, None)) == (60, 0, 60)


def test_a_sample_measures_no_longer_than_it_stands() -> None:
    assert seconds((0, 500), (30, 0)) == (180, 0, 90)
    assert seconds((59.5, 500)) == (30, 0, 30)
    assert seconds((-1, 500), (0.25, 0), (0.5, None)) == (30, 0, 15)


def test_a_paused_pipeline_is_not_measured() -> None:
    assert seconds((0, 500), (1, 0), active=False) == (0, 0, 0)


def test_a_days_seconds_are_the_sum_of_its_hours() -> None:
    day, made = Rolled(), hour((0, "ok"), (1, "ok"), served_lag_seconds=500 * 60)
    assert made is not None
    for _ in range(3):
        day.merge(made.columns())
    assert day.columns()["seconds_measured"] == 450
    assert day.columns()["seconds_late_critical"] == 450
    assert day.columns()["status_seconds"] == {"ok": 450}


def test_two_hours_share_no_second() -> None:
    first = HourOf(NOW, STANDS, LIMITS)
    second = HourOf(END, STANDS, LIMITS)
    for seconds in range(-60, 7200, 40):
        at = NOW + timedelta(seconds=seconds)
        for made in (first, second):
            if made.start - STANDS <= at < made.end:
                made.add(at, status="ok", is_active=True, totals=(1, 1), figures={})
    lengths = [rolled.status_seconds["ok"] for rolled in (first.finished(), second.finished()) if rolled]
    assert lengths == [3600, 3600]


def test_coverage_is_of_samples_that_knew_both_totals() -> None:
    made = HourOf(NOW, STANDS, LIMITS)
    for minute, totals in enumerate(((100, 50), (None, 70), (0, 0), (200, 200), (300, None))):
        at = NOW + timedelta(minutes=minute)
        made.add(at, status="ok", is_active=True, totals=totals, figures={})
    rolled = made.finished()
    assert rolled is not None
    coverage = rolled.figures["coverage_percent"]
    assert (coverage.known, coverage.low, coverage.mean, coverage.last) == (2, 50, 75, 100)
    assert rolled.totals == (200, 200)


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        (("ok", "running"), "running"),
        (("ok", "never_run", "unknown"), "unknown"),
        (("failed", "structure_missing"), "failed"),
        (("ok", "of a later release"), "unknown"),
        (("", ""), ""),
    ],
)
def test_the_worst_status(statuses: tuple[str, ...], worst: str) -> None:
    assert worst_of(statuses) == worst


def test_hours_and_days_are_of_utc() -> None:
    moment = datetime(2026, 3, 1, 22, 30, tzinfo=ZoneInfo("America/Sao_Paulo"))
    assert hour_of(moment).isoformat() == "2026-03-02T01:00:00+00:00"
    assert day_of(moment).isoformat() == "2026-03-02T00:00:00+00:00"
    kathmandu = datetime(2026, 3, 2, 5, 50, tzinfo=ZoneInfo("Asia/Kathmandu"))
    assert hour_of(kathmandu).isoformat() == "2026-03-02T00:00:00+00:00"


def test_a_day_of_executions() -> None:
    day = RunDay()

    def add(status: str, seconds: float | None, **rows: int) -> None:
        finished = None if seconds is None else NOW + timedelta(seconds=seconds)
        day.add(status, NOW, finished, **{"extracted": 0, "upserted": 0, "soft_deleted": 0, **rows})

    add("success", 10, extracted=120, upserted=100, soft_deleted=1)
    add(" SUCCESS ", 30, extracted=5, upserted=0)
    add("success", -5, extracted=1, upserted=1)
    add("failed", 50, extracted=7, upserted=3)
    add("running", None, extracted=1000, upserted=1000)
    add("abandoned", 60, extracted=1000)
    assert [day.counts[name] for name in ("executions", "succeeded", "failed")] == [6, 3, 1]
    rows = [day.counts[name] for name in ("extracted", "upserted", "soft_deleted")]
    assert rows == [133, 104, 1], "what has not ended is not final"
    assert (day.duration.known, day.duration.total, day.duration.low, day.duration.high) == (2, 40, 10, 30)
    assert (day.throughput.known, day.throughput.mean) == (1, 10)
