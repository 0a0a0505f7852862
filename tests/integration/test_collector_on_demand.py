"""A page with old figures and no collector takes one sample, one at a time, and never waits long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connections
from django.test import Client
from django.utils import timezone

from monitoring.collector import loop as on_demand
from monitoring.collector.lease import claim_lease, release_lease
from monitoring.collector.loop import ensure_fresh, take_one_sample
from monitoring.collector.snapshot import Current, current
from monitoring.models import CollectorState, PipelineSample
from tests.support.collecting import in_real_time
from tests.support.queries import queries
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.django_db(databases=("default", "dw", "oltp"), transaction=True)


@pytest.fixture(autouse=True)
def _on_demand(settings: object) -> Iterator[None]:
    settings.SAMPLE_ON_DEMAND = True  # type: ignore[attr-defined]
    on_demand._failed_at = None
    yield
    assert on_demand._taking.acquire(timeout=10), "a thread went on after its test"
    on_demand._taking.release()
    on_demand._failed_at = None


@pytest.fixture
def old(warehouse: Warehouse) -> Warehouse:
    in_real_time(warehouse).control()
    connections["dw"].close()
    return warehouse


def test_never_sampled_is_sampled(old: Warehouse) -> None:
    assert current().snapshot is None
    state = ensure_fresh(current(), wait_seconds=20)
    assert state.snapshot is not None
    assert [each.name for each in state.snapshot.pipelines] == ["dim_cliente"]
    assert not state.stale
    assert CollectorState.objects.get().lease_until is None, "a collector that starts need not wait"


def test_fresh_figures_cost_nothing(old: Warehouse) -> None:
    take_one_sample()
    state = current()
    with queries(default=0, dw=0, oltp=0):
        assert ensure_fresh(state) is state


@pytest.mark.parametrize("age", [61, -61], ids=["old", "of a clock that went back"])
def test_figures_older_than_a_minute_are_renewed(old: Warehouse, age: int) -> None:
    take_one_sample()
    CollectorState.objects.update(ticked_at=timezone.now() - timedelta(seconds=age))
    before = current()
    assert before.stale
    after = ensure_fresh(before, wait_seconds=20)
    assert not after.stale
    assert PipelineSample.objects.count() == 2


def test_a_collector_is_left_alone(old: Warehouse) -> None:
    claim_lease(holder="a collector")
    state = ensure_fresh(current(), wait_seconds=20)
    assert state.snapshot is None
    assert not PipelineSample.objects.exists()
    release_lease(holder="a collector")


def test_however_many_watch(old: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pages at once: one sample, and the nine others do not wait."""
    going, go_on = threading.Event(), threading.Event()
    original = on_demand.take_one_sample

    def slow() -> bool:
        going.set()
        go_on.wait(20)
        return original()

    monkeypatch.setattr(on_demand, "take_one_sample", slow)
    stale = Current(snapshot=None, version="", sampled_at=None, ticked_at=None, now=timezone.now())
    first = threading.Thread(target=_in_thread(lambda: ensure_fresh(stale, wait_seconds=20)))
    first.start()
    assert going.wait(20)
    started = time.monotonic()
    for _ in range(9):
        assert ensure_fresh(stale, wait_seconds=20) is stale
    assert time.monotonic() - started < 5
    go_on.set()
    first.join()
    assert PipelineSample.objects.count() == 1


def test_a_page_waits_so_long_and_no_longer(old: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(on_demand, "take_one_sample", lambda: go_on.wait(20))
    state = current()
    started = time.monotonic()
    assert ensure_fresh(state, wait_seconds=0.1) is state
    assert time.monotonic() - started < 5
    go_on.set()


def test_a_failure_is_logged_and_not_repeated_at_once(
    old: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    def fail() -> bool:
        tries.append(1)
        raise DatabaseError("default is down")

    monkeypatch.setattr(on_demand, "take_one_sample", fail)
    for _ in range(3):
        assert ensure_fresh(current(), wait_seconds=20).snapshot is None
    assert len(tries) == 1
    assert "could not take a sample" in caplog.text


def test_one_sample_between_processes(old: Warehouse) -> None:
    claim_lease(holder="page:another process")
    assert take_one_sample() is False
    release_lease(holder="page:another process")
    assert take_one_sample() is True


def test_it_can_be_switched_off(old: Warehouse, settings: object) -> None:
    settings.SAMPLE_ON_DEMAND = False  # type: ignore[attr-defined]
    assert ensure_fresh(current(), wait_seconds=20).snapshot is None


def test_a_page_does_it(old: Warehouse) -> None:
    """The summary itself, asked for when nothing was ever sampled."""
    client = Client()
    reader = User.objects.create_user("reader")
    reader.groups.add(Group.objects.get(name="viewer"))
    client.force_login(reader, backend="monitoring.accounts.UserBackend")
    response = client.get("/")
    assert response.status_code == 200
    assert PipelineSample.objects.count() == 1
    assert "dim_cliente" in response.content.decode()


def _in_thread(act: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    return run
