"""What django-allauth asks the portal about accounts and second factors (settings: ACCOUNT_ADAPTER, MFA_ADAPTER)."""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import clear_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.webauthn.internal.flows import did_use_passwordless_login
from allauth.socialaccount.models import SocialAccount
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring import trail
from monitoring.accounts import FACTORS, limits, second_factor_asked
from monitoring.enums import Group
from monitoring.models import PortalSettings

logger = logging.getLogger(__name__)


class PortalAccountAdapter(DefaultAccountAdapter):
    """Sign-up as an administrator decided; limits that stop guessing and lock nobody else out (limits.py)."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return PortalSettings.load().signup_open

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Save who signed up; a viewer, where the settings say so."""
        saved: User = super().save_user(request, user, form, commit=commit)
        if commit and PortalSettings.load().signup_viewer:
            with trail.doing("sign-up"):
                saved.groups.add(*AuthGroup.objects.filter(name=Group.VIEWER))
        return saved

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt. Raises ValidationError when it is one too many: the right password waits, too."""
        name = _typed(credentials)
        browser = limits.known_browser(request, name=name)
        self._login_failed_rl_usage = limits.attempt(request, "password", name, browser)
        if self._login_failed_rl_usage is None:
            trail.sign_in_failed(request, name, reason="too many attempts")
            raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        self._login_failed_rl_usage.forgive()

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        limits.clear(request, _typed(credentials))

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Refuse a passkey alone to who belongs to the provider: it would outlive the account there."""
        if did_use_passwordless_login(request, user) and _provider_only(user):
            clear_authentication_records(request)
            trail.sign_in_failed(request, user.get_username(), method="passkey", reason="provider only")
            text = gettext("Your account signs in with %(name)s. A key is asked for after that, not instead of it.")
            messages.error(request, text % {"name": settings.OIDC.name if settings.OIDC else "OpenID Connect"})
            return HttpResponseRedirect(reverse("account_login"))
        answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return answer

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        limits.remember_browser(request, response, user)
        return response


def _provider_only(user: User) -> bool:
    return not user.has_usable_password() and SocialAccount.objects.filter(user=user).exists()


def _typed(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "")


class PortalMFAAdapter(DefaultMFAAdapter):
    """Secrets are kept encrypted with the portal's key; a factor that is asked for cannot be given up."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": _(
            "A second factor is asked of you: set up another one before you remove the last."
        ),
    }

    def _get_site_name(self) -> str:
        return "ETL Portal"

    def get_totp_label(self, user: User) -> str:
        return user.get_username()

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret; one that no key opens any more is replaced by one that nobody has."""
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            logger.error("a second factor was stored under another SECRET_KEY: it must be set up anew")
            return generate_totp_secret()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        others = Authenticator.objects.filter(user=authenticator.user, type__in=FACTORS).exclude(pk=authenticator.pk)
        if others.exists():
            return True
        return not User.objects.filter(second_factor_asked(), pk=authenticator.user_id).exists()


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (hashlib.blake2b(key.encode(), digest_size=32, person=b"second-factor").digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
