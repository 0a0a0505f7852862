"""Django's sessions in the database, read by a statement that is put together once (SESSION_ENGINE)."""

from __future__ import annotations

from functools import cache

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from etlportal.prepared import Prepared

_sessions: Prepared[Session] = Prepared(cache(Session.objects.all), "session_key", text=True)


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Session | None:
        found = _sessions.first(self.session_key)
        if found is not None and found.expire_date > timezone.now():
            return found
        self._session_key = None
        return None
