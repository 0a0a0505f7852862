"""`manage.py demo`: when it refuses to start, what it prepares, and that it stops all its processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from demo import processes as processes_module
from demo.management.commands.demo import create_demo_users, forget_copies
from demo.processes import KeepsEnding, Processes, on_stop
from demo.warehouse import DemoRefused, exclusive
from monitoring.models import CollectorState, RunCopy, UserPreferences

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")


def python(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in the project with a clean environment."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, "PORTAL_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "etlportal.settings", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


EVERYTHING = """
import sys, django
django.setup()
from django.db import connections
import etlportal.wsgi, etlportal.urls, monitoring.urls
import demo.management.commands.demo, demo.management.commands.demo_etl
import monitoring.management.commands.collect, demo.simulation
for alias in connections:
    connections[alias].vendor
print(sorted(name for name in sys.modules if name.split(".")[0] in {"pyodbc", "mssql", "mssql_python"}))
"""


def test_the_embedded_mode_loads_neither_pyodbc_nor_mssql(tmp_path: Path) -> None:
    done = python("-c", EVERYTHING, folder=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize("command", ["demo", "demo_etl"])
def test_a_real_warehouse_has_no_demo(tmp_path: Path, command: str) -> None:
    done = python("manage.py", command, folder=tmp_path, ETL_SQL_SERVER="sql.example.com", SECRET_KEY="x" * 60)
    assert done.returncode == 1
    assert f"Unknown command: {command!r}" in done.stderr
    assert not (tmp_path / "portal.sqlite3").exists()


def test_users_are_refused_beside_a_real_warehouse(db: None, settings: Any) -> None:
    settings.EMBEDDED = False
    with pytest.raises(DemoRefused, match="ETL_SQL_SERVER"):
        create_demo_users()
    assert not User.objects.exists()


def test_the_demo_users(db: None) -> None:
    assert create_demo_users() == ["viewer", "operator", "auditor", "admin"]
    for name in ("viewer", "operator", "auditor", "admin"):
        user = authenticate(username=name, password="demo")
        assert user is not None
        assert [group.name for group in user.groups.all()] == [name]
        assert (user.is_staff, user.is_superuser) == (name == "admin", name == "admin")
    assert not UserPreferences.objects.exists()


def test_users_that_exist_are_left_alone(db: None) -> None:
    create_demo_users()
    viewer = User.objects.get(username="viewer")
    viewer.set_password("changed")
    viewer.save()
    create_demo_users()
    assert authenticate(username="viewer", password="changed") is not None
    assert User.objects.count() == Group.objects.count() == 4


def test_a_new_warehouse_forgets_the_old_ones_copies(db: None, settings: Any) -> None:
    CollectorState.objects.create(lease_holder="x")
    RunCopy.objects.create(run_id=1, entities_requested="x", started_by="x", started_at="2026-03-10T12:00:00Z",
                           status="success", entities_succeeded=1, entities_failed=0)  # fmt: skip
    settings.EMBEDDED = False
    with pytest.raises(DemoRefused):
        forget_copies()
    assert RunCopy.objects.exists()
    settings.EMBEDDED = True
    forget_copies()
    assert not RunCopy.objects.exists()
    assert not CollectorState.objects.exists()


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "80 80", "http", "8000; ls"])
def test_a_port_that_is_none(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(CommandError, match="PORT must be a number from 1 to 65535"):
        call_command("demo")


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        with pytest.raises(CommandError, match=r"Port \d+ cannot be used"):
            call_command("demo")


def test_a_second_demo_over_the_same_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    with exclusive(tmp_path / "demo.lock", ""), pytest.raises(CommandError, match="already runs"):
        call_command("demo")
    with exclusive(tmp_path / "demo-etl.lock", ""), pytest.raises(CommandError, match="Another demo ETL"):
        call_command("demo_etl")


@pytest.mark.parametrize("pace", [0, -1, 1e9])
def test_a_pace_that_is_none(pace: float) -> None:
    with pytest.raises(CommandError, match="--pace"):
        call_command("demo_etl", pace=pace)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_every_way_of_stopping_is_heard_and_the_old_handler_comes_back(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    heard: list[str] = []
    with on_stop(lambda: heard.append(name)):
        signal.raise_signal(number)
    assert heard == [name]
    assert signal.getsignal(number) is before


@pytest.fixture
def said() -> list[str]:
    return []


def family(said: list[str], **programs: str) -> Processes:
    commands = {name: [sys.executable, "-c", program] for name, program in programs.items()}
    return Processes(commands=commands, folder=ROOT, say=said.append)


def test_processes_are_stopped_together(said: list[str]) -> None:
    wait = "import time; time.sleep(60)"
    made = family(said, a=wait, b=wait)
    made.check()
    processes = [one.running for one in made.processes]
    made.stop()
    assert [process.poll() for process in processes if process] == [-signal.SIGTERM] * 2
    assert said == []


def test_a_process_that_ignores_it_is_killed(said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "STOP_SECONDS", 0.3)
    deaf = tmp_path / "deaf"
    made = family(
        said,
        deaf="import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(deaf)!r}).touch(); time.sleep(60)",
    )
    made.check()
    deadline = time.monotonic() + 20
    while not deaf.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    made.stop()
    assert made.processes[0].running is not None
    assert made.processes[0].running.poll() == -signal.SIGKILL


def test_a_process_that_dies_is_restarted(said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "SHORT_LIFE_SECONDS", 0.0)
    marks = tmp_path / "marks"
    made = family(said, mortal=f"open({str(marks)!r}, 'a').write('x'); raise SystemExit(3)")
    made.check()
    deadline = time.monotonic() + 20
    while not marks.exists() or len(marks.read_text()) < 3:
        made.check()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    made.stop()
    assert said[0] == "mortal ended with code 3; it starts again."


def test_a_process_that_keeps_dying_ends_the_demo(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 5))
    monkeypatch.setattr(processes_module, "monotonic", lambda: float(next(clock)))
    made = family(said, mortal="raise SystemExit(3)")
    made.check()
    with pytest.raises(KeepsEnding, match=r"mortal ended 4 times in a row \(last with code 3\)"):
        made.watch(threading.Event())
    assert len(said) == 3
