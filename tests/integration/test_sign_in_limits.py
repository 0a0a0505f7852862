"""Limits on guessing passwords, which do not lock out the account's owner."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.signals import password_reset
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from time_machine import travel

from monitoring.accounts import limits
from monitoring.models import PortalSettings, TrailEntry
from tests.support import totp

LOGIN, CODE = "/account/login/", "/account/second-factor/"
ATTACKER, OWNER = "203.0.113.7", "198.51.100.5"


def sign_in(address: str, name: str = "viewer", password: str = "demo", client: Client | None = None) -> Client:
    client = client or Client()
    client.post(LOGIN, {"login": name, "password": password}, REMOTE_ADDR=address)
    return client


def guess(times: int, address: str = ATTACKER, name: str = "viewer") -> None:
    for _ in range(times):
        sign_in(address, name, "wrong")


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_from_one_address_guessing_stops(users: Any) -> None:
    guess(5)
    assert not signed_in(sign_in(ATTACKER)), "the right one must wait, too"
    entry = TrailEntry.objects.filter(action="sign_in_failed").latest("pk")
    assert (entry.user_name, entry.address, entry.detail["reason"]) == ("viewer", ATTACKER, "too many attempts")


def test_the_owner_elsewhere_is_not_locked_out(users: Any) -> None:
    guess(8)
    assert signed_in(sign_in(OWNER))


def test_however_the_name_is_written(users: Any) -> None:
    for name in ("viewer", "VIEWER", " viewer ", "Viewer", "vieweR"):
        guess(1, name=name)
    assert not signed_in(sign_in(ATTACKER))


def test_waiting_helps(users: Any) -> None:
    with travel("2026-03-02T12:00:00Z", tick=False) as clock:
        guess(5)
        clock.shift(299)
        assert not signed_in(sign_in(ATTACKER))
        clock.shift(2)
        assert signed_in(sign_in(ATTACKER))


def test_one_address_cannot_go_on_for_hours(users: Any) -> None:
    with travel("2026-03-02T12:00:00Z", tick=False) as clock:
        for _ in range(5):
            guess(5)
            clock.shift(301)
        assert not signed_in(sign_in(ATTACKER)), "20 in an hour"
        assert signed_in(sign_in(OWNER))


def test_many_addresses_are_stopped_and_a_known_browser_is_not(users: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.RATES, "anywhere", ((6, 3600),))
    at_home = sign_in(OWNER)
    at_home.post("/account/logout/")
    for number in range(7):
        guess(1, f"203.0.113.{number}")
    assert not signed_in(sign_in("192.0.2.1")), "from a browser that nobody knows"
    assert signed_in(sign_in("192.0.2.1", client=at_home)), "the owner's own, wherever it is now"


def test_addresses_of_one_ipv6_network_count_together(users: Any) -> None:
    for number in range(5):
        guess(1, f"2001:db8:1:2::{number}")
    assert not signed_in(sign_in("2001:db8:1:2:ffff::1"))
    assert signed_in(sign_in("2001:db8:1:3::1"))


def test_a_reset_password_clears_the_count(users: Any, rf: RequestFactory) -> None:
    guess(5)
    request = rf.post("/", REMOTE_ADDR=ATTACKER)
    password_reset.send(sender=User, request=request, user=users["viewer"])
    assert signed_in(sign_in(ATTACKER))


def test_a_known_browser_is_limited_too(users: Any) -> None:
    at_home = sign_in(OWNER)
    at_home.post("/account/logout/")
    for _ in range(5):
        sign_in(OWNER, password="wrong", client=at_home)
    assert not signed_in(sign_in(OWNER, client=at_home))


def test_a_browser_is_known_for_its_own_user_alone(users: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.RATES, "anywhere", ((6, 3600),))
    mine = sign_in(ATTACKER, "operator")
    mine.post("/account/logout/")
    for number in range(7):
        guess(1, f"203.0.113.{number}")
    assert not signed_in(sign_in("192.0.2.1", client=mine))


@pytest.mark.parametrize("value", ["", "x", "x:y:z", "W10:1:2", "é", "a" * 5000])
def test_a_forged_mark_is_nobodys(users: Any, value: str) -> None:
    client = Client()
    client.cookies[limits.COOKIE] = value
    assert signed_in(sign_in(OWNER, client=client))
    request = RequestFactory().get("/", HTTP_COOKIE="")
    request.COOKIES[limits.COOKIE] = value
    assert limits.known_browser(request, name="viewer") is None
    assert limits.known_browser(request, user=users["viewer"]) is None


def test_the_mark_is_not_for_scripts(users: Any) -> None:
    mark = sign_in(OWNER).cookies[limits.COOKIE]
    assert (mark["httponly"], mark["samesite"], mark["path"]) == (True, "Lax", "/account/")


def test_a_shared_browser_knows_some(users: Any) -> None:
    client = Client()
    for name in ("viewer", "operator", "auditor", "admin"):
        sign_in(OWNER, name, client=client)
        client.post("/account/logout/")
    request = RequestFactory().get("/")
    request.COOKIES[limits.COOKIE] = client.cookies[limits.COOKIE].value
    assert all(limits.known_browser(request, name=name) for name in ("viewer", "admin@example.com"))


def test_successes_are_not_counted(users: Any) -> None:
    for _ in range(8):
        assert signed_in(sign_in(OWNER))


def test_a_success_does_not_wipe_guesses_away(users: Any) -> None:
    guess(4)
    assert signed_in(sign_in(ATTACKER))
    guess(1)
    assert not signed_in(sign_in(ATTACKER))


# The second factor


def second(secret_of: User, address: str, code: str, client: Client | None = None) -> Client:
    client = sign_in(address, secret_of.username, client=client)
    client.post(CODE, {"code": code}, REMOTE_ADDR=address)
    return client


@pytest.fixture
def code(users: Any) -> str:
    """The viewer's code of this moment."""
    return totp.code_of(totp.set_up(users["viewer"]))


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Any:
    with travel("2026-03-02T12:00:00Z", tick=False) as clock:
        yield clock


def test_codes_are_limited_and_the_owner_elsewhere_is_not_locked_out(still: Any, users: Any, code: str) -> None:
    thief = sign_in(ATTACKER)
    for _ in range(5):
        thief.post(CODE, {"code": "000000"}, REMOTE_ADDR=ATTACKER)
    thief.post(CODE, {"code": code}, REMOTE_ADDR=ATTACKER)
    assert not signed_in(thief), "the right one must wait, too"
    assert TrailEntry.objects.filter(action="second_factor_failed").count() == 6
    assert signed_in(second(users["viewer"], OWNER, code))


def test_codes_from_many_addresses(still: Any, users: Any, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.RATES, "anywhere", ((6, 3600),))
    for number in range(7):
        second(users["viewer"], f"203.0.113.{number}", "000000")
    assert not signed_in(second(users["viewer"], "192.0.2.1", code))


def test_names_and_codes_are_counted_apart(still: Any, users: Any, code: str) -> None:
    """Sign-ins as "7" do not use up the attempts for codes of user 7."""
    guess(6, OWNER, str(users["viewer"].pk))
    assert signed_in(second(users["viewer"], OWNER, code))
    assert Authenticator.objects.get().last_used_at is not None


# Sign-up


def sign_up(client: Client, name: str = "mallory") -> Any:
    form = {
        "username": name,
        "email": f"{name}@example.com",
        "password1": "correct horse 9",
        "password2": "correct horse 9",
    }
    return client.post("/account/signup/", form)


@pytest.mark.django_db
def test_sign_up_when_an_administrator_opened_it(client: Client) -> None:
    assert "Create an account" not in client.get(LOGIN).content.decode()
    PortalSettings.objects.update_or_create(pk=1, defaults={"signup_open": True})
    assert "Create an account" in client.get(LOGIN).content.decode()
    assert client.get("/account/signup/").status_code == 200
    sign_up(client)
    mallory = User.objects.get()
    assert (mallory.groups.count(), mallory.is_staff, mallory.is_superuser) == (0, False, False)


@pytest.mark.django_db
def test_who_signs_up_becomes_a_viewer_where_the_settings_say_so(client: Client) -> None:
    PortalSettings.objects.update_or_create(pk=1, defaults={"signup_open": True, "signup_viewer": True})
    sign_up(client)
    assert list(User.objects.get().groups.values_list("name", flat=True)) == ["viewer"]


@pytest.mark.django_db
def test_nobody_gives_oneself_rights_at_sign_up(client: Client) -> None:
    PortalSettings.objects.update_or_create(pk=1, defaults={"signup_open": True})
    form = {"username": "m", "password1": "correct horse 9", "password2": "correct horse 9"}
    client.post("/account/signup/", {**form, "is_superuser": "on", "is_staff": "on", "groups": "1"})
    made = User.objects.get()
    assert (made.is_superuser, made.is_staff, made.groups.count()) == (False, False, 0)
