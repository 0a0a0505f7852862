"""Single sign-on with OpenID Connect: the two views, access and groups (settings: SOCIALACCOUNT_ADAPTER).

Groups follow the provider at each sign-in. A user without a mapped group gets no access and no account, and loses
the groups of the last sign-in. Single sign-on never makes a superuser, and never links to one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

import jwt
import requests
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from etlportal.environment import Oidc
from monitoring.accounts import limits
from monitoring.rules.enums import Group
from monitoring.web import activity as trail
from monitoring.web import errors

logger = logging.getLogger(__name__)

BY = "single sign-on"
ALGORITHMS = [f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)]
"""Public key algorithms only: a token signed with a shared secret proves nothing here."""
ELSEWHERE = frozenset({"cross-site", "same-site"})


class PortalSocialAdapter(DefaultSocialAccountAdapter):
    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """Return the provider of the settings. allauth's method would also read providers from the database."""
        configured = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect", {"APPS": []})
        apps = [SocialApp(provider="openid_connect", **app) for app in configured["APPS"]]
        return [
            app
            for app in apps
            if provider in (None, app.provider, app.provider_id) and client_id in (None, app.client_id)
        ]

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return _oidc().link_by_email

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Return the local user of a verified address, if the settings allow it. Never a superuser."""
        found = super().authenticate_by_email(sociallogin)
        return None if found is None or found[0].is_superuser else found

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Update the groups. Raises ImmediateHttpResponse when the user gets no access."""
        groups = _groups(request)
        if sociallogin.is_existing:
            follow(sociallogin.user, groups)
        if not groups:
            refuse(request, sociallogin, "no group", errors.NO_GROUP)
        if not sociallogin.is_existing:
            # The provider does not take over a local account with one of its addresses.
            for address in sociallogin.email_addresses:
                known = Q(email__iexact=address.email) | Q(emailaddress__email__iexact=address.email)
                if User.objects.filter(known).exists():
                    refuse(request, sociallogin, "address taken", errors.ADDRESS_TAKEN)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # pre_social_login has refused all users without a group

    is_auto_signup_allowed = is_open_for_signup

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user = super().save_user(request, sociallogin, form)
        follow(user, _groups(request))
        return user

    def on_authentication_error(self, request: HttpRequest, provider: Any, error: Any = None, **kwargs: Any) -> None:
        exception = kwargs.get("exception")
        logger.warning("single sign-on failed: %s", exception if exception is not None else error)
        trail.sign_in_failed(request, "", method="oidc", reason=str(getattr(error, "value", error) or "error"))


def _groups(request: HttpRequest) -> list[AuthGroup]:
    oidc = _oidc()
    allowed = groups_for(names_in(claims_of(request), oidc.groups_claim), oidc.group_map, oidc.default_group)
    groups = list(AuthGroup.objects.filter(name__in=allowed).order_by("name"))
    if missing := allowed - {group.name for group in groups}:
        logger.warning("PORTAL_OIDC_GROUP_MAP names groups that do not exist: %s", ", ".join(sorted(missing)))
    return groups


def follow(user: User, groups: list[AuthGroup]) -> None:
    """Set the user's managed groups to `groups`. Other groups stay."""
    oidc = _oidc()
    names = managed(oidc.group_map, oidc.default_group, Group)
    with trail.doing(BY):
        has = set(user.groups.filter(name__in=names))
        if leave := has - set(groups):
            user.groups.remove(*leave)
        if join := set(groups) - has:
            user.groups.add(*join)


def refuse(request: HttpRequest, sociallogin: SocialLogin, reason: str, page: errors.ErrorPage) -> None:
    claims = claims_of(request)
    name = str(claims.get("preferred_username") or claims.get("email") or sociallogin.account.uid)
    trail.sign_in_failed(request, name, method="oidc", reason=reason)
    raise ImmediateHttpResponse(errors.answer(request, page))


def claims_of(request: HttpRequest) -> dict[str, Any]:
    return getattr(request, "oidc_claims", {})


def _oidc() -> Oidc:
    return cast("Oidc", settings.OIDC)


def names_in(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """Return the names in a claim (a list or one text, else none). Dots separate levels ("realm_access.roles")."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return frozenset({value})
    if not isinstance(value, list | tuple):
        return frozenset()
    return frozenset(name for name in value if isinstance(name, str))


def groups_for(names: Iterable[str], group_map: Mapping[str, frozenset[str]], default: str) -> frozenset[str]:
    """Return the portal's groups for the provider's groups `names`, `default` if none is mapped.

    Names are case-sensitive, because a provider's groups may differ by case alone. Keycloak's "/path" names match with
    and without the slash.
    """
    found: frozenset[str] = frozenset()
    for name in names:
        found |= group_map.get(name) or group_map.get(name.removeprefix("/"), frozenset())
    return found or (frozenset({default}) if default else frozenset())


def managed(group_map: Mapping[str, frozenset[str]], default: str, ours: Iterable[str]) -> frozenset[str]:
    """Return the groups that follow the provider: the portal's own, those of the map, and the default."""
    return frozenset(ours).union(*group_map.values(), {default} if default else ())


class VerifyingAdapter(OpenIDConnectOAuth2Adapter):
    """Always require an ID token, verify its signature, and store no claims."""

    @property
    def openid_config(self) -> dict[str, Any]:
        try:
            return dict(super().openid_config)
        except (ValueError, TypeError) as error:
            raise OAuth2Error("the provider's configuration cannot be read") from error

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        try:
            data = {"id_token": self._verified(app, kwargs["response"]["id_token"])}
            if "userinfo_endpoint" in self.openid_config:
                data["userinfo"] = _fetch(self.profile_url, Authorization=f"Bearer {token.token}")
                if data["userinfo"]["sub"] != data["id_token"]["sub"]:
                    raise OAuth2Error("userinfo belongs to another subject")
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error("the provider's answer is not what OpenID Connect asks for") from error
        # For this request alone: the claims are not stored.
        request.oidc_claims = {**data["id_token"], **data.get("userinfo", {})}  # type: ignore[attr-defined]
        login: SocialLogin = self.get_provider().sociallogin_from_response(request, data)
        login.account.extra_data = {"sub": data["id_token"]["sub"]}
        # Exactly True: allauth would take the texts "false" and "no" for true.
        verified = (data.get("userinfo") or data["id_token"]).get("email_verified") is True
        for address in login.email_addresses:
            address.verified = verified
        return login

    def _verified(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        keys = jwt.PyJWKSet.from_dict(_fetch(self.openid_config["jwks_uri"]))
        return jwt.decode(
            id_token,
            key=keys[jwt.get_unverified_header(id_token)["kid"]],
            algorithms=ALGORITHMS,
            audience=app.client_id,
            issuer=self.openid_config["issuer"],
            leeway=30,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )


def _fetch(url: str, **headers: str) -> dict[str, Any]:
    with get_adapter().get_requests_session() as session:
        answer = session.get(url, headers=headers)
        answer.raise_for_status()
        return answer.json()


@login_not_required
@require_safe
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Redirect to the provider. Requests from other sites are refused."""
    adapter = _adapter(request, provider_id)
    if request.headers.get("Sec-Fetch-Site") in ELSEWHERE:
        return HttpResponseRedirect(reverse("account_login"))
    if not limits.may_ask_provider(request):
        return errors.answer(request, errors.TOO_MANY)
    provider = adapter.get_provider()
    try:
        return provider.redirect(
            request,
            AuthProcess.LOGIN,
            next_url=get_next_redirect_url(request),
            scope=provider.get_scope(),
            auth_params=provider.get_auth_params(),
        )
    except (OAuth2Error, requests.RequestException, KeyError) as error:
        return render_authentication_error(request, provider, exception=error)


@login_not_required
@require_safe
def finish(request: HttpRequest, provider_id: str) -> HttpResponse:
    adapter = _adapter(request, provider_id)
    try:
        return OAuth2CallbackView.adapter_view(adapter)(request)
    except KeyError as error:
        return render_authentication_error(request, adapter.get_provider(), exception=error)


def _adapter(request: HttpRequest, provider_id: str) -> VerifyingAdapter:
    adapter = VerifyingAdapter(request, provider_id)
    try:
        adapter.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    return adapter
