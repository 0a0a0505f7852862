"""From what happens in a request to the trail: who, from where, and what Django and allauth signal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.signals import password_changed, password_reset, password_set
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
    authenticator_used,
)
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models.signals import m2m_changed, post_save
from django.http import HttpRequest
from django.utils import timezone

from monitoring.actions.trail import Detail, record
from monitoring.enums import TrailAction, TrailOutcome

FILTER_LENGTH = 500
COMMAND_LINE = "manage.py"
"""Who did what no request asked for."""

_request: ContextVar[HttpRequest | None] = ContextVar("trail_request", default=None)
_doer: ContextVar[str] = ContextVar("trail_doer", default="")


@contextmanager
def acting(request: HttpRequest) -> Iterator[None]:
    """Say for whom what happens inside this block happens: signals carry no request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def doing(by: str) -> Iterator[None]:
    """Say who does what happens inside this block where it is not the signed-in user: a machine, by name."""
    token = _doer.set(by)
    try:
        yield
    finally:
        _doer.reset(token)


def address_of(request: HttpRequest | None) -> str:
    """Return the client's address, behind a trusted proxy the one that it forwards; "" where there is none."""
    if request is None:
        return ""
    try:
        return str(get_adapter().get_client_ip(request))
    except (ImproperlyConfigured, PermissionDenied):
        # There is no usable forwarding header: only the peer's address is known.
        return request.META.get("REMOTE_ADDR", "")


def note(
    request: HttpRequest,
    action: TrailAction,
    object: str = "",
    outcome: TrailOutcome = TrailOutcome.DONE,
    **detail: Detail,
) -> None:
    """Write down what the signed-in user of this request did."""
    record(
        action=action,
        by=request.user.get_username(),
        now=timezone.now(),
        address=address_of(request),
        object=object,
        outcome=outcome,
        **detail,
    )


def note_export(
    request: HttpRequest,
    object: str,
    kind: str,
    rows: int,
    outcome: TrailOutcome = TrailOutcome.DONE,
    **detail: Detail,
) -> None:
    """Write down a file that left the portal: of what, in which format, which filter, how many rows."""
    wanted = request.GET.urlencode()[:FILTER_LENGTH]
    note(request, TrailAction.EXPORTED, object, outcome, format=kind, filter=wanted, rows=rows, **detail)


def connect() -> None:
    """Connect the receivers; called once, when the application is ready."""
    for signal, receiver in (
        (user_logged_in, _signed_in),
        (user_logged_out, _signed_out),
        (user_login_failed, _sign_in_failed),
        (password_changed, _password_changed),
        (password_set, _password_changed),
        (password_reset, _password_changed),
        (authenticator_added, _factor_added),
        (authenticator_reset, _factor_added),
        (authenticator_removed, _factor_removed),
        (authenticator_used, _factor_used),
        (authentication_failed, _factor_failed),
    ):
        signal.connect(receiver, dispatch_uid=f"trail.{receiver.__name__}")
    post_save.connect(_edited, sender=LogEntry, dispatch_uid="trail.edited")
    m2m_changed.connect(_roles_changed, sender=User.groups.through, dispatch_uid="trail.groups")
    m2m_changed.connect(_roles_changed, sender=User.user_permissions.through, dispatch_uid="trail.user_permissions")
    m2m_changed.connect(_roles_changed, sender=Group.permissions.through, dispatch_uid="trail.group_permissions")


def _signal(action: TrailAction, request: HttpRequest | None, by: str, outcome: TrailOutcome, **detail: Detail) -> None:
    record(action=action, by=by, now=timezone.now(), address=address_of(request), outcome=outcome, **detail)


def _signed_in(sender: Any, request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    _signal(TrailAction.SIGNED_IN, request, user.get_username(), TrailOutcome.DONE, method=_methods(request, user))


def _methods(request: HttpRequest | None, user: User) -> str:
    """How the session began, step by step: "password", "password, totp", "passkey", "oidc"."""
    steps = []
    for step in get_authentication_records(request, user) if hasattr(request, "session") else ():
        kind = "passkey" if step.get("passwordless") else step.get("type") or step.get("method", "")
        steps.append({"socialaccount": "oidc"}.get(kind, kind))
    return ", ".join(dict.fromkeys(steps))


def _signed_out(sender: Any, request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        _signal(TrailAction.SIGNED_OUT, request, user.get_username(), TrailOutcome.DONE)


def _sign_in_failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kw: Any) -> None:
    """What was typed as a name is kept: people type passwords there, too, but an auditor needs it."""
    typed = next((str(credentials[name]) for name in ("username", "email", "login") if credentials.get(name)), "")
    sign_in_failed(request, typed)


def sign_in_failed(request: HttpRequest | None, name: str, **detail: Detail) -> None:
    """Write down a sign-in that was refused. `name`: what was typed, or what the provider calls the person."""
    _signal(TrailAction.SIGN_IN_FAILED, request, name, TrailOutcome.REFUSED, **detail)


def second_factor_failed(request: HttpRequest | None, user: User, **detail: Detail) -> None:
    _signal(TrailAction.SECOND_FACTOR_FAILED, request, user.get_username(), TrailOutcome.REFUSED, **detail)


def session_ended(request: HttpRequest, user: User, sessions: int) -> None:
    """Write down that the signed-in user ended this many sessions of `user`."""
    note(request, TrailAction.SESSION_ENDED, user.get_username(), sessions=sessions)


def _factor_added(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _signal(
        TrailAction.SECOND_FACTOR_ADDED, request, user.get_username(), TrailOutcome.DONE, factor=str(authenticator.type)
    )


def _factor_removed(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """The user's own factor, by the user: an administrator's removal is written down where it happens."""
    note(request, TrailAction.SECOND_FACTOR_REMOVED, user.get_username(), factor=str(authenticator.type))


def _factor_used(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _signal(
        TrailAction.SECOND_FACTOR_USED, request, user.get_username(), TrailOutcome.DONE, factor=str(authenticator.type)
    )


def _factor_failed(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    second_factor_failed(request, user, factor=str(authenticator.type))


def _password_changed(sender: Any, request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    _signal(TrailAction.PASSWORD_CHANGED, request, user.get_username(), TrailOutcome.DONE)


def _edited(sender: Any, instance: LogEntry, created: bool, **kwargs: Any) -> None:
    """Whatever the admin logs: users and groups by a name of their own, everything else as a setting."""
    if not created:
        return
    model = instance.content_type.model if instance.content_type else ""
    _changed(
        TrailAction.USER_CHANGED if model in {"user", "group"} else TrailAction.SETTING_CHANGED,
        f"{model} {instance.object_repr}",
        change={ADDITION: "added", DELETION: "deleted"}.get(instance.action_flag, "changed"),
        fields=instance.change_message,
    )


def _roles_changed(sender: Any, instance: Any, action: str, pk_set: set[int] | None, **kwargs: Any) -> None:
    """A user's groups and permissions, or a group's permissions, as they are now given or taken."""
    if action not in {"post_add", "post_remove", "post_clear"} or (not pk_set and action != "post_clear"):
        return
    others = kwargs["model"].objects.using(kwargs["using"]).filter(pk__in=pk_set or ()).order_by("pk")
    _changed(
        TrailAction.ROLE_CHANGED,
        f"{instance._meta.model_name} {instance}",
        change={"post_add": "added", "post_remove": "removed"}.get(action, "cleared"),
        what=", ".join(str(each) for each in others),
    )


def _changed(action: TrailAction, object: str, **detail: Detail) -> None:
    request = _request.get()
    user = getattr(request, "user", None)
    record(
        action=action,
        by=_doer.get() or (user.get_username() if user is not None and user.is_authenticated else COMMAND_LINE),
        now=timezone.now(),
        address=address_of(request),
        object=object,
        **detail,
    )
