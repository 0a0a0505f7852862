"""Authentication backends that read a user together with the preferences, and close tables to limited users."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from monitoring.access import WHOLE_ONLY
from monitoring.models import scope


class PortalBackend:
    """Read the user and the preferences of a session in one statement."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Raises PermissionDenied for a table of WHOLE_ONLY in a limited scope: no other backend is asked then."""
        app, _separator, codename = perm.partition(".")
        if scope.pipelines() is not None and f"{app}.{codename.partition('_')[2]}" in WHOLE_ONLY:
            raise PermissionDenied
        return super().has_perm(user_obj, perm, obj)  # type: ignore[misc]

    def get_user(self, user_id: Any) -> User | None:
        user = User.objects.select_related("preferences").filter(pk=user_id).first()
        return user if user is not None and user.is_active else None


class UserBackend(PortalBackend, ModelBackend):
    """Sign in by user name, with Django's permissions."""


class EmailBackend(PortalBackend, AuthenticationBackend):
    """Sign in by e-mail address or user name, with django-allauth's limits."""
