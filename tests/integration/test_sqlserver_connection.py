"""The real ODBC driver with a fake server: connection values, the first statement, a lost session."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, transaction

from etlportal import logs
from etlportal.backends.sqlserver.odbc import MASK
from etlportal.budget import budget
from monitoring.rules.enums import ProblemCode
from monitoring.warehouse.dialect import Sql
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.reader import ReadFailed, connection_reading, rows
from tests.support.tds import Server, pretended
from tests.unit.test_connection_string import NASTY

ROOT = Path(__file__).resolve().parents[2]
OPTIONS: dict[str, Any] = {
    # The pretended server speaks no TLS.
    "encrypt": "optional",
    "trust_server_certificate": "no",
    "lock_timeout_ms": 1000,
    "isolation": "read-uncommitted",
    "query_timeout": 15,
}
OPENING = "SELECT CAST(SERVERPROPERTY("
ASK = Sql("SELECT 1 AS one")

Connect = Callable[..., Any]


def answer(sql: str) -> dict[str, Any]:
    if OPENING in sql:
        return {"version": "16.0.4105.2", "edition": 3, "snapshot": 1 if "snapshot_isolation_state" in sql else None}
    return {"one": 1}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[Connect]:
    """`connect(port, **settings)`: put a connection to that port in the place of `dw`, and return it."""
    from etlportal.backends.sqlserver.base import DatabaseWrapper

    made: list[Any] = []

    def make(port: int, **changes: Any) -> Any:
        options = {**OPTIONS, **changes.pop("options", {})}
        config = {**connections.settings["default"], "HOST": "127.0.0.1", "PORT": str(port), "NAME": "DW"}
        config |= {"USER": "etl_monitor", "PASSWORD": "secret", "CONN_HEALTH_CHECKS": True, **changes}
        wrapper = DatabaseWrapper({**config, "OPTIONS": options}, "dw")
        made.append(wrapper)
        monkeypatch.setitem(connections.settings, "dw", wrapper.settings_dict)
        monkeypatch.setattr(connections._connections, "dw", wrapper, raising=False)  # type: ignore[attr-defined]
        return wrapper

    monkeypatch.setattr(logs, "_role", "web")
    with django_db_blocker.unblock():
        yield make
        for wrapper in made:
            wrapper.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.perf_counter()
    yield
    assert time.perf_counter() - started < seconds


def statements(server: Server) -> list[str]:
    """Return the statements after those that open the sessions."""
    return [each for each in server.statements if OPENING not in each]


@pytest.mark.parametrize("value", NASTY)
def test_whatever_a_value_holds_arrives(connect: Connect, value: str) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port, USER=value, PASSWORD=value, NAME=value)
        wrapper.ensure_connection()
    (login,) = server.logins
    assert (login.user, login.password, login.database) == (value, value, value)
    assert (login.server, login.application) == (f"127.0.0.1,{server.port}", "etlportal-web")
    assert login.read_only is False


def test_a_servers_name_opens_no_way_elsewhere(connect: Connect) -> None:
    """A host that tries to be more than a host is looked for by that name, and not found."""
    with pretended(answer) as server, pytest.raises(DatabaseError):
        connect(server.port, HOST=f"127.0.0.1,{server.port};UID=sa;SERVER=127.0.0.1").ensure_connection()
    assert server.logins == []


def test_a_readable_secondary_is_asked_for(connect: Connect) -> None:
    with pretended(answer) as server:
        connect(server.port, options={"application_intent": "ReadOnly"}).ensure_connection()
    assert server.logins[0].read_only is True


@pytest.mark.parametrize("role", ["web", "collector", "doctor"])
def test_the_process_names_itself(connect: Connect, role: Any) -> None:
    with pretended(answer) as server:
        logs.name_process(role)
        connect(server.port).ensure_connection()
    assert server.logins[0].application == f"etlportal-{role}"


def test_the_collector_says_that_it_is_one(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management import call_command

    from monitoring.collector.loop import Collector

    monkeypatch.setattr(Collector, "run", lambda self: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    call_command("collect")
    assert logs.application_name() == "etlportal-collector"


def test_a_session_begins_with_one_statement(connect: Connect) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port)
        assert rows("dw", ASK) == [(1,)]
        (opening, asked) = server.statements
        assert opening.startswith(
            "SET DATEFORMAT ymd; SET DATEFIRST 7; SET LOCK_TIMEOUT 1000; "
            "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; SELECT "
        )
        assert asked == ASK.text
        assert wrapper.connection.autocommit is True
        assert wrapper.connection.timeout == 15
        assert wrapper.isolation == "read-uncommitted"
        assert wrapper.sql_server_version == 2022
        assert not wrapper.features.can_use_chunked_reads


@pytest.mark.parametrize(("state", "isolation"), [(1, "snapshot"), (0, "read-uncommitted"), (2, "read-uncommitted")])
def test_snapshots_where_the_database_allows_them(connect: Connect, state: int, isolation: str) -> None:
    with pretended(lambda sql: answer(sql) | ({"snapshot": state} if OPENING in sql else {})) as server:
        wrapper = connect(server.port, options={"isolation": "snapshot"})
        wrapper.ensure_connection()
        taken = ["SET TRANSACTION ISOLATION LEVEL SNAPSHOT"] if isolation == "snapshot" else []
        assert statements(server) == taken
        assert wrapper.isolation == isolation
        # No statement waits for a lock.
        assert "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; " in server.statements[0]


def test_a_server_of_our_own_database_keeps_its_isolation(connect: Connect) -> None:
    with pretended(answer) as server:
        connect(server.port, options={"isolation": None, "lock_timeout_ms": None}).ensure_connection()
    assert server.statements[0].startswith("SET DATEFORMAT ymd; SET DATEFIRST 7; SELECT ")


def test_autocommit_comes_back_after_a_transaction(connect: Connect) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port)
        wrapper.ensure_connection()
        with transaction.atomic("dw"):
            assert rows("dw", ASK) == [(1,)]
            assert wrapper.connection.autocommit is False
        assert wrapper.connection.autocommit is True
        assert not any("TRANCOUNT" in each for each in server.statements)


def test_a_session_that_did_not_open_is_not_used(connect: Connect) -> None:
    """It would read with the server's own isolation."""
    answers: list[Any] = [None]  # the opening gives no row
    with pretended(lambda sql: answers.pop() if answers else answer(sql)) as server:
        wrapper = connect(server.port)
        with pytest.raises(DatabaseError):
            wrapper.ensure_connection()
        assert wrapper.connection is None
        assert rows("dw", ASK) == [(1,)]
    assert len(server.logins) == 2


def test_the_first_read_after_a_restart_works(connect: Connect) -> None:
    with pretended(answer) as server:
        connect(server.port)
        rows("dw", ASK)
        server.drop()
        assert rows("dw", ASK) == [(1,)]
        assert len(server.logins) == 2
        # The new session reads like the old one.
        assert len(server.statements) - len(statements(server)) == 2


def test_a_read_is_asked_again_once_and_not_in_a_transaction(connect: Connect) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port)
        rows("dw", ASK)
        wrapper.in_atomic_block = True
        server.drop()
        with pytest.raises(ReadFailed) as raised:
            rows("dw", ASK)
        wrapper.in_atomic_block = False
        assert raised.value.problem.code is ProblemCode.UNREACHABLE
        assert len(server.logins) == 1


def test_a_new_connection_that_dies_at_once_is_not_asked_again(connect: Connect) -> None:
    with pretended(lambda sql: answer(sql) if OPENING in sql else server.drop()) as server:  # type: ignore[func-returns-value]
        connect(server.port)
        with pytest.raises(ReadFailed) as raised:
            rows("dw", ASK)
        assert raised.value.problem.code is ProblemCode.UNREACHABLE
        assert len(server.logins) == 1


def test_a_kept_connection_is_looked_at_before_the_orm_uses_it(connect: Connect) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port)
        wrapper.ensure_connection()
        server.drop()
        wrapper.close_if_unusable_or_obsolete()  # what Django does when a request begins
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT 1 AS one")
            assert cursor.fetchone() == (1,)
        assert len(server.logins) == 2


def test_a_kept_connection_that_lives_is_kept_as_it_was(connect: Connect) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port)
        wrapper.ensure_connection()
        wrapper.close_if_unusable_or_obsolete()
        rows("dw", ASK)
        rows("dw", ASK)
        assert wrapper.connection.timeout == 15
        assert len(server.logins) == 1
        # Looked at once per request, not once per statement.
        assert statements(server) == ["SELECT 1", ASK.text, ASK.text]


def test_a_kept_connection_to_a_server_that_hangs_is_given_up_within_three_seconds(connect: Connect) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port)
        wrapper.ensure_connection()
        server.silent = True
        wrapper.close_if_unusable_or_obsolete()
        with within(2.9), budget(2.2), pytest.raises(ReadFailed) as raised:
            rows("dw", ASK)
        assert raised.value.problem.code is ProblemCode.UNREACHABLE
        server.silent = False
        assert rows("dw", ASK) == [(1,)]


def test_a_budget_holds_on_a_connection_that_is_opened_inside_it(connect: Connect) -> None:
    with pretended(answer) as server:
        wrapper = connect(server.port)
        with budget(2.9):
            rows("dw", ASK)
            assert wrapper.connection.timeout == 3
            server.drop()
            rows("dw", ASK)
            assert wrapper.connection.timeout == 3
        rows("dw", ASK)
        assert wrapper.connection.timeout == 15


@pytest.mark.parametrize("seconds", [1.2, 60])
def test_a_server_that_accepts_and_says_nothing_fails_in_time(connect: Connect, seconds: float) -> None:
    with pretended(answer, silent=True) as server:
        connect(server.port)
        with within(min(seconds, 6) + 0.9), budget(seconds):
            reading = connection_reading("dw")
    assert reading.reachable is False
    assert reading.problem is not None
    assert reading.problem.code is ProblemCode.UNREACHABLE


def test_a_password_is_in_no_text(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the driver's own error even where a driver repeats it, nor in what is shown of the connection."""
    import pyodbc

    password = "};x={ \"'\\pä;55"
    said = f"[08001] cannot connect with PWD={{{password.replace('}', '}}')}}} or {password} (0)"
    wrapper = connect(1, PASSWORD=password)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyodbc, "connect", _raiser(pyodbc.OperationalError("08001", said)))
        reading = connection_reading("dw")
        try:
            wrapper.ensure_connection()
        except DatabaseError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error) + str(error)
            shown += problem_from(error, "dw").detail
    shown += repr(reading) + caplog.text
    for part in (password, password.replace("}", "}}"), repr(password)[1:-1], "pä;55"):
        assert part not in shown
    assert f"PWD={MASK}" in reading.connection_string
    assert "cannot connect" in shown


def _raiser(error: Exception) -> Callable[..., Any]:
    def connect(*args: Any, **kwargs: Any) -> Any:
        raise error

    return connect


def test_a_control_character_is_refused_by_name(connect: Connect) -> None:
    wrapper = connect(1, PASSWORD="se\x00cret")
    with pytest.raises(ImproperlyConfigured, match=r"'dw'.*PWD holds a control character") as raised:
        wrapper.ensure_connection()
    assert "cret" not in str(raised.value)


def test_without_a_microsoft_package_the_driver_is_there_and_a_closed_port_is_a_network_error(tmp_path: Path) -> None:
    """Proof in a process of its own: nothing is in the machine's odbcinst.ini, pip's driver answers."""
    code = (
        "import django; django.setup()\n"
        "from monitoring.warehouse.reader import connection_reading\n"
        "reading = connection_reading('dw')\n"
        "import pyodbc\n"
        "print(pyodbc.drivers(), pyodbc.pooling, reading.problem.code, reading.problem.detail)"
    )
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (tmp_path / "odbcinst.ini").write_text("[Another]\nDriver=/nowhere.so\n")
    variables = {
        "ETL_SQL_SERVER": "127.0.0.1",
        "ETL_SQL_PORT": str(port),
        "SECRET_KEY": "k" * 60,
        "PORTAL_DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "etlportal.settings",
        "ODBCSYSINI": str(tmp_path),
        "ETL_SQL_USER": "u",
        "ETL_SQL_PASSWORD": "p",
        "PATH": os.defpath,
    }
    with within(15):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['Another', 'ODBC Driver 18 for SQL Server'] False unreachable ")
    assert "Login timeout" in done.stdout or "TCP Provider" in done.stdout
