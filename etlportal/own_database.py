"""DATABASE_URL: where the portal keeps its own tables. SQLite unless it says PostgreSQL or SQL Server.

    postgres://user:password@host:5432/name           also ?sslmode=verify-full and whatever else libpq knows
    postgres://user@//run/postgresql/name             by a socket in /run/postgresql
    mssql://user:password@host:1433/name              without a user: integrated authentication; also
        ?encrypt=no  trust_server_certificate=yes  authentication=ActiveDirectoryMsi  driver=...
    sqlite:////path/to/file.sqlite3

What is special in an address (`@ : / ? # % +` and blanks) is percent-encoded in a user or password. The
watched databases are elsewhere (databases.py); nothing of theirs is ever taken from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from etlportal import sqlserver
from etlportal.secret import Secret

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
"""Longer than any statement of a page or a tick needs; `migrate` on a big table may want more (docs/databases.md)."""
LOCK_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 60

Config = dict[str, Any]


def build(env: Env, data_dir: Path) -> Config:
    """Return the `default` of DATABASES. Raises ImproperlyConfigured naming DATABASE_URL, never its password."""
    url = env.ENVIRON.get("DATABASE_URL") or ""
    if not url:
        config = _sqlite({"ENGINE": "django.db.backends.sqlite3", "NAME": str(data_dir / "portal.sqlite3")})
    else:
        kind = _KINDS.get(url.partition(":")[0].lower())
        if kind is None:
            raise ImproperlyConfigured("DATABASE_URL must begin with sqlite://, postgres:// or mssql://.")
        config = kind(_parse(url))
    # A connection is kept for a minute, and looked at before it is used again: a restart is survived.
    config.setdefault("CONN_MAX_AGE", 60)
    config.setdefault("CONN_HEALTH_CHECKS", True)
    return config


def _parse(url: str) -> Config:
    try:
        # Seen first by Python's own parser: django-environ guesses where an address has more than one reading.
        parts = urlsplit(url)
        # An @ or # behind the host is a password's / or # that was not encoded.
        if parts.fragment or "@" in parts.path:
            raise ValueError
        _ = parts.port if "," not in parts.netloc else None
        config: Config = Env.db_url_config(url)
    except ValueError:
        # Not the parser's own words: they quote the address, password included.
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read: scheme://user:password@host:port/name, where @ : / ? # % and blanks "
            "in a user or password are percent-encoded."
        ) from None
    if config["NAME"] in ("", ":memory:"):
        raise ImproperlyConfigured("DATABASE_URL names no database: scheme://user:password@host:port/name.")
    config["PASSWORD"] = Secret(config.get("PASSWORD", ""))
    return config


def _sqlite(config: Config) -> Config:
    config["OPTIONS"] = {
        **config.get("OPTIONS", {}),
        # Two writers (web and collector) take turns: the lock is taken when the transaction
        # begins, so that a reader never has to be upgraded and refused.
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    return config


def _postgres(config: Config) -> Config:
    limits = {
        "statement_timeout": STATEMENT_SECONDS,
        "lock_timeout": LOCK_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
    }
    config["OPTIONS"] = {
        "application_name": "etlportal",
        "connect_timeout": CONNECT_SECONDS,
        # A server that vanished without a word is given up after this, not after the kernel's quarter of an hour.
        "tcp_user_timeout": STATEMENT_SECONDS * 1000,
        "options": " ".join(f"-c {name}={seconds * 1000}" for name, seconds in limits.items()),
        # What the address itself says goes first.
        **config.get("OPTIONS", {}),
    }
    return config


def _sqlserver(config: Config) -> Config:
    asked = {name.lower(): str(value) for name, value in config.get("OPTIONS", {}).items()}
    allowed = {"encrypt": sqlserver.ENCRYPT, "trust_server_certificate": ("yes", "no"), "driver": None}
    allowed["authentication"] = sqlserver.AUTHENTICATIONS
    if unknown := sorted(set(asked) - set(allowed)):
        raise ImproperlyConfigured(f"DATABASE_URL has an option that mssql:// does not know: {', '.join(unknown)}.")
    for name, value in asked.items():
        if (values := allowed[name]) and value not in values:
            raise ImproperlyConfigured(f"DATABASE_URL: {name} must be one of: {', '.join(values)}.")
    # Read and written as any application does: with the server's own isolation, and waiting for others' locks.
    return {
        **config,
        "ENGINE": sqlserver.ENGINE,
        "PORT": str(config["PORT"] or 1433),
        "OPTIONS": {**asked, "query_timeout": STATEMENT_SECONDS, "lock_timeout_ms": LOCK_SECONDS * 1000},
    }


_KINDS = {"sqlite": _sqlite, "postgres": _postgres, "postgresql": _postgres, "mssql": _sqlserver}
