"""The permission that each page, block, file, action, column and admin page needs, and the rights of a user.

The middleware refuses an address of the portal that is not listed here. Tests compare the list with views, groups,
columns, the admin and docs/access.md (`python -m tools.access`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, User
from django.core.cache import caches
from django.db.models.signals import m2m_changed, post_delete, post_save

from monitoring.models import GroupPolicy, GroupScope, PortalSettings
from monitoring.models.scope import UNLIMITED, ReaderScope

VIEW = "monitoring.view_pipelines"
CONNECTIONS = "monitoring.view_connections"
CAPTURE = "monitoring.capture_connections"
CHECK = "monitoring.run_checks"
UNMASK = "monitoring.unmask"
DECIDE = "monitoring.change_pipelinesettings"


Needs = tuple[str, ...]


def _need(needs: Needs, names: str, prefix: str = "monitoring:") -> dict[str, Needs]:
    return {f"{prefix}{name}": needs for name in names.split()}


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _of(does: str, tables: str) -> frozenset[str]:
    return frozenset(f"monitoring.{does}_{table}" for table in tables.split())


PAGES = {
    **_need((VIEW,), "summary pipelines pipeline pipeline-find runs run failures failure-group"),
    **_need((CONNECTIONS,), "connections"),
    **_need((), "preferences"),
}
"""URL names, each with the permissions that it needs. Empty: any signed-in user."""

BLOCKS = {
    **_need(
        (VIEW,),
        """
        verdict preflight
        summary-attention summary-running summary-kpis summary-grid summary-matrix summary-charts summary-failures
        pipelines-list
        pipeline-head pipeline-ruler pipeline-verdicts pipeline-comparison pipeline-trends pipeline-last
        pipeline-failures pipeline-executions pipeline-checks pipeline-sample
        summary-failure-groups pipeline-failure-groups failure-groups
        failure-group-facts failure-group-days failure-group-executions
        runs-grid runs-timeline runs-control runs-list run-facts run-entities
        """,
    ),
    **_need(
        (CONNECTIONS,),
        """
        connections-activity connections-findings connections-factors connections-runs connections-facets
        connections-extraction connections-events
        """,
    ),
}

FILES = {
    **_need(
        (VIEW,),
        """
        summary-matrix-export summary-failures-export pipelines-export pipeline-sample-export
        pipeline-executions-export pipeline-trends-export failure-groups-export failure-group-executions-export
        runs-list-export runs-control-export run-entities-export
        """,
    ),
    **_need(
        (CONNECTIONS,),
        """
        connections-findings-export connections-factors-export connections-facets-export
        connections-extraction-export connections-events-export
        """,
    ),
}

ACTIONS = {
    **_need((CAPTURE,), "connections-capture"),
    **_need((CHECK,), "pipeline-checks-run"),
    **_need((UNMASK,), "pipeline-unmask failure-unmask"),
    **_need((DECIDE,), "pipeline-settings"),
    **_need((), "preference-set"),
}

PORTAL = PAGES | BLOCKS | FILES | ACTIONS

OPEN = names(
    """
    monitoring:healthz monitoring:readyz monitoring:metrics
    account_login account_signup account_inactive account_reset_password account_reset_password_done
    account_reset_password_from_key account_reset_password_from_key_done
    mfa_authenticate mfa_login_webauthn
    openid_connect_login openid_connect_callback socialaccount_login_cancelled
    """
)
"""URLs without sign-in. /metrics names pipelines: it requires METRICS_TOKEN, and answers 404 without one."""

ACCOUNT = names(
    """
    account_logout account_reauthenticate account_change_password account_set_password
    mfa_index mfa_reauthenticate mfa_activate_totp mfa_deactivate_totp mfa_view_recovery_codes
    mfa_generate_recovery_codes mfa_download_recovery_codes mfa_list_webauthn mfa_add_webauthn
    mfa_remove_webauthn mfa_edit_webauthn mfa_reauthenticate_webauthn usersessions_list
    """
)

READ = ("view",)
EDIT = ("view", "add", "change", "delete")

ADMIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("auth.group", "auth.user"), EDIT),
    **_need(EDIT, "grouppolicy groupscope pipelinesettings portalsettings userpreferences", prefix="monitoring."),
    **_need(READ, "connectionloginevent etlcontrol etlrun etlrunentity", prefix="monitoring."),
    **_need(
        READ, "collectorstate pipelinerollup pipelinesample runcopy runentitycopy trailentry", prefix="monitoring."
    ),
}
"""The admin's tables, each with what can be done there. Each needs Django's permission of that name for that table
(`monitoring.view_etlrun`). The admin opens to staff and to users who may see runs (etlportal/admin_site.py)."""

WHOLE_ONLY = frozenset({"monitoring.collectorstate", "monitoring.groupscope", "monitoring.trailentry"})
"""Tables about the whole portal: closed to users limited to some pipelines (docs/adr/0016)."""

COLUMNS: dict[str, str] = {
    "monitoring.etlrun.started_by": CONNECTIONS,
    "monitoring.etlrun.error_message": CONNECTIONS,
    "monitoring.etlrunentity.error_message": CONNECTIONS,
    "monitoring.runcopy.started_by": CONNECTIONS,
    "monitoring.runcopy.error_message": CONNECTIONS,
    "monitoring.runentitycopy.error_message": CONNECTIONS,
}
"""Columns that contain a login, a host or an address: masked for users without the permission, and neither searched nor
sorted by. (Personal columns of source rows are masked for all users; `monitoring.unmask` shows them.)"""

_DRILLS = _of("view", "etlcontrol etlrun etlrunentity connectionloginevent")

GROUPS: dict[str, frozenset[str]] = {
    "viewer": frozenset({VIEW}),
    "operator": frozenset({VIEW, CAPTURE, CHECK}),
    "auditor": _DRILLS | {VIEW, CONNECTIONS, UNMASK, "monitoring.view_trailentry"},
    "admin": _DRILLS
    | {VIEW, CONNECTIONS, CAPTURE, CHECK, UNMASK}
    | {"auth.view_group", "auth.view_permission", "auth.view_user"}
    | _of("view", "collectorstate grouppolicy groupscope integrityreport pipelinerollup pipelinesample")
    | _of("view", "pipelinesettings portalsettings runcopy runentitycopy trailentry userpreferences")
    | _of("add", "pipelinesettings grouppolicy")
    | _of("change", "pipelinesettings grouppolicy portalsettings")
    | _of("delete", "pipelinesettings grouppolicy"),
}
"""Permissions of each group after the migrations. An administrator may change them."""

RIGHTS_SECONDS = 30
FACTORS = (Authenticator.Type.TOTP.value, Authenticator.Type.WEBAUTHN.value)
"""Recovery codes alone are no second factor."""


@dataclass(frozen=True, slots=True)
class Rights:
    """`pipelines` None: all of them."""

    permissions: frozenset[str]
    pipelines: frozenset[str] | None
    lacks_second_factor: bool


def rights_of(user: Any) -> Rights:
    """Return the rights of a signed-in user, cached for at most RIGHTS_SECONDS."""
    found: Rights | None = caches["rights"].get(user.pk)
    if found is None:
        limits = list(GroupScope.objects.filter(group__user=user).values_list("entity_names", flat=True))
        found = Rights(
            permissions=frozenset(name for name in user.get_all_permissions() if name.startswith("monitoring.")),
            pipelines=frozenset(chain.from_iterable(limits)) if limits else None,
            lacks_second_factor=needs_second_factor(user) and not has_second_factor(user),
        )
        caches["rights"].set(user.pk, found, RIGHTS_SECONDS)
    return found


def needs_second_factor(user: Any) -> bool:
    if GroupPolicy.objects.filter(group__user=user, require_second_factor=True).exists():
        return True
    return user.is_superuser and PortalSettings.load().superusers_need_second_factor


def has_second_factor(user: Any) -> bool:
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def may(user: Any, *permissions: str) -> bool:
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
    """Invalidate this process's cached rights when users, groups or their settings change."""
    for sender in (User, Group, GroupScope, GroupPolicy, PortalSettings, Authenticator):
        post_save.connect(_forget, sender=sender)
        post_delete.connect(_forget, sender=sender)
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_forget, sender=through)


def _forget(update_fields: Any = None, **event: Any) -> None:
    if update_fields != {"last_login"}:  # a sign-in
        caches["rights"].clear()
