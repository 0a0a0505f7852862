"""Hours that are over are read once; changes in them are noticed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from monitoring.connections.queries import event_groups
from monitoring.models import ConnectionLoginEvent
from monitoring.warehouse import login_events
from monitoring.warehouse.login_events import Bounds
from tests.support.warehouse import NOW, window_start

pytestmark = pytest.mark.django_db


def bounds(hours: int = 24, now: Any = NOW) -> Bounds:
    since = window_start(now, hours)
    rows = ConnectionLoginEvent.objects.filter(event_time_utc__gte=since).order_by("event_time_utc", "pk")
    newest = ConnectionLoginEvent.objects.order_by("-connection_event_id").values_list("pk", flat=True).first()
    return Bounds(now=now, since=since, first=rows.values_list("pk", flat=True).first(), newest=newest)


def read(found: Bounds) -> tuple[dict[int, int], list[str]]:
    """Return events by hours ago, and the statements that it took."""
    with CaptureQueriesContext(connections["dw"]) as captured:
        groups, _ = event_groups(found)
    counts = {round((NOW - each.hour).total_seconds() / 3600): each.events for each in groups}
    return counts, [query["sql"] for query in captured.captured_queries]


@pytest.fixture
def filled(warehouse: Any) -> Any:
    for ago in (30, 20, 5, 1, 0.5):
        warehouse.login_event(event_time_utc=NOW - timedelta(hours=ago))
    return warehouse


def test_the_first_look_reads_the_window(filled: Any) -> None:
    counts, statements = read(bounds())
    assert counts == {20: 1, 5: 1, 1: 2}
    assert len(statements) == 1
    assert "connection_event_id >= 2 AND" in statements[0]


def test_the_next_look_reads_what_is_not_over(filled: Any) -> None:
    read(bounds())
    filled.login_event(event_time_utc=NOW + timedelta(minutes=6))
    counts, statements = read(bounds(now=NOW + timedelta(minutes=7)))
    assert counts == {20: 1, 5: 1, 1: 2, 0: 1}
    assert "connection_event_id >= 4 AND" in statements[0], "the hour before may still have got events"
    _, statements = read(bounds(now=NOW + timedelta(minutes=8)))
    assert "connection_event_id >= 6 AND" in statements[0], "and then it was over"


def test_an_event_that_came_late_is_not_missed(filled: Any) -> None:
    read(bounds(now=NOW + timedelta(minutes=1)))
    filled.login_event(event_time_utc=NOW - timedelta(seconds=1))
    assert read(bounds(now=NOW + timedelta(minutes=2)))[0][1] == 3


def test_each_window_is_read_for_itself(filled: Any) -> None:
    assert [read(bounds(hours))[0] for hours in (6, 48, 6)] == [
        {5: 1, 1: 2},
        {30: 1, 20: 1, 5: 1, 1: 2},
        {5: 1, 1: 2},
    ]


def test_hours_leave_the_window(filled: Any) -> None:
    read(bounds())
    counts, _ = read(bounds(now=NOW + timedelta(hours=5)))
    assert counts == {5: 1, 1: 2}


@pytest.mark.parametrize("again", [0, 3])
def test_a_replaced_table_is_read_anew(filled: Any, again: int) -> None:
    read(bounds())
    filled.execute("dw", "DELETE FROM [audit].[connection_login_events]")
    for number in range(again):
        filled.login_event(event_time_utc=NOW - timedelta(hours=3), session_id=number)
    assert read(bounds())[0] == ({3: again} if again else {})


def test_a_pruned_window_is_read_anew(filled: Any) -> None:
    read(bounds())
    filled.execute("dw", "DELETE FROM [audit].[connection_login_events] WHERE connection_event_id <= 2")
    assert read(bounds())[0] == {5: 1, 1: 2}


def test_a_clock_that_went_back(filled: Any) -> None:
    read(bounds())
    assert read(bounds(now=NOW - timedelta(hours=4)))[0][20] == 1


def test_an_empty_window_asks_nothing(warehouse: Any) -> None:
    assert read(bounds()) == ({}, [])


def test_a_snapshot_at_the_windows_start_is_whole(warehouse: Any) -> None:
    """Its events have one time; the window begins with the smallest of their keys."""
    now = datetime.now(UTC)
    for session in range(5):
        warehouse.login_event(event_time_utc=now.replace(microsecond=0), session_id=session)
    found = login_events.bounds(6)
    assert (found.first, found.newest) == (1, 5)
    assert found.since == window_start(found.now, 6)
    assert abs((found.now - now).total_seconds()) < 60
    assert sum(each.events for each in event_groups(found)[0]) == 5


def test_too_much_is_cut_to_the_newest_whole_hours_and_said(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One group each in the hours 20, 5 and 1 (and one more of hour 1): three fit, so the oldest is not whole."""
    filled.login_event(event_time_utc=NOW - timedelta(hours=0.5), session_id=9)
    monkeypatch.setattr(login_events, "MOST_GROUPS", 3)
    groups, cut = event_groups(bounds())
    assert [NOW - each.hour for each in groups] == [timedelta(hours=5), timedelta(hours=1)]
    assert cut == NOW - timedelta(hours=5)
    found = bounds()
    with CaptureQueriesContext(connections["dw"]) as captured:
        assert event_groups(found) == (groups, cut)
    assert "connection_event_id >= 4" in captured.captured_queries[0]["sql"], "what was cut is not read again and again"


def test_a_range_takes_what_is_inside_and_nothing_else(filled: Any) -> None:
    found = login_events.bounds_between(NOW - timedelta(hours=20), NOW - timedelta(hours=1))
    assert (found.first, found.newest) == (2, 3)
    groups, _ = event_groups(found)
    assert [(each.hour, each.events) for each in groups] == [
        (NOW - timedelta(hours=20), 1),
        (NOW - timedelta(hours=5), 1),
    ]
    empty = login_events.bounds_between(NOW - timedelta(hours=4), NOW - timedelta(hours=2))
    assert (empty.first, event_groups(empty)) == (None, ([], None))
