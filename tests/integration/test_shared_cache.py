"""The cache that processes share: limits hold across them, and its failure neither locks out nor opens."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.test import Client

from etlportal.shared_cache import SharedCache
from tests.support.queries import queries

ROOT = Path(__file__).resolve().parents[2]
TABLE = "portal_shared_cache"


@pytest.fixture
def broken(db: None) -> Iterator[None]:
    """The table cannot be used."""
    LocMemCache(f"instead-of-{TABLE}", {}).clear()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO away")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE away RENAME TO {TABLE}")
    LocMemCache(f"instead-of-{TABLE}", {}).clear()


@pytest.mark.django_db
def test_another_instance_sees_it() -> None:
    other = SharedCache(TABLE, {})
    assert cache.add("used", 1, 60)
    assert not other.add("used", 1, 60)
    assert other.get("used") == 1
    other.set("used", [1, 2], 60)
    assert cache.get("used") == [1, 2]
    assert other.delete("used")
    assert not cache.has_key("used")


@pytest.mark.django_db
def test_what_pages_keep_is_elsewhere_and_asks_nothing() -> None:
    assert not isinstance(caches["local"], SharedCache)
    with queries(default=0):
        caches["local"].set("a", 1, 60)
        assert caches["local"].get("a") == 1


@pytest.mark.django_db
def test_it_stays_small() -> None:
    small = SharedCache(TABLE, {"OPTIONS": {"MAX_ENTRIES": 20}})
    for number in range(60):
        small.set(f"k{number:03}", number, 60)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {TABLE}")
        assert cursor.fetchone()[0] <= 21


@pytest.mark.django_db
def test_it_is_bounded_in_the_settings(settings: Any) -> None:
    assert 1_000 <= settings.CACHES["default"]["OPTIONS"]["MAX_ENTRIES"] <= 50_000


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a failed statement ends PostgreSQL's transaction")
@pytest.mark.usefixtures("broken")
def test_a_table_that_fails_does_not_lock_anybody_out(client: Client, users: dict[str, Any]) -> None:
    response = client.post("/account/login/", {"login": "viewer", "password": "demo"})
    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(users["viewer"].pk)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a failed statement ends PostgreSQL's transaction")
@pytest.mark.usefixtures("broken")
def test_a_table_that_fails_does_not_open_the_door(client: Client, users: dict[str, Any]) -> None:
    for _ in range(5):
        client.post("/account/login/", {"login": "viewer", "password": "wrong"})
    client.post("/account/login/", {"login": "viewer", "password": "demo"})
    assert "_auth_user_id" not in client.session, "this process still counts"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a failed statement ends PostgreSQL's transaction")
@pytest.mark.usefixtures("broken")
def test_a_table_that_fails_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    lonely = SharedCache(TABLE, {})
    for _ in range(5):
        assert lonely.add(f"k{time.monotonic_ns()}", 1, 60)
    assert sum("shared cache" in record.message for record in caplog.records) == 1


def test_a_table_that_cannot_be_written_does_neither(users: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    LocMemCache(f"instead-of-{TABLE}", {}).clear()
    monkeypatch.setattr(DatabaseCache, "_base_set", lambda *arguments: False)
    client = Client()
    client.post("/account/login/", {"login": "viewer", "password": "demo"})
    assert "_auth_user_id" in client.session
    for _ in range(5):
        Client().post("/account/login/", {"login": "viewer", "password": "wrong"})
    late = Client()
    late.post("/account/login/", {"login": "viewer", "password": "demo"})
    assert "_auth_user_id" not in late.session
    LocMemCache(f"instead-of-{TABLE}", {}).clear()


def test_two_processes_count_together(tmp_path: Path) -> None:
    """One process uses up the attempts; the other refuses the right password."""
    made = run(tmp_path, "from django.core.management import call_command; call_command('migrate', verbosity=0)", USER)
    assert made.returncode == 0, made.stderr
    first = run(tmp_path, *("c.post(LOGIN, {'login': 'ana', 'password': 'wrong'})" for _ in range(5)))
    assert first.returncode == 0, first.stderr
    right = (
        "c.post(LOGIN, {'login': 'ana', 'password': 'demo'}); print('in' if '_auth_user_id' in c.session else 'out')"
    )
    second = run(tmp_path, right)
    assert second.stdout.splitlines()[-1] == "out", second.stderr
    third = run(tmp_path, "from django.core.cache import cache; cache.clear()", right)
    assert third.stdout.splitlines()[-1] == "in", third.stderr


USER = "from django.contrib.auth.models import User; User.objects.create_user('ana', 'ana@example.com', 'demo')"
START = """
import django; django.setup()
from django.test import Client
LOGIN = '/account/login/'
c = Client(headers={'host': 'localhost'})
"""


def run(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run these lines in a process of its own over the folder's portal."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "etlportal.settings",
        "PORTAL_DATA_DIR": str(folder),
        "SECRET_KEY": "two-processes-" + "x" * 50,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-c", "\n".join([START, *lines])]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
