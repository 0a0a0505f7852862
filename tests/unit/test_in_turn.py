"""One refresh renders at a time; where many ask nobody waits, and there is a pause after each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitoring.selectors.shared import BeingMade
from monitoring.views import in_turn
from monitoring.views.in_turn import MANY, MOST_PAUSE_SECONDS, Turn, many_ask, refresh_asked


class Clock:
    """What time it is, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(in_turn, "time", clock)
    monkeypatch.setattr(in_turn._Pause, "until", 0.0)
    in_turn._asked.clear()
    yield clock
    in_turn._asked.clear()


def refresh(clock: Clock, seconds: float = 0.0) -> None:
    with Turn() as turn:
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
        refresh(clock)
    clock.now += 0.02
    refresh(clock)


def test_who_renders_nothing_takes_no_turn(clock: Clock) -> None:
    with in_turn.rendering, Turn():
        pass
    assert in_turn._Pause.until == 0.0


def test_a_refresh_keeps_its_turn_for_all_its_blocks(clock: Clock) -> None:
    with Turn() as mine:
        mine.make(lambda: None)
        for _ in range(MANY):
            refresh_asked()
        with pytest.raises(BeingMade):
            refresh(clock)
        assert mine.make(lambda: "made") == "made"


def test_the_turn_ends_after_a_failure(clock: Clock) -> None:
    def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError), Turn() as turn:
        turn.make(fails)
    refresh(clock)


def test_a_few_wait_for_their_turn_the_others_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_turn, "_waiting", threading.BoundedSemaphore(1))
    with in_turn.rendering, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: Turn().make(lambda: "made"))
        while in_turn._waiting.acquire(blocking=False):
            in_turn._waiting.release()
        with pytest.raises(BeingMade):
            Turn().make(lambda: None)
        in_turn.rendering.release()
        assert waiting.result(timeout=5) == "made"  # who waited has the lock now, and the test lets go of it


def test_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_turn, "MOST_WAIT_SECONDS", 0.01)
    with in_turn.rendering, pytest.raises(BeingMade):
        Turn().make(lambda: None)
