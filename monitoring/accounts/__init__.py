"""Authentication backends that read a user together with the preferences."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User


class WithPreferences:
    """Read the user and the preferences of a session in one statement."""

    def get_user(self, user_id: Any) -> User | None:
        user = User.objects.select_related("preferences").filter(pk=user_id).first()
        return user if user is not None and user.is_active else None


class UserBackend(WithPreferences, ModelBackend):
    """Sign in by user name, with Django's permissions."""


class EmailBackend(WithPreferences, AuthenticationBackend):
    """Sign in by e-mail address or user name, with django-allauth's limits."""
