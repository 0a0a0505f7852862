"""Signing in at an OpenID Connect provider: who may, with which groups (settings: SOCIALACCOUNT_ADAPTER).

Groups follow the provider at each sign-in. A user who is in no group that means something here gets no access,
is not created, and loses the groups of last time. Nobody becomes a superuser or is linked to one this way.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, _build_apps_from_settings
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from etlportal.oidc import Oidc
from monitoring import trail
from monitoring.enums import Group
from monitoring.policies.provider_groups import groups_for, managed, names_in
from monitoring.views import errors

logger = logging.getLogger(__name__)

BY = "single sign-on"
"""Who gives and takes groups, in the trail."""


class PortalSocialAdapter(DefaultSocialAccountAdapter):
    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """Return the provider of the environment; none can be added in the database, and none is asked for there."""
        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return _oidc().link_by_email

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Return the local user of a verified address, where the settings allow it. Never a superuser."""
        found: tuple[User, str] | None = super().authenticate_by_email(sociallogin)
        return found if found is None or not found[0].is_superuser else None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Give and take groups. Raises ImmediateHttpResponse for somebody who gets no access."""
        oidc = _oidc()
        names = names_in(claims_of(request), oidc.groups_claim)
        allowed = groups_for(names, oidc.group_map, oidc.default_group)
        groups = list(AuthGroup.objects.filter(name__in=allowed).order_by("name"))
        if missing := allowed - {group.name for group in groups}:
            logger.warning("PORTAL_OIDC_GROUP_MAP names groups that do not exist: %s", ", ".join(sorted(missing)))
        if sociallogin.is_existing:
            follow(sociallogin.user, groups, oidc)
        if not groups:
            refuse(request, sociallogin, "no group", errors.NO_GROUP)
        if not sociallogin.is_existing and _taken(sociallogin):
            refuse(request, sociallogin, "address taken", errors.ADDRESS_TAKEN)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # whoever has a group here: pre_social_login turned all others away

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Create the user, with the groups."""
        user: User = super().save_user(request, sociallogin, form)
        oidc = _oidc()
        allowed = groups_for(names_in(claims_of(request), oidc.groups_claim), oidc.group_map, oidc.default_group)
        follow(user, list(AuthGroup.objects.filter(name__in=allowed).order_by("name")), oidc)
        return user

    def on_authentication_error(self, request: HttpRequest, provider: Any, error: Any = None, **kwargs: Any) -> None:
        exception = kwargs.get("exception")
        logger.warning("single sign-on failed: %s", exception if exception is not None else error)
        trail.sign_in_failed(request, "", method="oidc", reason=str(getattr(error, "value", error) or "error"))


def follow(user: User, groups: list[AuthGroup], oidc: Oidc) -> None:
    """Make the user's managed groups exactly `groups`; others stay."""
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
    """Keep what the provider said for the rest of this request. Nothing of it is stored."""
    request.oidc_claims = {**data.get("id_token", {}), **data.get("userinfo", {})}  # type: ignore[attr-defined]


def claims_of(request: HttpRequest) -> dict[str, Any]:
    return getattr(request, "oidc_claims", {})


def _taken(sociallogin: SocialLogin) -> bool:
    """An account has that address: it is not handed over to whoever the provider says."""
    emails = [address.email for address in sociallogin.email_addresses]
    known = Q()
    for email in emails:
        known |= Q(email__iexact=email) | Q(emailaddress__email__iexact=email)
    return bool(emails) and User.objects.filter(known).exists()


def _oidc() -> Oidc:
    oidc: Oidc = settings.OIDC
    return oidc
