"""The freshness timeline: states, order, limits, and a scale on which seconds and days both show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.rules.enums import Severity
from monitoring.rules.facts import Count, SourceReading, Thresholds, Watermark
from monitoring.rules.freshness_timeline import SPANS, MarkCode, Timeline, TimelineState, ZoneCode, draw
from tests import factories

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def timeline(thresholds: Thresholds | None = None, **changes: Any) -> Timeline:
    """A healthy pipeline: everything loaded ten minutes ago, nothing since. `changes` of control row and source."""
    control = {"watermark": Watermark(NOW - timedelta(minutes=10), 7), "cutoff_minutes": 2}
    source = {"total": 100, "newest_at": NOW - timedelta(minutes=10), "eligible": Count(0), "cooling": Count(0)}
    of_control = {name: changes.pop(name) for name in ("watermark", "cutoff_minutes", "is_active") if name in changes}
    row = factories.control_row(**{**control, **of_control})
    return draw(row, SourceReading(**{**source, **changes}), thresholds or Thresholds(), NOW)


def late(age: timedelta, **changes: Any) -> Timeline:
    values = {
        "watermark": Watermark(NOW - age - timedelta(minutes=1), 7),
        "eligible": Count(50),
        "oldest_eligible_at": NOW - age,
        "oldest_pending_at": NOW - age,
        "newest_at": NOW - timedelta(seconds=30),
        "cooling": Count(3),
    }
    return timeline(**{**values, **changes})


def zone_of(ruler: Timeline, code: ZoneCode) -> float:
    return sum(zone.width for zone in ruler.zones if zone.code is code)


def test_quiet_cooling_and_late_look_different() -> None:
    quiet = timeline()
    cooling = timeline(cooling=Count(4), newest_at=NOW - timedelta(seconds=20))
    behind = late(timedelta(hours=7))
    assert [ruler.state for ruler in (quiet, cooling, behind)] == [
        TimelineState.QUIET, TimelineState.COOLING, TimelineState.LATE,
    ]  # fmt: skip
    assert zone_of(quiet, ZoneCode.ELIGIBLE) == zone_of(cooling, ZoneCode.ELIGIBLE) == 0
    assert zone_of(behind, ZoneCode.ELIGIBLE) > 20
    rows = {ruler.state: ruler.zones[-1].rows for ruler in (quiet, cooling)}
    assert rows == {TimelineState.QUIET: Count(0), TimelineState.COOLING: Count(4)}


@pytest.mark.parametrize(
    ("age", "state", "severity"),
    [
        (timedelta(minutes=119), TimelineState.WAITING, Severity.OK),
        (timedelta(minutes=120), TimelineState.WAITING, Severity.OK),
        (timedelta(minutes=120, seconds=1), TimelineState.LATE, Severity.WARNING),
        (timedelta(minutes=360), TimelineState.LATE, Severity.WARNING),
        (timedelta(minutes=360, seconds=1), TimelineState.LATE, Severity.CRITICAL),
    ],
)
def test_late_begins_beyond_the_limits_of_metrics(age: timedelta, state: TimelineState, severity: Severity) -> None:
    ruler = late(age)
    assert (ruler.state, ruler.severity, ruler.lag_seconds) == (state, severity, age.total_seconds())


def test_limits_are_the_pipelines_own() -> None:
    thresholds = Thresholds(late_warning_minutes=1, late_critical_minutes=5)
    ruler = late(timedelta(minutes=3), thresholds=thresholds)
    assert ruler.severity is Severity.WARNING
    assert [(limit.age_seconds, limit.severity) for limit in ruler.limits] == [
        (60, Severity.WARNING),
        (300, Severity.CRITICAL),
    ]
    warning, critical = ruler.limits
    assert critical.x < warning.x


def test_waiting_rows_of_a_pipeline_that_is_switched_off_are_not_late() -> None:
    ruler = late(timedelta(days=9), is_active=False)
    assert (ruler.state, ruler.severity) == (TimelineState.PAUSED, Severity.OK)
    assert timeline(is_active=False).state is TimelineState.QUIET


@pytest.mark.parametrize(
    "changes",
    [
        {"eligible": None},
        {"cooling": None},
        {"eligible": Count(4), "oldest_eligible_at": None},
    ],
)
def test_unread_is_unknown_never_quiet(changes: dict[str, object]) -> None:
    ruler = timeline(**changes)
    assert (ruler.state, ruler.severity) == (TimelineState.UNKNOWN, Severity.UNKNOWN)
    assert MarkCode.WATERMARK in {mark.code for mark in ruler.marks}
    if changes.get("eligible", Count(0)) is None or "cooling" in changes:
        assert {zone.code for zone in ruler.zones} == {ZoneCode.DONE, ZoneCode.UNKNOWN}


def test_never_loaded_stands_at_the_edge() -> None:
    watermark = Watermark(datetime(1900, 1, 1, tzinfo=UTC), 0)
    ruler = late(timedelta(minutes=30), watermark=watermark)
    mark = next(mark for mark in ruler.marks if mark.code is MarkCode.WATERMARK)
    assert ruler.state is TimelineState.NEVER_LOADED
    assert (mark.at, mark.age_seconds, mark.off_scale) == (None, None, True)
    assert zone_of(ruler, ZoneCode.DONE) == 0


def test_an_empty_source_is_said_to_be_empty() -> None:
    ruler = timeline(total=0, newest_at=None)
    assert (ruler.state, ruler.severity) == (TimelineState.EMPTY, Severity.OK)


def test_a_future_watermark_stands_right_of_now() -> None:
    ruler = timeline(watermark=Watermark(NOW + timedelta(hours=3), 1))
    marks = {mark.code: mark for mark in ruler.marks}
    assert (ruler.state, ruler.severity) == (TimelineState.AHEAD, Severity.WARNING)
    assert marks[MarkCode.WATERMARK].x > marks[MarkCode.NOW].x
    assert marks[MarkCode.WATERMARK].x <= 100


def test_seconds_and_days_both_show() -> None:
    ruler = late(timedelta(days=3))
    marks = {mark.code: mark.x for mark in ruler.marks}
    assert marks[MarkCode.NOW] - marks[MarkCode.NEWEST] > 5  # 30 seconds
    assert marks[MarkCode.NEWEST] - marks[MarkCode.CUTOFF] > 5  # 90 seconds
    assert marks[MarkCode.CUTOFF] - marks[MarkCode.OLDEST_PENDING] > 30


def test_ticks_end_at_a_round_age_and_keep_their_distance() -> None:
    ruler = late(timedelta(days=2))
    assert ruler.ticks[0].age_seconds == 3 * 86_400
    assert all(later.x - earlier.x >= 9 for earlier, later in pairwise(ruler.ticks))


def test_very_old_rows_do_not_squeeze_the_axis() -> None:
    ruler = timeline(newest_at=datetime(1753, 1, 1, tzinfo=UTC))
    newest = next(mark for mark in ruler.marks if mark.code is MarkCode.NEWEST)
    assert newest.off_scale
    assert ruler.ticks[0].age_seconds < SPANS[-1]


def test_labels_never_share_a_row() -> None:
    lanes = [mark.lane for mark in late(timedelta(hours=7)).marks]
    assert sorted(lanes) == list(range(5))


AGES = st.integers(min_value=-(10**7), max_value=10**9)


@settings(deadline=None, derandomize=True)
@given(watermark=AGES, oldest=AGES, newest=AGES, cutoff=st.integers(0, 1440), rows=st.integers(0, 3))
def test_any_readings_give_a_picture_that_fits(
    watermark: int, oldest: int, newest: int, cutoff: int, rows: int
) -> None:
    def moment(age: int) -> datetime:
        return NOW - timedelta(seconds=age)

    ruler = timeline(
        watermark=Watermark(moment(watermark), 1),
        cutoff_minutes=cutoff,
        eligible=Count(rows),
        cooling=Count(rows),
        oldest_eligible_at=moment(oldest),
        oldest_pending_at=moment(oldest),
        newest_at=moment(newest),
    )
    assert all(0 <= mark.x <= 100 for mark in ruler.marks)
    assert all(zone.x >= 0 and zone.x + zone.width <= 100.2 for zone in ruler.zones)
    assert all(right.x >= left.x for left, right in pairwise(ruler.zones))
    in_order = sorted(
        (mark for mark in ruler.marks if mark.age_seconds is not None), key=lambda mark: -mark.age_seconds
    )
    assert all(left.x <= right.x for left, right in pairwise(in_order))
