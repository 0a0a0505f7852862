"""Redirect users who must set up a second factor to the security page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from monitoring.access import has_second_factor, names, rights_of

OPEN = names(
    """
    account_logout account_change_password account_reauthenticate
    mfa_index mfa_activate_totp mfa_add_webauthn mfa_list_webauthn mfa_reauthenticate mfa_reauthenticate_webauthn
    mfa_view_recovery_codes mfa_download_recovery_codes
    monitoring:preference-set monitoring:healthz monitoring:readyz monitoring:metrics
    """
)


class SecondFactorMiddleware:
    """Redirect based on the cached rights. Query the database only if a factor is missing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match, lacking = request.resolver_match, missing(request)
        request.second_factor_missing = lacking  # type: ignore[attr-defined]
        if lacking and match is not None and match.view_name not in OPEN:
            return HttpResponseRedirect(reverse("mfa_index"))
        return None


def missing(request: HttpRequest) -> bool:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return False
    rights = rights_of(user)
    if not rights.needs_second_factor or rights.has_second_factor or has_second_factor(user):
        return False
    if settings.OIDC is None or not settings.OIDC.second_factor:
        return True
    # The provider has asked for a second factor.
    return all(record.get("method") != "socialaccount" for record in get_authentication_records(request, user))
