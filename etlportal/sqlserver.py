"""From the environment's ETL_SQL_ variables to the two watched aliases on SQL Server."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from etlportal.backends.sqlserver.connection_string import WITHOUT_PASSWORD, ConnectionValueError, connection_string
from etlportal.secret import Secret

ENGINE = "etlportal.backends.sqlserver"
LOCK_TIMEOUT_MS = 1000
READ_UNCOMMITTED, SNAPSHOT = "read-uncommitted", "snapshot"
ISOLATIONS = (READ_UNCOMMITTED, SNAPSHOT)
ENCRYPT = ("yes", "no", "strict", "mandatory", "optional")
AUTHENTICATIONS = (
    "SqlPassword",
    "ActiveDirectoryPassword",
    "ActiveDirectoryIntegrated",
    "ActiveDirectoryMsi",
    "ActiveDirectoryServicePrincipal",
)
"""What the driver supports and a process without a screen can use."""


def watched(env: Env) -> dict[str, dict[str, Any]]:
    """Return `dw` and `oltp`. Raises ImproperlyConfigured, naming the variable, for a value that cannot be used."""
    server = _text(env, "ETL_SQL_SERVER", "")
    shared: dict[str, Any] = {
        "ENGINE": ENGINE,
        "HOST": server,
        # A named instance is found through the browser service, and a port may be in the name already.
        "PORT": _port(env, "ETL_SQL_PORT", "" if "\\" in server or "," in server else "1433"),
        "USER": _text(env, "ETL_SQL_USER", ""),
        "PASSWORD": Secret(_text(env, "ETL_SQL_PASSWORD", "")),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "driver": _text(env, "ETL_SQL_DRIVER", ""),
            "encrypt": _one_of(env, "ETL_SQL_ENCRYPT", "yes", ENCRYPT),
            "trust_server_certificate": _one_of(env, "ETL_SQL_TRUST_SERVER_CERTIFICATE", "no", ("yes", "no")),
            "authentication": _one_of(env, "ETL_SQL_AUTHENTICATION", "", AUTHENTICATIONS),
            "application_intent": _one_of(env, "ETL_SQL_APPLICATION_INTENT", "", ("ReadOnly", "ReadWrite")),
            "multi_subnet_failover": _one_of(env, "ETL_SQL_MULTI_SUBNET_FAILOVER", "", ("Yes", "No")),
            "isolation": _one_of(env, "ETL_SQL_ISOLATION", READ_UNCOMMITTED, ISOLATIONS),
            "query_timeout": _seconds(env, "ETL_SQL_TIMEOUT_SECONDS", 15),
            "lock_timeout_ms": LOCK_TIMEOUT_MS,
        },
    }
    _identity(shared)
    return {
        "dw": {**shared, "NAME": _text(env, "ETL_DW_DB", "DW_ECOMMERCE")},
        "oltp": {**shared, "NAME": _text(env, "ETL_OLTP_DB", "ECOMMERCE_OLTP")},
    }


def _identity(shared: dict[str, Any]) -> None:
    """Refuse incomplete credentials here, because the server's error for them does not name the cause."""
    authentication, user = shared["OPTIONS"]["authentication"], shared["USER"]
    if authentication and authentication.lower() not in WITHOUT_PASSWORD and not (user and shared["PASSWORD"]):
        raise ImproperlyConfigured(f"ETL_SQL_AUTHENTICATION={authentication} needs ETL_SQL_USER and ETL_SQL_PASSWORD.")
    if shared["PASSWORD"] and not user:
        raise ImproperlyConfigured("ETL_SQL_PASSWORD is set without ETL_SQL_USER.")


def _text(env: Env, name: str, default: str) -> str:
    """Return the variable unchanged: django-environ would take a value that begins with `$` for a variable's name."""
    value = env.ENVIRON.get(name) or default
    try:
        connection_string({"APP": value})
    except ConnectionValueError as error:
        raise ImproperlyConfigured(f"{name} holds a control character.") from error
    return value


def _one_of(env: Env, name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return the variable as `allowed` spells it, ignoring case."""
    value = _text(env, name, default)
    found = {each.lower(): each for each in allowed}.get(value.lower())
    if found is None and value:
        raise ImproperlyConfigured(f"{name} must be one of: {', '.join(allowed)}.")
    return found or ""


def _port(env: Env, name: str, default: str) -> str:
    value = _text(env, name, default)
    if value and not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
        raise ImproperlyConfigured(f"{name} must be a port number.")
    return value


def _seconds(env: Env, name: str, default: int) -> int:
    value = _text(env, name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise ImproperlyConfigured(f"{name} must be a whole number of seconds.")
    if int(value) < 1:
        raise ImproperlyConfigured(f"{name} must be 1 or more.")
    return int(value)
