"""How accounts work here: a user comes with the preferences, and with what is asked of a second factor."""

from __future__ import annotations

from functools import cache
from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.mfa.models import Authenticator
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from etlportal.prepared import Prepared
from monitoring.models import GroupPolicy, PortalSettings
from monitoring.sight import sight_columns

FACTORS = (Authenticator.Type.TOTP.value, Authenticator.Type.WEBAUTHN.value)
"""What counts as a second factor: recovery codes alone do not."""


def second_factor_asked() -> Q:
    """Whom a second factor is asked of: a group's members, and superusers where the settings say so."""
    groups = GroupPolicy.objects.filter(group__user=OuterRef("pk"), require_second_factor=True)
    superusers = PortalSettings.objects.filter(superusers_need_second_factor=True)
    return Q(Exists(groups)) | Q(Exists(superusers), is_superuser=True)


def _rows() -> QuerySet[User]:
    groups = GroupPolicy.objects.filter(group__user=OuterRef("pk"), require_second_factor=True)
    return User.objects.select_related("preferences").annotate(
        group_asks_second_factor=Exists(groups),
        superusers_need_one=Exists(PortalSettings.objects.filter(superusers_need_second_factor=True)),
        has_second_factor=Exists(Authenticator.objects.filter(user=OuterRef("pk"), type__in=FACTORS)),
        **sight_columns(),
    )


_users: Prepared[User] = Prepared(cache(_rows))


class WithPreferences:
    """Reads in one statement what every request needs: the user, the preferences, the second factor, the sight."""

    def get_user(self, user_id: Any) -> User | None:
        """Return the active user of that key, or None."""
        user = _users.first(user_id)
        if user is None or not user.is_active:
            return None
        asked = user.group_asks_second_factor or (user.is_superuser and user.superusers_need_one)
        user.must_have_second_factor = asked  # type: ignore[attr-defined]
        return user


class UserBackend(WithPreferences, ModelBackend):
    """Signs in by user name, with Django's permissions."""


class EmailBackend(WithPreferences, AuthenticationBackend):
    """Signs in by e-mail address or user name, with django-allauth's limits."""
