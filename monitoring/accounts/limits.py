"""Limits on guessing passwords and codes. They stop brute force without locking out the owner of an account.

`RATES` holds the number of attempts and the seconds of each sliding window:

- `address`: attempts from one address, for any name.
- `here`: attempts from one address for one name.
- `anywhere`: attempts from all addresses for one name, against attacks from many addresses.
- `known`: attempts from one browser in which the user signed in before, which a signed cookie proves. The three
  limits above do not apply to that browser, so the owner can sign in while others guess.
- `provider`: single sign-on requests from one address.

A successful attempt is not counted. The counters are in the cache that all processes share.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from typing import Any, Literal

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

Kind = Literal["password", "code"]

RATES: dict[str, tuple[tuple[int, int], ...]] = {
    "address": ((10, 60),),
    "here": ((5, 300), (20, 3600)),
    "anywhere": ((100, 3600),),
    "known": ((5, 300), (20, 3600)),
    "provider": ((30, 60),),
}
IPV6_PREFIX = 64
"""An internet provider's customer owns all addresses below a prefix of this length."""

COOKIE = "etlportal_known"
PATH = "/account/"
DAYS = 180
REMEMBERED = 4


def attempt(request: HttpRequest, kind: Kind, name: str, browser: str | None) -> list[str] | None:
    """Count one attempt for `name`, or return None when a limit is reached.

    `browser` is the result of `known_browser`. Delete the returned cache keys when the attempt succeeds.
    """
    subject = f"{kind}|{name.strip().lower()}"
    counters = [("known", f"{browser}|{subject}")]
    if browser is None:
        address = _network(request)
        counters = [("address", address), ("here", f"{address}|{subject}"), ("anywhere", subject)]
    taken: list[str] = []
    return taken if all(_take(action, key, taken) for action, key in counters) else None


def clear_after_reset(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Receive `password_reset`: the user has proved ownership of the account. Forget the password attempts."""
    for name in {user.username, user.email} - {""}:
        subject = f"password|{name.strip().lower()}"
        for action, key in (("here", f"{_network(request)}|{subject}"), ("anywhere", subject)):
            for amount, seconds in RATES[action]:
                cache.delete_many(_slots(action, key, amount, seconds))


def may_ask_provider(request: HttpRequest) -> bool:
    """Count one start of a single sign-on. Each start costs the provider's server a request."""
    return _take("provider", _network(request), [])


def _take(action: str, key: str, taken: list[str]) -> bool:
    """Occupy one slot in each window of `action` and append it to `taken`. Return False when a window is full.

    A slot is a cache key of its own: `add` is atomic in every cache backend, a read-modify-write counter is not.
    """
    for amount, seconds in RATES.get(action, ()):
        slots = _slots(action, key, amount, seconds)
        occupied = cache.get_many(slots)
        slot = next((each for each in slots if each not in occupied and cache.add(each, 1, seconds)), None)
        if slot is None:
            return False
        taken.append(slot)
    return True


def _slots(action: str, key: str, amount: int, seconds: int) -> list[str]:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return [f"limit:{action}:{seconds}:{digest}:{number}" for number in range(amount)]


def _network(request: HttpRequest) -> str:
    address = get_adapter().get_client_ip(request)
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return str(address)
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))


def known_browser(request: HttpRequest, *, name: str = "", user: User | None = None) -> str | None:
    """Return the mark of a browser in which this user signed in before, or None."""
    marks = _marks(request)
    if user is not None:
        return marks.get(user.pk)
    if not marks or not name:
        return None
    name = name.strip().lower()
    for pk, username, email in User.objects.filter(pk__in=marks).values_list("pk", "username", "email"):
        if name in (username.lower(), email.lower()):
            return marks[pk]
    return None


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    marks = _marks(request)
    mine = {user.pk: marks.pop(user.pk, None) or secrets.token_urlsafe(12)}
    kept = list({**mine, **marks}.items())[:REMEMBERED]
    response.set_cookie(
        COOKIE,
        signing.dumps(kept, salt=COOKIE),
        max_age=DAYS * 86400,
        path=PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _marks(request: HttpRequest) -> dict[int, str]:
    try:
        marks = signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=DAYS * 86400)
    except signing.BadSignature:
        return {}
    return {int(pk): str(mark) for pk, mark in marks}
