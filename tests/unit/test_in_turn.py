"""One refresh renders at a time; where many ask nobody waits, and there is a pause after each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from monitoring.selectors.shared import BeingMade
from monitoring.views import in_turn
from monitoring.views.in_turn import MANY, MOST_PAUSE_SECONDS, TURN_SECONDS, Turn, many_ask, refresh_asked
from tests.support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(in_turn, "time", SimpleNamespace(monotonic=clock))
    return clock


def refresh(clock: Clock, seconds: float = 0.0, reader: str = "ana") -> None:
    with Turn(reader) as turn:
        turn.make(lambda: setattr(clock, "now", clock.now + seconds))


def test_many_are_many_within_a_second(clock: Clock) -> None:
    for number in range(MANY):
        assert not many_ask()
        clock.now = 100 + number / 100
        refresh_asked()
    assert many_ask()
    clock.now = 101.0
    assert not many_ask()


def test_where_few_ask_there_is_no_pause(clock: Clock) -> None:
    refresh(clock, 0.5)
    refresh(clock)


@pytest.mark.parametrize(("took", "pause"), [(0.05, 0.05), (5.0, MOST_PAUSE_SECONDS)])
def test_where_many_ask_there_is_a_pause_of_that_length(clock: Clock, took: float, pause: float) -> None:
    refresh(clock, took)
    for _ in range(MANY):
        refresh_asked()
    clock.now += pause - 0.01
    with pytest.raises(BeingMade):
        refresh(clock, reader="rui")
    clock.now += 0.02
    refresh(clock, reader="rui")


def test_where_many_ask_a_reader_has_one_turn_in_some_seconds(clock: Clock) -> None:
    for _ in range(MANY):
        refresh_asked()
    refresh(clock)
    clock.now += TURN_SECONDS - 0.5
    for _ in range(MANY):
        refresh_asked()
    with pytest.raises(BeingMade):
        refresh(clock)
    refresh(clock, reader="rui")
    clock.now += 0.5
    refresh(clock)


def test_what_is_known_of_readers_is_bounded(clock: Clock) -> None:
    for number in range(5000):
        refresh(clock, reader=str(number))
    assert len(in_turn._had) <= in_turn._KNOWN


def test_who_renders_nothing_takes_no_turn(clock: Clock) -> None:
    with in_turn.rendering, Turn("ana"):
        pass
    assert in_turn._Pause.until == 0.0


def test_a_refresh_keeps_its_turn_for_all_its_blocks(clock: Clock) -> None:
    with Turn("ana") as mine:
        mine.make(lambda: None)
        for _ in range(MANY):
            refresh_asked()
        with pytest.raises(BeingMade):
            refresh(clock, reader="rui")
        assert mine.make(lambda: "made") == "made"


def test_a_turn_may_end_earlier_and_be_taken_again(clock: Clock) -> None:
    with Turn("ana") as mine:
        mine.make(lambda: None)
        mine.end()
        refresh(clock, reader="rui")
        assert mine.make(lambda: "made") == "made"


def test_the_turn_ends_after_a_failure(clock: Clock) -> None:
    def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError), Turn("ana") as turn:
        turn.make(fails)
    refresh(clock)


def test_a_few_wait_for_their_turn_the_others_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_turn, "_waiting", threading.BoundedSemaphore(1))
    with in_turn.rendering, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: Turn("ana").make(lambda: "made"))
        while in_turn._waiting.acquire(blocking=False):
            in_turn._waiting.release()
        with pytest.raises(BeingMade):
            Turn("rui").make(lambda: None)
        in_turn.rendering.release()
        assert waiting.result(timeout=5) == "made"  # who waited has the lock now, and the test lets go of it


def test_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_turn, "MOST_WAIT_SECONDS", 0.01)
    with in_turn.rendering, pytest.raises(BeingMade):
        Turn("ana").make(lambda: None)
