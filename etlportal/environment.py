"""Secrets from files: `NAME_FILE=/run/secrets/name` stands for NAME."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

FROM_FILE = (
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "METRICS_TOKEN"),
    *("PORTAL_ADMIN_PASSWORD", "PORTAL_OIDC_CLIENT_SECRET"),
    *("ETL_SQL_SERVER", "ETL_SQL_USER", "ETL_SQL_PASSWORD", "ETL_DW_DB", "ETL_OLTP_DB"),
)


def read_file_variants() -> None:
    """Put the content of each `X_FILE` into `X`. Raises ImproperlyConfigured naming the variable."""
    for name in FROM_FILE:
        path = os.environ.get(f"{name}_FILE")
        if not path:
            continue
        if os.environ.get(name):
            raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
        try:
            os.environ[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error
