"""Differences between other TDS servers and SQL Server, and the tests' adaptations.

Each is asserted: a difference that is not listed fails the tests, and so does one that no longer exists.
"""

from __future__ import annotations

ADAPTED: dict[str, dict[str, str]] = {
    "sqlserver": {},
    "azure": {},
    "babelfish": {
        "60_dw_procedures.sql: CREATE OR ALTER said as CREATE": "Babelfish 4 has no CREATE OR ALTER.",
        "MERGE said as UPDATE, then INSERT": "Babelfish 4 has no MERGE.",
        "no VIEW SERVER STATE to grant": "Babelfish knows no such right; a plain login sees its own session only.",
    },
}
"""By family: what the harness said differently, and why."""

ESTIMATED_TOTALS = frozenset({"babelfish"})
"""sys.partitions holds PostgreSQL's estimate there: 0 until its autovacuum has come by. SQL Server counts."""

NO_OWNERSHIP_CHAIN = frozenset({"babelfish"})
"""EXECUTE on a procedure does not carry the right to what it writes: a capture by the portal's login is refused."""
