"""Django's sessions in the database, read by a statement that is put together once (SESSION_ENGINE)."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from django.utils import timezone

from etlportal.prepared import Prepared

_sessions: Prepared[Session] = Prepared(cache(Session.objects.all), "session_key", text=True)


KNOWN = 2048
"""Sessions whose signature needs no second look while what is stored stays the same; half a kilobyte each."""


class _Signed:
    """Takes what was signed as it is: it is read anew for each request, which may change it."""

    def loads(self, data: bytes) -> bytes:
        return data


@lru_cache(maxsize=KNOWN)
def _proven(stored: str, salt: str) -> bytes:
    """Return what is in a stored session. Raises signing.BadSignature where it is not ours."""
    signed: bytes = signing.loads(stored, salt=salt, serializer=_Signed)
    return signed


class SessionStore(db.SessionStore):
    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing where it is over or was never begun, and its key is then dropped."""
        found = _sessions.values(self.session_key)
        if found is not None and found["expire_date"] > timezone.now():
            return self.decode(found["session_data"])
        self._session_key = None
        return {}

    def decode(self, session_data: str) -> dict[str, Any]:
        """Return what a stored session holds: nothing where it was not signed by us."""
        try:
            found: dict[str, Any] = JSONSerializer().loads(_proven(session_data, self.key_salt))
        except (signing.BadSignature, ValueError):
            return super().decode(session_data)  # which says so in the log
        return found
