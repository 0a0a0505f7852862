"""Faults with the real ODBC driver and a fake server: the driver's errors, and how long requests wait.

`dw` and `oltp` are SQL Server here, so the portal's backend, budget and breaker are tested.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from etlportal.backends import bounded
from etlportal.backends.sqlserver.odbc import driver_manager_problem
from etlportal.budget import budget
from monitoring.models import EtlRun
from monitoring.rules.enums import ProblemCode as Code
from monitoring.rules.facts import Problem
from monitoring.warehouse.dialect import Sql
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.reader import ReadFailed, connection_reading, rows
from tests import factories
from tests.support.faults import FAULTS, NASTY
from tests.support.tds_server import CUT, NEVER, Answer, Refusal, Rows, TdsServer

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(driver_manager_problem() is not None, reason="no ODBC driver manager on this machine"),
]
Point = Callable[..., None]
ASK = Sql("SELECT 1 AS one")
LIMIT = 2.9
"""Seconds within which a page answers."""


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Point]:
    """`point(port)`: put SQL Server at that port in the place of both watched databases, for this test."""
    from etlportal.backends.sqlserver.base import DatabaseWrapper

    before = {alias: connections[alias] for alias in ("dw", "oltp")}
    made: list[Any] = []

    def make(port: int, **options: Any) -> None:
        for alias in before:
            config = {**connections.settings["default"], "HOST": "127.0.0.1", "PORT": str(port), "NAME": alias.upper()}
            config |= {"USER": "etl_monitor", "PASSWORD": NASTY, "CONN_HEALTH_CHECKS": True}
            config["OPTIONS"] = {"encrypt": "optional", "query_timeout": 15, "isolation": "read-uncommitted", **options}
            connections[alias] = DatabaseWrapper(config, alias)
            monkeypatch.setitem(connections.settings, alias, config)
            made.append(connections[alias])

    yield make
    for wrapper in made:
        wrapper.close()
    for alias, wrapper in before.items():
        connections[alias] = wrapper


@contextmanager
def in_time(seconds: float = LIMIT) -> Iterator[None]:
    started = time.perf_counter()
    yield
    assert time.perf_counter() - started < seconds


def problem_of(alias: str = "dw", sql: Sql = ASK) -> Problem:
    with pytest.raises(ReadFailed) as raised:
        rows(alias, sql)
    assert NASTY not in raised.value.problem.detail
    return raised.value.problem


LOGIN = (
    (18456, 14, "Login failed for user 'u'.", Code.LOGIN_FAILED),
    (18486, 14, "Login failed for user 'u' because the account is currently locked out.", Code.LOGIN_BLOCKED),
    (18470, 14, "Login failed for user 'u'. Reason: The account is disabled.", Code.LOGIN_BLOCKED),
    (18487, 14, "Login failed for user 'u'.  Reason: The password of the account has expired.", Code.PASSWORD_EXPIRED),
    (18488, 14, "Login failed for user 'u'.  Reason: The password must be changed.", Code.PASSWORD_EXPIRED),
    (4060, 11, 'Cannot open database "DW" requested by the login. The login failed.', Code.DATABASE_UNAVAILABLE),
    (927, 14, "Database 'DW' cannot be opened. It is in the middle of a restore.", Code.DATABASE_RESTORING),
    (40613, 17, "Database 'DW' on server 'x' is not currently available.", Code.DATABASE_UNAVAILABLE),
    (40501, 20, "The service is currently busy.", Code.SERVER_BUSY),
    (17187, 16, "SQL Server is not ready to accept new client connections.", Code.SERVER_BUSY),
)


@pytest.mark.parametrize(("number", "severity", "text", "code"), LOGIN, ids=lambda value: str(value)[:6])
def test_a_refused_login(point: Point, number: int, severity: int, text: str, code: Code) -> None:
    refused = [Refusal(number, text, severity)]
    if number == 4060:  # the server says both, the reason first
        refused.append(Refusal(18456, "Login failed for user 'u'.", 14))
    with TdsServer(login=refused) as server:
        point(server.port)
        found = problem_of()
        assert (found.code, found.native) == (code, number)
        assert connection_reading("dw").problem == found


STATEMENTS = (
    (208, 16, "Invalid object name 'core.x'.", Code.OBJECT_MISSING),
    (207, 16, "Invalid column name 'y'.", Code.COLUMN_MISSING),
    (229, 14, "The SELECT permission was denied on the object 'x'.", Code.PERMISSION_DENIED),
    (297, 14, "The user does not have permission to perform this action.", Code.STATE_DENIED),
    (300, 14, "VIEW SERVER STATE permission was denied on object 'server'.", Code.STATE_DENIED),
    (1205, 13, "Transaction (Process ID 52) was deadlocked on lock resources with another process.", Code.DEADLOCK),
    (1222, 16, "Lock request time out period exceeded.", Code.LOCKED),
    (6005, 10, "SHUTDOWN is in progress.", Code.SERVER_BUSY),
    (33557097, 16, 'relation "core.x" does not exist', Code.OTHER),
)


@pytest.mark.parametrize(("number", "severity", "text", "code"), STATEMENTS, ids=lambda value: str(value)[:8])
def test_a_refused_statement(point: Point, number: int, severity: int, text: str, code: Code) -> None:
    """Through the reader, and through Django's models, which see pyodbc's other classes of errors."""
    said = Refusal(number, text, severity)
    with TdsServer(answer=lambda sql: None if "SERVERPROPERTY" in sql else said) as server:
        point(server.port)
        found = problem_of()
        assert (found.code, found.native) == (code, number)
        try:
            list(EtlRun.objects.filter(pk=1))
        except Exception as error:
            assert problem_from(error, "dw").code is code


def test_the_recorded_errors_are_the_drivers(point: Point) -> None:
    """tests/support/faults.py says what this driver says: compared without the texts' own values."""
    recorded = {(fault.args[0], problem_from(fault.error).native, fault.code) for fault in FAULTS}
    seen = set()
    with TdsServer() as server:
        point(server.port)
        for said in (Refusal(number, text, severity) for number, severity, text, _code in (*LOGIN, *STATEMENTS)):
            server.answer = lambda sql, said=said: said  # type: ignore[misc]
            found = connection_reading("dw").problem
            assert found is not None
            seen.add((found.sqlstate, found.native, found.code))
    missing = {each for each in recorded if (each[1] or 0) > 200 and each[1] not in {10054, 18456, 18488}} - seen
    assert missing == set()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    made = (folder / "c.crt", folder / "c.key")
    command = ["openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*command, "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return made


def test_a_certificate_that_nobody_trusts(point: Point, certificate: tuple[Path, Path]) -> None:
    with TdsServer(certificate=certificate) as server:
        point(server.port, encrypt="yes")
        found = problem_of()
        assert (found.code, found.native) == (Code.CERTIFICATE, -1)
        point(server.port, encrypt="yes", trust_server_certificate="yes")
        assert rows("dw", ASK) == []


def test_a_server_without_tls(point: Point) -> None:
    with TdsServer() as server:
        point(server.port, encrypt="yes")
        assert problem_of().code is Code.ENCRYPTION


def test_a_driver_that_is_not_there(point: Point) -> None:
    point(1, driver="No Such Driver")
    assert problem_of().code is Code.DRIVER_MISSING


@contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where `serve` gets each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=_served, args=(serve, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _served(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection, suppress(OSError):
        serve(connection)


def _garbage(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 2000)


def _hangs_up(connection: socket.socket) -> None:
    connection.recv(1)


def _never(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


@pytest.mark.parametrize("serve", [_garbage, _hangs_up, _never, None], ids=["garbage", "hangs up", "never", "closed"])
def test_what_is_no_server(
    point: Point,
    client_as: Callable[[str], Client],
    serve: Callable[[socket.socket], None] | None,
    snapshot_stored: Any,
) -> None:
    """The page that reads both databases on demand answers in time, and at once the second time."""
    snapshot_stored(factories.healthy_snapshot(), ticked_at=factories.NOW)  # old: it says nothing about now
    client, url = client_as("admin"), reverse("monitoring:connections")
    with listener(serve or _never) as port:
        point(port if serve else 1)
        with in_time():
            first = client.get(url)
        with in_time(1.5):
            second = client.get(f"{url}?window=7d")
    for answer in (first, second):
        assert answer.status_code == 200
        assert "The server does not answer." in answer.content.decode()
        assert NASTY not in answer.content.decode()


def test_a_server_that_stops_answering_while_a_page_loads(
    point: Point, client_as: Callable[[str], Client], snapshot_stored: Any
) -> None:
    """The driver would wait for its limit and two seconds more: the budget ends it. Then it comes back."""
    snapshot_stored(factories.healthy_snapshot(), ticked_at=factories.NOW)
    client, url = client_as("admin"), reverse("admin:monitoring_etlrun_changelist")
    with TdsServer() as server:
        point(server.port)
        assert rows("dw", ASK) == []
        server.answer = lambda sql: NEVER
        with in_time():
            answer = client.get(url)
        assert answer.status_code == 200
        assert "does not answer" in answer.content.decode() or "timed out" in answer.content.decode()
        server.answer = lambda sql: None
        rows("dw", ASK)
        assert "errornote" not in client.get(url).content.decode()


def test_a_server_that_is_killed_while_a_page_loads(
    point: Point, client_as: Callable[[str], Client], snapshot_stored: Any
) -> None:
    snapshot_stored(factories.healthy_snapshot(), ticked_at=factories.NOW)
    with TdsServer() as server:
        point(server.port)
        rows("dw", ASK)
        server.answer = lambda sql: CUT
        with in_time():
            answer = client_as("admin").get(reverse("admin:monitoring_etlrun_changelist"))
        assert answer.status_code == 200
        assert "The server does not answer." in answer.content.decode()
        server.answer = lambda sql: None
        assert rows("dw", ASK) == []


def test_a_connection_that_came_too_late_is_taken_by_the_next(point: Point) -> None:
    """Over a line with so much latency that no page could wait for a connection, the second page has it."""
    slow = threading.Event()

    def late(sql: str) -> Answer | None:
        return None

    with TdsServer(answer=late) as server:
        point(server.port)
        original = connections["dw"].opened
        began = time.perf_counter()

        def opened(connect: Callable[[], Any]) -> Any:
            def slowly() -> Any:
                slow.wait(5)
                return connect()

            return original(slowly)

        connections["dw"].opened = opened
        with budget(1.0), pytest.raises(ReadFailed) as raised:
            rows("dw", ASK)
        assert raised.value.problem.code is Code.UNREACHABLE
        slow.set()
        while not bounded._late["dw"][-1].done():
            time.sleep(0.01)
        with budget(2.0):
            assert rows("dw", ASK) == []
        assert server.logins == 1
        assert time.perf_counter() - began < 4


def test_rows_come_back(point: Point) -> None:
    """The pretended server can do more than refuse."""
    with TdsServer(
        answer=lambda sql: Rows(("one", "two"), [[1, "a"], [None, None]]) if sql == ASK.text else None
    ) as it:
        point(it.port)
        assert rows("dw", ASK) == [(1, "a"), (None, None)]
