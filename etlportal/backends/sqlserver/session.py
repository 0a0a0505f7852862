"""What a session is told when it opens, in T-SQL, and what it answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READ_UNCOMMITTED = "read-uncommitted"
SNAPSHOT = "snapshot"
ISOLATIONS = (READ_UNCOMMITTED, SNAPSHOT)

SNAPSHOT_ALLOWED = 1
"""snapshot_isolation_state: on. The others: off, and on the way to one of the two."""
TAKE_SNAPSHOTS = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT"
"""Said once the database is known to allow it: elsewhere this succeeds, and the first read fails."""
FABRIC = 12
"""EngineEdition of a Fabric database, whose version numbers are its own."""


def opening(options: Mapping[str, Any]) -> str:
    """Return the batch for a new session: its settings, then one row with (version, edition, snapshot)."""
    said = ["SET DATEFORMAT ymd", "SET DATEFIRST 7"]
    if options.get("lock_timeout_ms") is not None:
        said.append(f"SET LOCK_TIMEOUT {int(options['lock_timeout_ms'])}")
    if options.get("isolation"):
        said.append("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
    allowed = (
        "(SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID())"
        if options.get("isolation") == SNAPSHOT
        else "NULL"
    )
    said.append(
        "SELECT CAST(SERVERPROPERTY('ProductVersion') AS VARCHAR(128)) AS version,"
        f" CAST(SERVERPROPERTY('EngineEdition') AS INT) AS edition, {allowed} AS snapshot"
    )
    return "; ".join(said)


def version(product: str, edition: int, known: Mapping[int, int]) -> int:
    """Return a server's release (2017, 2022 ...); one newer than mssql-django knows counts as its newest."""
    major = int(product.split(".", maxsplit=1)[0])
    if edition == FABRIC or major > max(known):
        return max(known.values())
    return known.get(major, min(known.values()))
