"""OpenID Connect: access and groups, and attacks by a provider or an impostor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import Group, User
from django.test import Client

from etlportal import environment
from monitoring.accounts.adapter import ResetPasswordForm
from monitoring.accounts.single_sign_on import PortalSocialAdapter
from monitoring.models import GroupPolicy, TrailEntry
from tests.integration.test_second_factor import add_key
from tests.support.identity_provider import CALLBACK, SERVER, START, Provider, Session, settings_of
from tests.support.passkey import SoftwareKey

Configure = Callable[..., None]


@pytest.fixture
def configure(settings: Any) -> Configure:
    def set_up(**changes: Any) -> None:
        settings.OIDC = settings_of(**changes)
        settings.SOCIALACCOUNT_PROVIDERS = environment.providers(settings.OIDC)

    return set_up


@pytest.fixture
def provider(db: None, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """A provider whose groups `etl-admins` and `dwh` mean something here; "ana" is in `dwh`."""
    configure()
    made = Provider()
    made.person["groups"] = ["dwh", "everybody"]
    monkeypatch.setattr(PortalSocialAdapter, "get_requests_session", lambda self: Session(made))
    return made


def signed_in(client: Client) -> str:
    number = client.session.get("_auth_user_id")
    return User.objects.get(pk=number).username if number else ""


def groups_of(name: str) -> set[str]:
    return set(User.objects.get(username=name).groups.values_list("name", flat=True))


def refusals() -> list[TrailEntry]:
    return list(TrailEntry.objects.filter(action="sign_in_failed").order_by("pk"))


def test_somebody_new_comes_with_the_groups_that_the_map_says(provider: Provider, client: Client) -> None:
    response = provider.sign_in(client, next="/runs/?status=failed")
    assert response["Location"] == "/runs/?status=failed"
    assert signed_in(client) == "ana"
    assert groups_of("ana") == {"viewer", "operator"}
    ana = User.objects.get(username="ana")
    assert (ana.is_superuser, ana.is_staff, ana.has_usable_password()) == (False, False, False)
    entry = TrailEntry.objects.get(action="signed_in")
    assert (entry.user_name, entry.detail["method"]) == ("ana", "oidc")
    assert TrailEntry.objects.filter(action="role_changed", user_name="single sign-on").exists()


def test_what_the_provider_said_is_not_kept(provider: Provider, client: Client) -> None:
    provider.sign_in(client)
    assert SocialAccount.objects.get().extra_data == {"sub": "1"}


def test_groups_follow_at_each_sign_in(provider: Provider, client: Client) -> None:
    provider.sign_in(client)
    ana = User.objects.get(username="ana")
    ana.groups.add(Group.objects.create(name="our own"), Group.objects.get(name="auditor"))
    provider.person["groups"] = ["etl-admins"]
    provider.sign_in(Client())
    assert groups_of("ana") == {"admin", "our own"}, "managed ones follow, others stay"
    assert User.objects.count() == 1
    assert not User.objects.get(username="ana").is_superuser


def test_who_has_no_group_left_loses_what_there_was(provider: Provider, client: Client) -> None:
    provider.sign_in(client)
    provider.person["groups"] = ["everybody"]
    late = Client()
    response = provider.sign_in(late)
    assert response.status_code == 403
    assert "but have no access" in response.content.decode()
    assert signed_in(late) == ""
    assert groups_of("ana") == set()
    assert refusals()[-1].detail == {"method": "oidc", "reason": "no group"}


@pytest.mark.parametrize("groups", [None, [], "everybody", {"dwh": True}, [["dwh"]], 7, ["DWH"]])
def test_without_a_mapped_group_nobody_is_made(provider: Provider, client: Client, groups: Any) -> None:
    provider.person["groups"] = groups
    assert provider.sign_in(client).status_code == 403
    assert not User.objects.exists()
    assert refusals()[-1].user_name == "ana"


def test_a_default_group_for_everybody(provider: Provider, client: Client, configure: Configure) -> None:
    configure(default_group="viewer")
    provider.person["groups"] = []
    provider.sign_in(client)
    assert groups_of("ana") == {"viewer"}


def test_a_group_that_does_not_exist_opens_nothing(provider: Provider, client: Client, configure: Configure) -> None:
    configure(group_map={"dwh": frozenset({"nobody-made-it"})})
    assert provider.sign_in(client).status_code == 403
    assert not Group.objects.filter(name="nobody-made-it").exists()


def test_roles_deep_in_a_claim(provider: Provider, client: Client, configure: Configure) -> None:
    configure(groups_claim="realm_access.roles")
    provider.person.update(groups=[], realm_access={"roles": ["etl-admins"]})
    provider.sign_in(client)
    assert groups_of("ana") == {"admin"}


# Accounts that are there already


def test_an_account_is_not_taken_over_by_its_address(provider: Provider, client: Client, users: Any) -> None:
    provider.person.update(email="VIEWER@example.com", email_verified=True)
    response = provider.sign_in(client)
    assert response.status_code == 403
    assert signed_in(client) == ""
    assert not SocialAccount.objects.exists()
    assert refusals()[-1].detail["reason"] == "address taken"


def test_nor_by_its_name(provider: Provider, client: Client, users: Any) -> None:
    provider.person["preferred_username"] = "viewer"
    provider.sign_in(client)
    assert signed_in(client) not in ("", "viewer")


def test_a_verified_address_where_the_settings_allow_it(
    provider: Provider, client: Client, users: Any, configure: Configure
) -> None:
    configure(link_by_email=True)
    provider.person.update(email="viewer@example.com", email_verified=True)
    provider.sign_in(client)
    assert signed_in(client) == "viewer"
    assert groups_of("viewer") == {"viewer", "operator"}
    provider.person["email"] = "changed@example.com"
    again = Client()
    provider.sign_in(again)
    assert signed_in(again) == "viewer", "linked from then on"


@pytest.mark.parametrize("verified", [False, None, "true", "no"])
def test_an_address_that_is_not_verified_links_nothing(
    provider: Provider, client: Client, users: Any, configure: Configure, verified: Any
) -> None:
    configure(link_by_email=True)
    provider.person.update(email="viewer@example.com", email_verified=verified)
    assert provider.sign_in(client).status_code == 403
    assert signed_in(client) == ""


def test_a_superuser_is_never_linked(provider: Provider, client: Client, users: Any, configure: Configure) -> None:
    configure(link_by_email=True)
    User.objects.filter(username="admin").update(is_superuser=True)
    provider.person.update(email="admin@example.com", email_verified=True)
    assert provider.sign_in(client).status_code == 403
    assert signed_in(client) == ""


def test_a_switched_off_account_stays_off(provider: Provider, client: Client) -> None:
    provider.sign_in(client)
    User.objects.update(is_active=False)
    late = Client()
    provider.sign_in(late)
    assert signed_in(late) == ""


def test_signing_in_makes_a_new_session(provider: Provider, client: Client, users: Any) -> None:
    client.force_login(users["viewer"], backend="monitoring.accounts.UserBackend")
    before = client.session.session_key
    provider.sign_in(client)
    assert signed_in(client) == "ana"
    assert client.session.session_key != before


# What outlives the account there


def test_who_belongs_to_the_provider_gets_no_password(provider: Provider, client: Client) -> None:
    provider.sign_in(client)
    for address in ("/account/password/change/", "/account/password/set/"):
        new = {"password1": "correct horse 9", "password2": "correct horse 9"}
        client.post(address, new, secure=True)
        assert client.get(address, secure=True, follow=True).request["PATH_INFO"] == "/account/security/"
    assert not User.objects.get(username="ana").has_usable_password()


def test_nor_one_by_mail(provider: Provider, client: Client, users: Any) -> None:
    provider.sign_in(client)
    for email, sent in (("ana@example.com", 0), ("nobody@example.com", 0), ("viewer@example.com", 1)):
        form = ResetPasswordForm({"email": email})
        assert form.is_valid()
        assert len(form.users) == sent, email


def test_a_passkey_is_a_second_factor_but_no_way_around(provider: Provider, client: Client) -> None:
    provider.sign_in(client)
    key = SoftwareKey()
    assert add_key(client, key, passwordless=True).status_code == 302, "an address that nobody verified is no obstacle"
    alone = Client()
    options = alone.get("/account/passkey/", headers={"Accept": "application/json"}, secure=True).json()
    alone.post("/account/passkey/", {"credential": key.get(options["request_options"])}, secure=True)
    assert signed_in(alone) == ""
    assert refusals()[-1].detail["reason"] == "provider only"
    assert "Your account signs in with Contoso" in alone.get("/account/login/", secure=True).content.decode()
    late = Client()
    assert provider.sign_in(late)["Location"] == "/account/second-factor/", "asked for after the provider"


# Second factor


def test_the_provider_may_have_asked_for_the_second_factor(
    provider: Provider, client: Client, configure: Configure
) -> None:
    GroupPolicy.objects.create(group=Group.objects.get(name="viewer"), require_second_factor=True)
    provider.sign_in(client)
    assert client.get("/preferences/", secure=True)["Location"] == "/account/security/"
    configure(second_factor=True)
    assert client.get("/preferences/", secure=True).status_code == 200
    other = Client()
    other.force_login(User.objects.get(username="ana"), backend="monitoring.accounts.UserBackend")
    assert other.get("/preferences/")["Location"] == "/account/security/", "a session that began elsewhere"


# Impostors


def _refused(provider: Provider, client: Client) -> None:
    response = provider.sign_in(client)
    assert response.status_code == 401
    assert "Single sign-on failed" in response.content.decode()
    assert signed_in(client) == ""
    assert not User.objects.exists()
    assert refusals()


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}, {"exp": None}, {"sub": None}, {"iat": None}],
    ids=str,
)
def test_an_id_token_for_another_purpose(provider: Provider, client: Client, claims: dict[str, Any]) -> None:
    provider.claims = claims
    _refused(provider, client)


def test_an_id_token_signed_by_somebody_else(provider: Provider, client: Client) -> None:
    provider.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _refused(provider, client)


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_an_id_token_signed_with_what_everybody_knows(provider: Provider, client: Client) -> None:
    provider.signs_with, provider.algorithm = "etl-portal", "HS256"
    _refused(provider, client)


def test_an_id_token_without_a_signature(provider: Provider, client: Client) -> None:
    provider.signs_with, provider.algorithm = None, "none"
    _refused(provider, client)


def test_userinfo_of_somebody_else(provider: Provider, client: Client) -> None:
    provider.userinfo = {"sub": "2", "groups": ["etl-admins"]}
    _refused(provider, client)


def test_a_provider_that_does_not_answer(provider: Provider, client: Client) -> None:
    provider.down = True
    response = client.get(START, secure=True)
    assert response.status_code == 401
    assert "Single sign-on failed" in response.content.decode()
    assert client.get("/account/login/").status_code == 200


@pytest.mark.parametrize("query", [{}, {"code": "x"}, {"code": "x", "state": "guessed"}, {"error": "x", "state": "y"}])
def test_an_answer_that_nobody_asked_for(provider: Provider, client: Client, query: dict[str, str]) -> None:
    assert client.get(CALLBACK, query, secure=True).status_code == 401
    assert not any(url.endswith("/token") for url in provider.asked)


def test_an_answer_is_good_once(provider: Provider, client: Client) -> None:
    sent = client.get(START, secure=True)["Location"]
    query = dict(part.split("=") for part in sent.split("?")[1].split("&"))
    provider.challenges["c"] = query["code_challenge"]
    assert client.get(CALLBACK, {"code": "c", "state": query["state"]}, secure=True).status_code == 302
    assert Client().get(CALLBACK, {"code": "c", "state": query["state"]}, secure=True).status_code == 401


def test_somebody_changes_his_mind(provider: Provider, client: Client) -> None:
    sent = client.get(START, secure=True)["Location"]
    state = sent.split("state=")[1].split("&")[0]
    response = client.get(CALLBACK, {"error": "access_denied", "state": state}, secure=True)
    assert response["Location"] == "/account/oidc/cancelled/"
    assert "was cancelled" in client.get(response["Location"]).content.decode()


def test_a_foreign_page_starts_nothing(provider: Provider, client: Client) -> None:
    for site in ("cross-site", "same-site"):
        response = client.get(START, headers={"Sec-Fetch-Site": site}, secure=True)
        assert response["Location"] == "/account/login/"
    assert provider.asked == []


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_it_never_leads_elsewhere(provider: Provider, client: Client, target: str) -> None:
    assert "evil" not in provider.sign_in(client, next=target)["Location"]


def test_an_address_cannot_change_what_is_asked(provider: Provider, client: Client) -> None:
    query = {"scope": "everything", "auth_params": "redirect_uri=https://evil.example", "process": "connect"}
    assert "evil" not in client.get(START, query, secure=True)["Location"]
    provider.sign_in(client, **query)
    assert signed_in(client) == "ana"


def test_starts_are_limited(provider: Provider, client: Client) -> None:
    statuses = [client.get(START, secure=True).status_code for _ in range(31)]
    assert statuses[-1] == 429
    assert client.get(START, secure=True, REMOTE_ADDR="192.0.2.9").status_code == 302


# Where it is offered


def test_the_sign_in_page_offers_it_where_it_is_configured(provider: Provider, client: Client, settings: Any) -> None:
    html = client.get("/account/login/?next=/runs/").content.decode()
    assert "Sign in with Contoso" in html
    assert f'href="{START}?next=%2Fruns%2F"' in html
    settings.OIDC, settings.SOCIALACCOUNT_PROVIDERS = None, {}
    assert "Contoso" not in client.get("/account/login/").content.decode()
    for address in (START, CALLBACK):
        assert client.get(address, secure=True).status_code == 404


def test_no_provider_comes_from_the_database(provider: Provider, client: Client) -> None:
    SocialApp.objects.create(provider="openid_connect", provider_id="evil", name="Evil", client_id="x")
    assert client.get("/account/oidc/evil/login/", secure=True).status_code == 404


def test_the_test_provider_signs_as_others_do(provider: Provider) -> None:
    token = jwt.encode({"sub": "1"}, provider.key, algorithm="RS256")
    assert jwt.decode(token, provider.key.public_key(), algorithms=["RS256"]) == {"sub": "1"}
    assert SERVER.startswith("https://")
