"""Shared readings: made once, cached for seconds, never made twice at the same time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from etlportal.budget import budget
from monitoring.web import cache as module
from monitoring.web.cache import RenderInProgress, cache, cached_once


def test_made_once_while_fresh() -> None:
    made: list[int] = []
    for _ in range(3):
        assert cached_once("k", lambda: made.append(1) or len(made), fresh=lambda _: 10.0) == 1
    assert made == [1]


def test_made_again_when_aged() -> None:
    values = iter([1, 2])
    start = datetime(2026, 3, 10, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        assert cached_once("k", lambda: next(values), fresh=lambda _: 10.0) == 1
    with time_machine.travel(start + timedelta(seconds=10), tick=False):
        assert cached_once("k", lambda: next(values), fresh=lambda _: 10.0) == 2


def test_a_hundred_at_once_make_one() -> None:
    made: list[int] = []

    def slow() -> str:
        made.append(1)
        time.sleep(0.2)
        return "value"

    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(cached_once("k", slow, fresh=lambda _: 10.0))) for _ in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert found == ["value"] * 100


def test_the_aged_value_serves_while_a_new_one_is_made() -> None:
    cached_once("k", lambda: "old", fresh=lambda _: 0.0)
    cache.add("k:lock", 1, 60)
    assert cached_once("k", lambda: pytest.fail("somebody else makes it"), fresh=lambda _: 10.0) == "old"


def test_who_would_not_wait_is_told() -> None:
    cache.add("k:lock", 1, 60)
    with pytest.raises(RenderInProgress):
        cached_once("k", lambda: pytest.fail("somebody else makes it"), fresh=lambda _: 10.0, wait=False)
    cache.delete("k:lock")
    assert cached_once("k", lambda: "made", fresh=lambda _: 0.0, wait=False) == "made"
    cache.add("k:lock", 1, 60)
    assert cached_once("k", lambda: pytest.fail("somebody else makes it"), fresh=lambda _: 10.0, wait=False) == "made"


def test_waiting_for_somebody_else_is_part_of_what_a_reader_may_wait() -> None:
    cache.add("k:lock", 1, 60)
    with budget(0.1) as mine:
        assert cached_once("k", lambda: "mine", fresh=lambda _: 10.0) == "mine"
        assert mine.left() <= 0
        cache.delete("k")
        begun = time.monotonic()
        assert cached_once("k", lambda: "mine", fresh=lambda _: 10.0) == "mine"
        assert time.monotonic() - begun < module.STEP_SECONDS


def test_who_raises_is_not_kept_and_frees_the_way() -> None:
    with pytest.raises(ZeroDivisionError):
        cached_once("k", lambda: 1 // 0, fresh=lambda _: 10.0)
    assert cached_once("k", lambda: "good", fresh=lambda _: 10.0) == "good"


def test_a_maker_that_died_does_not_hold_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    cache.add("k:lock", 1, 60)
    assert cached_once("k", lambda: "mine", fresh=lambda _: 10.0) == "mine"


def test_none_is_a_value() -> None:
    made: list[int] = []
    for _ in range(2):
        assert cached_once("k", lambda: made.append(1), fresh=lambda _: 10.0) is None
    assert made == [1]
