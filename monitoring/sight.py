"""What a user may see (monitoring/scope.py), worked out from their groups."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Exists, OuterRef, Q

from monitoring.models import GroupScope
from monitoring.scope import EVERYTHING, Sight

PERSONAL = "view_connections"
"""Who may read the connection audit sees logins, hosts and addresses elsewhere, too."""


def sight_columns() -> dict[str, Exists]:
    """Return annotations of a user's row: what `sight_of` would have to ask for otherwise."""
    held = Permission.objects.filter(
        Q(user=OuterRef("pk")) | Q(group__user=OuterRef("pk")),
        content_type__app_label="monitoring",
        codename=PERSONAL,
    )
    return {
        "sees_personal": Exists(held.order_by()),
        "sees_some": Exists(GroupScope.objects.filter(group__user=OuterRef("pk"))),
    }


def sight_of(user: Any) -> Sight:
    """Return what the user may see: no statement for who is in no limited group, else one.

    A superuser sees everything; nobody who is not signed in sees anything but the sign-in page.
    """
    if not user.is_authenticated:
        return Sight(pipelines=frozenset(), personal=False)
    if user.is_superuser:
        return EVERYTHING
    personal = getattr(user, "sees_personal", None)
    if personal is None:
        personal = user.has_perm(f"monitoring.{PERSONAL}")
    limited = getattr(user, "sees_some", None)
    if limited is None:
        limited = GroupScope.objects.filter(group__user=user).exists()
    return Sight(pipelines=GroupScope.of(user) if limited else None, personal=personal)
