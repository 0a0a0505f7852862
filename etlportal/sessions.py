"""Django's sessions in the database, read by a statement that is put together once (SESSION_ENGINE)."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from etlportal.prepared import Prepared

_sessions: Prepared[Session] = Prepared(cache(Session.objects.all), "session_key", text=True)


class SessionStore(db.SessionStore):
    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing where it is over or was never begun, and its key is then dropped."""
        found = _sessions.values(self.session_key)
        if found is not None and found["expire_date"] > timezone.now():
            return self.decode(found["session_data"])
        self._session_key = None
        return {}
