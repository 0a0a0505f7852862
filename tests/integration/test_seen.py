"""The audit's history: read in limited parts, never twice, with a correct reach."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitoring.collector import login_history as module
from monitoring.collector.login_history import prune_seen, remember_logins
from monitoring.collector.memory import Memory
from monitoring.connections import queries as auditor
from monitoring.models import SeenDay, SeenHistory
from monitoring.rules.login_events import ENCRYPTION, HOST, LOGIN, EventGroup
from monitoring.warehouse import login_events as login_history
from monitoring.warehouse.reader import ReadFailed
from tests.support.queries import queries
from tests.support.warehouse import NOW

pytestmark = pytest.mark.django_db
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded database's clock cannot be moved: its ends are told with the tests' own now."""
    real = login_history.ends

    monkeypatch.setattr(module, "ends", lambda: (NOW, *real()[1:]))


def turn(memory: Memory | None = None) -> Memory:
    memory = memory or Memory()
    memory.seen_at = None
    remember_logins(memory, NOW)
    return memory


def days(column: str = "login_name") -> list[tuple[str, int, str]]:
    """Value, days ago and hours of each row, oldest first."""
    rows = SeenDay.objects.filter(column=column).order_by("day", "value")
    return [(row.value, (NOW.date() - row.day).days, bin(row.hours).count("1") * "h") for row in rows]


def test_a_row_per_value_and_day_with_its_hours(warehouse: Any) -> None:
    for ago in (2 * DAY, 2 * DAY - HOUR, 2 * DAY - HOUR, DAY, timedelta(0)):
        warehouse.login_event(event_time_utc=NOW - ago)
    warehouse.login_event(event_time_utc=NOW - DAY, login_name=None, host_name="", encrypt_option="FALSE")
    turn()
    assert days() == [("etl_runner", 2, "hh"), ("", 1, "h"), ("etl_runner", 1, "h"), ("etl_runner", 0, "h")]
    assert ("FALSE", 1, "h") in days("encrypt_option")
    assert {row.column for row in SeenDay.objects.all()} == {
        "login_name", "host_name", "client_net_address", "program_name", "auth_scheme", "encrypt_option",
    }  # fmt: skip
    row = SeenDay.objects.get(column="login_name", day=(NOW - 2 * DAY).date())
    assert (row.first_seen, row.last_seen) == (NOW - 2 * DAY, NOW - 2 * DAY + HOUR)
    assert row.hours == 1 << 12 | 1 << 13


def test_it_knows_how_far_it_reaches(warehouse: Any) -> None:
    for ago in (70, 61, 59, 1):
        warehouse.login_event(event_time_utc=NOW - ago * DAY)
    assert not turn().seen_behind
    assert [each[1] for each in days()] == [59, 1], "no more is kept than the setting says"
    history = SeenHistory.objects.get()
    assert (history.from_key, history.to_key, history.complete) == (1, 4, True)
    assert (history.reaches_back, history.read_until) == (NOW - 60 * DAY, NOW)


def test_a_young_table_reaches_back_to_its_first_event(warehouse: Any) -> None:
    warehouse.login_event(event_time_utc=NOW - 5 * DAY)
    turn()
    assert SeenHistory.objects.get().reaches_back == NOW - 5 * DAY


def test_backwards_in_bounded_pieces(warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 2)
    monkeypatch.setattr(module, "MOST_PIECES", 2)
    for ago in range(10, 0, -1):
        warehouse.login_event(event_time_utc=NOW - ago * DAY)
    memory = Memory()
    reached = []
    while not reached or memory.seen_behind:
        with queries(dw=range(1, 4)):
            turn(memory)
        history = SeenHistory.objects.get()
        reached.append((NOW - history.reaches_back) // DAY)
    assert reached == [4, 8, 10]
    assert len(days()) == 10
    assert history.complete


def test_a_gap_in_the_keys_is_not_the_end(warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 2)
    monkeypatch.setattr(module, "MOST_PIECES", 9)
    warehouse.login_event(event_time_utc=NOW - 3 * DAY)
    warehouse.login_event(event_time_utc=NOW - DAY, connection_event_id=12)
    assert not turn().seen_behind
    assert [each[1] for each in days()] == [3, 1]


def test_what_is_new_is_read_once_more_and_counts_once(warehouse: Any) -> None:
    warehouse.login_event(event_time_utc=NOW - DAY)
    memory = turn()
    before = list(SeenDay.objects.order_by("pk").values())
    turn(memory)
    assert list(SeenDay.objects.order_by("pk").values()) == before
    warehouse.login_event(event_time_utc=NOW - HOUR, login_name="ETL_Runner")
    turn(memory)
    assert days() == [("etl_runner", 1, "h"), ("ETL_Runner", 0, "h")]
    assert len(set(SeenDay.objects.filter(column="login_name").values_list("digest", flat=True))) == 1
    assert SeenHistory.objects.get().to_key == 2


def test_a_key_that_was_committed_late_is_not_missed(warehouse: Any) -> None:
    warehouse.login_event(event_time_utc=NOW - DAY, connection_event_id=10)
    warehouse.login_event(event_time_utc=NOW - DAY, connection_event_id=12)
    memory = turn()
    warehouse.login_event(event_time_utc=NOW - DAY, connection_event_id=11, login_name="late")
    turn(memory)
    assert ("late", 1, "h") in days()


def test_another_table_begins_anew_and_a_pruned_one_does_not(warehouse: Any) -> None:
    for _ in range(3):
        warehouse.login_event(event_time_utc=NOW - DAY, login_name="old")
    memory = turn()
    warehouse.execute("dw", "DELETE FROM [audit].[connection_login_events]")
    turn(memory)
    assert days() == [("old", 1, "h")], "emptied by its retention: what was seen stays seen"
    warehouse.login_event(event_time_utc=NOW - HOUR, login_name="new", connection_event_id=1)
    turn(memory)
    assert days() == [("new", 0, "h")]
    assert SeenHistory.objects.get().reaches_back == NOW - HOUR


def test_not_in_every_tick(warehouse: Any) -> None:
    warehouse.login_event(event_time_utc=NOW - DAY)
    memory = turn()
    with queries(dw=0, default=0):
        remember_logins(memory, NOW)


def test_a_table_that_cannot_be_read_stops_nothing(warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from monitoring.rules.enums import ProblemCode
    from monitoring.rules.facts import Problem

    def fail() -> Any:
        raise ReadFailed(Problem(code=ProblemCode.PERMISSION_DENIED))

    monkeypatch.setattr(module, "ends", fail)
    assert not turn().seen_behind
    assert SeenHistory.objects.count() == 0


def test_pruning_is_bounded(warehouse: Any) -> None:
    for ago in (59, 40, 1):
        warehouse.login_event(event_time_utc=NOW - ago * DAY)
    turn()
    assert prune_seen(before=(NOW - 39 * DAY).date(), limit=7) == 7
    assert prune_seen(before=(NOW - 39 * DAY).date(), limit=7) == 5
    assert [each[1] for each in days()] == [1]


def sampled(**values: str) -> EventGroup:
    names = ("login", "host", "program", "database", "status", "address", "encrypt", "auth")
    return EventGroup(
        hour=NOW,
        values=tuple(values.get(name) for name in names),
        events=1,
        sessions={},
        unidentified=1,
        first=NOW,
        last=NOW,
        first_key=1,
        last_key=1,
    )


def test_the_history_before_a_window(warehouse: Any) -> None:
    since = NOW - 2 * HOUR
    for ago, host in ((30 * DAY + timedelta(minutes=1), "A"), (29 * DAY, "B"), (timedelta(minutes=1), "C")):
        warehouse.login_event(event_time_utc=since - ago, host_name=host)
    warehouse.login_event(event_time_utc=NOW - HOUR, host_name="D")
    warehouse.login_event(event_time_utc=since - 40 * DAY, host_name="E")
    turn()
    groups = [sampled(login="ETL_RUNNER", host=host, encrypt="TRUE") for host in "ABCDE"]
    with queries(default=2):
        known, usual, reaches_back = auditor.history(groups, since)
    assert known[HOST] == {"b", "c"}, "before the window, and not more than 30 days before it"
    assert known[ENCRYPTION] == {"true"}
    assert reaches_back == since - 40 * DAY
    hours, seen_on = usual["etl_runner"]
    # 29 days before Tuesday 10:00 is Monday 10:00; a minute before the window is Tuesday 09:59.
    assert (set(hours), seen_on) == ({10, 24 + 9}, 2)
    assert LOGIN in known


def test_a_memory_that_is_not_up_to_the_window_is_none(warehouse: Any) -> None:
    warehouse.login_event(event_time_utc=NOW - 40 * DAY)
    turn()
    assert auditor.history([sampled(host="A")], NOW)[2] is not None
    assert auditor.history([sampled(host="A")], NOW + HOUR)[2] is None
    SeenHistory.objects.all().delete()
    assert auditor.history([sampled(host="A")], NOW)[2] is None
