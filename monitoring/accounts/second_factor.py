"""Who must have a second factor and has none sets one up before anything else opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

OPEN = frozenset(
    {
        "account_logout",
        "account_change_password",
        "account_reauthenticate",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_list_webauthn",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "mfa_view_recovery_codes",
        "mfa_download_recovery_codes",
        "monitoring:preference-set",
        "monitoring:healthz",
        "monitoring:readyz",
        "monitoring:metrics",
    }
)
"""What sets a factor up, and what leads out."""


class SecondFactorMiddleware:
    """Asks the database nothing: the user was read with both answers (accounts.WithPreferences)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.view_name in OPEN or not missing(request):
            return None
        return HttpResponseRedirect(reverse("mfa_index"))


def missing(request: HttpRequest) -> bool:
    """Return whether the signed-in user must set up a second factor first."""
    user = request.user
    if not getattr(user, "must_have_second_factor", False) or getattr(user, "has_second_factor", False):
        return False
    return not _provider_asked(request, user)


def _provider_asked(request: HttpRequest, user: User) -> bool:
    """The session began at the provider, and the settings say that the provider asks for a second factor."""
    if settings.OIDC is None or not settings.OIDC.second_factor:
        return False
    return any(record.get("method") == "socialaccount" for record in get_authentication_records(request, user))
