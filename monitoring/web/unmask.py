"""Show personal data to one user for ten minutes. The permission is in their session and in the activity log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.generic import View

from monitoring.access import UNMASK, may
from monitoring.rules.enums import TrailAction
from monitoring.web.activity import note

SHOWN_FOR = timedelta(minutes=10)

SESSION_KEY = "unmasked"
"""{subject: until, ISO}, in the session of the user who asked: it ends with the session."""


def unmasked_until(request: HttpRequest, subject: str, now: datetime) -> datetime | None:
    """Return until when this user sees the personal data of a pipeline or failure, or None if it is masked."""
    text = request.session.get(SESSION_KEY, {}).get(subject)
    if text is None or not may(request.user, UNMASK):
        return None
    until = datetime.fromisoformat(text)
    return until if until > now else None


class UnmaskView(PermissionRequiredMixin, View):
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
