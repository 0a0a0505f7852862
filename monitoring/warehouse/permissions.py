"""What the portal's login may do on `dw` besides reading tables: one statement, SQL Server only.

Which tables it may SELECT from comes with the catalog. The embedded warehouse knows no logins.
"""

from __future__ import annotations

from monitoring.policies.preflight_facts import Rights
from monitoring.warehouse.dialect import Sql, dialect_of
from monitoring.warehouse.reader import rows

PROCEDURES = ("audit.sp_capture_connection_snapshot", "audit.sp_connection_audit_cleanup")
"""CONTRACT: the two procedures over the connection audit."""

AZURE_DATABASE = 5
"""SERVERPROPERTY('EngineEdition') of Azure SQL Database, where nobody has a right on the server."""
SPLIT_SINCE = 16
"""SQL Server 2022 cut VIEW SERVER STATE in two, and asks for one half per view."""

# HAS_PERMS_BY_NAME is NULL, not an error, for a permission that this version does not know and for an
# object that is not there; what a login has no right on at all is hidden from it, and looks the same.
_STATEMENT = """
SELECT
  HAS_PERMS_BY_NAME(N'[audit].[sp_capture_connection_snapshot]', 'OBJECT', 'EXECUTE') AS capture_allowed,
  HAS_PERMS_BY_NAME(N'[audit].[sp_connection_audit_cleanup]', 'OBJECT', 'EXECUTE') AS cleanup_allowed,
  HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE') AS server_state,
  HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER PERFORMANCE STATE') AS server_performance,
  HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER SECURITY STATE') AS server_security,
  HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'VIEW DATABASE STATE') AS database_state,
  CAST(SERVERPROPERTY('EngineEdition') AS INT) AS edition,
  CAST(SERVERPROPERTY('ProductMajorVersion') AS INT) AS major_version,
  CAST(SUSER_SNAME() AS NVARCHAR(128)) AS login_name,
  CAST(USER_NAME() AS NVARCHAR(128)) AS user_name
"""


def read_rights(alias: str = "dw") -> Rights | None:
    """Return the login's rights; None for the embedded warehouse: nothing to grant there. Raises ReadFailed."""
    if dialect_of(alias).vendor != "microsoft":
        return None
    row = rows(alias, Sql(_STATEMENT))[0]
    capture, cleanup, state, performance, security, database, edition, version, login, user = row
    needed: tuple[str, ...]
    if edition == AZURE_DATABASE:
        needed, sees = ("VIEW DATABASE STATE",), database == 1
    elif (version or 0) >= SPLIT_SINCE:
        needed = ("VIEW SERVER PERFORMANCE STATE", "VIEW SERVER SECURITY STATE")
        sees = state == 1 or (performance == 1 and security == 1)
    else:
        needed, sees = ("VIEW SERVER STATE",), state == 1
    return Rights(
        procedures=tuple(zip(PROCEDURES, (capture == 1, cleanup == 1), strict=True)),
        sees_sessions=sees,
        sessions_permissions=needed,
        login=login or "",
        user=user or "",
        edition=edition,
    )
