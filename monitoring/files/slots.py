"""How many files are made at once: one for each person, a few for everybody, whichever process makes them.

Making a file takes the processor for seconds; pages of everybody else wait meanwhile.
"""

from __future__ import annotations

import secrets

from django.core.cache import cache
from django.http import HttpRequest

AT_ONCE = 2
"""Files being made for everybody together."""
FORGOTTEN_SECONDS = 300
"""When a place is free again, whatever became of the process that took it."""


class Busy(Exception):
    """No file can be made now. `own`: because another one of the same person is being made."""

    def __init__(self, *, own: bool) -> None:
        super().__init__("another file of this person" if own else "files of others")
        self.own = own


class Slot:
    """The right to make a file, until `release`."""

    def __init__(self, keys: tuple[str, ...], token: str) -> None:
        self._keys, self._token = keys, token

    def release(self) -> None:
        """Give the places back; those that time gave to somebody else stay theirs."""
        keys, self._keys = self._keys, ()
        cache.delete_many([key for key in keys if cache.get(key) == self._token])


def slot(request: HttpRequest) -> Slot:
    """Return the request's right to make a file, taken now unless it has one. Raises Busy."""
    found: Slot | None = getattr(request, "export_slot", None)
    if found is not None:
        return found
    token, own = secrets.token_hex(8), f"export:of:{request.user.pk}"
    if not cache.add(own, token, FORGOTTEN_SECONDS):
        raise Busy(own=True)
    for number in range(AT_ONCE):
        place = f"export:place:{number}"
        if cache.add(place, token, FORGOTTEN_SECONDS):
            request.export_slot = found = Slot((own, place), token)  # type: ignore[attr-defined]
            return found
    cache.delete(own)
    raise Busy(own=False)
