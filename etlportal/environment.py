"""Read the environment: secrets from files, checked values, passwords that are not printed, and their errors."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

FROM_FILE = (
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "METRICS_TOKEN"),
    *("PORTAL_ADMIN_PASSWORD", "PORTAL_OIDC_CLIENT_SECRET"),
    *("ETL_SQL_SERVER", "ETL_SQL_USER", "ETL_SQL_PASSWORD", "ETL_DW_DB", "ETL_OLTP_DB"),
)


class Secret(str):
    """A string that is shown as stars when settings are printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Environment(Env):
    """django-environ's reader with checks that raise ImproperlyConfigured, naming the variable."""

    def text(self, name: str, default: str = "") -> str:
        """Return the raw value. `Env.str` would read a value that begins with `$` as the name of a variable."""
        return self.ENVIRON.get(name) or default

    def one_of(self, name: str, default: str, allowed: Collection[str]) -> str:
        value = self.text(name, default)
        found = {each.lower(): each for each in allowed}.get(value.lower(), "")
        if value and not found:
            raise ImproperlyConfigured(f"{name} must be one of: {', '.join(allowed)}.")
        return found

    def number(self, name: str, default: float, low: float, high: float = math.inf) -> float:
        """Return a number from `low` to `high`, which is finite. `Env.float` reads "1,5" and "1.000.5" as numbers."""
        try:
            value = float(self.text(name, str(default)))
        except ValueError:
            value = math.nan
        if not (low <= value <= high and math.isfinite(value)):
            limit = f"of {low:g} or more" if high == math.inf else f"from {low:g} to {high:g}"
            raise ImproperlyConfigured(f"{name} must be a number {limit}.")
        return value

    def read_files(self) -> None:
        for name in FROM_FILE:
            path = self.ENVIRON.get(f"{name}_FILE")
            if not path:
                continue
            if self.ENVIRON.get(name):
                raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
            try:
                os.environ[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except OSError as error:
                raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error


TABLE = "portal_shared_cache"
MAX_ENTRIES = 20_000
"""Far more than one client can fill within the limits. Above it expired entries go first, then a third of the rest."""

REDIS_SCHEMES = ("redis", "rediss", "unix")
REDIS_OPTIONS = {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
"""Allowed query parameters of REDIS_URL. Timeouts are fixed, and TLS always verifies."""

LOCAL = "django.core.cache.backends.locmem.LocMemCache"


def build_caches(env: Environment) -> dict[str, dict[str, Any]]:
    """Return CACHES. Raises ImproperlyConfigured naming REDIS_URL, never its password.

    All processes share `default` (rate limits, used one-time codes, export slots): a table of the portal's own
    database, or the Redis of REDIS_URL with that table as fallback. `local` (what pages keep for some seconds) and
    `rights` (monitoring/access.py) are each process's own memory.
    """
    shared: dict[str, Any] = {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": TABLE,
        "OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES},
    }
    if url := env.text("REDIS_URL"):
        _check_redis(url)
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


def _check_redis(url: str) -> None:
    try:
        parts = urlsplit(url)
        # An @ or # behind the host is a password's / or # that was not encoded.
        if parts.scheme not in REDIS_SCHEMES or parts.fragment or "@" in parts.path:
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
    if unknown := sorted(asked - REDIS_OPTIONS):
        raise ImproperlyConfigured(f"REDIS_URL has an option that is not known here: {', '.join(unknown)}.")


PROVIDER_ID = "sso"
OIDC_NEEDED = ("PORTAL_OIDC_SERVER_URL", "PORTAL_OIDC_CLIENT_ID", "PORTAL_OIDC_CLIENT_SECRET")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Oidc:
    name: str
    server_url: str
    client_id: str
    client_secret: Secret
    scope: tuple[str, ...]
    groups_claim: str
    group_map: Mapping[str, frozenset[str]]
    default_group: str
    link_by_email: bool
    second_factor: bool


def build_oidc(env: Environment) -> Oidc | None:
    """Return the provider, or None if not configured. Raises ImproperlyConfigured, naming the variable."""
    given = [name for name in OIDC_NEEDED if env.text(name).strip()]
    if not given:
        return None
    if lacking := [name for name in OIDC_NEEDED if name not in given]:
        raise ImproperlyConfigured(f"{given[0]} is set without {' and '.join(lacking)}.")
    default_group = env.text("PORTAL_OIDC_DEFAULT_GROUP").strip()
    group_map = _group_map(env.text("PORTAL_OIDC_GROUP_MAP"))
    if not group_map and not default_group:
        raise ImproperlyConfigured(
            "PORTAL_OIDC_GROUP_MAP and PORTAL_OIDC_DEFAULT_GROUP are empty: nobody could sign in."
        )
    server_url = env.text("PORTAL_OIDC_SERVER_URL").strip().rstrip("/")
    server = urlsplit(server_url)
    if not server.hostname or not (
        server.scheme == "https" or (server.scheme == "http" and server.hostname in LOOPBACK)
    ):
        raise ImproperlyConfigured("PORTAL_OIDC_SERVER_URL must be an https:// address.")
    return Oidc(
        name=env.text("PORTAL_OIDC_NAME", "Single sign-on").strip(),
        server_url=server_url,
        client_id=env.text("PORTAL_OIDC_CLIENT_ID").strip(),
        client_secret=Secret(env.text("PORTAL_OIDC_CLIENT_SECRET").strip()),
        scope=tuple(env.text("PORTAL_OIDC_SCOPE", "openid profile email").split()),
        groups_claim=env.text("PORTAL_OIDC_GROUPS_CLAIM", "groups").strip(),
        group_map=group_map,
        default_group=default_group,
        link_by_email=env.bool("PORTAL_OIDC_LINK_BY_EMAIL", default=False),
        second_factor=env.bool("PORTAL_OIDC_SECOND_FACTOR", default=False),
    )


def providers(oidc: Oidc | None) -> dict[str, Any]:
    if oidc is None:
        return {}
    app = {
        "provider_id": PROVIDER_ID,
        "name": oidc.name,
        "client_id": oidc.client_id,
        "secret": oidc.client_secret,
        "settings": {"server_url": oidc.server_url, "scope": list(oidc.scope), "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app]}}


def _group_map(text: str) -> dict[str, frozenset[str]]:
    """Parse "etl-admins=admin,dwh-ops=operator". A name may occur more than once."""
    found: dict[str, set[str]] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        theirs, sign, ours = (part.strip() for part in pair.rpartition("="))
        if not (sign and theirs and ours):
            raise ImproperlyConfigured("PORTAL_OIDC_GROUP_MAP must be like: etl-admins=admin,dwh-ops=operator.")
        found.setdefault(theirs, set()).add(ours)
    return {theirs: frozenset(ours) for theirs, ours in found.items()}


FORMAT = 1
"""Version of the doctor's JSON (docs/doctor.md)."""


def refuse(error: Exception, arguments: list[str], out: Any = None) -> int:
    """Print why `manage.py` cannot start, for the doctor in its own format. Return the exit code."""
    out = out or sys.stdout
    if arguments[:1] != ["doctor"]:
        sys.stderr.write(f"{message_of(error)}\n")
        return 1
    if "--json" in arguments:
        out.write(json.dumps(as_json(message_of(error)), indent=2) + "\n")
    else:
        out.write(f"Not ready. {message_of(error)}\n")
    return 2


def message_of(error: Exception) -> str:
    """Return the reason. Only the portal's own messages are shown: others may contain a secret."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"It could not be checked ({type(error).__name__}): the log, or manage.py check, shows where."


def as_json(message: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "language": "en",
        "checked_at": None,
        "state": "not_ready",
        "exit_code": 2,
        "ready_for": {"monitoring": None, "first_run": None, "all_active": None},
        "connections": [],
        "checks": [
            {
                "code": "portal.settings",
                "group": "portal",
                "entity_name": "",
                "state": "failed",
                "label": "Settings",
                "detail": message,
                "to_do": "Correct the environment or the file .env beside manage.py.",
                "problem": None,
            }
        ],
        "sql": "",
    }
