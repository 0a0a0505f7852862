"""/healthz and /readyz, also while other parts are down or hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from etlportal.logs import Work, current
from monitoring.web import health
from tests import factories

Clients = Callable[[str], Client]
PARTS = ("default", "dw", "oltp", "migrations", "collector")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], Any]]:
    """The answer of each part, which a test can change. Other threads do not see the test's transaction."""
    parts: dict[str, Callable[[], Any]] = {
        name: (lambda: {"ok": True, "milliseconds": 0.3}) for name in ("default", "dw", "oltp")
    }
    parts["collector"] = lambda: {"ok": True, "age_seconds": 4.0}
    parts["migrations"] = lambda: {"ok": True}
    monkeypatch.setattr(health, "_ping", lambda alias: parts[alias]())
    monkeypatch.setattr(health, "_collector", lambda: parts["collector"]())
    monkeypatch.setattr(health, "_migrations", lambda: parts["migrations"]())
    monkeypatch.setattr(health, "_asking", {})
    return parts


@pytest.fixture
def hanging() -> Iterator[Callable[[], Any]]:
    """A question that hangs until the test is over."""
    over = threading.Event()
    yield lambda: over.wait(30)
    over.set()


def fail() -> Any:
    raise OperationalError("could not connect to secret.example")


def test_alive_asks_nothing(client: Client, django_assert_num_queries: Any) -> None:
    client.cookies["etlportal_session"] = "x" * 32
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert response.status_code == 200
    assert response.content == b"ok\n"
    assert "no-store" in response["Cache-Control"]


def test_ready_when_everything_answers(client: Client, answers: dict[str, Any]) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "not_ready": [], "parts": {key: {"ok": True} for key in PARTS}}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("answer", [fail, lambda: {"ok": False, "error": "nothing was ever sampled"}])
def test_not_ready_when_one_part_is_not(client: Client, answers: dict[str, Any], part: str, answer: Any) -> None:
    answers[part] = answer
    response = client.get("/readyz")
    assert response.status_code == 503
    parts = {name: {"ok": name != part} for name in PARTS}
    assert response.json() == {"ready": False, "not_ready": [part], "parts": parts}


def test_it_answers_in_time_while_a_database_hangs(client: Client, answers: dict[str, Any], hanging: Any) -> None:
    answers["dw"] = answers["default"] = hanging
    begun = time.monotonic()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["not_ready"] == ["default", "dw"]
    assert time.monotonic() - begun < 3


def test_what_the_parts_log_carries_the_requests_id(client: Client, answers: dict[str, Any]) -> None:
    seen: list[Work | None] = []
    answers["dw"] = lambda: seen.append(current()) or {"ok": True}
    response = client.get("/readyz")
    assert [work and (work.id, work.page) for work in seen] == [(response["X-Request-ID"], "monitoring:readyz")]


def test_asking_often_does_not_pile_up(
    client: Client, answers: dict[str, Any], hanging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.1)
    answers["dw"] = hanging
    before = threading.active_count()
    for _ in range(5):
        assert client.get("/readyz").status_code == 503
    until = time.monotonic() + 5  # the other parts' threads have answered, and end
    while threading.active_count() > before + 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before + 1


def test_it_recovers_once_the_database_does(
    client: Client, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.3)
    back = threading.Event()
    answers["oltp"] = lambda: {"ok": back.wait(10)}
    assert client.get("/readyz").status_code == 503
    back.set()
    time.sleep(0.1)
    assert client.get("/readyz").status_code == 200


def test_details_are_for_a_signed_in_user(
    client_as: Clients, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers["oltp"] = fail
    # In a test the session is in a transaction that another thread cannot see: ask in this one.
    monkeypatch.setattr(health, "_ask", _here)
    told = client_as("").get("/readyz").json()
    assert told["not_ready"] == ["oltp"]
    assert {key for part in told["parts"].values() for key in part} == {"ok"}
    body = client_as("viewer").get("/readyz").json()
    assert body["parts"]["dw"] == {"ok": True, "milliseconds": 0.3}
    assert body["parts"]["oltp"] == {"ok": False, "error": "OperationalError"}
    assert body["parts"]["collector"]["age_seconds"] == 4.0
    assert "secret" not in str(body)


def _here(name: str, question: Callable[[], Any]) -> Any:
    future: Any = health.Future()
    try:
        future.set_result(question())
    except Exception as error:
        future.set_exception(error)
    return future


@pytest.mark.django_db
def test_the_collector_is_judged_by_its_age(snapshot_stored: Any) -> None:
    assert health._collector() == {"ok": False, "error": "nothing was ever sampled"}
    snapshot_stored(factories.healthy_snapshot(), timezone.now() - timedelta(seconds=5))
    assert health._collector()["ok"] is True
    snapshot_stored(factories.healthy_snapshot(), timezone.now() - timedelta(minutes=2))
    stale = health._collector()
    assert stale["ok"] is False
    assert 119 < stale["age_seconds"] < 130


@pytest.mark.django_db
def test_tables_of_another_release_are_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: [("a", False), ("b", False)])
    assert health._migrations() == {"ok": False, "error": "migrations are pending", "pending": 2}


@pytest.mark.django_db
def test_once_migrated_nothing_is_asked_again(monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any) -> None:
    monkeypatch.setattr(health, "_migrated", False)
    assert health._migrations() == {"ok": True}
    with django_assert_num_queries(0):
        assert health._migrations() == {"ok": True}


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["default", "dw", "oltp"])
def test_a_ping_says_how_long_it_took(alias: str) -> None:
    assert health._ping(alias)["milliseconds"] >= 0


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_only_to_be_read(client: Client, answers: dict[str, Any], address: str) -> None:
    assert client.post(address).status_code == 405
