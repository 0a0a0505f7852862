"""Reading the environment: secrets from files, values that are checked, passwords that are not printed."""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from environ import Env

FROM_FILE = (
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "METRICS_TOKEN"),
    *("PORTAL_ADMIN_PASSWORD", "PORTAL_OIDC_CLIENT_SECRET"),
    *("ETL_SQL_SERVER", "ETL_SQL_USER", "ETL_SQL_PASSWORD", "ETL_DW_DB", "ETL_OLTP_DB"),
)
"""Variables that may be given as `NAME_FILE=/run/secrets/name`."""


class Secret(str):
    """A string that shows stars wherever settings are printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Environment(Env):
    """django-environ's reader with checks that raise ImproperlyConfigured, naming the variable."""

    def text(self, name: str, default: str = "") -> str:
        """Return the value unchanged. `Env.str` takes a value that begins with `$` for the name of a variable."""
        return self.ENVIRON.get(name) or default

    def one_of(self, name: str, default: str, allowed: Collection[str]) -> str:
        """Return the value as `allowed` spells it. Case does not matter."""
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
        """Read each `NAME_FILE` of FROM_FILE into `NAME`."""
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
