from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from typing import Any

from allauth.account import forms as account
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY, get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.access import FACTORS, needs_second_factor
from monitoring.accounts import limits
from monitoring.models import PortalSettings
from monitoring.rules.enums import Group
from monitoring.web import activity as trail

logger = logging.getLogger(__name__)


class PortalAccountAdapter(DefaultAccountAdapter):
    """Sign-up by the portal's settings, with the portal's own rate limits (limits.py)."""

    attempt: list[str]

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return PortalSettings.load().signup_open

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        saved = super().save_user(request, user, form, commit=commit)
        if commit and PortalSettings.load().signup_viewer:
            with trail.doing("sign-up"):
                saved.groups.add(*AuthGroup.objects.filter(name=Group.VIEWER))
        return saved

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt. Raises ValidationError above the limit, even if the password is right."""
        name = str(credentials.get("email") or credentials.get("username") or "")
        attempt = limits.attempt(request, "password", name, limits.known_browser(request, name=name))
        if attempt is None:
            trail.sign_in_failed(request, name, reason="too many attempts")
            raise self.validation_error("too_many_login_attempts")
        self.attempt = attempt

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user = super().authenticate(request, **credentials)
        if user is not None:
            cache.delete_many(self.attempt)
        return user

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Refuse a passkey alone for a provider's user: it would outlive the account at the provider."""
        steps = get_authentication_records(request, user)
        passkey_alone = any(step.get("passwordless") for step in steps)
        if passkey_alone and not user.has_usable_password() and SocialAccount.objects.filter(user=user).exists():
            request.session.pop(AUTHENTICATION_METHODS_SESSION_KEY, None)
            trail.sign_in_failed(request, user.get_username(), method="passkey", reason="provider only")
            text = gettext("Your account signs in with %(name)s. A key can be used only after that, not instead of it.")
            messages.error(request, text % {"name": settings.OIDC.name if settings.OIDC else "OpenID Connect"})
            return HttpResponseRedirect(reverse("account_login"))
        return super().pre_login(request, user, **kwargs)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response = super().post_login(request, user, **kwargs)
        limits.remember_browser(request, response, user)
        return response


class ResetPasswordForm(account.ResetPasswordForm):
    """Send links only to users with a password. A provider's user cannot get a password by mail."""

    users: Any

    def clean_email(self) -> str:
        email = super().clean_email()
        self.users = [user for user in self.users if user.has_usable_password()]
        return email


class PortalMFAAdapter(DefaultMFAAdapter):
    """Encrypt secrets with the portal's key, and keep the last factor of a user with a required second factor."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": _(
            "Your account requires a second factor. Set up another one before you remove the last."
        ),
    }

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": settings.MFA_TOTP_ISSUER}

    def get_totp_label(self, user: User) -> str:
        return user.get_username()

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret, or a random one if no key decrypts it, so that no code matches."""
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            logger.error("a second factor was stored under another SECRET_KEY: it must be set up anew")
            return base64.b32encode(secrets.token_bytes(20)).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        others = Authenticator.objects.filter(user=authenticator.user, type__in=FACTORS).exclude(pk=authenticator.pk)
        return others.exists() or not needs_second_factor(authenticator.user)


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (hashlib.blake2b(key.encode(), digest_size=32, person=b"second-factor").digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
