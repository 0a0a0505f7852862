from __future__ import annotations

from typing import Any

from allauth.account import forms as account
from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.mfa.base import forms as base
from allauth.mfa.webauthn import forms as webauthn
from django.core.cache import cache
from django.core.exceptions import ValidationError

from monitoring.accounts import limits
from monitoring.rules.enums import TrailAction, TrailOutcome
from monitoring.web import activity as trail


class ResetPasswordForm(account.ResetPasswordForm):
    """Send links only to users with a password. A provider's user cannot get a password by mail."""

    users: Any

    def clean_email(self) -> str:
        email = super().clean_email()
        self.users = [user for user in self.users if user.has_usable_password()]
        return email


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
