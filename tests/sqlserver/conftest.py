"""The server, filled once per session, and the portal on it. See README.md in this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.conftest import ROLES
from tests.sqlserver import server as servers
from tests.sqlserver.server import Server

HERE = Path(__file__).parent
SETTINGS = "tests.sqlserver.settings"
SAID = pytest.StashKey[Server]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a server, or among the other tests with their own settings, these say so and are skipped."""
    reason = ""
    if servers.address() is None:
        reason = "no SQL Server to test against: TEST_SQLSERVER_HOST is not set (tests/sqlserver/README.md)"
    elif os.environ.get("PYTEST_XDIST_WORKER") or settings.EMBEDDED:
        reason = "they need a process of their own: make test-sqlserver"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.sqlserver)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say against what it ran, and what had to be said differently there: docs/sqlserver.md records it."""
    server = config.stash.get(SAID, None)
    if server is not None:
        terminalreporter.section("SQL Server")
        terminalreporter.line(f"{server.family}: {server.version[:160]}")
        for text in sorted(server.adapted):
            terminalreporter.line(f"adapted: {text}")


@dataclass(slots=True)
class Portal:
    """The portal after its collector has looked twice. `loaded_at`: where the warehouse's history ends."""

    server: Server
    loaded_at: datetime
    snapshot: Any
    users: dict[str, Any]
    watcher: Any

    def client(self, role: str) -> Client:
        client = Client()
        if role:
            client.force_login(self.users[role], backend="monitoring.accounts.UserBackend")
        return client


@pytest.fixture(scope="session", autouse=True)
def _waits() -> Iterator[dict[str, float]]:
    """Multiply every timeout of the portal by `times`: these tests check figures, not the server's speed."""
    from etlportal.budget import Budget

    usual, times = Budget.__init__, {"times": servers.patience()}

    def longer(self: Budget, seconds: float, *args: Any, **options: Any) -> None:
        usual(self, seconds * times["times"], *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Budget, "__init__", longer)
        yield times


@pytest.fixture(autouse=True)
def _as_long_as_people_wait(request: pytest.FixtureRequest, _waits: dict[str, float]) -> Iterator[None]:
    """Faults are about just these waits: there they are the portal's own. (What a session prepares comes before.)"""
    if "line" in request.fixturenames:
        _waits["times"] = 1.0
    yield
    _waits["times"] = servers.patience()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server with its two databases made, not yet filled; dropped at the end."""
    from django.db import connections

    from etlportal.backends.sqlserver import odbc

    address = servers.address()
    assert address is not None
    connections["dw"]  # loads the backend, which registers pip's driver before pyodbc loads
    found = Server(address, odbc.driver_name(""))
    found.look()
    request.config.stash[SAID] = found
    try:
        found.create()
        yield found
    finally:
        connections.close_all()
        found.drop()


@pytest.fixture(scope="session")
def loaded(server: Server) -> datetime:
    """The databases filled by the demo's ETL."""
    from tests.sqlserver.warehouse import load

    return load(server)


@pytest.fixture(scope="session")
def _default(django_db_blocker: Any) -> Iterator[None]:
    """The portal's own database, and only that: nothing is made, migrated or rolled back on dw and oltp."""
    from django.test.utils import setup_databases, teardown_databases

    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def portal(server: Server, loaded: datetime, _default: None) -> Portal:
    """The portal, its users, and the collector's second tick."""
    from django.contrib.auth.models import Group, User

    from tests.support.collecting import Watcher

    users = {}
    for role in ROLES:
        users[role] = User.objects.create_user(role, f"{role}@example.com", "demo", is_staff=role == "admin")
        users[role].groups.add(Group.objects.get(name=role))
    watcher = Watcher()
    watcher.tick()
    return Portal(server, loaded, watcher.tick().snapshot, users, watcher)
