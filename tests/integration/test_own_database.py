"""Requirements on `default` on every engine: exclusive claims, any text, surviving a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.utils import timezone

from monitoring.collector.copies import store_runs
from monitoring.collector.lease import LONGEST, LeaseLost, claim_lease
from monitoring.collector.rollup import roll_up
from monitoring.models import (
    CollectorState,
    IntegrityReport,
    PipelineRollup,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
)
from monitoring.models.lookups import DatabaseTime
from monitoring.pipelines.checks import AlreadyRunning
from monitoring.pipelines.checks import claim as claim_checks
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.rules.rollups import HOUR, hour_of
from monitoring.warehouse.reader import release
from tests.factories import execution, run

Contend = Callable[[Callable[[int], bool]], list[bool]]
CONTENDERS = 6
ROUNDS = 8


@pytest.fixture
def contend(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contend]:
    """`contend(claim)`: claim(number) in several threads at the same moment; return their answers.

    Each has a connection of its own and really commits. (On SQLite to a file, as in life: tests
    otherwise have theirs in memory, where nobody waits for a lock.)
    """
    models = (CollectorState, IntegrityReport, PipelineSample, PipelineRollup, PipelineSettings)
    if connection.vendor == "sqlite":
        monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "portal.sqlite3"))
    pool = ThreadPoolExecutor(CONTENDERS)
    together = threading.Barrier(CONTENDERS)

    def prepare() -> None:
        if connection.vendor == "sqlite":
            with connection.schema_editor() as editor:
                for model in models:
                    editor.create_model(model)

    def clean() -> None:
        for model in models:
            model.objects.all().delete()

    def turn(claim: Callable[[int], bool], number: int) -> bool:
        connection.ensure_connection()
        together.wait(10)
        return claim(number)

    def close(_: int) -> None:
        together.wait(10)
        connections.close_all()

    pool.submit(prepare).result()
    try:
        yield lambda claim: list(pool.map(lambda number: turn(claim, number), range(CONTENDERS)))
    finally:
        pool.submit(clean).result()
        list(pool.map(close, range(CONTENDERS)))
        pool.shutdown()


def end_lease(number: int) -> bool:
    """Let the lease end, in one of the threads."""
    return number == 0 and CollectorState.objects.update(lease_until=DatabaseTime(-LONGEST)) == 1


def test_one_of_many_collectors_gets_the_lease(contend: Contend) -> None:
    """First where no row exists yet, then each time that the last holder's lease has ended."""

    for number in range(ROUNDS):
        won = contend(lambda who, at=number: claim_lease(holder=f"collector {who} of {at}"))
        assert won.count(True) == 1
        assert contend(end_lease).count(True) == 1


def test_one_of_many_readers_starts_the_checks(contend: Contend) -> None:
    now = timezone.now()

    def claim(number: int, moment: Any) -> bool:
        with suppress(AlreadyRunning):
            claim_checks("dim_cliente", by=f"reader {number}", now=moment)
            return True
        return False

    for number in range(ROUNDS):
        won = contend(lambda who, at=now + timedelta(hours=number): claim(who, at))
        assert won.count(True) == 1


def test_each_hour_is_rolled_up_once_whoever_rolls_up(contend: Contend) -> None:
    """All of them believe that they hold the lease, and begin with the same hour at the same moment."""
    first = hour_of(timezone.now()) - ROUNDS * HOUR

    def sampled(number: int) -> bool:
        if number == 0:
            CollectorState.objects.create(lease_holder="x")
            for each in range(3 * ROUNDS):
                at = first + each * HOUR / 3
                PipelineSample.objects.create(entity_name="dim_cliente", sampled_at=at, status="ok", is_active=True)
        return True

    def roll(number: int) -> bool:
        with suppress(LeaseLost):
            return roll_up(holder="x", now=timezone.now(), seconds=0)[0] > 0
        return False

    def counted(number: int) -> bool:
        hours = list(PipelineRollup.objects.filter(grain="hour").order_by("start").values_list("start", "samples"))
        return hours == [(first + each * HOUR, 3) for each in range(len(hours))] and len(hours) >= 1

    contend(sampled)
    assert any(contend(roll))
    assert all(contend(counted))
    for _ in range(ROUNDS):
        contend(roll)
    assert all(contend(counted))


def test_any_text_of_the_warehouse_can_be_stored(db: None) -> None:
    """PostgreSQL knows no NUL and means its lengths."""
    name, word, error = "dim\0cliente", "a status that nobody has heard of", "x" * 9000 + "\0"
    told = execution(entity_name=name, status=ExecutionStatus.UNKNOWN, status_text=word, error_message=error, run_id=7)
    whole = run(
        run_id=7,
        status=RunStatus.UNKNOWN,
        status_text=word,
        entities_requested="e" * 600,
        started_by="u" * 200,
        error_message=error,
        executions=(told,),
    )
    assert store_runs(runs=[whole])[0] == 2
    copy, entity = RunCopy.objects.get(), RunEntityCopy.objects.get(entity_name=name)
    assert (len(copy.entities_requested), len(copy.started_by), copy.status) == (500, 128, word[:20])
    assert entity.entity_name == "dim␀cliente"
    assert entity.error_message == "x" * 9000 + "␀"
    assert store_runs(runs=[whole])[0] == 0, "what was cut is no difference"


def test_any_result_of_a_check_can_be_stored(db: None) -> None:
    IntegrityReport.objects.create(entity_name="a\0b", results=[{"found": ["\0", {"\0": 1}], "rows": 3}])
    assert IntegrityReport.objects.get(pk="a\0b").results == [{"found": ["␀", {"␀": 1}], "rows": 3}]


def test_a_restarted_server_costs_one_turn_at_most(contend: Contend) -> None:
    """Every connection was cut between two turns, as by a restart: the next turn takes another one."""
    if connection.vendor != "postgresql":
        pytest.skip("only a server can be restarted")
    own = connection.connection.info.backend_pid
    assert contend(lambda who: claim_lease(holder=f"collector {who}")).count(True) == 1
    assert contend(end_lease).count(True) == 1
    with connection.cursor() as cursor:
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        )
        cursor.execute(others, [own])

    def turn(number: int) -> bool:
        release(DEFAULT_DB_ALIAS)  # as the collector's turn and a request begin
        return claim_lease(holder=f"another collector {number}")

    assert contend(turn).count(True) == 1
