"""How often somebody may guess: brute force is stopped, and nobody is locked out by somebody else's guesses.

Three counters, in the cache that all processes share:

- from one address, whatever the names;
- from one address, for one name: an attacker elsewhere does not touch it;
- from all addresses together, for one name: slower, against many addresses at once. A browser that signed in
  as that user before is not held up by it (nor by the others): it brings a signed cookie, and has a counter of
  its own. So even a name under attack can be used by its owner.

An attempt that succeeds is not counted.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponse

Kind = Literal["password", "code"]

APP = "monitoring.accounts"
RATES = {
    "address": "10/m/ip",
    "here": "5/5m/key,20/h/key",
    "anywhere": "100/h/key",
    "known": "5/5m/key,20/h/key",
    "provider": "30/m/ip",
}
COOKIE = "etlportal_known"
PATH = "/account/"
DAYS = 180
REMEMBERED = 4
"""Users that one browser is known for: a shared machine has more than one."""


@dataclass(slots=True)
class Attempt:
    """Something that may succeed: `forgive` takes it from the counters again."""

    usages: list[Any] = field(default_factory=list)

    def forgive(self) -> None:
        for usage in self.usages:
            usage.rollback()


def attempt(request: HttpRequest, kind: Kind, name: str, browser: str | None) -> Attempt | None:
    """Count one guess at the password or code of `name`; None: not now. `browser`: what `known_browser` returned."""
    name = f"{kind}|{name.strip().lower()}"
    asked = [("known", f"{browser}|{name}")]
    if browser is None:
        asked = [("address", name), ("here", f"{ratelimit.get_ip(request)}|{name}"), ("anywhere", name)]
    made = Attempt()
    for action, key in asked:
        usage = ratelimit.consume(request, app=APP, action=action, config=RATES, key=key)
        if usage is None:
            return None
        made.usages.append(usage)
    return made


def clear(request: HttpRequest, name: str) -> None:
    """Forget the guesses at the password of `name`, from here and from everywhere."""
    name = f"password|{name.strip().lower()}"
    ratelimit.clear(request, app=APP, action="here", config=RATES, key=f"{ratelimit.get_ip(request)}|{name}")
    ratelimit.clear(request, app=APP, action="anywhere", config=RATES, key=name)


def may_ask_provider(request: HttpRequest) -> bool:
    """Count one start of a single sign-on: each asks the provider's server."""
    return bool(ratelimit.consume(request, app=APP, action="provider", config=RATES, limit_get=True))


def known_browser(request: HttpRequest, *, name: str = "", user: User | None = None) -> str | None:
    """Return the mark of a browser in which this user (or the user of this name) signed in before, else None."""
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
    """Let this browser be known as one in which the user signed in."""
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
