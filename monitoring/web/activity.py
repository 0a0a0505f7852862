"""The activity log: one row in `default` and one JSON line on stdout, for a SIEM, per action. Unmasking is one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.signals import password_changed, password_reset, password_set
from allauth.core import context
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.db.models.signals import m2m_changed, post_save
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.generic import View

from monitoring.access import UNMASK, may
from monitoring.models import TrailEntry
from monitoring.rules.enums import TrailAction, TrailOutcome

lines = logging.getLogger("etlportal.trail")  # its handler writes the message only (settings.LOGGING)

Detail = str | int | float | bool | None


@transaction.atomic
def record(
    *,
    action: TrailAction,
    by: str,
    now: datetime,
    address: str = "",
    object: str = "",
    outcome: TrailOutcome = TrailOutcome.DONE,
    **detail: Detail,
) -> TrailEntry:
    """Add an entry. The row belongs to the transaction of the caller; a rollback also drops the JSON line.

    `by` is the user name, or the typed name of a failed sign-in. `detail` holds no secrets and no personal data.
    """
    entry = TrailEntry.objects.create(
        at=now,
        user_name=by[:150],
        address=address[:48],
        action=action.value,
        object=object[:200],
        outcome=outcome.value,
        detail={name: value[:1000] if isinstance(value, str) else value for name, value in detail.items()},
    )
    line = {
        "at": entry.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "trail": entry.pk,
        "user": entry.user_name,
        "address": entry.address,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "detail": entry.detail,
    }
    transaction.on_commit(lambda: lines.info(json.dumps(line)))
    return entry


COMMAND_LINE = "manage.py"  # the user name for changes outside of requests
_doer: ContextVar[str] = ContextVar("trail_doer", default="")


@contextmanager
def doing(by: str) -> Iterator[None]:
    token = _doer.set(by)
    try:
        yield
    finally:
        _doer.reset(token)


def address_of(request: HttpRequest | None) -> str:
    """Return the client's address, from the header of a trusted proxy if there is one. "" without a request."""
    if request is None:
        return ""
    try:
        return str(get_adapter().get_client_ip(request))
    except (ImproperlyConfigured, PermissionDenied):
        return request.META.get("REMOTE_ADDR", "")


def note(
    request: HttpRequest | None,
    action: TrailAction,
    object: str = "",
    outcome: TrailOutcome = TrailOutcome.DONE,
    *,
    by: str | None = None,
    **detail: Detail,
) -> None:
    """Record an action of `by`, else of the user of `doing`, else of the signed-in user."""
    user = getattr(request, "user", None)
    if by is None:
        by = user.get_username() if user is not None and user.is_authenticated else COMMAND_LINE
    now, address = timezone.now(), address_of(request)
    record(action=action, by=by, now=now, address=address, object=object, outcome=outcome, **detail)


def note_export(request: HttpRequest, object: str, kind: str, rows: int, **detail: Any) -> None:
    wanted = request.GET.urlencode()[:500]
    note(request, TrailAction.EXPORTED, object, format=kind, filter=wanted, rows=rows, **detail)


def sign_in_failed(request: HttpRequest | None, name: str, **detail: Any) -> None:
    note(request, TrailAction.SIGN_IN_FAILED, outcome=TrailOutcome.REFUSED, by=name, **detail)


def connect() -> None:
    for signal, receiver in (
        (user_logged_in, _signed_in),
        (user_logged_out, _recorder(TrailAction.SIGNED_OUT)),
        (user_login_failed, _sign_in_failed),
        (password_changed, _recorder(TrailAction.PASSWORD_CHANGED)),
        (password_set, _recorder(TrailAction.PASSWORD_CHANGED)),
        (password_reset, _recorder(TrailAction.PASSWORD_CHANGED)),
        (factors.authenticator_added, _recorder(TrailAction.SECOND_FACTOR_ADDED)),
        (factors.authenticator_reset, _recorder(TrailAction.SECOND_FACTOR_ADDED)),
        (factors.authenticator_removed, _factor_removed),
        (factors.authenticator_used, _recorder(TrailAction.SECOND_FACTOR_USED)),
        (factors.authentication_failed, _recorder(TrailAction.SECOND_FACTOR_FAILED, TrailOutcome.REFUSED)),
    ):
        signal.connect(receiver, weak=False, dispatch_uid="trail")
    post_save.connect(_edited, sender=LogEntry, dispatch_uid="trail")
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_roles_changed, sender=through, dispatch_uid="trail")


def _recorder(action: TrailAction, outcome: TrailOutcome = TrailOutcome.DONE) -> Callable[..., None]:
    def receive(
        sender: Any,
        request: HttpRequest | None = None,
        user: User | None = None,
        authenticator: Authenticator | None = None,
        **kwargs: Any,
    ) -> None:
        if user is not None:
            detail = {"factor": str(authenticator.type)} if authenticator is not None else {}
            note(request, action, outcome=outcome, by=user.get_username(), **detail)

    return receive


def _signed_in(sender: Any, request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Record the sign-in with its steps: "password", "password, totp", "passkey", "oidc"."""
    steps = []
    for step in get_authentication_records(request, user) if hasattr(request, "session") else ():
        kind = "passkey" if step.get("passwordless") else step.get("type") or step.get("method", "")
        steps.append({"socialaccount": "oidc"}.get(kind, kind))
    note(request, TrailAction.SIGNED_IN, by=user.get_username(), method=", ".join(dict.fromkeys(steps)))


def _sign_in_failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kw: Any) -> None:
    """Record the typed name. It may be a password typed into the wrong field, but an auditor needs it."""
    typed = next((str(credentials[name]) for name in ("username", "email", "login") if credentials.get(name)), "")
    sign_in_failed(request, typed)


def _factor_removed(sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    note(request, TrailAction.SECOND_FACTOR_REMOVED, user.get_username(), factor=str(authenticator.type))


def _edited(sender: Any, instance: LogEntry, created: bool, **kwargs: Any) -> None:
    if not created:
        return
    model = instance.content_type.model if instance.content_type else ""
    action = TrailAction.USER_CHANGED if model in {"user", "group"} else TrailAction.SETTING_CHANGED
    change = {ADDITION: "added", DELETION: "deleted"}.get(instance.action_flag, "changed")
    _changed(action, f"{model} {instance.object_repr}", change=change, fields=instance.change_message)


def _roles_changed(sender: Any, instance: Any, action: str, pk_set: set[int] | None, **kwargs: Any) -> None:
    if action not in {"post_add", "post_remove", "post_clear"} or (not pk_set and action != "post_clear"):
        return
    others = kwargs["model"].objects.using(kwargs["using"]).filter(pk__in=pk_set or ()).order_by("pk")
    change = {"post_add": "added", "post_remove": "removed"}.get(action, "cleared")
    subject = f"{instance._meta.model_name} {instance}"
    _changed(TrailAction.ROLE_CHANGED, subject, change=change, what=", ".join(str(each) for each in others))


def _changed(action: TrailAction, object: str, **detail: Any) -> None:
    # Signals of models carry no request: allauth's middleware keeps the current one.
    note(context.request, action, object, by=_doer.get() or None, **detail)


SHOWN_FOR = timedelta(minutes=10)
SESSION_KEY = "unmasked"  # {subject: end in ISO 8601}


def unmasked_until(request: HttpRequest, subject: str, now: datetime) -> datetime | None:
    """Return until when this user sees the personal data of a pipeline or failure, or None if it is masked."""
    text = request.session.get(SESSION_KEY, {}).get(subject)
    if text is None or not may(request.user, UNMASK):
        return None
    until = datetime.fromisoformat(text)
    return until if until > now else None


class UnmaskView(PermissionRequiredMixin, View):
    """Show personal data to one user for ten minutes, or mask it again. Showing it is recorded."""

    permission_required = (UNMASK,)
    raise_exception = True
    http_method_names = ("post",)

    def subject(self) -> str:
        """Return the subject's name for the session and the activity log. Raise Http404 if there is none."""
        raise NotImplementedError

    def answer(self, subject: str) -> HttpResponse:
        raise NotImplementedError

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        subject, now = self.subject(), timezone.now()
        granted = dict(request.session.get(SESSION_KEY, {}))
        if "again" in request.POST:
            granted.pop(subject, None)
        else:
            until = (now + SHOWN_FOR).isoformat()
            note(request, TrailAction.UNMASKED, subject, until=until)
            granted[subject] = until
        request.session[SESSION_KEY] = granted
        return self.answer(subject)
