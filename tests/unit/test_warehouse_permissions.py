"""Permissions of the login, as each version of SQL Server reports them."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.rules.preflight import Rights
from monitoring.warehouse import permissions
from monitoring.warehouse.dialect import Sqlite, SqlServer

STATE = ("VIEW SERVER STATE",)
HALVES = ("VIEW SERVER PERFORMANCE STATE", "VIEW SERVER SECURITY STATE")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(permissions, "dialect_of", lambda alias: SqlServer())

    def answer(**changes: Any) -> Rights:
        row = {
            "capture": 1, "cleanup": 1, "state": 1, "performance": None, "security": None, "database": 0,
            "edition": 2, "version": 15, "login": "etl_monitor", "user": "monitor_user",
        }  # fmt: skip
        monkeypatch.setattr(permissions, "rows", lambda alias, sql: [tuple({**row, **changes}.values())])
        found = permissions.read_rights("dw")
        assert found is not None
        return found

    return answer


@pytest.mark.parametrize(
    ("answers", "sees", "needed"),
    [
        ({}, True, STATE),
        ({"state": 0}, False, STATE),
        ({"state": None}, False, STATE),
        ({"version": 16, "state": 0, "performance": 1, "security": 1}, True, HALVES),
        ({"version": 16, "state": 0, "performance": 1, "security": 0}, False, HALVES),
        ({"version": 17, "state": 1, "performance": 1, "security": 1}, True, HALVES),
        ({"edition": 5, "version": 12, "state": 1}, False, ("VIEW DATABASE STATE",)),
        ({"edition": 5, "version": 12, "state": None, "database": 1}, True, ("VIEW DATABASE STATE",)),
        ({"version": None, "state": 1}, True, STATE),
    ],
)
def test_the_sight_of_every_session(read: Any, answers: Any, sees: bool, needed: Any) -> None:
    rights = read(**answers)
    assert (rights.sees_sessions, rights.sessions_permissions) == (sees, needed)


@pytest.mark.parametrize(("answer", "allowed"), [(1, True), (0, False), (None, False)])
def test_a_procedure_that_is_hidden_is_not_allowed(read: Any, answer: Any, allowed: bool) -> None:
    assert read(capture=answer).procedures == (
        ("audit.sp_capture_connection_snapshot", allowed),
        ("audit.sp_connection_audit_cleanup", True),
    )


def test_who_asks_is_told(read: Any) -> None:
    assert (read().login, read().user) == ("etl_monitor", "monitor_user")


def test_the_embedded_warehouse_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "dialect_of", lambda alias: Sqlite())
    assert permissions.read_rights("dw") is None
