"""Django's CACHES: `default`, which all processes share, and `local`, each process's own memory.

`default` is a table of the portal's own database; with REDIS_URL it is a Redis, and that table is what stands
in for it (redis_cache.py).

    redis://:password@host:6379/0      rediss://user:password@host:6380/0?ssl_ca_certs=/path/ca.pem
    unix:///run/redis/redis.sock?db=0

What is special in an address (`@ : / ? # %` and blanks) is percent-encoded in a user or password.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from etlportal.secret import Secret

TABLE = "portal_shared_cache"
MAX_ENTRIES = 20_000
"""Beyond it goes what has expired, then a third: far more than the limits per address let anybody fill."""

SCHEMES = ("redis", "rediss", "unix")
OPTIONS = {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
"""What may stand behind an address's `?`: where and by which certificates. Timeouts are ours, and TLS verifies."""


def build(env: Env) -> dict[str, dict[str, Any]]:
    """Return CACHES. Raises ImproperlyConfigured naming REDIS_URL, never its password."""
    shared: dict[str, Any] = {
        "BACKEND": "etlportal.shared_cache.SharedCache",
        "LOCATION": TABLE,
        "OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES},
    }
    # As it stands: env.str takes a value that begins with `$` for the name of another variable.
    if url := env.ENVIRON.get("REDIS_URL") or "":
        _check(url)
        shared = {
            "BACKEND": "etlportal.redis_cache.RedisOrTableCache",
            "LOCATION": Secret(url),
            "KEY_PREFIX": "etlportal",  # others may use the same Redis
            "OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES, "TABLE": TABLE},
        }
    return {
        "default": shared,
        # What pages keep for some seconds, per process: no statement on the portal's own database.
        "local": {"BACKEND": "etlportal.memory_cache.MemoryCache", "LOCATION": "etlportal"},
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
