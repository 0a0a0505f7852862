"""Strict fixtures: careless code fails the test in which it runs.

Refused are network access, warnings, undefined template variables, slices of unordered rows, failed blocks, inline
code in HTML, a missing Content-Security-Policy, and queries that would scan on SQL Server. (Network and warnings are
configured in pyproject.toml, variables in tests/settings.py.)
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.http import HttpResponse
from django.test import Client

from tests.support import tsql_queries
from tests.support.html import audit
from tests.support.warehouse import Warehouse

ROLES = ("viewer", "operator", "auditor", "admin")
ALL = ("default", "dw", "oltp")
NEED_DATABASES = {"warehouse", "client", "client_as", "users", "snapshot_stored", "admin_client", "live_server"}


def pytest_configure(config: pytest.Config) -> None:
    # A child process (manage.py demo) must not inherit the tests' settings.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    _audit_every_answer()
    _refuse_unordered_slices()
    _lint_queries_as_tsql()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that touches a database may use all three, unless it names fewer itself."""
    for item in items:
        mark = item.get_closest_marker("django_db")
        needs = NEED_DATABASES & set(getattr(item, "fixturenames", ()))
        if mark is not None and "databases" not in mark.kwargs:
            item.add_marker(pytest.mark.django_db(**{**mark.kwargs, "databases": ALL}), append=False)
        elif mark is None and needs:
            item.add_marker(pytest.mark.django_db(databases=ALL, transaction="live_server" in needs))


def _audit_every_answer() -> None:
    """Look at every HTML answer that any test client gets."""
    original = Client.request

    @functools.wraps(original)
    def request(self: Client, **environ: Any) -> HttpResponse:
        response = original(self, **environ)
        if response.get("Content-Type", "").startswith("text/html") and not response.streaming:
            zipped = response.get("Content-Encoding") == "gzip"
            problems = audit((gzip.decompress(response.content) if zipped else response.content).decode())
            if problems:
                pytest.fail(f"{environ.get('PATH_INFO')}: " + "; ".join(problems[:10]), pytrace=False)
            policy = response.get("Content-Security-Policy", "")
            if "default-src 'none'" not in policy or "unsafe" in policy:
                pytest.fail(f"{environ.get('PATH_INFO')}: Content-Security-Policy is {policy!r}", pytrace=False)
        return response

    Client.request = request  # type: ignore[method-assign]


def _refuse_unordered_slices() -> None:
    """`queryset[:10]` without an order gives any ten rows: refuse it, not only in a Paginator."""
    original = QuerySet.__getitem__

    def getitem(self: QuerySet[Any], key: Any) -> Any:
        if isinstance(key, slice) and self._result_cache is None and not self.ordered:
            pytest.fail(f"a slice of unordered rows: {self.query}")
        return original(self, key)

    QuerySet.__getitem__ = getitem  # type: ignore[method-assign]


def _lint_queries_as_tsql() -> None:
    """Compile each query on dw and oltp for SQL Server too, and refuse what would be slow or wrong there."""
    tsql_queries.watch_queries(lambda problem: pytest.fail(problem, pytrace=False))


@pytest.fixture(autouse=True)
def _no_failed_block(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed block fails the test, unless the test has the mark `failing_block`."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("monitoring.web.blocks")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    if records and request.node.get_closest_marker("failing_block") is None:
        formatter = logging.Formatter()
        pytest.fail("\n".join(formatter.format(record) for record in records), pytrace=False)


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    """Nothing that one test cached in the process reaches the next."""
    from django.core.cache import caches

    from etlportal import breaker
    from etlportal.backends import bounded
    from monitoring.collector import snapshot

    breaker.forget()
    bounded.forget()
    snapshot._decoded.cache_clear()
    snapshot._as_seen.cache_clear()
    caches["local"].clear()
    caches["rights"].clear()


@pytest.fixture(autouse=True)
def _warehouse_left_empty(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that really committed, empty the embedded files and the shared cache; others roll back."""
    mark = request.node.get_closest_marker("django_db")
    if mark is None or not mark.kwargs.get("transaction"):
        yield
        return
    from django.core.cache import cache

    request.getfixturevalue("django_db_setup")
    blocker = request.getfixturevalue("django_db_blocker")
    with blocker.unblock():
        request.node.stash[_ROLES] = (blocker, _roles())
    yield
    with blocker.unblock():
        cache.clear()
        if "dw" in mark.kwargs.get("databases", ()):
            Warehouse().empty()


_ROLES: pytest.StashKey[tuple[Any, list[tuple[str, str, str]]]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Django empties `default` after a test that committed, the groups of the migrations included: they come back."""
    yield
    if _ROLES in item.stash:
        blocker, roles = item.stash[_ROLES]
        with blocker.unblock():
            _put_back(roles)


def _roles() -> list[tuple[str, str, str]]:
    """Every group with each of its permissions: (group, app, permission)."""
    from django.contrib.auth.models import Group

    return list(Group.objects.values_list("name", "permissions__content_type__app_label", "permissions__codename"))


def _put_back(roles: list[tuple[str, str, str]]) -> None:
    from django.contrib.auth.models import Group, Permission

    known = Permission.objects.values_list("content_type__app_label", "codename", "pk")
    keys = {(app, codename): key for app, codename, key in known}
    # Without signals, so that the activity log has no entry.
    Group.objects.bulk_create(Group(name=name) for name in sorted({name for name, _, _ in roles}))
    groups = dict(Group.objects.values_list("name", "pk"))
    links = Group.permissions.through
    links.objects.bulk_create(
        links(group_id=groups[name], permission_id=keys[app, codename])
        for name, app, codename in roles
        if (app, codename) in keys
    )


@pytest.fixture
def warehouse(db: None) -> Warehouse:
    """The embedded `dw` and `oltp`, empty: put rows in with its methods."""
    return Warehouse()


@pytest.fixture
def users(db: None) -> dict[str, Any]:
    """One user per role, in its group: users["viewer"] and so on. Password: demo."""
    from django.contrib.auth.models import Group, User

    made = {}
    for role in ROLES:
        user = User.objects.create_user(role, f"{role}@example.com", "demo", is_staff=role == "admin")
        user.groups.add(Group.objects.get(name=role))
        made[role] = user
    return made


@pytest.fixture
def client_as(users: dict[str, Any]) -> Callable[[str], Client]:
    """`client_as("viewer")` returns a signed-in client, `client_as("")` an anonymous one."""
    from monitoring.access import rights_of

    def make(role: str) -> Client:
        client = Client()
        if role:
            client.force_login(users[role], backend="monitoring.accounts.UserBackend")
            rights_of(type(users[role]).objects.get(pk=users[role].pk))  # cached: statements of a request are counted
        return client

    return make


@pytest.fixture
def snapshot_stored(db: None) -> Callable[..., Any]:
    """`snapshot_stored(snapshot, ticked_at=...)`: what the collector would have left in `default`."""
    from django.utils import timezone

    from monitoring.collector.snapshot import encode
    from monitoring.models import CollectorState

    def store(snapshot: Any, ticked_at: datetime | None = None) -> Any:
        payload = encode(snapshot)
        values = {
            "payload": payload,
            "version": hashlib.blake2b(payload, digest_size=8).hexdigest(),
            "sampled_at": snapshot.sampled_at,
            "ticked_at": ticked_at or timezone.now(),
            "tick_milliseconds": 12,
            "lease_holder": "test",
            "lease_until": timezone.now() + timedelta(days=3650),
        }
        state, _ = CollectorState.objects.update_or_create(pk=CollectorState.SINGLETON, defaults=values)
        return state

    return store
