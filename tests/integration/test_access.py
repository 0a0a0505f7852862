"""monitoring/access.py agrees with every address, view, column, admin table, group, and docs/access.md.

Then every address is requested anonymously, as a user without a group and as each role, and every response is
searched for data that the role may not see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from monitoring import access
from monitoring.access import (
    ACCOUNT,
    ADMIN,
    CAPTURE,
    CHECK,
    COLUMNS,
    DECIDE,
    GROUPS,
    OPEN,
    PORTAL,
    RIGHTS_SECONDS,
    UNMASK,
    VIEW,
    may,
)
from monitoring.admin.fields import MASKS
from monitoring.collector.copies import execution_error_columns, run_error_columns
from monitoring.models import GroupPolicy, GroupScope, UserPreferences
from monitoring.rules.enums import ExecutionStatus, TrailAction
from monitoring.web.activity import record
from monitoring.web.blocks import Block, Page
from tests.conftest import ROLES
from tests.support import worlds
from tests.support.queries import counted
from tests.support.warehouse import Warehouse
from tests.support.worlds import MINE
from tools import access as document

Clients = Callable[[str], Client]

FRAMEWORK = {
    "admin:index", "admin:login", "admin:logout", "admin:password_change", "admin:password_change_done",
    "admin:autocomplete", "admin:jsi18n", "admin:view_on_site", "admin:app_list", "admin:",
}  # fmt: skip
"""Addresses of every admin site and redirects without a name: open to all users of the admin."""
OTHERS = (CAPTURE, CHECK, UNMASK, DECIDE)
EXTRA = {"auth.user": {"password_change": "change"}}
"""Pages of a table beyond Django's usual ones, each with what one must be able to do."""


def addresses(resolver: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return (name, pattern) of every address of the portal."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from addresses(entry, prefix + (f"{entry.namespace}:" if entry.namespace else ""))
        else:
            yield f"{prefix}{entry.name or ''}", entry


PATTERNS = dict(addresses())


def admin_pages() -> dict[str, tuple[str, str]]:
    """Return the list's entries for the admin: address to (table, required permission)."""
    found = {}
    for table, does in ADMIN.items():
        pages = {"changelist": "view", "change": "view"}
        if len(does) > 1:
            pages |= {"add": "add", "history": "view", "delete": "delete"}
        for page, need in {**pages, **EXTRA.get(table, {}), **_own_pages(table)}.items():
            found[f"admin:{table.replace('.', '_')}_{page}"] = (table, need)
    return found


def _own_pages(table: str) -> dict[str, str]:
    """Pages that a read-only table adds to its list and its rows (files, a row as JSON): as its list."""
    usual = {"changelist", "change", "add", "history", "delete", "password_change"}
    start = f"admin:{table.replace('.', '_')}_"
    more = {name.removeprefix(start) for name in PATTERNS if name.startswith(start)} - usual
    return dict.fromkeys(more, "view") if len(ADMIN[table]) == 1 else {}


def test_every_address_is_listed_and_every_listed_one_exists() -> None:
    listed = set(PORTAL) | OPEN | ACCOUNT | set(admin_pages()) | FRAMEWORK
    assert set(PATTERNS) - listed == set(), "add them to monitoring/access.py, each with what it needs"
    optional = {name for name in OPEN if "reset_password" in name}  # only with mail
    assert listed - set(PATTERNS) - optional == set()


def test_every_view_asks_for_what_the_list_says() -> None:
    """Pages and blocks check it themselves too: a block is also rendered inside a page."""
    for name, needs in PORTAL.items():
        view = getattr(PATTERNS[name].callback, "view_class", None)
        if issubclass(view or object, Page | Block):
            assert view.permission_required == needs, name
        elif own := getattr(view, "permission_required", ()):
            assert own == needs, name
        assert (name in access.BLOCKS) == issubclass(view or object, Block), name
        assert (name in access.FILES) == ("kind" in PATTERNS[name].pattern.converters), name


def test_an_address_that_nobody_listed_is_closed(
    client_as: Clients, monkeypatch: pytest.MonkeyPatch, snapshot_stored: Any
) -> None:
    snapshot_stored(worlds.build())
    others = {name: needs for name, needs in PORTAL.items() if name != "monitoring:runs-list-export"}
    monkeypatch.setattr(access, "PORTAL", others)
    assert client_as("admin").get("/runs/runs.csv").status_code == 403


@pytest.mark.django_db
def test_the_groups_of_a_new_portal_are_the_list() -> None:
    for name, wanted in GROUPS.items():
        held = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in held} == wanted, name
    assert Group.objects.count() == len(GROUPS)


def test_every_column_with_a_login_is_listed_and_masked() -> None:
    found = {
        f"{model._meta.label_lower}.{field.name}"
        for model in apps.get_app_config("monitoring").get_models()
        for field in model._meta.concrete_fields
        if field.name in MASKS
    }
    assert found == set(COLUMNS)
    assert set(COLUMNS.values()) == {access.CONNECTIONS}


def test_the_admins_tables_are_the_list() -> None:
    registered = {model._meta.label_lower: own for model, own in admin.site._registry.items()}
    assert set(registered) == set(ADMIN)


def test_the_document_is_the_list() -> None:
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert document.written(text) == text, "python -m tools.access"
    for name, needs in PORTAL.items():
        assert f"`{name.removeprefix('monitoring:')}`" in text
        assert needs == () or f"`{needs[0]}`" in text


@pytest.fixture
def furnished(snapshot_stored: Any, warehouse: Warehouse, users: dict[str, User]) -> dict[str, Any]:
    """Something behind every address; returns the keys of the admin's rows by table."""
    snapshot_stored(worlds.build())
    worlds.in_warehouse(warehouse)
    warehouse.now = timezone.now()
    event = warehouse.login_event(
        login_name="cnry.login", host_name="cnry-host", client_net_address="203.0.113.77", program_name="cnry-app"
    )
    entry = record(action=TrailAction.EXPORTED, by="cnry.reader", now=timezone.now(), address="203.0.113.78")
    User.objects.create_user("cnry.user", "cnry.mail@example.org", "x")
    operators = Group.objects.get(name="operator")
    keys = {
        "etlrun": 4, "etlrunentity": 400, "runcopy": 4, "runentitycopy": 400, "etlcontrol": MINE.replace("_", "_5F"),
        "connectionloginevent": event, "trailentry": entry.pk, "user": users["viewer"].pk, "group": operators.pk,
        "pipelinesettings": MINE.replace("_", "_5F"), "collectorstate": 1, "portalsettings": 1,
        "groupscope": GroupScope.objects.create(group=Group.objects.create(name="others")).pk,
        "grouppolicy": GroupPolicy.objects.create(group=operators).pk,
        "userpreferences": UserPreferences.objects.create(user=users["viewer"]).pk,
        "pipelinesample": worlds.PipelineSample.objects.order_by("pk")[0].pk,
        "pipelinerollup": worlds.PipelineRollup.objects.order_by("pk")[0].pk,
    }  # fmt: skip
    return keys


def address_of(name: str, keys: dict[str, Any]) -> str:
    """Return the address of that name, its parameters filled in with something that exists."""
    table = name.partition("_")[2].partition("_")[0]
    known = {
        "entity": MINE, "run_id": 4, "kind": "csv", "object_id": keys.get(table, 1), "id": keys["user"], "pk": 1,
        "fingerprint": worlds.group_of(MINE),
        "app_label": "auth", "content_type_id": 1, "provider_id": "nobody", "url": "nowhere", "uidb36": "1", "key": "x",
    }  # fmt: skip
    regex = PATTERNS[name].pattern.regex.groupindex if hasattr(PATTERNS[name].pattern, "regex") else {}
    wanted = {*PATTERNS[name].pattern.converters, *regex}
    return reverse(name, kwargs={key: known.get(key, 1) for key in wanted})


def expected(name: str, permissions: frozenset[str] | None) -> set[int]:
    """Return the statuses according to the list. `permissions` None: an anonymous user."""
    opened = {200, 302, 404, 405, 429, 503}
    if name in OPEN:
        return opened
    if permissions is None:
        return {302}
    if name in PORTAL:
        return opened if set(PORTAL[name]) <= permissions else {403}
    if name in ACCOUNT:
        return opened
    if "monitoring.view_etlrun" not in permissions:
        return {403}
    if name in FRAMEWORK:
        return opened | {400, 403}
    table, does = admin_pages()[name]
    app, model = table.split(".")
    return opened if f"{app}.{does}_{model}" in permissions else {403}


@pytest.mark.parametrize("role", ["", "nogroup", *ROLES])
def test_every_address_answers_each_role_as_the_list_says(
    client_as: Clients, users: dict[str, User], furnished: dict[str, Any], role: str
) -> None:
    users["nogroup"] = User.objects.create_user("nogroup", "nogroup@example.com", "demo")
    client = client_as(role)
    permissions = GROUPS.get(role, frozenset()) if role else None
    wrong = []
    for name in PATTERNS:
        if name in {"admin:", "account_logout", "mfa_login_webauthn"}:
            continue
        address = address_of(name, furnished)
        response = client.get(address)
        if response.status_code not in expected(name, permissions):
            wrong.append((name, response.status_code))
        if role == "" and name not in OPEN and "/login/?next=/" not in response.get("Location", ""):
            wrong.append((name, response.get("Location")))
        if name in PORTAL and 403 in expected(name, permissions) and client.post(address).status_code != 403:
            wrong.append((name, "POST"))
    assert wrong == []


CANARIES = {
    access.CONNECTIONS: ("cnry.login", "cnry-host", "203.0.113.77", "cnry.starter", "cnry.quoted"),
    "monitoring.view_trailentry": ("cnry.reader", "203.0.113.78"),
    "auth.view_user": ("cnry.mail@example.org", "cnry.user"),
}
"""Values that exist only in tables with a permission of their own."""
FOLLOWED = re.compile(r' (?:href|hx-get|action)="(/[^"#]*)')


def crawled(client: Client, start: list[str], limit: int = 160) -> Iterator[tuple[str, Any]]:
    """Follow every link from these addresses, blocks and files included; one of each kind of address."""
    seen, left = set(), [(address, "") for address in start]
    while left and len(seen) < limit:
        address, came_from = left.pop(0)
        shape = re.sub(r"=[^&]*|/[\d-]+/|/dim_\w+/", "", address)
        if shape in seen or "logout" in address or "/static/" in address:
            continue
        seen.add(shape)
        response = client.get(address)
        yield f"{address} (from {came_from})", response
        if response.get("Content-Type", "").startswith("text/html"):
            html = response.content.decode()
            left += [(found.replace("&amp;", "&"), address) for found in FOLLOWED.findall(html)]


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_not_see_is_in_nothing_that_it_gets_and_no_link_is_closed(
    client_as: Clients, furnished: dict[str, Any], warehouse: Warehouse, snapshot_stored: Any, role: str
) -> None:
    quoted = "OperationalError: Login failed for user 'cnry.quoted'. [CLIENT: 203.0.113.77] (18456)"
    worlds.RunCopy.objects.update(started_by="cnry.starter", error_message=quoted, **run_error_columns(quoted))
    columns = execution_error_columns(ExecutionStatus.FAILED, quoted)
    worlds.RunEntityCopy.objects.filter(status="failed").update(error_message=quoted, **columns)
    snapshot = worlds.build_snapshot(worlds.EVERY)
    snapshot_stored(snapshot)
    forbidden = [text for needs, texts in CANARIES.items() if needs not in GROUPS[role] for text in texts]
    client = client_as(role)
    opened = [address_of(name, furnished) for name, needs in PORTAL.items() if set(needs) <= GROUPS[role]]
    asked = [f"/runs/?by=cnry&q={text}" for text in ("cnry.starter", "cnry.quoted")]
    followed = 0
    for address, response in crawled(client, ["/", *opened, *asked, "/runs/runs.csv?by=cnry.starter"]):
        followed += 1
        assert response.status_code != 403, address
        assert response.status_code < 500 or response.status_code == 503, address
        text = b"".join(response.streaming_content) if response.streaming else response.content
        shown = text.decode(errors="replace")
        typed = [word for word in forbidden if word in address]
        assert [word for word in forbidden if word in shown and word not in typed] == [], address
    assert followed > 60
    if access.CONNECTIONS in GROUPS[role]:
        assert "cnry.starter" in client.get("/runs/").content.decode()
        assert 'data-row="' in client.get("/blocks/runs-list/?by=cnry.starter").content.decode()


def test_a_viewer_finds_no_run_by_who_started_it(client_as: Clients, furnished: dict[str, Any]) -> None:
    """Finding what is hidden would tell it; so would an order by it."""
    worlds.RunCopy.objects.filter(pk=4).update(started_by="cnry.starter")
    rows = {
        role: client_as(role).get("/blocks/runs-list/?by=cnry.starter").content.decode().count("data-row=")
        for role in ("viewer", "auditor")
    }
    assert rows["auditor"] == 1
    assert rows["viewer"] in {0, len(worlds.RUNS)}
    viewer = client_as("viewer").get("/blocks/runs-list/?sort=started_by").content.decode()
    assert "The table has no column “started_by”" in viewer


def test_cached_permissions_cost_no_statement(client_as: Clients, furnished: dict[str, Any]) -> None:
    client = client_as("viewer")
    client.get("/blocks/summary-matrix/")
    with counted() as seen:
        assert client.get("/blocks/summary-matrix/").status_code == 200
    assert not [sql for sql in seen.of("default") if 'FROM "auth_permission" INNER' in sql]


def test_changed_permissions_hold_at_once_in_this_process(django_user_model: type[User]) -> None:
    user, group = django_user_model.objects.create_user("ana"), Group.objects.get(name="operator")
    assert not any(may(user, each) for each in OTHERS)
    group.user_set.add(user)
    held = {each: may(User.objects.get(pk=user.pk), each) for each in OTHERS}
    assert held == {each: User.objects.get(pk=user.pk).has_perm(each) for each in OTHERS}
    assert len(set(held.values())) == 2
    user.user_permissions.add(Permission.objects.get(codename=UNMASK.partition(".")[2]))
    assert may(User.objects.get(pk=user.pk), UNMASK)
    group.user_set.remove(user)
    assert [each for each in OTHERS if may(User.objects.get(pk=user.pk), each)] == [UNMASK]
    Group.objects.get(name="operator").permissions.clear()
    group.user_set.add(user)
    assert [each for each in OTHERS if may(User.objects.get(pk=user.pk), each)] == [UNMASK]
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not any(may(User.objects.get(pk=user.pk), each) for each in OTHERS)


def test_permissions_changed_elsewhere_hold_after_some_seconds(django_user_model: type[User]) -> None:
    """Another process sends no signal here."""
    user, group = django_user_model.objects.create_user("ana"), Group.objects.get(name="viewer")
    group.user_set.add(user)
    with time_machine.travel(datetime(2026, 3, 10, tzinfo=UTC), tick=False) as clock:
        assert may(User.objects.get(pk=user.pk), VIEW)
        User.groups.through.objects.filter(user=user).delete()
        assert may(User.objects.get(pk=user.pk), VIEW)
        clock.shift(RIGHTS_SECONDS + 1)
        assert not may(User.objects.get(pk=user.pk), VIEW)
