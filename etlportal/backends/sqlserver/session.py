"""What a session is told when it opens, in T-SQL, and what it answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READ_UNCOMMITTED = "read-uncommitted"
SNAPSHOT = "snapshot"
ISOLATIONS = (READ_UNCOMMITTED, SNAPSHOT)

FABRIC = 12
"""EngineEdition of a Fabric database, whose version numbers are its own."""


def opening(options: Mapping[str, Any]) -> str:
    """Return the batch for a new session: its settings, then one row with (version, edition, snapshot)."""
    said = ["SET DATEFORMAT ymd", "SET DATEFIRST 7"]
    if options.get("lock_timeout_ms") is not None:
        said.append(f"SET LOCK_TIMEOUT {int(options['lock_timeout_ms'])}")
    wanted = options.get("isolation")
    if wanted:
        said.append("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
    if wanted == SNAPSHOT:
        # Where the database does not allow it, the first read would fail, not this SET.
        said.append(f"IF {_SNAPSHOT_STATE} = 1 SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
    said.append(
        "SELECT CAST(SERVERPROPERTY('ProductVersion') AS VARCHAR(128)) AS version,"
        " CAST(SERVERPROPERTY('EngineEdition') AS INT) AS edition,"
        f" {_SNAPSHOT_STATE if wanted == SNAPSHOT else 'NULL'} AS snapshot"
    )
    return "; ".join(said)


_SNAPSHOT_STATE = "(SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID())"


def isolation(options: Mapping[str, Any], snapshot_state: int | None) -> str | None:
    """Return how the session reads after `opening`: what was asked for, or what the database allows of it."""
    wanted = options.get("isolation")
    return READ_UNCOMMITTED if wanted == SNAPSHOT and snapshot_state != 1 else wanted


def version(product: str, edition: int, known: Mapping[int, int]) -> int:
    """Return a server's release (2017, 2022 ...); one newer than mssql-django knows counts as its newest."""
    major = int(product.split(".", maxsplit=1)[0])
    if edition == FABRIC or major > max(known):
        return max(known.values())
    return known.get(major, min(known.values()))
