"""`manage.py doctor`: exit codes, text and JSON, both languages, nothing written, no secret, never hanging."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from etlportal import environment
from etlportal.guard import is_read
from monitoring.management.commands import doctor
from monitoring.models import CollectorState
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse import reader
from tests import factories
from tests.support.collecting import in_real_time
from tests.support.queries import counted
from tests.support.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Se;cr}et=1 x"

TOP = {"format", "language", "checked_at", "state", "exit_code", "ready_for", "connections", "checks", "sql"}
CONNECTION = {
    "alias", "reachable", "server", "database", "driver", "connection_string", "latency_ms", "clock_skew_seconds",
    "problem",
}  # fmt: skip
CHECK = {"code", "group", "entity_name", "state", "label", "detail", "to_do", "problem"}
PROBLEM = {"code", "detail", "sqlstate", "native"}


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def run(*arguments: str, out: io.StringIO | None = None) -> tuple[int, str]:
    """Run the command in this process: its exit code and what it printed."""
    written = out or io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", *arguments, stdout=written)
    return int(ended.value.code or 0), written.getvalue()


def states(text: str) -> dict[tuple[str, str], str]:
    return {(check["code"], check["entity_name"]): check["state"] for check in json.loads(text)["checks"]}


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setattr(doctor, "name_process", lambda role: None)


@pytest.fixture
def ready(warehouse: Warehouse, snapshot_stored: Any, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse that is all that it should be, and a collector at work."""
    in_real_time(warehouse).all_controls()
    snapshot_stored(factories.snapshot())
    if connection.vendor != "sqlite":
        # The doctor asks a server in a thread, whose connection sees nothing of this test's transaction.
        monkeypatch.setattr(doctor, "read_portal_in_time", doctor.read_portal)
    return warehouse


def test_ready_is_0(ready: Warehouse) -> None:
    code, text = run()
    assert (code, text.splitlines()[-1].split(":")[0]) == (0, "Ready"), text
    for heading in ("Connections", "Schemas, tables and permissions", "Pipelines", "The portal itself"):
        assert f"{heading}\n" in text
    assert "✓ Passed  DW connection: dw" in text
    assert "\033" not in text
    assert "GRANT" not in text


def test_without_a_collector_it_warns(ready: Warehouse) -> None:
    CollectorState.objects.all().delete()
    code, text = run()
    assert code == 1
    assert "! Warning Collector" in text
    assert text.splitlines()[-1].startswith("Ready, but not everything passed: 1 warning, ")


def test_a_pipeline_without_its_table_warns_and_a_required_one_fails(ready: Warehouse) -> None:
    ready.execute("dw", "UPDATE [ctl].[etl_control] SET source_table = 'core.gone' WHERE entity_name = 'dim_equipe'")
    code, text = run()
    assert code == 1
    assert "✗ Failed  dim_equipe: Source exists: The table does not exist" in text
    ready.execute("dw", "UPDATE [ctl].[etl_control] SET source_table = 'core.gone' WHERE entity_name = 'dim_cliente'")
    assert run()[0] == 2


def test_a_missing_index_warns(ready: Warehouse) -> None:
    ready.execute("oltp", "DROP INDEX [core].[IX_teams_updated_at]")
    code, text = run("--json")
    assert code == 1
    assert states(text)["pipeline.index", "dim_equipe"] == "warning"


def test_a_missing_table_is_2(ready: Warehouse) -> None:
    ready.execute("dw", "DROP TABLE [audit].[connection_login_events]")
    code, text = run()
    assert code == 2
    assert "✗ Failed  Table audit.connection_login_events with its columns" in text


@pytest.mark.parametrize("alias", ["dw", "oltp"])
def test_a_dead_database_is_2(ready: Warehouse, monkeypatch: pytest.MonkeyPatch, alias: str) -> None:
    connect = reader._connect

    def refuse(asked: str) -> None:
        if asked == alias:
            raise reader.ReadFailed(Problem(code=ProblemCode.UNREACHABLE, detail="no route", sqlstate="08001"))
        connect(asked)

    monkeypatch.setattr(reader, "_connect", refuse)
    code, text = run()
    assert code == 2
    assert f"✗ Failed  {alias.upper()} connection: The server does not answer." in text
    assert text.count("[08001] no route") == 1
    code, text = run("--json")
    (problem,) = [each["problem"] for each in json.loads(text)["connections"] if each["alias"] == alias]
    assert (code, problem["code"]) == (2, "unreachable")


def test_it_only_reads_and_writes_nothing(ready: Warehouse) -> None:
    before = CollectorState.objects.values().get()
    with counted() as seen:
        run()
    asked = [*seen.of("dw"), *seen.of("oltp")]
    assert len(asked) > 5
    assert [sql for sql in asked if not is_read(sql)] == []
    assert [sql for sql in seen.of("default") if not sql.lstrip().startswith("SELECT")] == []
    assert CollectorState.objects.values().get() == before


def test_the_keys_of_the_json_are_a_promise(ready: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.execute("dw", "UPDATE [ctl].[etl_control] SET source_table = 'core.gone' WHERE entity_name = 'dim_equipe'")
    found = json.loads(run("--json")[1])
    assert set(found) == TOP
    assert (found["format"], found["state"], found["exit_code"]) == (1, "warnings", 1)
    assert found["ready_for"] == {"monitoring": True, "first_run": True, "all_active": False}
    assert all(set(each) == CONNECTION for each in found["connections"])
    assert all(set(each) == CHECK for each in found["checks"])
    problems = [each["problem"] for each in found["checks"] if each["problem"]]
    assert problems and all(set(each) == PROBLEM for each in problems)
    assert {each["group"] for each in found["checks"]} == {"connections", "tables", "pipelines", "portal"}
    promised = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert [key for key in TOP | CONNECTION | CHECK | PROBLEM if f"`{key}`" not in promised] == []
    said = environment.as_json("why")
    assert set(said) == TOP and set(said["checks"][0]) == CHECK


@pytest.mark.parametrize(
    ("arguments", "lang", "expected"),
    [
        ((), "C.UTF-8", "Ready:"),
        ((), "pt_BR.UTF-8", "Pronto:"),
        ((), "pt_PT", "Pronto:"),
        (("--language", "pt-br"), "en_US.UTF-8", "Pronto:"),
        (("--language", "en"), "pt_BR.UTF-8", "Ready:"),
        ((), "de_DE.UTF-8", "Ready:"),
    ],
)
def test_it_speaks_the_terminals_language(
    ready: Warehouse, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], lang: str, expected: str
) -> None:
    monkeypatch.setenv("LANG", lang)
    _, text = run(*arguments)
    assert text.splitlines()[-1].startswith(expected)
    assert ("Pipelines" in text and "O próprio portal" in text) is (expected == "Pronto:")


def test_colour_only_on_a_terminal_that_wants_it(ready: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\033[32m  ✓ Passed" in run(out=Terminal())[1]
    assert "\033" not in run("--no-color", out=Terminal())[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in run(out=Terminal())[1]


def test_a_terminal_without_the_signs_gets_others(ready: Warehouse) -> None:
    class Old(io.StringIO):
        encoding = "cp1252"

    text = run(out=Old())[1]
    assert "  + Passed  DW connection" in text
    text.encode("cp1252")


def test_what_people_typed_cannot_steer_the_terminal(ready: Warehouse) -> None:
    ready.control("bad\033[2J\nname", source_table="core.gone")
    text = run()[1]
    assert "\033" not in text and "bad [2J name" in text


def manage(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the doctor as a process of its own, with nothing of this machine's environment."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "SYSTEMROOT"}}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "doctor", *arguments],
        env={
            **kept,
            "PORTAL_DATA_DIR": str(folder),
            "SECRET_KEY": "k" * 30 + "0123456789abcdefghijklmnop",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_before_anything_exists(tmp_path: Path) -> None:
    ended = manage(tmp_path, "--json")
    found = states(ended.stdout)
    assert ended.returncode == 2
    assert found["portal.database", ""] == "passed"
    assert found["portal.migrated", ""] == "failed"
    assert found["dw.connection", ""] == "failed"
    assert not (tmp_path / "portal.sqlite3").exists(), "looking made it"


def test_a_default_that_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    ended = manage(tmp_path, "--json", DATABASE_URL=f"sqlite:///{tmp_path / 'folder'}")
    found = states(ended.stdout)
    assert ended.returncode == 2
    assert (found["portal.database", ""], found["portal.migrated", ""]) == ("failed", "unknown")
    assert found["collector.age", ""] == "unknown"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path, silent: int) -> None:
    """Ten seconds on a quiet machine; a bound that a busy one keeps, and a doctor that hangs does not."""
    began = time.monotonic()
    manage(tmp_path, "--version")
    starting, began = time.monotonic() - began, time.monotonic()
    ended = manage(
        tmp_path, ETL_SQL_SERVER="127.0.0.1", ETL_SQL_PORT=str(silent), ETL_SQL_USER="etl_monitor",
        ETL_SQL_PASSWORD=PASSWORD, ALLOWED_HOSTS="portal.example",
    )  # fmt: skip
    assert time.monotonic() - began < 30 + starting
    assert ended.returncode == 2
    assert "✗ Failed  DW connection" in ended.stdout
    assert "UID=etl_monitor;PWD=***" in ended.stdout
    assert "APP=etlportal-doctor" in ended.stdout


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_password_anywhere(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = manage(
        tmp_path, *arguments, ETL_SQL_SERVER="127.0.0.1", ETL_SQL_PORT="1", ETL_SQL_USER="etl_monitor",
        ETL_SQL_PASSWORD=PASSWORD, ALLOWED_HOSTS="portal.example", SECRET_KEY="topsecret" * 8,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "etl_monitor" in ended.stdout
    for secret in (PASSWORD, PASSWORD.replace("}", "}}"), "topsecret", "cr}"):
        assert secret not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"ETL_SQL_SERVER": "sql.example", "SECRET_KEY": ""}, "SECRET_KEY"),
        ({"COLLECT_BUSY_SECONDS": "s3cret"}, "could not be checked"),
        ({"PORTAL_DATA_DIR": "/dev/null/x"}, "/dev/null/x"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_the_same_shape(
    tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    ended = manage(tmp_path, "--json", **wrong)
    assert ended.returncode == 2, ended.stderr
    found = json.loads(ended.stdout)
    assert set(found) == TOP
    assert told in found["checks"][0]["detail"]
    assert "s3cret" not in ended.stdout + ended.stderr
    text = manage(tmp_path, **wrong)
    assert (text.returncode, text.stdout.count("\n")) == (2, 1)


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_doctor_that_fails_is_not_ready(
    ready: Warehouse, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    def fail() -> None:
        raise TypeError("s3cret")

    monkeypatch.setattr(doctor, "examine", fail)
    code, text = run(*arguments)
    assert code == 2
    assert "TypeError" in text and "s3cret" not in text
    assert not arguments or set(json.loads(text)) == TOP


def test_the_age_counts_from_now(ready: Warehouse) -> None:
    CollectorState.objects.update(ticked_at=timezone.now() - timedelta(hours=1))
    assert states(run("--json")[1])["collector.age", ""] == "warning"
