"""What a user may open (monitoring/access.py) and see (monitoring/scope.py), worked out from their groups.

Rights are cached in the process for RIGHTS_SECONDS. A change made in this process takes effect at once, a change made
in another process within that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.core.cache import caches
from django.db.models.signals import m2m_changed, post_delete, post_save

from monitoring.access import CONNECTIONS
from monitoring.models import GroupPolicy, GroupScope, PortalSettings
from monitoring.scope import UNLIMITED, ReaderScope

RIGHTS_SECONDS = 10

FACTORS = (Authenticator.Type.TOTP.value, Authenticator.Type.WEBAUTHN.value)
"""What counts as a second factor: recovery codes alone do not."""


@dataclass(frozen=True, slots=True)
class Rights:
    """A user's permissions, pipelines (None: all of them), and whether a second factor is required and set up."""

    permissions: frozenset[str]
    pipelines: frozenset[str] | None
    needs_second_factor: bool
    has_second_factor: bool


def rights_of(user: Any) -> Rights:
    """Return the rights of a signed-in user, at most RIGHTS_SECONDS old."""
    found: Rights | None = caches["rights"].get(user.pk)
    if found is None:
        found = _read(user)
        caches["rights"].set(user.pk, found, RIGHTS_SECONDS)
    return found


def _read(user: Any) -> Rights:
    permissions = frozenset(name for name in user.get_all_permissions() if name.startswith("monitoring."))
    limited = GroupScope.objects.filter(group__user=user).exists()
    needed = needs_second_factor(user)
    return Rights(
        permissions=permissions,
        pipelines=GroupScope.of(user) if limited else None,
        needs_second_factor=needed,
        has_second_factor=needed and has_second_factor(user),
    )


def needs_second_factor(user: Any) -> bool:
    """Return whether a group of the user requires a second factor, or the settings do for superusers."""
    if GroupPolicy.objects.filter(group__user=user, require_second_factor=True).exists():
        return True
    return user.is_superuser and PortalSettings.load().superusers_need_second_factor


def has_second_factor(user: Any) -> bool:
    """Return whether the user has set up a second factor. One statement."""
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def may(user: Any, *permissions: str) -> bool:
    """Return whether the user has all of these permissions of the portal."""
    if not user.is_authenticated or not user.is_active:
        return not permissions
    return user.is_superuser or rights_of(user).permissions.issuperset(permissions)


def scope_of(user: Any) -> ReaderScope:
    """Return the user's scope: nothing for an anonymous user, no limit for a superuser.

    A user with access to the connection audit also sees logins, hosts and addresses on other pages.
    """
    if not user.is_authenticated:
        return ReaderScope(pipelines=frozenset(), logins=False)
    if user.is_superuser:
        return UNLIMITED
    return ReaderScope(pipelines=rights_of(user).pipelines, logins=may(user, CONNECTIONS))


def connect() -> None:
    """Drop the cached rights of this process when users, groups or their settings change."""
    for sender in (User, Group, GroupScope, GroupPolicy, PortalSettings, Authenticator):
        post_save.connect(_forget, sender=sender)
        post_delete.connect(_forget, sender=sender)
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_forget, sender=through)


def _forget(update_fields: Any = None, **event: Any) -> None:
    if update_fields != {"last_login"}:  # a sign-in
        caches["rights"].clear()
