"""The simulation behind docs/scaling.md: the same every time, and right where the answer is known without it."""

from __future__ import annotations

import pytest

from bench.simulate import World, simulate

ALIKE = World(viewers=100, replicas=1, cores=1, unchanged=5, moved=5, first=5, page=5, pages_per_minute=0, seconds=30)


def test_it_is_the_same_every_time() -> None:
    assert simulate(ALIKE) == simulate(ALIKE)


def test_who_is_alone_waits_for_nobody() -> None:
    found = simulate(World(viewers=1, replicas=1, unchanged=5, moved=5, first=5, pages_per_minute=0, seconds=300))
    assert 3.5 <= found.p50 <= found.p99 <= 6.5
    assert found.late == 0


def test_the_load_is_what_arithmetic_says() -> None:
    """100 viewers every 5 s are 20 requests a second: at 5 ms each a tenth of a core."""
    found = simulate(ALIKE)
    assert found.requests_per_second == pytest.approx(20, rel=0.05)
    assert found.busy == pytest.approx(0.1, rel=0.1)


def test_twice_the_replicas_are_half_as_busy() -> None:
    two = simulate(
        World(viewers=400, replicas=2, cores=1, unchanged=5, moved=5, first=5, pages_per_minute=0, seconds=30)
    )
    one = simulate(
        World(viewers=400, replicas=1, cores=1, unchanged=5, moved=5, first=5, pages_per_minute=0, seconds=30)
    )
    assert two.busy == pytest.approx(one.busy / 2, rel=0.05)
    assert two.p99 <= one.p99


def test_more_than_there_is_makes_everybody_wait() -> None:
    found = simulate(
        World(viewers=3000, replicas=1, cores=1, unchanged=5, moved=5, first=5, pages_per_minute=0, seconds=30)
    )
    assert found.busy > 0.98
    assert found.late > 0.9


def test_who_comes_first_after_a_tick_renders_for_all() -> None:
    """Six pages, two processes, a tick each 10 s: twelve requests in ten seconds take 100 ms, the rest 5."""
    world = World(viewers=100, cores=2, unchanged=5, moved=5, first=100, pages_per_minute=0, seconds=100)
    found = simulate(world)
    assert found.busy * 2 == pytest.approx(20 * 0.005 + 1.2 * 0.095, rel=0.05)
    assert found.p50 < 7
