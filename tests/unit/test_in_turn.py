"""One at a time, and giving way where others ask."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitoring.selectors.shared import BeingMade
from monitoring.views import in_turn
from monitoring.views.in_turn import MOST_WAY_SECONDS, refresh_asked


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Rendering takes 50 ms by this clock; what was slept is listed."""
    told: list[float] = []
    moments = iter([10.0, 10.05])
    monkeypatch.setattr(in_turn.time, "perf_counter", lambda: next(moments))
    monkeypatch.setattr(in_turn.time, "sleep", told.append)
    return told


def test_who_is_alone_gives_no_way(slept: list[float]) -> None:
    assert in_turn.in_turn(lambda: "made") == "made"
    assert slept == []


def test_where_others_asked_they_come_first(slept: list[float]) -> None:
    assert in_turn.in_turn(refresh_asked) is None
    assert slept == [pytest.approx(0.1)]


def test_not_for_ever(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> None:
    moments = iter([10.0, 15.0])
    monkeypatch.setattr(in_turn.time, "perf_counter", lambda: next(moments))
    in_turn.in_turn(refresh_asked)
    assert slept == [MOST_WAY_SECONDS]


def test_one_at_a_time_also_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_turn, "MOST_WAIT_SECONDS", 0.01)

    def nested() -> None:
        with pytest.raises(BeingMade):
            in_turn.in_turn(lambda: None)
        raise ValueError

    with pytest.raises(ValueError):
        in_turn.in_turn(nested)
    assert in_turn.in_turn(lambda: "made") == "made"


def test_a_few_wait_for_their_turn_the_others_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_turn, "_waiting", threading.BoundedSemaphore(1))
    with in_turn.rendering:
        waiting = ThreadPoolExecutor(1).submit(in_turn.in_turn, lambda: "made")
        while in_turn._waiting.acquire(blocking=False):
            in_turn._waiting.release()
        with pytest.raises(BeingMade):
            in_turn.in_turn(lambda: None)
    assert waiting.result(timeout=5) == "made"
