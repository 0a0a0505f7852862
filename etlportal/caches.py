"""Django's CACHES.

- `default` is shared by all processes: rate limits, used one-time codes, export slots. It is a table of the portal's
  own database, or with REDIS_URL a Redis, and the table while that does not answer.
- `local` is each process's own memory: what pages keep for some seconds.
- `rights` is each process's own memory too: what each user may do (monitoring/access.py).

    redis://:password@host:6379/0      rediss://user:password@host:6380/0?ssl_ca_certs=/path/ca.pem
    unix:///run/redis/redis.sock?db=0

Special characters of a user name or password (`@ : / ? # %` and blanks) are percent-encoded.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured

from etlportal.environment import Environment, Secret

TABLE = "portal_shared_cache"
MAX_ENTRIES = 20_000
"""Far more than the limits per address let one client fill. Beyond it expired entries go, then a third of the rest."""

SCHEMES = ("redis", "rediss", "unix")
OPTIONS = {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
"""What may stand behind an address's `?`: where and by which certificates. Timeouts are ours, and TLS verifies."""

LOCAL = "django.core.cache.backends.locmem.LocMemCache"


def build(env: Environment) -> dict[str, dict[str, Any]]:
    """Return CACHES. Raises ImproperlyConfigured naming REDIS_URL, never its password."""
    shared: dict[str, Any] = {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": TABLE,
        "OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES},
    }
    if url := env.text("REDIS_URL"):
        _check(url)
        shared = {
            "BACKEND": "etlportal.redis_cache.RedisOrTableCache",
            "LOCATION": [Secret(url)],  # a list: Django splits a text at commas, which a password may contain
            "KEY_PREFIX": "etlportal",  # the Redis may be shared with other applications
        }
    return {
        "default": shared,
        "local": {"BACKEND": LOCAL, "LOCATION": "local", "OPTIONS": {"MAX_ENTRIES": 400}},
        "rights": {"BACKEND": LOCAL, "LOCATION": "rights", "OPTIONS": {"MAX_ENTRIES": 4_000}},
    }


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        # An @ or # behind the host is a password's / or # that was not encoded.
        if parts.scheme not in SCHEMES or parts.fragment or "@" in parts.path:
            raise ValueError
        if parts.scheme == "unix":
            whole = bool(parts.path)
        else:
            _ = parts.port
            whole = bool(parts.hostname) and (parts.path.strip("/").isdecimal() or not parts.path.strip("/"))
        if not whole:
            raise ValueError
        asked = set(parse_qs(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        # Not the parser's own words: they quote the address, password included.
        raise ImproperlyConfigured(
            "REDIS_URL cannot be read: redis://user:password@host:6379/0 (rediss:// for TLS, unix:///path for a "
            "socket), where @ : / ? # % and blanks in a user or password are percent-encoded."
        ) from None
    if unknown := sorted(asked - OPTIONS):
        raise ImproperlyConfigured(f"REDIS_URL has an option that is not known here: {', '.join(unknown)}.")
