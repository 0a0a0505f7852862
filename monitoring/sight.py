"""What a user may open (monitoring/access.py) and see (monitoring/scope.py), worked out from their groups."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Exists, OuterRef, Q, QuerySet

from monitoring.access import CONNECTIONS, VIEW
from monitoring.models import GroupScope
from monitoring.scope import EVERYTHING, Sight

KNOWN = {VIEW: "sees_pipelines", CONNECTIONS: "sees_connections"}
"""The permissions that every request asks about, and where a user's row has the answer."""


def sight_columns() -> dict[str, Exists]:
    """Return annotations of a user's row: what would have to be asked for in each request otherwise."""
    return {
        **{column: Exists(_held(permission)) for permission, column in KNOWN.items()},
        "sees_some": Exists(GroupScope.objects.filter(group__user=OuterRef("pk"))),
    }


def _held(permission: str) -> QuerySet[Permission]:
    app, _, codename = permission.partition(".")
    return Permission.objects.filter(
        Q(user=OuterRef("pk")) | Q(group__user=OuterRef("pk")), content_type__app_label=app, codename=codename
    ).order_by()


def may(user: Any, *permissions: str) -> bool:
    """Return whether the user has all of these permissions: for those of KNOWN without a statement."""
    if not user.is_authenticated or not user.is_active:
        return not permissions
    left = [each for each in permissions if not getattr(user, KNOWN.get(each, ""), False)]
    return user.is_superuser or not left or user.has_perms(left)


def sight_of(user: Any) -> Sight:
    """Return what the user may see: no statement for who is in no limited group, else one.

    Who may read the connection audit sees logins, hosts and addresses elsewhere, too. A superuser sees
    everything; nobody who is not signed in sees anything but the sign-in page.
    """
    if not user.is_authenticated:
        return Sight(pipelines=frozenset(), personal=False)
    if user.is_superuser:
        return EVERYTHING
    personal = getattr(user, KNOWN[CONNECTIONS], None)
    if personal is None:
        personal = user.has_perm(CONNECTIONS)
    limited = getattr(user, "sees_some", None)
    if limited is None:
        limited = GroupScope.objects.filter(group__user=user).exists()
    return Sight(pipelines=GroupScope.of(user) if limited else None, personal=personal)
