"""The live ETL: goes on after a restart, a lock and a deleted warehouse, and stops when it is asked to."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from demo.runner import RealClock
from demo.simulation import build, run_live
from demo.warehouse import DemoRefused, EmbeddedWarehouse, exclusive

PACE = 400.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live") / "warehouse"
    build(folder, datetime.now(UTC).replace(tzinfo=None), days=1)
    return folder


@pytest.fixture
def files(made: Path, tmp_path: Path) -> EmbeddedWarehouse:
    return EmbeddedWarehouse(Path(shutil.copytree(made, tmp_path / "warehouse")))


class Background:
    """The live ETL in a thread of this process."""

    def __init__(self, files: EmbeddedWarehouse) -> None:
        self.clock = RealClock(PACE)
        self._thread = threading.Thread(target=run_live, args=(files, self.clock))

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.clock.stop()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.02)


def value(files: EmbeddedWarehouse, sql: str, alias: str = "dw") -> Any:
    connection = files.connect(alias)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


def runs(files: EmbeddedWarehouse) -> int:
    return int(value(files, "SELECT COUNT(*) FROM audit.etl_run WHERE status <> 'running'"))


def test_it_runs_again_and_again_and_the_shop_sells(files: EmbeddedWarehouse) -> None:
    before = runs(files)
    orders = "SELECT COUNT(*) FROM core.orders"
    sold = value(files, orders, "oltp")
    with Background(files):
        until(lambda: runs(files) >= before + 3)
        until(lambda: value(files, orders, "oltp") > sold)
    assert value(files, "SELECT COUNT(*) FROM audit.etl_run WHERE status = 'running'") == 0


def test_stopping_finishes_the_run_that_is_under_way(files: EmbeddedWarehouse) -> None:
    slow = RealClock(1.0)
    thread = threading.Thread(target=run_live, args=(files, slow))
    thread.start()
    running = "SELECT COUNT(*) FROM audit.etl_run WHERE status = 'running'"
    until(lambda: value(files, running) == 1)
    slow.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert value(files, running) == 0


def test_a_deleted_warehouse_is_reported_and_waited_for(
    files: EmbeddedWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    away = files.folder.with_name("away")
    caplog.set_level(logging.ERROR, "demo.simulation")
    with Background(files):
        before = runs(files)
        until(lambda: runs(files) > before)
        files.folder.rename(away)
        until(lambda: "is gone" in caplog.text)
        assert not files.folder.exists()  # nothing was created in its place
        away.rename(files.folder)
        before = runs(files)
        until(lambda: runs(files) > before)
    assert "demo --reset" in caplog.text


def test_a_replaced_warehouse_is_noticed(files: EmbeddedWarehouse, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "demo.simulation")
    copy = Path(shutil.copytree(files.folder, files.folder.with_name("copy")))
    with Background(files):
        before = runs(files)
        until(lambda: runs(files) > before)
        files.folder.rename(files.folder.with_name("old"))
        copy.rename(files.folder)
        before = runs(files)
        until(lambda: runs(files) > before)
    assert "were replaced" in caplog.text or "is gone" in caplog.text


def test_a_locked_file_ends_nothing(
    files: EmbeddedWarehouse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.warehouse.BUSY_SECONDS", 0.05)
    with Background(files):
        before = runs(files)
        until(lambda: runs(files) > before)
        blocker = sqlite3.connect(files.path("dw", "audit"), isolation_level=None, timeout=5)
        blocker.execute("BEGIN IMMEDIATE")
        until(lambda: "cannot be used (database is locked)" in caplog.text)
        blocker.execute("ROLLBACK")
        blocker.close()
        before = runs(files)
        until(lambda: runs(files) > before)
    for schema, path in files.files().items():
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), schema
        connection.close()


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with exclusive(path, ""), pytest.raises(DemoRefused, match="held"), exclusive(path, "held"):
        pass
    with exclusive(path, ""):
        pass


def test_a_stopped_clock_does_not_wait() -> None:
    clock = RealClock()
    clock.stop()
    began = monotonic()
    clock.sleep(60)
    assert monotonic() - began < 1
