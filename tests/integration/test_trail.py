"""The activity log: every action once, with user and address, never changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from monitoring.collector.rollup import expire_trail
from monitoring.models import AppendOnly, TrailEntry
from monitoring.rules.enums import TrailAction, TrailOutcome
from monitoring.web.activity import record
from tests.factories import healthy_snapshot
from tests.support.warehouse import NOW

Clients = Callable[[str], Client]
pytestmark = pytest.mark.django_db


def entries() -> list[tuple[str, str, str, str]]:
    """Return (user, action, object, outcome), oldest first, of what happened in requests."""
    rows = TrailEntry.objects.exclude(user_name="manage.py").order_by("pk")
    return [(row.user_name, row.action, row.object, row.outcome) for row in rows]


def an_entry(**changes: Any) -> TrailEntry:
    return record(**{"action": TrailAction.EXPORTED, "by": "viewer", "now": NOW, "object": "runs", **changes})


def test_signing_in_failing_and_out(client: Client, users: dict[str, User]) -> None:
    client.post("/account/login/", {"login": "viewer", "password": "wrong"}, REMOTE_ADDR="192.0.2.7")
    client.post("/account/login/", {"login": "viewer", "password": "demo"})
    client.post("/account/logout/")
    assert entries() == [
        ("viewer", "sign_in_failed", "", "refused"),
        ("viewer", "signed_in", "", "done"),
        ("viewer", "signed_out", "", "done"),
    ]
    failed = TrailEntry.objects.get(action="sign_in_failed")
    assert failed.address == "192.0.2.7"
    assert "wrong" not in json.dumps(failed.detail)


@pytest.mark.parametrize(("proxies", "address"), [(0, "10.0.0.1"), (1, "198.51.100.2")])
def test_the_address_behind_a_proxy_is_the_one_that_the_proxy_saw(
    client: Client, users: dict[str, User], settings: Any, proxies: int, address: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    client.post(
        "/account/login/",
        {"login": "viewer", "password": "wrong"},
        REMOTE_ADDR="10.0.0.1",
        HTTP_X_FORWARDED_FOR="203.0.113.9, 198.51.100.2",
    )
    assert TrailEntry.objects.get(action="sign_in_failed").address == address


def test_an_export_says_filter_and_rows(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(healthy_snapshot())
    assert client_as("viewer").get("/runs/runs.csv?status=failed").status_code == 200
    entry = TrailEntry.objects.get(action="exported")
    assert (entry.user_name, entry.object) == ("viewer", "runs")
    assert entry.detail == {"format": "csv", "filter": "status=failed", "rows": 0}


def test_roles_given_in_the_admin_name_who_gave_them(client_as: Clients, users: dict[str, User]) -> None:
    admin = users["admin"]
    admin.is_superuser = True
    admin.save()
    viewer = users["viewer"]
    form = {
        "username": "viewer",
        "email": viewer.email,
        "is_active": "on",
        "groups": [Group.objects.get(name="auditor").pk],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00",
    }
    response = client_as("admin").post(f"/admin/auth/user/{viewer.pk}/change/", form)
    assert response.status_code == 302, response.content.decode()
    roles = list(TrailEntry.objects.filter(action="role_changed", user_name="admin").order_by("pk"))
    assert [(row.object, row.detail) for row in roles] == [
        ("user viewer", {"change": "removed", "what": "viewer"}),
        ("user viewer", {"change": "added", "what": "auditor"}),
    ]
    assert ("admin", "user_changed", "user viewer", "done") in entries()


def test_roles_given_on_the_command_line(users: dict[str, User]) -> None:
    TrailEntry.objects.exclude(pk=0)._raw_delete("default")
    group = Group.objects.get(name="viewer")
    group.permissions.add(Permission.objects.get(codename="unmask"))
    group.permissions.clear()
    found = list(TrailEntry.objects.order_by("pk").values_list("user_name", "object", "detail"))
    assert [(by, what, detail["change"]) for by, what, detail in found] == [
        ("manage.py", "group viewer", "added"),
        ("manage.py", "group viewer", "cleared"),
    ]
    assert "unmask" in found[0][2]["what"]


def test_nothing_changes_or_deletes_an_entry() -> None:
    entry = an_entry()
    entry.user_name = "somebody else"
    rows = TrailEntry.objects.filter(pk=entry.pk)
    for attempt in (
        entry.save,
        entry.delete,
        rows.delete,
        lambda: rows.update(user_name="x"),
        lambda: rows.bulk_update([entry], ["user_name"]),
        lambda: TrailEntry.objects.update_or_create(pk=entry.pk, defaults={"user_name": "x"}),
    ):
        with pytest.raises(AppendOnly):
            attempt()
    assert TrailEntry.objects.get(pk=entry.pk).user_name == "viewer"


def test_nobody_changes_an_entry_in_the_admin(client_as: Clients, users: dict[str, User]) -> None:
    users["admin"].is_superuser = True
    users["admin"].save()
    entry = an_entry()
    client = client_as("admin")
    address = f"/admin/monitoring/trailentry/{entry.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"user_name": "x"}).status_code == 403
    assert client.get(f"/admin/monitoring/trailentry/{entry.pk}/delete/").status_code == 404
    assert client.get("/admin/monitoring/trailentry/add/").status_code == 404
    assert client.post("/admin/monitoring/trailentry/", {"action": "delete_selected"}).status_code == 403


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("auditor", 200), ("admin", 200)])
def test_who_reads_it(role: str, status: int, client_as: Clients) -> None:
    an_entry(address="192.0.2.7", now=timezone.now())
    client = client_as(role)
    response = client.get("/admin/monitoring/trailentry/?action=exported&outcome=done&q=192.0.2")
    assert response.status_code == status
    if status == 200:
        assert "192.0.2.7" in response.content.decode()
        assert "192.0.2.7" not in client.get("/admin/monitoring/trailentry/?outcome=failed").content.decode()


def test_old_ones_go_by_age_a_few_at_a_time() -> None:
    kept = an_entry(now=NOW).pk
    for days in (30, 20, 10):
        an_entry(now=NOW - timedelta(days=days))
    before = NOW - timedelta(days=5)
    mine = TrailEntry.objects.filter(action="exported")
    assert expire_trail(before=before, limit=2) == 2
    assert sorted(row.at for row in mine.all()) == [NOW - timedelta(days=10), NOW]
    assert expire_trail(before=before, limit=2) == 1
    assert expire_trail(before=before, limit=2) == 0
    assert [row.pk for row in mine.all()] == [kept]


def test_the_admins_own_list_ends_where_the_trail_does(users: dict[str, User]) -> None:
    rows = [
        LogEntry(
            user=users["admin"],
            object_id="1",
            object_repr="x",
            action_flag=CHANGE,
            action_time=NOW - timedelta(days=days),
        )
        for days in (10, 9, 8, 3, 0)
    ]
    LogEntry.objects.bulk_create(rows)
    before = NOW - timedelta(days=5)
    assert [expire_trail(before=before, limit=2) for _ in range(3)] == [2, 1, 0]
    assert LogEntry.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_each_entry_is_one_json_line_once_it_is_committed(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("etlportal.trail")
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger="etlportal.trail"):
            an_entry(object="a\nb\u2028c", outcome=TrailOutcome.REFUSED, rows=3)
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                an_entry(object="undone")
                raise ZeroDivisionError
    finally:
        logger.removeHandler(caplog.handler)
    (line,) = caplog.messages
    assert line.isascii() and "\n" not in line
    found = json.loads(line)
    found.pop("trail")
    assert found == {
        "at": "2026-03-10T12:00:00.000Z",
        "user": "viewer",
        "address": "",
        "action": "exported",
        "object": "a\nb\u2028c",
        "outcome": "refused",
        "detail": {"rows": 3},
    }
    assert TrailEntry.objects.filter(object="undone").count() == 0
