"""From the environment to Django's DATABASES: three aliases, embedded or SQL Server.

`default` holds the portal's own tables (own_database.py). `dw` and `oltp` are watched, never written. Without
`ETL_SQL_SERVER` they are embedded SQLite files, one per schema; with it, SQL Server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from environ import Env

from etlportal import own_database, sqlserver

EMBEDDED_SCHEMAS = {"dw": ("ctl", "audit", "dim", "fact"), "oltp": ("core",)}

WATCHED = ("dw", "oltp")
"""The aliases that the portal only reads."""


def embedded(env: Env) -> bool:
    """Whether the warehouse is the embedded one (no `ETL_SQL_SERVER` in the environment)."""
    return not env.ENVIRON.get("ETL_SQL_SERVER")


def build(env: Env, data_dir: Path) -> dict[str, dict[str, Any]]:
    """Return DATABASES for this environment.

    Raises ImproperlyConfigured, naming the variable, for a value that cannot be used.
    """
    watched = _embedded(data_dir) if embedded(env) else sqlserver.watched(env)
    return {"default": own_database.build(env, data_dir), **watched}


def _embedded(data_dir: Path) -> dict[str, dict[str, Any]]:
    return {
        alias: {
            "ENGINE": "etlportal.backends.embedded",
            # The main database stays empty: everything is in the attached schemas.
            "NAME": ":memory:",
            "OPTIONS": {
                "schemas": {name: str(data_dir / "warehouse" / alias / f"{name}.sqlite3") for name in schemas},
                "timeout": 1,
            },
            # A connection per request: a warehouse file that was deleted or replaced is noticed.
            "CONN_MAX_AGE": 0,
        }
        for alias, schemas in EMBEDDED_SCHEMAS.items()
    }
