"""Accounts: sign in, sign out, change the password; no sign-up, no reset that could not be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse

Clients = Callable[[str], Client]
LOGIN = "/account/login/"


def sign_in(client: Client, login: str = "viewer", password: str = "demo", **more: str) -> Any:
    return client.post(LOGIN, {"login": login, "password": password, **more})


@pytest.mark.parametrize("login", ["viewer", "VIEWER@example.com"])
def test_by_name_and_by_mail(client: Client, users: dict[str, User], login: str) -> None:
    response = sign_in(client, login)
    assert response.status_code == 302
    assert response["Location"] == "/"
    assert client.session["_auth_user_id"] == str(users["viewer"].pk)


def test_it_leads_to_where_one_wanted(client: Client, users: dict[str, User]) -> None:
    response = client.get("/preferences/")
    assert response["Location"] == f"{LOGIN}?next=/preferences/"
    assert 'name="next" value="/preferences/"' in client.get(response["Location"]).content.decode()
    assert sign_in(client, next="/preferences/")["Location"] == "/preferences/"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example"])
def test_it_never_leads_elsewhere(client: Client, users: dict[str, User], target: str) -> None:
    assert "evil" not in sign_in(client, next=target).get("Location", "")


@pytest.mark.parametrize(
    ("login", "password"), [("viewer", "wrong"), ("nobody", "demo"), ("viewer", ""), ("' OR 1=1 --", "x")]
)
def test_a_wrong_one_is_refused_the_same_way(client: Client, users: dict[str, User], login: str, password: str) -> None:
    response = sign_in(client, login, password)
    assert response.status_code == 200
    assert "_auth_user_id" not in client.session
    assert 'role="alert"' in response.content.decode() or "tone-failed" in response.content.decode()


def test_guessing_is_slowed_down(client: Client, users: dict[str, User]) -> None:
    cache.clear()
    for _ in range(5):
        sign_in(client, password="wrong")
    sign_in(client)
    assert "_auth_user_id" not in client.session, "the right one must wait too"


def test_too_many_tries_from_one_place(client: Client, users: dict[str, User]) -> None:
    cache.clear()
    statuses = [sign_in(client, login=f"user{number}", password="wrong").status_code for number in range(31)]
    assert statuses[-1] == 429
    response = sign_in(client)
    assert "Too many attempts" in response.content.decode()
    assert response["Retry-After"]


def test_a_switched_off_account(client: Client, users: dict[str, User]) -> None:
    User.objects.filter(username="viewer").update(is_active=False)
    response = sign_in(client)
    assert "_auth_user_id" not in client.session
    if response.status_code == 302:
        assert "switched off" in client.get(response["Location"]).content.decode()


def test_signing_out_takes_a_button(client_as: Clients) -> None:
    client = client_as("viewer")
    asked = client.get("/account/logout/")
    assert asked.status_code == 200
    assert "_auth_user_id" in client.session
    response = client.post("/account/logout/")
    assert response["Location"] == LOGIN
    assert "_auth_user_id" not in client.session
    assert client.get("/")["Location"].startswith(LOGIN)


def test_changing_the_password(client_as: Clients, users: dict[str, User]) -> None:
    client = client_as("viewer")
    assert client.get("/account/password/change/").status_code == 200
    wrong = client.post(
        "/account/password/change/",
        {"oldpassword": "not it", "password1": "correct horse 9", "password2": "correct horse 9"},
    )
    assert 'role="alert"' in wrong.content.decode()
    weak = client.post(
        "/account/password/change/", {"oldpassword": "demo", "password1": "12345678", "password2": "12345678"}
    )
    assert 'role="alert"' in weak.content.decode()
    client.post(
        "/account/password/change/",
        {"oldpassword": "demo", "password1": "correct horse 9", "password2": "correct horse 9"},
    )
    users["viewer"].refresh_from_db()
    assert users["viewer"].check_password("correct horse 9")
    assert client.get("/preferences/").status_code == 200, "still signed in"


@pytest.mark.django_db
def test_nobody_signs_up(client: Client) -> None:
    assert "Sign-up is closed" in client.get("/account/signup/").content.decode()
    client.post("/account/signup/", {"username": "mallory", "password1": "correct horse 9", "email": "m@example.com"})
    assert not User.objects.filter(username="mallory").exists()


@pytest.mark.django_db
def test_without_mail_no_reset_is_promised(client: Client) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("account_reset_password")
    assert client.get("/account/password/reset/").status_code == 404
    assert "orgot" not in client.get(LOGIN).content.decode()


@pytest.mark.parametrize("name", ["account_email", "account_confirm_email", "account_email_verification_sent"])
def test_pages_that_mean_nothing_here_do_not_exist(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name, args=() if name != "account_confirm_email" else ("key",))


@pytest.mark.django_db
def test_the_demo_offers_its_users_and_a_real_warehouse_does_not(client: Client, settings: Any) -> None:
    html = client.get(LOGIN).content.decode()
    for role in ("viewer", "operator", "auditor", "admin"):
        assert f'data-demo-user="{role}"' in html
    settings.EMBEDDED = False
    html = client.get(LOGIN).content.decode()
    assert "data-demo" not in html
    assert "demo" not in html.lower()


@pytest.mark.parametrize(
    "address",
    ["/account/login/", "/account/logout/", "/account/inactive/", "/account/signup/", "/account/password/change/"],
)
@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_every_page_in_both_languages(client_as: Clients, address: str, language: str) -> None:
    role = "viewer" if address.endswith(("change/", "logout/")) else ""
    response = client_as(role).get(address, headers={"Accept-Language": language})
    assert response.status_code == 200
    assert f'<html lang="{language.lower()}"' in response.content.decode()


def test_confirming_that_it_is_you(client_as: Clients) -> None:
    client = client_as("viewer")
    response = client.get("/account/reauthenticate/")
    assert response.status_code == 200
    assert "Confirm that it is you" in response.content.decode()


def test_the_session_is_not_for_scripts_or_other_sites(client: Client, users: dict[str, User]) -> None:
    response = sign_in(client)
    cookie = response.cookies["etlportal_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
