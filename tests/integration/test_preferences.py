"""Preferences of a user: the form, and the shell's buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from monitoring.models import UserPreferences

Clients = Callable[[str], Client]
PAGE, ONE = "/preferences/", "/preferences/set/"
ALL = {
    "language": "pt-br",
    "time_zone": "Europe/Lisbon",
    "theme": "dark",
    "refresh_seconds": "30",
    "auto_refresh": "on",
}


def stored(user: User) -> dict[str, Any]:
    preferences = UserPreferences.of(User.objects.get(pk=user.pk))
    return {name: getattr(preferences, name) for name in ALL}


def test_all_at_once(client_as: Clients, users: dict[str, User]) -> None:
    client = client_as("viewer")
    response = client.post(PAGE, ALL, follow=True)
    assert response.redirect_chain == [(PAGE, 302)]
    assert stored(users["viewer"]) == {**ALL, "refresh_seconds": 30, "auto_refresh": True}
    client.post(PAGE, {"refresh_seconds": "5"})
    assert stored(users["viewer"]) == {
        "language": "",
        "time_zone": "",
        "theme": "",
        "refresh_seconds": 5,
        "auto_refresh": False,
    }
    assert UserPreferences.objects.count() == 1


def test_it_says_that_it_is_saved_in_the_language_just_chosen(client_as: Clients) -> None:
    html = client_as("viewer").post(PAGE, ALL, follow=True).content.decode()
    assert '<html lang="pt-br"' in html
    assert 'class="callout tone-ok"' in html


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "xx"},
        {"time_zone": "Nowhere/Land"},
        {"time_zone": "../etc/passwd"},
        {"theme": "pink"},
        {"refresh_seconds": "1"},
        {"refresh_seconds": "-5"},
        {"refresh_seconds": "1e9"},
        {"refresh_seconds": "'; DROP TABLE x--"},
        {"refresh_seconds": ""},
    ],
)
def test_nonsense_is_refused_and_nothing_is_lost(
    client_as: Clients, users: dict[str, User], wrong: dict[str, str]
) -> None:
    client = client_as("viewer")
    client.post(PAGE, ALL)
    before = stored(users["viewer"])
    response = client.post(PAGE, {**ALL, **wrong})
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert client.post(ONE, wrong).status_code == 422
    assert stored(users["viewer"]) == before


@pytest.mark.parametrize(
    ("choice", "field", "value"),
    [
        ({"theme": "light"}, "theme", "light"),
        ({"refresh_seconds": "60"}, "refresh_seconds", 60),
        ({"auto_refresh": "false"}, "auto_refresh", False),
        ({"auto_refresh": "true"}, "auto_refresh", True),
        ({"language": ""}, "language", ""),
    ],
)
def test_one_choice_leaves_the_others(
    client_as: Clients, users: dict[str, User], choice: dict[str, str], field: str, value: Any
) -> None:
    client = client_as("viewer")
    client.post(PAGE, ALL)
    before = stored(users["viewer"])
    response = client.post(ONE, choice)
    assert response.status_code == 204
    assert stored(users["viewer"]) == {**before, field: value}


def test_nothing_given_is_a_mistake(client_as: Clients) -> None:
    assert client_as("viewer").post(ONE, {"unheard": "of"}).status_code == 422


def test_a_form_is_sent_back_where_it_was(client_as: Clients) -> None:
    response = client_as("viewer").post(ONE, {"language": "en", "next": "/?status=failed"})
    assert response.status_code == 302
    assert response["Location"] == "/?status=failed"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_it_never_leads_elsewhere(client_as: Clients, target: str) -> None:
    response = client_as("viewer").post(ONE, {"language": "en", "next": target})
    assert response["Location"] == PAGE


def test_nobody_has_no_preferences(client: Client) -> None:
    for address in (PAGE, ONE):
        response = client.post(address, ALL)
        assert response.status_code == 302
        assert response["Location"].startswith("/account/login/")
    assert UserPreferences.objects.count() == 0


def test_one_choice_is_never_taken_by_a_link(client_as: Clients) -> None:
    assert client_as("viewer").get(ONE).status_code == 405


def test_it_cannot_be_sent_from_elsewhere(users: dict[str, User]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(users["viewer"], backend="monitoring.accounts.UserBackend")
    assert client.post(ONE, {"theme": "dark"}).status_code == 403
    assert UserPreferences.objects.count() == 0


def test_each_reader_has_their_own(client_as: Clients, users: dict[str, User]) -> None:
    client_as("viewer").post(ONE, {"theme": "dark"})
    assert UserPreferences.of(users["operator"]).theme == ""
