"""Delete expired sessions, which still contain the user's id."""

from __future__ import annotations

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session


def expire_sessions(*, now: datetime, limit: int) -> int:
    """Delete at most `limit` sessions that expired before `now`, oldest first. Return their number."""
    ended = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    keys = list(ended.values_list("session_key", flat=True)[:limit])
    UserSession.objects.filter(session_key__in=keys).delete()
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)
