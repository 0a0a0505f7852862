"""Capture now: its one statement, its permission, its rate limit and its errors."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.db import connections
from django.test import Client

from etlportal.guard import SNAPSHOT_PROCEDURE, WarehouseReadOnly, snapshot_allowed
from monitoring.models import ConnectionLoginEvent
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse.login_events import capture_snapshot
from monitoring.warehouse.reader import ReadFailed
from tests.factories import snapshot

URL = "/connections/capture/"


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


class TestGuard:
    def test_it_is_refused_outside_the_block(self, warehouse: Any) -> None:
        with pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
            cursor.execute(SNAPSHOT_PROCEDURE)

    @pytest.mark.parametrize(
        "statement",
        [
            SNAPSHOT_PROCEDURE + ";",
            SNAPSHOT_PROCEDURE + "; DELETE FROM audit.etl_run",
            SNAPSHOT_PROCEDURE.lower(),
            f" {SNAPSHOT_PROCEDURE}",
            "EXEC audit.sp_connection_audit_cleanup @retention_days = 1",
            "DELETE FROM [audit].[etl_run]",
            "INSERT INTO [audit].[connection_login_events] (event_time_utc) VALUES ('x')",
        ],
    )
    def test_nothing_else_passes_inside_the_block(self, warehouse: Any, statement: str) -> None:
        with snapshot_allowed(), pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
            cursor.execute(statement)

    def test_not_with_parameters(self, warehouse: Any) -> None:
        with snapshot_allowed(), pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
            cursor.execute(SNAPSHOT_PROCEDURE, [1])
        with snapshot_allowed(), pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
            cursor.executemany(SNAPSHOT_PROCEDURE, [])

    def test_not_on_the_sources(self, warehouse: Any) -> None:
        with snapshot_allowed(), pytest.raises(WarehouseReadOnly), connections["oltp"].cursor() as cursor:
            cursor.execute(SNAPSHOT_PROCEDURE)

    def test_the_block_ends(self, warehouse: Any) -> None:
        with pytest.raises(RuntimeError), snapshot_allowed():
            raise RuntimeError
        with pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
            cursor.execute(SNAPSHOT_PROCEDURE)


class TestEmbedded:
    def test_it_samples_the_open_sessions(self, warehouse: Any) -> None:
        captured = capture_snapshot()
        events = list(ConnectionLoginEvent.objects.order_by("connection_event_id"))
        assert captured == len(events) > 0
        assert len({event.event_time_utc for event in events}) == 1
        assert {event.captured_by for event in events} == {"SNAPSHOT_DMV"}

    def test_sampled_again_the_sessions_are_the_same(self, warehouse: Any) -> None:
        capture_snapshot()
        capture_snapshot()
        sessions = [(event.session_id, event.login_time) for event in ConnectionLoginEvent.objects.all()]
        assert len(sessions) == 2 * len(set(sessions))

    def test_the_connection_refuses_writes_afterwards(self, warehouse: Any) -> None:
        capture_snapshot()
        assert connections["dw"].connection.execute("PRAGMA query_only").fetchone() == (1,)


@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("viewer", 403), ("operator", 302), ("auditor", 403), ("admin", 302)]
)
def test_roles(client_as: Any, warehouse: Any, snapshot_stored: Any, role: str, status: int) -> None:
    snapshot_stored(snapshot())
    before = ConnectionLoginEvent.objects.count()
    assert client_as(role).post(URL).status_code == status
    assert (ConnectionLoginEvent.objects.count() > before) is (role in ("operator", "admin"))


def test_an_operator_may_capture_without_reading_the_audit(
    client_as: Any, warehouse: Any, snapshot_stored: Any
) -> None:
    snapshot_stored(snapshot())
    client = client_as("operator")
    page = client.get(URL)
    assert page.status_code == 200
    assert 'href="/connections/"' not in page.content.decode()
    response = client.post(URL, follow=True)
    assert response.redirect_chain == [(URL, 302)]
    assert "Captured: " in response.content.decode()


def test_an_admin_comes_back_to_the_audit(client_as: Any, warehouse: Any, snapshot_stored: Any) -> None:
    snapshot_stored(snapshot())
    response = client_as("admin").post(URL, follow=True)
    assert response.redirect_chain == [("/connections/", 302)]
    assert "Captured: " in response.content.decode()


def test_get_changes_nothing(client_as: Any, warehouse: Any, snapshot_stored: Any) -> None:
    snapshot_stored(snapshot())
    client_as("operator").get(URL)
    assert not ConnectionLoginEvent.objects.exists()


def test_csrf(users: Any, warehouse: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(users["operator"], backend="monitoring.accounts.UserBackend")
    assert client.post(URL).status_code == 403
    assert not ConnectionLoginEvent.objects.exists()


def test_at_most_once_in_thirty_seconds_for_everybody(client_as: Any, warehouse: Any, snapshot_stored: Any) -> None:
    snapshot_stored(snapshot())
    client_as("operator").post(URL)
    count = ConnectionLoginEvent.objects.count()
    assert "less than 30 seconds old" in said(client_as("admin").post(URL))
    assert ConnectionLoginEvent.objects.count() == count
    cache.delete("connections:captured")
    client_as("admin").post(URL)
    assert ConnectionLoginEvent.objects.count() > count


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ProblemCode.OBJECT_MISSING, "60_dw_procedures.sql"),
        (ProblemCode.PERMISSION_DENIED, "grant EXECUTE"),
        (ProblemCode.UNREACHABLE, "does not answer"),
    ],
)
def test_a_failure_says_what_to_do_and_may_be_tried_again(
    client_as: Any, warehouse: Any, code: ProblemCode, words: str
) -> None:
    with mock.patch("monitoring.connections.views.capture_snapshot", side_effect=ReadFailed(Problem(code=code))):
        assert words in said(client_as("operator").post(URL))
    assert "Captured: " in said(client_as("operator").post(URL))


def test_a_missing_table_is_a_failure_not_a_crash(client_as: Any, warehouse: Any) -> None:
    warehouse.execute("dw", "ALTER TABLE [audit].[connection_login_events] RENAME TO gone")
    assert "does not exist" in said(client_as("operator").post(URL))


@pytest.mark.parametrize(("role", "seen"), [("viewer", False), ("operator", True), ("auditor", False), ("admin", True)])
def test_the_runs_page_leads_there_who_may(
    client_as: Any, warehouse: Any, snapshot_stored: Any, role: str, seen: bool
) -> None:
    snapshot_stored(snapshot())
    assert (f'href="{URL}"' in client_as(role).get("/runs/").content.decode()) is seen
