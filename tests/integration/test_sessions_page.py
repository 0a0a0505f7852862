"""A user sees and ends their own sessions only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from monitoring.collector.rollup import expire_sessions
from monitoring.models import TrailEntry

PAGE = "/account/sessions/"


def sign_in(name: str = "viewer", **more: Any) -> Client:
    client = Client(**more)
    client.post("/account/login/", {"login": name, "password": "demo"})
    return client


def opens(client: Client) -> bool:
    return client.get("/preferences/").status_code == 200


def test_all_of_them_this_one_first(users: Any) -> None:
    sign_in(headers={"User-Agent": "Phone <b>1</b>"}, REMOTE_ADDR="192.0.2.77")
    sign_in("operator", REMOTE_ADDR="192.0.2.99")
    here = sign_in(headers={"User-Agent": "Desk"}, REMOTE_ADDR="192.0.2.1")
    html = here.get(PAGE).content.decode()
    assert html.index("this one") < html.index("192.0.2.77")
    assert "Phone &lt;b&gt;1&lt;/b&gt;" in html
    assert "192.0.2.99" not in html
    assert here.get(PAGE)["Cache-Control"] == "private, no-store"


def test_ending_one(users: Any) -> None:
    phone, here = sign_in(), sign_in()
    number = UserSession.objects.get(session_key=phone.session.session_key).pk
    html = here.post(PAGE, {"session": number}, follow=True).content.decode()
    assert "1 session was ended." in html
    assert not opens(phone)
    assert opens(here)
    entry = TrailEntry.objects.get(action="session_ended")
    assert (entry.user_name, entry.object, entry.detail) == ("viewer", "viewer", {"sessions": 1})


def test_ending_all_others(users: Any) -> None:
    phone, tablet, here = sign_in(), sign_in(), sign_in()
    other = sign_in("operator")
    here.post(PAGE)
    assert [opens(client) for client in (phone, tablet, here, other)] == [False, False, True, True]
    here.post(PAGE)
    assert TrailEntry.objects.filter(action="session_ended").count() == 1, "nothing was ended, nothing is written"


def test_ending_this_one_is_signing_out(users: Any) -> None:
    here = sign_in()
    number = UserSession.objects.get().pk
    assert here.post(PAGE, {"session": number})["Location"] == "/account/login/"
    assert not opens(here)


def test_nobody_ends_somebody_elses(users: Any) -> None:
    other, here = sign_in("operator"), sign_in()
    number = UserSession.objects.get(user=users["operator"]).pk
    assert here.post(PAGE, {"session": number}).status_code == 404
    assert opens(other)


@pytest.mark.parametrize("number", ["-1", "0", "x", "1e9", "9" * 40, "٣", "1 OR 1=1", "\x00"])
def test_nonsense_ends_nothing(users: Any, number: str) -> None:
    phone, here = sign_in(), sign_in()
    assert here.post(PAGE, {"session": number}).status_code == 404
    assert opens(phone)


def test_a_link_ends_nothing(users: Any) -> None:
    phone, here = sign_in(), sign_in()
    here.get(PAGE, {"session": UserSession.objects.first().pk})  # type: ignore[union-attr]
    assert opens(phone)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = here.cookies
    assert strict.post(PAGE).status_code == 403
    assert opens(phone)


def test_a_new_password_ends_the_others(users: Any) -> None:
    phone, here = sign_in(), sign_in()
    new = {"password1": "correct horse 9", "password2": "correct horse 9"}
    here.post("/account/password/change/", {"oldpassword": "demo", **new})
    assert opens(here)
    assert not opens(phone)
    assert "192.0.2" not in here.get(PAGE).content.decode()


def test_the_session_before_sign_in_is_not_the_one_after(users: Any) -> None:
    client = Client()
    client.get("/account/login/")
    session = client.session
    session["planted"] = 1
    session.save()
    client.cookies["etlportal_session"] = session.session_key
    client.post("/account/login/", {"login": "viewer", "password": "demo"})
    assert client.session.session_key != session.session_key


def test_an_administrator_ends_all_of_somebody(client_as: Any, users: Any) -> None:
    phone = sign_in()
    User.objects.filter(username="admin").update(is_superuser=True)
    admin = client_as("admin")
    admin.post("/admin/auth/user/", {"action": "end_sessions", "_selected_action": [users["viewer"].pk]})
    assert not opens(phone)
    entry = TrailEntry.objects.get(action="session_ended")
    assert (entry.user_name, entry.object) == ("admin", "viewer")


def test_only_a_superuser_weakens_a_superuser(client_as: Any, users: Any) -> None:
    from django.contrib.auth.models import Permission

    users["admin"].user_permissions.add(*Permission.objects.filter(codename__in=("change_user", "view_user")))
    User.objects.filter(username="operator").update(is_superuser=True)
    boss = sign_in("operator")
    admin = client_as("admin")
    admin.post("/admin/auth/user/", {"action": "end_sessions", "_selected_action": [users["operator"].pk]})
    assert opens(boss)
    page = f"/admin/auth/user/{users['operator'].pk}/change/"
    assert admin.post(page, {"username": "operator", "is_active": ""}).status_code == 403
    own = f"/admin/auth/user/{users['admin'].pk}/change/"
    form = {"username": "admin", "is_superuser": "on", "is_staff": "on", "is_active": "on"}
    admin.post(own, {**form, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"})
    assert not User.objects.get(username="admin").is_superuser


def test_ended_sessions_are_deleted_a_few_at_a_time(users: Any) -> None:
    now = timezone.now()
    for number, hours in enumerate((-3, -2, -1, 1)):
        expires = now + timedelta(hours=hours)
        Session.objects.create(session_key=f"key{number}", session_data="x", expire_date=expires)
        UserSession.objects.create(user=users["viewer"], session_key=f"key{number}", ip="192.0.2.1", user_agent="x")
    assert expire_sessions(now=now, limit=2) == 2
    assert set(Session.objects.values_list("session_key", flat=True)) == {"key2", "key3"}
    assert expire_sessions(now=now, limit=2) == 1
    assert expire_sessions(now=now, limit=2) == 0
    assert set(Session.objects.values_list("session_key", flat=True)) == {"key3"}
    assert set(UserSession.objects.values_list("session_key", flat=True)) == {"key3"}, "nor from where it was"
