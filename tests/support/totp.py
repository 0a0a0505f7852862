"""One-time codes of an authenticator app (RFC 6238), without allauth's internals."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User

SECONDS = 30


def code_of(secret: str) -> str:
    """Return the code of this moment."""
    counter = int(time.time()) // SECONDS
    digest = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def set_up(user: User) -> str:
    """Give the user an authenticator app. Return its secret."""
    secret = base64.b32encode(secrets.token_bytes(20)).decode()
    data = {"secret": get_adapter().encrypt(secret)}
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)
    return secret
