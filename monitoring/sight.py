"""What a user may open (monitoring/access.py) and see (monitoring/scope.py), worked out from their groups."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from etlportal.prepared import Prepared
from monitoring.access import CAPTURE, CHECK, CONNECTIONS, DECIDE, UNMASK, VIEW
from monitoring.models import GroupScope
from monitoring.scope import EVERYTHING, Sight

KNOWN = {VIEW: "sees_pipelines", CONNECTIONS: "sees_connections"}
"""The permissions that every request asks about, and where a user's row has the answer."""

OTHERS = {CAPTURE: "may_capture", CHECK: "may_check", UNMASK: "may_unmask", DECIDE: "may_decide"}
"""Those that blocks ask about where something changed. Django would ask twice, by statements that it makes anew."""


def sight_columns() -> dict[str, Exists]:
    """Return annotations of a user's row: what would have to be asked for in each request otherwise."""
    return {
        **_columns(KNOWN),
        "sees_some": Exists(GroupScope.objects.filter(group__user=OuterRef("pk"))),
    }


def _columns(permissions: dict[str, str]) -> dict[str, Exists]:
    return {column: Exists(_held(permission)) for permission, column in permissions.items()}


def _held(permission: str) -> QuerySet[Permission]:
    app, _, codename = permission.partition(".")
    return Permission.objects.filter(
        Q(user=OuterRef("pk")) | Q(group__user=OuterRef("pk")), content_type__app_label=app, codename=codename
    ).order_by()


_others: Prepared[User] = Prepared(cache(lambda: User.objects.only("pk").annotate(**_columns(OTHERS))))


def may(user: Any, *permissions: str) -> bool:
    """Return whether the user has all of these permissions: KNOWN without a statement, all of OTHERS with one."""
    if not user.is_authenticated or not user.is_active:
        return not permissions
    return user.is_superuser or all(_holds(user, each) for each in permissions)


def _holds(user: Any, permission: str) -> bool:
    if permission in OTHERS:
        if "_others" not in user.__dict__:
            user.__dict__["_others"] = _others.first(user.pk)
        return bool(getattr(user.__dict__["_others"], OTHERS[permission], False))
    known = getattr(user, KNOWN.get(permission, ""), None)
    return bool(user.has_perm(permission) if known is None else known)


def sight_of(user: Any) -> Sight:
    """Return what the user may see: no statement for who is in no limited group, else one.

    Who may read the connection audit sees logins, hosts and addresses elsewhere, too. A superuser sees
    everything; nobody who is not signed in sees anything but the sign-in page.
    """
    if not user.is_authenticated:
        return Sight(pipelines=frozenset(), personal=False)
    if user.is_superuser:
        return EVERYTHING
    limited = getattr(user, "sees_some", None)
    if limited is None:
        limited = GroupScope.objects.filter(group__user=user).exists()
    return Sight(pipelines=GroupScope.of(user) if limited else None, personal=_holds(user, CONNECTIONS))
