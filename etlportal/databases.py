"""DATABASES. `default` holds the portal's own tables; `dw` and `oltp` are watched and never written.

DATABASE_URL says where `default` is. Without it: a SQLite file in the data folder.

    postgres://user:password@host:5432/name           also ?sslmode=verify-full and other options of libpq
    postgres://user@//run/postgresql/name             a socket in /run/postgresql
    mssql://user:password@host:1433/name              without a user: integrated authentication; also
        ?encrypt=no  trust_server_certificate=yes  authentication=ActiveDirectoryMsi  driver=...
    sqlite:////path/to/file.sqlite3

Special characters of a user name or password (`@ : / ? # % +` and blanks) are percent-encoded.

ETL_SQL_SERVER says where `dw` and `oltp` are. Without it they are embedded: SQLite files, one per schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from etlportal.backends.sqlserver.odbc import WITHOUT_PASSWORD, ConnectionValueError, connection_string
from etlportal.environment import Environment, Secret

Config = dict[str, Any]

WATCHED = ("dw", "oltp")
EMBEDDED_SCHEMAS = {"dw": ("ctl", "audit", "dim", "fact"), "oltp": ("core",)}
SQL_SERVER = "etlportal.backends.sqlserver"

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
"""Longer than any statement of a page or a tick. `migrate` on a big table may need more (docs/databases.md)."""
LOCK_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 60
WATCHED_LOCK_MILLISECONDS = 1000
READ_UNCOMMITTED, SNAPSHOT = "read-uncommitted", "snapshot"
ISOLATIONS = (READ_UNCOMMITTED, SNAPSHOT)

ENCRYPT = ("yes", "no", "strict", "mandatory", "optional")
AUTHENTICATIONS = (
    *("SqlPassword", "ActiveDirectoryPassword", "ActiveDirectoryIntegrated"),
    *("ActiveDirectoryMsi", "ActiveDirectoryServicePrincipal"),
)
"""The driver's methods that need no user interaction."""


def embedded(env: Environment) -> bool:
    return not env.text("ETL_SQL_SERVER")


def build(env: Environment, data_dir: Path) -> dict[str, Config]:
    """Raises ImproperlyConfigured, which names the variable and never shows a password."""
    watched = _embedded(data_dir) if embedded(env) else _watched(env)
    return {"default": own(env, data_dir), **watched}


def own(env: Environment, data_dir: Path) -> Config:
    url = env.text("DATABASE_URL")
    if not url:
        config = _sqlite({"ENGINE": "django.db.backends.sqlite3", "NAME": str(data_dir / "portal.sqlite3")})
    else:
        kind = _KINDS.get(url.partition(":")[0].lower())
        if kind is None:
            raise ImproperlyConfigured("DATABASE_URL must begin with sqlite://, postgres:// or mssql://.")
        config = kind(_parse(env, url))
    # A connection is kept for a minute, and checked before each use, so that it survives a restart of the server.
    config.setdefault("CONN_MAX_AGE", 60)
    config.setdefault("CONN_HEALTH_CHECKS", True)
    return config


def _parse(env: Environment, url: str) -> Config:
    try:
        # Python's parser first: django-environ guesses where a URL is ambiguous.
        parts = urlsplit(url)
        # An @ or # after the host belongs to a password with a / or # that is not percent-encoded.
        if parts.fragment or "@" in parts.path:
            raise ValueError
        _ = parts.port if "," not in parts.netloc else None
        config: Config = env.db_url_config(url)
    except ValueError:
        # Not the parser's message: it quotes the URL, password included.
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
        # The web server and the collector both write: with IMMEDIATE a transaction waits for the lock when it begins,
        # and does not fail later when it changes from reading to writing.
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
        # For a server that vanished. The kernel would wait for a quarter of an hour.
        "tcp_user_timeout": STATEMENT_SECONDS * 1000,
        "options": " ".join(f"-c {name}={seconds * 1000}" for name, seconds in limits.items()),
        # Options in the URL win.
        **config.get("OPTIONS", {}),
    }
    return config


def _sqlserver(config: Config) -> Config:
    given = {name.lower(): str(value) for name, value in config.get("OPTIONS", {}).items()}
    allowed: dict[str, tuple[str, ...]] = {
        "encrypt": ENCRYPT,
        "trust_server_certificate": ("yes", "no"),
        "authentication": AUTHENTICATIONS,
        "driver": (),
    }
    if unknown := sorted(set(given) - set(allowed)):
        raise ImproperlyConfigured(f"DATABASE_URL has an option that mssql:// does not know: {', '.join(unknown)}.")
    for name, value in given.items():
        if allowed[name] and value not in allowed[name]:
            raise ImproperlyConfigured(f"DATABASE_URL: {name} must be one of: {', '.join(allowed[name])}.")
    # Unlike the watched databases: the server's own isolation, and normal waits for locks.
    return {
        **config,
        "ENGINE": SQL_SERVER,
        "PORT": str(config["PORT"] or 1433),
        "OPTIONS": {**given, "query_timeout": STATEMENT_SECONDS, "lock_timeout_ms": LOCK_SECONDS * 1000},
    }


_KINDS = {"sqlite": _sqlite, "postgres": _postgres, "postgresql": _postgres, "mssql": _sqlserver}


def _embedded(data_dir: Path) -> dict[str, Config]:
    return {
        alias: {
            "ENGINE": "etlportal.backends.embedded",
            # The main database stays empty: all tables are in the attached schemas.
            "NAME": ":memory:",
            "OPTIONS": {
                "schemas": {name: str(data_dir / "warehouse" / alias / f"{name}.sqlite3") for name in schemas},
                "timeout": 1,
            },
            # One connection per request notices a warehouse file that was deleted or replaced.
            "CONN_MAX_AGE": 0,
        }
        for alias, schemas in EMBEDDED_SCHEMAS.items()
    }


def _watched(env: Environment) -> dict[str, Config]:
    server, user = env.text("ETL_SQL_SERVER"), env.text("ETL_SQL_USER")
    names = {"dw": env.text("ETL_DW_DB", "DW_ECOMMERCE"), "oltp": env.text("ETL_OLTP_DB", "ECOMMERCE_OLTP")}
    password = Secret(env.text("ETL_SQL_PASSWORD"))
    # A named instance is found through the browser service, and the server's name may contain the port.
    port = env.text("ETL_SQL_PORT", "" if "\\" in server or "," in server else "1433")
    if port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ImproperlyConfigured("ETL_SQL_PORT must be a port number.")
    authentication = env.one_of("ETL_SQL_AUTHENTICATION", "", AUTHENTICATIONS)
    if authentication and authentication.lower() not in WITHOUT_PASSWORD and not (user and password):
        raise ImproperlyConfigured(f"ETL_SQL_AUTHENTICATION={authentication} needs ETL_SQL_USER and ETL_SQL_PASSWORD.")
    if password and not user:
        raise ImproperlyConfigured("ETL_SQL_PASSWORD is set without ETL_SQL_USER.")
    for name in ("ETL_SQL_SERVER", "ETL_SQL_USER", "ETL_SQL_PASSWORD", "ETL_DW_DB", "ETL_OLTP_DB", "ETL_SQL_DRIVER"):
        try:
            connection_string({"APP": env.text(name)})
        except ConnectionValueError as error:
            raise ImproperlyConfigured(f"{name} holds a control character.") from error
    shared: Config = {
        "ENGINE": SQL_SERVER,
        "HOST": server,
        "PORT": port,
        "USER": user,
        "PASSWORD": password,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "driver": env.text("ETL_SQL_DRIVER"),
            "encrypt": env.one_of("ETL_SQL_ENCRYPT", "yes", ENCRYPT),
            "trust_server_certificate": env.one_of("ETL_SQL_TRUST_SERVER_CERTIFICATE", "no", ("yes", "no")),
            "authentication": authentication,
            "application_intent": env.one_of("ETL_SQL_APPLICATION_INTENT", "", ("ReadOnly", "ReadWrite")),
            "multi_subnet_failover": env.one_of("ETL_SQL_MULTI_SUBNET_FAILOVER", "", ("Yes", "No")),
            "isolation": env.one_of("ETL_SQL_ISOLATION", READ_UNCOMMITTED, ISOLATIONS),
            "query_timeout": int(env.number("ETL_SQL_TIMEOUT_SECONDS", 15, low=1)),
            "lock_timeout_ms": WATCHED_LOCK_MILLISECONDS,
        },
    }
    return {alias: {**shared, "NAME": name} for alias, name in names.items()}
