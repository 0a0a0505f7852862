"""Single sign-on with OpenID Connect: access and groups (settings: SOCIALACCOUNT_ADAPTER).

Groups follow the provider at each sign-in. A user without a mapped group gets no access and no account, and loses
the groups of the last sign-in. Single sign-on never makes a superuser, and never links to one.
"""

from __future__ import annotations

import logging
from typing import Any, cast

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from etlportal.environment import Oidc
from monitoring.accounts.provider_groups import groups_for, managed, names_in
from monitoring.rules.enums import Group
from monitoring.web import activity as trail
from monitoring.web import errors

logger = logging.getLogger(__name__)

BY = "single sign-on"
"""The user name in the trail for group changes by the provider."""


class PortalSocialAdapter(DefaultSocialAccountAdapter):
    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """Return the provider of the settings. allauth's method would also read providers from the database."""
        configured = [
            SocialApp(provider=name, **app)
            for name, value in settings.SOCIALACCOUNT_PROVIDERS.items()
            for app in value["APPS"]
        ]
        return [
            app
            for app in configured
            if provider in (None, app.provider, app.provider_id) and client_id in (None, app.client_id)
        ]

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return _oidc().link_by_email

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Return the local user of a verified address, where the settings allow it. Never a superuser."""
        found: tuple[User, str] | None = super().authenticate_by_email(sociallogin)
        return found if found is None or not found[0].is_superuser else None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Update the groups. Raises ImmediateHttpResponse when the user gets no access."""
        groups = _groups(request)
        if sociallogin.is_existing:
            follow(sociallogin.user, groups)
        if not groups:
            refuse(request, sociallogin, "no group", errors.NO_GROUP)
        if not sociallogin.is_existing and _taken(sociallogin):
            refuse(request, sociallogin, "address taken", errors.ADDRESS_TAKEN)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # pre_social_login has refused all users without a group

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Create the user, with the groups."""
        user: User = super().save_user(request, sociallogin, form)
        follow(user, _groups(request))
        return user

    def on_authentication_error(self, request: HttpRequest, provider: Any, error: Any = None, **kwargs: Any) -> None:
        exception = kwargs.get("exception")
        logger.warning("single sign-on failed: %s", exception if exception is not None else error)
        trail.sign_in_failed(request, "", method="oidc", reason=str(getattr(error, "value", error) or "error"))


def _groups(request: HttpRequest) -> list[AuthGroup]:
    """Return the portal's groups for the provider's claims."""
    oidc = _oidc()
    allowed = groups_for(names_in(claims_of(request), oidc.groups_claim), oidc.group_map, oidc.default_group)
    groups = list(AuthGroup.objects.filter(name__in=allowed).order_by("name"))
    if missing := allowed - {group.name for group in groups}:
        logger.warning("PORTAL_OIDC_GROUP_MAP names groups that do not exist: %s", ", ".join(sorted(missing)))
    return groups


def follow(user: User, groups: list[AuthGroup]) -> None:
    """Make `groups` the user's managed groups. Other groups stay."""
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


def keep_claims(request: HttpRequest, data: dict[str, Any]) -> None:
    """Keep the provider's claims for the rest of this request. They are not stored."""
    request.oidc_claims = {**data.get("id_token", {}), **data.get("userinfo", {})}  # type: ignore[attr-defined]


def claims_of(request: HttpRequest) -> dict[str, Any]:
    return getattr(request, "oidc_claims", {})


def _taken(sociallogin: SocialLogin) -> bool:
    """Return whether a local account has one of the addresses. The provider does not take it over."""
    emails = [address.email for address in sociallogin.email_addresses]
    known = Q()
    for email in emails:
        known |= Q(email__iexact=email) | Q(emailaddress__email__iexact=email)
    return bool(emails) and User.objects.filter(known).exists()


def _oidc() -> Oidc:
    return cast("Oidc", settings.OIDC)
