"""Budgets, calls that never return, and the breaker, by a clock of the test's own."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

import pytest

from etlportal import breaker
from etlportal import budget as budgets
from etlportal.backends.bounded import BoundedCursor, BoundedWrapper, whole_seconds
from etlportal.breaker import News, NotAsked
from etlportal.budget import NotBegun, OutOfTime, begin, budget, spending, wait
from tests.support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(budgets, "clock", made)
    monkeypatch.setattr(breaker, "clock", made)
    monkeypatch.setattr(breaker, "_sampled", lambda alias: None)
    return made


def test_only_waiting_is_counted(clock: Clock) -> None:
    with budget(2.0) as page:
        clock.now += 60  # rendering
        with spending():
            clock.now += 1.5
            assert page.left() == pytest.approx(0.5)
        clock.now += 60
        assert page.left() == pytest.approx(0.5)
        with spending():
            clock.now += 1
        with pytest.raises(NotBegun), spending():
            pass
        assert budgets.used_up()
    assert not budgets.used_up()


def test_one_inside_another_spends_both_and_whichever_is_shorter_ends_first(clock: Clock) -> None:
    with budget(5.0) as outer:
        with budget(2.0) as inner, spending():
            clock.now += 1.5
            assert (inner.left(), outer.left()) == (pytest.approx(0.5), pytest.approx(3.5))
        with budget(60.0) as longer:
            assert longer.left() == pytest.approx(3.5)
        with budget(60.0, anew=True) as own:
            assert own.left() == 60.0
        assert outer.left() == pytest.approx(3.5)


def test_a_wait_inside_a_wait_counts_once(clock: Clock) -> None:
    with budget(5.0) as page, spending():
        clock.now += 1
        with spending():
            clock.now += 1
        assert page.left() == pytest.approx(3.0)


@pytest.mark.parametrize(("limit", "left", "seconds"), [(15, 2.2, 3), (15, 0.1, 1), (2, 60, 2), (0, 2.2, 3)])
def test_the_drivers_own_limit(clock: Clock, limit: int, left: float, seconds: int) -> None:
    assert whole_seconds(limit) == limit
    with budget(left):
        assert whole_seconds(limit) == seconds


class Driver:
    """A driver's cursor: `execute` hangs until `go_on`. Closing it while it is at work would crash the process."""

    def __init__(self) -> None:
        self.go_on, self.at_work, self.closed = threading.Event(), False, False

    def execute(self, sql: str) -> None:
        self.at_work = True
        self.go_on.wait(10)
        self.at_work = False

    def close(self) -> None:
        assert not self.at_work
        self.closed = True


class Wrapper(BoundedWrapper):
    alias = "dw"

    def __init__(self) -> None:
        self.connection = object()


@pytest.mark.parametrize("stopped_by", [None, KeyboardInterrupt, SystemExit])
def test_a_call_that_hangs_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, stopped_by: type[BaseException] | None
) -> None:
    """Also when a signal ends the wait instead of the budget."""
    driver, wrapper = Driver(), Wrapper()
    cursor = BoundedCursor(driver, wrapper)
    if stopped_by is not None:

        def interrupted(future: Future[None], timeout: float) -> None:
            raise stopped_by

        monkeypatch.setattr(Future, "result", interrupted)
    with budget(0.05), pytest.raises(stopped_by or OutOfTime):
        cursor.execute("SELECT 1")
    assert wrapper.connection is None
    cursor.close()
    assert not driver.closed
    driver.go_on.set()


def test_a_call_that_ends_is_as_without_a_budget() -> None:
    driver, wrapper = Driver(), Wrapper()
    driver.go_on.set()
    cursor = BoundedCursor(driver, wrapper)
    with budget(5):
        cursor.execute("SELECT 1")
        with pytest.raises(ZeroDivisionError):
            wrapper.bounded(lambda: 1 // 0)
    assert wrapper.connection is not None
    cursor.close()
    assert driver.closed


def test_the_calls_of_one_connection_share_a_thread_that_ends_with_it() -> None:
    wrapper = Wrapper()
    with budget(5):
        (thread,) = {wrapper.bounded(threading.current_thread) for _ in range(3)}
    assert thread is not threading.current_thread()
    assert thread.is_alive()
    del wrapper
    thread.join(5)
    assert not thread.is_alive()


def test_a_call_that_hangs_is_left_behind_and_its_thread_ends_with_it() -> None:
    go_on, started = threading.Event(), threading.Event()
    used: list[threading.Thread] = []

    def hangs() -> None:
        used.append(threading.current_thread())
        started.set()
        go_on.wait(10)

    future = begin(hangs)
    with pytest.raises(OutOfTime):
        wait(future, 0.05)
    assert started.wait(5)
    assert used[0].daemon
    go_on.set()
    used[0].join(5)
    assert not used[0].is_alive()


def test_a_timeout_of_the_call_itself_is_not_ours() -> None:
    def times_out() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        wait(begin(times_out), 5)


class TestBreaker:
    def test_after_a_failure_one_attempt_in_ten_seconds(self, clock: Clock) -> None:
        breaker.check("dw")
        breaker.failed("dw", ValueError("dead"))
        assert breaker.down("dw")
        with pytest.raises(NotAsked) as refused:
            breaker.check("dw")
        assert str(refused.value.reason) == "dead"
        breaker.check("oltp")
        clock.now += breaker.PROBE_SECONDS
        breaker.check("dw")  # the one
        with pytest.raises(NotAsked):
            breaker.check("dw")
        breaker.answered("dw")
        breaker.check("dw")
        assert not breaker.down("dw")

    def test_a_sample_is_believed_when_it_is_newer(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        now = datetime.now(UTC)
        news = {"dw": News(now + timedelta(seconds=1), "the sample's problem")}
        monkeypatch.setattr(breaker, "_sampled", news.get)
        with pytest.raises(NotAsked) as refused:
            breaker.check("dw")
        assert refused.value.reason == "the sample's problem"
        assert refused.value.at == news["dw"].at
        # A newer sample with an answer closes the breaker at once.
        news["dw"] = News(now + timedelta(seconds=2))
        breaker.check("dw")

    def test_a_sample_older_than_our_own_success_is_not(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        old = News(datetime.now(UTC) - timedelta(seconds=20), "dead")
        monkeypatch.setattr(breaker, "_sampled", lambda alias: old)
        breaker.answered("dw")
        breaker.check("dw")

    def test_bad_samples_again_and_again_still_let_one_attempt_through(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start, number = datetime.now(UTC), iter(range(100))
        monkeypatch.setattr(breaker, "_sampled", lambda alias: News(start + timedelta(seconds=next(number)), "dead"))
        passed = 0
        for _ in range(25):
            clock.now += 1
            try:
                breaker.check("dw")
            except NotAsked:
                continue
            passed += 1
        assert passed == 2
