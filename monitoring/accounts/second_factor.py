"""Second factors: redirect users who must set one up, and limit guessing of codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.mfa.base import forms as base
from allauth.mfa.webauthn import forms as webauthn
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from monitoring.access import has_second_factor, names, rights_of
from monitoring.accounts import limits
from monitoring.rules.enums import TrailAction, TrailOutcome
from monitoring.web import activity as trail

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
    if not rights_of(user).lacks_second_factor or has_second_factor(user):
        return False
    if settings.OIDC is None or not settings.OIDC.second_factor:
        return True
    # The provider has asked for a second factor.
    return all(record.get("method") != "socialaccount" for record in get_authentication_records(request, user))


class Limited:
    """Apply the limits for passwords to codes (limits.py)."""

    user: Any

    def clean_code(self) -> str:
        request = context.request
        browser = limits.known_browser(request, user=self.user)
        attempt = limits.attempt(request, "code", str(self.user.pk), browser)
        if attempt is None:
            refused, name = TrailOutcome.REFUSED, self.user.get_username()
            trail.note(request, TrailAction.SECOND_FACTOR_FAILED, outcome=refused, by=name, reason="too many attempts")
            raise get_adapter().validation_error("too_many_login_attempts")
        code = super().clean_code()  # type: ignore[misc]
        cache.delete_many(attempt)
        return code


class AuthenticateForm(Limited, base.AuthenticateForm):
    pass


class ReauthenticateForm(Limited, base.ReauthenticateForm):
    pass


class LoginWebAuthnForm(webauthn.LoginWebAuthnForm):
    """Record a refused passkey without a name, because its owner is unknown."""

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()
        except ValidationError:
            trail.sign_in_failed(context.request, "", method="passkey")
            raise


class EditWebAuthnForm(webauthn.EditWebAuthnForm):
    """Limit the length of the name, which allauth does not."""

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"])[:100]
