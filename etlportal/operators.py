"""From the environment to what operators want to have: metrics, logs, slow statements. Raises ImproperlyConfigured."""

from __future__ import annotations

import re
from collections.abc import Collection

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from etlportal.logs import FORMATS
from etlportal.secret import Secret

TOKEN_LENGTH = 16
COMMENT_IDS = ("auto", "all", "none")
"""See etlportal/statements.py."""


def token(env: Env) -> Secret:
    """Return what /metrics is asked with; empty: there is no such address."""
    # As it stands: env.str takes a value that begins with `$` for the name of another variable.
    text: str = env.ENVIRON.get("METRICS_TOKEN", "")
    if text and len(text) < TOKEN_LENGTH:
        raise ImproperlyConfigured(f"METRICS_TOKEN must have {TOKEN_LENGTH} characters or more.")
    if not text.isascii() or any(each.isspace() for each in text):
        raise ImproperlyConfigured("METRICS_TOKEN must be ASCII without blanks: it travels in a header.")
    return Secret(text)


def port(env: Env, token: str) -> int:
    """Return the port on which the collector tells its metrics; 0: on none."""
    found: int = env.int("COLLECTOR_METRICS_PORT", default=0)
    if not 0 <= found <= 65535:
        raise ImproperlyConfigured("COLLECTOR_METRICS_PORT must be a port, or 0 for none.")
    if found and not token:
        raise ImproperlyConfigured("COLLECTOR_METRICS_PORT is set without METRICS_TOKEN.")
    return found


def seconds(env: Env) -> float:
    """Return how long a statement takes to be a slow one; 0: none is."""
    text: str = env.ENVIRON.get("SLOW_STATEMENT_SECONDS") or "1"
    # Not env.float, which reads "1,5" as 1.5 and "1.000.5" as 1000.5.
    found = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else -1.0
    if found < 0:
        raise ImproperlyConfigured("SLOW_STATEMENT_SECONDS must be seconds (0.5), or 0 for never.")
    return found


def comment_ids(env: Env) -> str:
    """Return where statements carry the id of their request."""
    return _one_of("SQL_COMMENT_IDS", env.str("SQL_COMMENT_IDS", default="auto"), COMMENT_IDS)


def log_format(env: Env) -> str:
    """Return how the log is written."""
    return _one_of("LOG_FORMAT", env.str("LOG_FORMAT", default="line"), FORMATS)


def _one_of(name: str, text: str, allowed: Collection[str]) -> str:
    if text not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of: {', '.join(allowed)}.")
    return text
