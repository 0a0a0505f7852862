"""One id for a request or tick in its log lines, its SQL and its response."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection, connections
from django.http import StreamingHttpResponse
from django.test import Client

from etlportal import guard, logs, serving, statements
from etlportal.apps import wrap_statements
from etlportal.logs import AccessFormatter, JsonFormatter, LineFormatter, Work, gunicorn_config, role, working
from monitoring.collector import lease as heartbeat
from monitoring.collector.loop import Collector
from monitoring.web.middleware import ReaderMiddleware
from tests import factories
from tests.support.queries import FRAME
from tests.support.warehouse import Warehouse

Clients = Callable[[str], Client]
PAGE = "monitoring:summary"


@contextmanager
def sent() -> Iterator[dict[str, list[str]]]:
    """Collect the texts that reach the driver, by alias. (What Django's own capture shows is the text before.)"""
    texts: dict[str, list[str]] = {"default": [], "dw": [], "oltp": []}

    def note(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not sql.startswith(FRAME):
            texts[context["connection"].alias].append(sql)
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        for alias in texts:
            connections[alias].ensure_connection()
            stack.enter_context(connections[alias].execute_wrapper(note))
        yield texts


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REQUEST_ID_TRUSTED", True)


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """Every event of the root logger, as JSON."""
    found: list[dict[str, Any]] = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter())
    handler.emit = lambda record: found.append(json.loads(handler.format(record)))  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)


def test_every_answer_says_its_id(client: Client) -> None:
    first, second = (client.get("/healthz")["X-Request-ID"] for _ in range(2))
    assert first != second
    for address in ("/static/nothing.css", "/nowhere/", "/account/login/", "/"):
        assert len(client.get(address)["X-Request-ID"]) == 16, address


def test_an_id_is_taken_over_from_a_proxy_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"X-Request-ID": "from-outside"}
    assert client.get("/healthz", headers=given)["X-Request-ID"] != "from-outside"
    monkeypatch.setattr(settings, "REQUEST_ID_TRUSTED", True)
    assert Client().get("/healthz", headers=given)["X-Request-ID"] == "from-outside"
    assert Client().get("/healthz", headers={"X-Request-ID": "*/ DROP"})["X-Request-ID"] != "*/ DROP"


def test_the_id_reaches_every_statement_of_the_request(
    client_as: Clients, snapshot_stored: Any, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SQL_COMMENT_IDS", "all")
    snapshot_stored(factories.healthy_snapshot())
    client = client_as("viewer")
    with sent() as seen:
        assert client.get("/", headers={"X-Request-ID": "abc-1"}).status_code == 200
    texts = seen["default"]
    assert len(texts) >= 3
    for text in texts:
        assert text.startswith(f"/* request=abc-1 */ SELECT /* etlportal page={PAGE} */ "), text


def test_a_statement_on_the_warehouse_carries_it_by_default(
    client_as: Clients, warehouse: Warehouse, snapshot_stored: Any, trusted: None
) -> None:
    snapshot_stored(factories.healthy_snapshot())
    client = client_as("admin")
    with sent() as seen:
        assert client.get("/admin/monitoring/etlrun/", headers={"X-Request-ID": "abc-2"}).status_code == 200
    assert seen["dw"]
    for text in seen["dw"]:
        assert text.startswith("/* request=abc-2 */ SELECT /* etlportal page=admin:monitoring_etlrun_changelist */")
    # SQLite would prepare each text again; on PostgreSQL the id costs nothing.
    own = [text for text in seen["default"] if "abc-2" in text]
    assert bool(own) is (connection.vendor == "postgresql")
    assert [text for text in seen["default"] if "page=admin:monitoring_etlrun_changelist" in text]


def test_what_streams_after_the_request_still_belongs_to_it(rf: Any) -> None:
    request = rf.get("/runs/runs.csv")
    request.user, request.session = AnonymousUser(), {}
    pieces = (logs.current() for _ in range(1))
    reader = ReaderMiddleware(lambda _: StreamingHttpResponse(pieces))
    response = serving.RequestMiddleware(reader)(request)
    assert logs.current() is None
    (found,) = response.streaming_content  # type: ignore[attr-defined]
    assert str(request.work.id) in found.decode()


def test_a_tick_has_an_id_of_its_own_and_leaves_the_collectors_texts_alone(warehouse: Warehouse, db: None) -> None:
    with sent() as seen:
        Collector("test").turn()
        Collector("test").turn()
    for alias in ("dw", "oltp"):
        texts = seen[alias]
        assert texts
        assert all("/* etlportal page=collector */" in text for text in texts)
        assert not [text for text in texts if "tick=" in text]


def test_the_leases_heartbeat_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    came, seen = threading.Event(), []

    def beat(_: Any) -> None:
        seen.append(logs.current())
        came.set()

    monkeypatch.setattr(heartbeat, "renew_seconds", lambda: 0.01)
    monkeypatch.setattr(heartbeat.Heartbeat, "beat", beat)
    with heartbeat.Heartbeat("test"):
        assert came.wait(10)
    assert {work.page for work in seen} == {"heartbeat"}


def test_what_a_page_has_no_name_for_is_none(client: Client) -> None:
    assert serving.page_of("/") == PAGE
    assert serving.page_of("/pipelines/dim_cliente/") == "monitoring:pipeline"
    assert serving.page_of("/nowhere/") == serving.page_of("/" + "x" * 5000) == "none"
    assert serving.page_of("/static/css/site.css") == "static"


@pytest.mark.django_db
def test_the_guard_comes_first_and_each_wrapper_once() -> None:
    for alias in ("default", "dw", "oltp"):
        wrapper = connections[alias]
        wrapper.ensure_connection()
        wrapper.execute_wrappers.insert(0, wrapper.execute_wrappers.pop())
        for _ in range(2):
            wrap_statements(wrapper)
        expected = [statements.observe] if alias == "default" else [guard.refuse_writes, statements.observe]
        assert wrapper.execute_wrappers[: len(expected)] == expected
        assert wrapper.execute_wrappers.count(statements.observe) == 1


@pytest.mark.django_db
def test_what_writes_is_refused_in_a_request_as_ever() -> None:
    with working(Work("request", "p", "1")), connections["dw"].cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute("DELETE FROM audit.etl_run")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SLOW_STATEMENT_SECONDS", 1e-9)


@pytest.mark.django_db
def test_a_slow_statement_is_logged_with_its_page_and_without_values(events: list[dict[str, Any]], slow: None) -> None:
    with working(Work("request", PAGE, "abc-4")), connection.cursor() as cursor:
        cursor.execute("SELECT  %s\n AS mine", ["somebody's"])
    (event,) = events
    assert (event["logger"], event["level"]) == ("etlportal.statements", "WARNING")
    assert (event["request"], event["page"], event["alias"], event["ok"]) == ("abc-4", PAGE, "default", True)
    assert event["sql"] == "SELECT %s AS mine"
    assert event["seconds"] > 0
    assert "somebody" not in json.dumps(event)
    assert PAGE in event["message"]


@pytest.mark.django_db
def test_a_slow_one_that_failed_says_so_and_is_cut(events: list[dict[str, Any]], slow: None) -> None:
    with connection.cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute("SELECT nowhere" + " " * 10 + "," + "x" * 5000)
    (event,) = events
    assert event["ok"] is False
    assert len(event["sql"]) == statements.LOGGED_CHARACTERS
    assert "request" not in event


@pytest.mark.django_db
@pytest.mark.parametrize("threshold", [0.0, 5.0])
def test_others_are_not(events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, threshold: float) -> None:
    monkeypatch.setattr(settings, "SLOW_STATEMENT_SECONDS", threshold)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert events == []


def test_what_django_logs_when_the_request_is_over_has_its_id(
    client_as: Clients, events: list[dict[str, Any]], trusted: None
) -> None:
    for address in ("/nowhere/", "/connections/"):
        client_as("viewer").get(address, headers={"X-Request-ID": "abc-5"})
    refused = [event for event in events if event["logger"] == "django.request"]
    assert [event["status"] for event in refused] == [404, 403]
    assert {event["request"] for event in refused} == {"abc-5"}
    assert [event["page"] for event in refused] == ["none", "monitoring:connections"]


def record(message: str, *arguments: Any, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("etlportal.x", logging.ERROR, __file__, 1, message, arguments, None)
    made.__dict__.update(more)
    return made


@pytest.mark.parametrize("typed", ["a\nb", 'a"b', "a\u2028b", "\x1b[2Ja", "\ud800"])
def test_an_event_is_one_object_in_one_line(typed: str) -> None:
    line = JsonFormatter().format(record("who: %s", typed, given=typed))
    assert len(line.splitlines()) == 1
    event = json.loads(line)
    assert event["message"] == f"who: {typed}"
    assert event["given"] == typed
    assert event["process"] == role()
    assert event["time"].endswith("+00:00")


def test_an_exception_is_in_the_same_object() -> None:
    try:
        raise ValueError("x\ny")
    except ValueError as error:
        line = JsonFormatter().format(record("failed", exc_info=(ValueError, error, error.__traceback__)))
    assert "\n" not in line
    assert "ValueError: x\ny" in json.loads(line)["exception"]


def test_a_plain_line_ends_with_the_id() -> None:
    formatter = LineFormatter("{levelname} {name}: {message}", style="{")
    assert formatter.format(record("a")) == "ERROR etlportal.x: a"
    with working(Work("tick", "collector", "t1")):
        assert formatter.format(record("a")) == "ERROR etlportal.x: a (tick t1)"
    assert formatter.format(record("a", request=SimpleNamespace(work=Work("request", "p", "r1")))).endswith(
        "(request r1)"
    )


def test_the_web_servers_line_is_an_object_too() -> None:
    atoms = {"m": "GET", "U": '/a"b', "h": "::1", "s": "200", "B": "-", "M": 12, "{x-request-id}o": "abc"}
    made = record("%(m)s %(U)s", atoms)
    made.args = atoms
    event = json.loads(AccessFormatter().format(made))
    assert (event["method"], event["path"], event["request"]) == ("GET", '/a"b', "abc")
    assert (event["status"], event["milliseconds"], event["bytes"]) == (200, 12, None)
    assert event["message"] == 'GET /a"b'


def test_gunicorn_takes_the_configuration() -> None:
    from gunicorn.config import Config
    from gunicorn.glogging import Logger

    before = logging.getLogger().handlers[:]
    config = Config()
    config.set("logconfig_dict", gunicorn_config())
    try:
        logger = Logger(config)
        assert isinstance(logger.access_log.handlers[0].formatter, AccessFormatter)
        assert isinstance(logger.error_log.handlers[0].formatter, JsonFormatter)
    finally:
        logging.getLogger().handlers[:] = before
        for name in ("gunicorn.error", "gunicorn.access"):
            logging.getLogger(name).handlers.clear()
