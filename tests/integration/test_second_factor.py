"""Second factors: set up after confirmation, requested, valid once, limited, logged, required."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.test import Client

from monitoring.accounts.second_factor import OPEN
from monitoring.models import GroupPolicy, PortalSettings, TrailEntry
from tests.support.passkey import SoftwareKey
from tests.support.queries import queries
from tests.support.totp import code_of

Clients = Callable[[str], Client]
LOGIN, SECURITY, CODE = "/account/login/", "/account/security/", "/account/second-factor/"
SESSIONS = "/account/sessions/"
APP, CODES, KEY = "/account/security/app/add/", "/account/security/codes/", "/account/security/keys/add/"
START = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def sign_in(name: str = "viewer", **more: Any) -> tuple[Client, Any]:
    client = Client(**more)
    return client, client.post(LOGIN, {"login": name, "password": "demo"})


def confirmed(name: str = "viewer") -> Client:
    """A signed-in browser whose user just gave the password again."""
    client, _ = sign_in(name)
    client.post("/account/reauthenticate/", {"password": "demo"})
    return client


def set_up_app(client: Client) -> str:
    """Set an app up; return its secret."""
    html = client.get(APP).content.decode()
    secret = re.search(r'class="secret">(\w+)<', html)
    assert secret, html
    response = client.post(APP, {"code": code_of(secret[1])})
    assert response["Location"] == CODES
    return secret[1]


def trail(action: str) -> list[TrailEntry]:
    return list(TrailEntry.objects.filter(action=action).order_by("pk"))


# Setting up


def test_the_password_comes_first(users: dict[str, User], clock: Any) -> None:
    client, _ = sign_in()
    for address in (APP, KEY):
        response = client.get(address)
        assert response["Location"].startswith("/account/reauthenticate/?next="), address
        assert client.post(address, {"code": "123456"}).status_code == 302
    assert not Authenticator.objects.exists()


def test_an_app(users: dict[str, User], clock: Any, django_capture_on_commit_callbacks: Any) -> None:
    client = confirmed()
    html = client.get(APP).content.decode()
    assert 'src="data:image/svg+xml;base64,' in html
    wrong = client.post(APP, {"code": "000000"})
    assert 'role="alert"' in wrong.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        set_up_app(client)
    assert {each.type for each in Authenticator.objects.all()} == {"totp", "recovery_codes"}
    assert len(re.findall(r"<li><code>\d{8}</code></li>", client.get(CODES).content.decode())) == 10
    assert {entry.detail["factor"] for entry in trail("second_factor_added")} == {"totp", "recovery_codes"}


def test_secrets_are_not_stored_in_the_clear(users: dict[str, User], clock: Any, settings: Any) -> None:
    client = confirmed()
    secret = set_up_app(client)
    stored = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a-new-one-" + "y" * 50
    clock.shift(30)
    assert Authenticator.objects.get(type="totp").wrap().validate_code(code_of(secret)), "a key may be replaced"
    settings.SECRET_KEY_FALLBACKS = []
    clock.shift(30)
    assert not Authenticator.objects.get(type="totp").wrap().validate_code(code_of(secret)), (
        "and a lost one opens nothing"
    )


# Being asked


def test_the_password_alone_opens_nothing(users: dict[str, User], clock: Any) -> None:
    secret = set_up_app(confirmed())
    clock.shift(30)
    client, response = sign_in()
    assert response["Location"] == CODE
    assert not signed_in(client)
    assert client.get("/preferences/")["Location"].startswith(LOGIN)
    before = client.session.session_key
    wrong = client.post(CODE, {"code": "000000"})
    assert 'role="alert"' in wrong.content.decode()
    assert not signed_in(client)
    assert client.post(CODE, {"code": code_of(secret)})["Location"] == "/"
    assert signed_in(client)
    assert client.session.session_key != before, "the session before is not the session after"
    assert trail("second_factor_failed")[-1].user_name == "viewer"
    assert trail("signed_in")[-1].detail["method"] == "password, totp"


def test_a_code_is_good_once(users: dict[str, User], clock: Any) -> None:
    secret = set_up_app(confirmed())
    clock.shift(30)
    code = code_of(secret)
    for expected in (True, False):
        client, _ = sign_in()
        client.post(CODE, {"code": code})
        assert signed_in(client) is expected
    clock.shift(30)
    client, _ = sign_in()
    client.post(CODE, {"code": code})
    assert not signed_in(client), "nor later"


def test_a_recovery_code_is_good_once(users: dict[str, User], clock: Any) -> None:
    owner = confirmed()
    set_up_app(owner)
    code = re.findall(r"<code>(\d{8})</code>", owner.get(CODES).content.decode())[0]
    for expected in (True, False):
        client, _ = sign_in()
        client.post(CODE, {"code": code})
        assert signed_in(client) is expected
    assert code not in owner.get(CODES).content.decode()


def test_codes_are_shown_to_who_confirmed(users: dict[str, User], clock: Any) -> None:
    owner = confirmed()
    set_up_app(owner)
    clock.shift(timedelta(hours=1))
    for address in (CODES, f"{CODES}recovery-codes.txt", f"{CODES}new/"):
        assert "/account/reauthenticate/" in owner.get(address)["Location"], address


# Keys


def add_key(client: Client, key: SoftwareKey, passwordless: bool = False) -> Any:
    page = client.get(KEY, secure=True)
    options = page.context["js_data"]["creation_options"]
    options = json.loads(json.dumps(options))
    if passwordless:
        options["publicKey"]["authenticatorSelection"]["residentKey"] = "required"
    form = {"name": "my key", "credential": key.create(options)}
    return client.post(KEY, {**form, "passwordless": "on"} if passwordless else form, secure=True)


def test_a_security_key_is_a_second_factor(users: dict[str, User]) -> None:
    key = SoftwareKey()
    assert add_key(confirmed(), key)["Location"] == CODES
    client, response = sign_in()
    assert response["Location"] == CODE
    page = client.get(CODE, secure=True)
    stranger = SoftwareKey()
    stranger.identity = key.identity
    options = json.loads(json.dumps(page.context["js_data"]["request_options"]))
    client.post(CODE, {"credential": stranger.get(options)}, secure=True)
    assert not signed_in(client), "another key's signature"
    page = client.get(CODE, secure=True)
    options = json.loads(json.dumps(page.context["js_data"]["request_options"]))
    answer = key.get(options)
    client.post(CODE, {"credential": answer}, secure=True)
    assert signed_in(client)
    again, _ = sign_in()
    again.get(CODE, secure=True)
    again.post(CODE, {"credential": answer}, secure=True)
    assert not signed_in(again), "an answer is good once"


def test_a_passkey_signs_in_alone(users: dict[str, User]) -> None:
    key = SoftwareKey()
    add_key(confirmed(), key, passwordless=True)
    client = Client()
    options = client.get("/account/passkey/", headers={"Accept": "application/json"}, secure=True).json()
    client.post("/account/passkey/", {"credential": key.get(options["request_options"])}, secure=True)
    assert client.session["_auth_user_id"] == str(users["viewer"].pk)
    assert trail("signed_in")[-1].detail["method"] == "passkey"


@pytest.mark.parametrize("credential", ["", "{}", "[]", "null", "1", '{"response": {"userHandle": "x"}}', "{", "\x00"])
def test_nonsense_is_no_passkey(client: Client, users: dict[str, User], credential: str) -> None:
    client.get("/account/passkey/", headers={"Accept": "application/json"}, secure=True)
    response = client.post("/account/passkey/", {"credential": credential}, secure=True)
    assert response["Location"] == LOGIN
    assert not signed_in(client)


def test_a_key_of_another_site_is_refused(users: dict[str, User]) -> None:
    client = confirmed()
    response = add_key(client, SoftwareKey(origin="https://evil.example"))
    assert response.status_code == 200
    assert not Authenticator.objects.exists()


def test_keys_are_listed_renamed_and_removed_by_their_owner_alone(users: dict[str, User]) -> None:
    client = confirmed()
    add_key(client, SoftwareKey())
    number = Authenticator.objects.get(type="webauthn").pk
    assert "my key" in client.get("/account/security/keys/").content.decode()
    client.post(f"/account/security/keys/{number}/edit/", {"name": "blue"})
    assert "blue" in client.get("/account/security/keys/").content.decode()
    other = confirmed("operator")
    for what in ("edit", "remove"):
        assert other.get(f"/account/security/keys/{number}/{what}/").status_code == 404
        assert other.post(f"/account/security/keys/{number}/{what}/", {"name": "mine"}).status_code == 404
    assert client.post(f"/account/security/keys/{number}/remove/").status_code == 302
    assert not Authenticator.objects.exists(), "the recovery codes go with the last factor"
    assert trail("second_factor_removed")[0].user_name == "viewer"


# Asked for by a group


@pytest.fixture
def required(users: dict[str, User]) -> None:
    GroupPolicy.objects.create(group=Group.objects.get(name="viewer"), require_second_factor=True)


@pytest.mark.usefixtures("required")
def test_a_second_factor_comes_before_everything_else(snapshot_stored: Any, clock: Any) -> None:
    client, _ = sign_in()
    for address in (
        "/",
        "/runs/",
        "/preferences/",
        "/blocks/verdict/",
        "/admin/",
        "/runs/runs.csv",
        "/account/sessions/",
    ):
        for method in ("get", "post"):
            response = getattr(client, method)(address)
            assert (response.status_code, response["Location"]) == (302, SECURITY), (method, address)
    assert "requires a second factor" in client.get(SECURITY).content.decode()
    client.post("/account/reauthenticate/", {"password": "demo"})
    set_up_app(client)
    assert client.get("/preferences/").status_code == 200


@pytest.mark.usefixtures("required")
def test_who_must_have_one_can_leave(clock: Any) -> None:
    client, _ = sign_in()
    assert client.post("/account/logout/")["Location"] == LOGIN
    assert not signed_in(client)
    assert Client().get("/healthz").status_code == 200


@pytest.mark.usefixtures("required")
def test_others_are_not_asked(client_as: Clients) -> None:
    assert client_as("operator").get("/preferences/").status_code == 200


@pytest.mark.usefixtures("required")
def test_the_last_one_cannot_be_given_up(clock: Any) -> None:
    client, _ = sign_in()
    client.post("/account/reauthenticate/", {"password": "demo"})
    set_up_app(client)
    response = client.post("/account/security/app/remove/")
    assert "Set up another one" in response.content.decode()
    assert Authenticator.objects.filter(type="totp").exists()


def test_superusers_by_a_setting(client_as: Clients, users: dict[str, User]) -> None:
    User.objects.filter(username="admin").update(is_superuser=True)
    client = client_as("admin")
    assert client.get("/preferences/").status_code == 200
    PortalSettings.objects.update_or_create(pk=1, defaults={"superusers_need_second_factor": True})
    assert client.get("/preferences/")["Location"] == SECURITY
    assert client_as("viewer").get("/preferences/").status_code == 200


def test_it_costs_no_statement(client_as: Clients, users: dict[str, User]) -> None:
    client = client_as("viewer")
    client.get("/preferences/")
    with queries(default=2):  # the session; the user with preferences and second factor
        client.post("/preferences/set/", {"unheard": "of"})


def test_what_stays_open_exists() -> None:
    from django.urls import get_resolver

    names = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    assert {name for name in OPEN if ":" not in name} <= names


# Help for users who lost a device


def test_an_administrator_removes_second_factors(client_as: Clients, users: dict[str, User], clock: Any) -> None:
    set_up_app(confirmed())
    User.objects.filter(username="admin").update(is_superuser=True)
    admin = client_as("admin")
    form = {"action": "remove_second_factors", "_selected_action": [users["viewer"].pk]}
    admin.post("/admin/auth/user/", form)
    assert not Authenticator.objects.exists()
    entry = trail("second_factor_removed")[-1]
    assert (entry.user_name, entry.object) == ("admin", "viewer")


def test_no_page_of_the_admin_shows_secrets(client_as: Clients, users: dict[str, User]) -> None:
    User.objects.filter(username="admin").update(is_superuser=True)
    admin = client_as("admin")
    html = admin.get("/admin/").content.decode()
    for where in (
        "mfa/authenticator",
        "usersessions/usersession",
        "socialaccount/socialtoken",
        "socialaccount/socialapp",
    ):
        assert where not in html
        assert admin.get(f"/admin/{where}/").status_code == 404


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_every_page_in_both_languages(users: dict[str, User], clock: Any, language: str) -> None:
    client = confirmed()
    headers = {"Accept-Language": language}
    set_up_app(client)
    add_key(client, SoftwareKey())
    number = Authenticator.objects.get(type="webauthn").pk
    pages = ("", "app/remove/", "codes/", "codes/new/", "keys/", "keys/add/", f"keys/{number}/edit/")
    for page in (*pages, f"keys/{number}/remove/", "keys/again/"):
        response = client.get(f"{SECURITY}{page}", headers=headers)
        assert response.status_code == 200, page
        assert f'<html lang="{language.lower()}"' in response.content.decode()
    assert client.get("/account/second-factor/again/", headers=headers).status_code == 200
    stage, _ = sign_in()
    assert stage.get(CODE, headers=headers).status_code == 200
