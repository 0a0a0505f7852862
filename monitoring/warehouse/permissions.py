"""The permissions of the portal's login on `dw`, and the T-SQL with which a DBA can grant missing ones.

The T-SQL is only displayed, never executed, so its names have no doubled `%` of Django's parameter style.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitoring.rules.preflight import Rights
from monitoring.warehouse.dialect import Sql, dialect_of
from monitoring.warehouse.names import MAX_PART, TableName, bracketed
from monitoring.warehouse.reader import rows

PROCEDURES = ("audit.sp_capture_connection_snapshot", "audit.sp_connection_audit_cleanup")
"""CONTRACT: the two procedures of the connection audit."""

AZURE_DATABASE = 5
"""SERVERPROPERTY('EngineEdition') of Azure SQL Database, which has no server permissions."""
SPLIT_SINCE = 16
"""SQL Server 2022 split VIEW SERVER STATE into two permissions; each view needs one of them."""

# HAS_PERMS_BY_NAME is NULL, not an error, for an unknown permission or a missing object. An object on which the
# login has no permission at all is hidden and looks missing.
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
    """Return the login's permissions, or None for the embedded warehouse. Raises ReadFailed."""
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


ONLINE_EDITIONS = frozenset({3, 5, 8})
"""SERVERPROPERTY('EngineEdition') of editions that build an index online: Enterprise (and Developer), Azure SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One statement for one database, and the reason as a code with its values."""

    database: str
    statement: str
    why: str
    values: dict[str, str] = field(default_factory=dict)


def quoted(name: str) -> str:
    return bracketed(name).replace("%%", "%")


def use(database: str) -> str:
    return f"USE {quoted(database)};"


def create_index(table: TableName, columns: Iterable[str], *, online: bool) -> str:
    listed = list(columns)
    name = "_".join(("IX", table.table, *listed))[:MAX_PART]
    keys = ", ".join(quoted(column) for column in listed)
    option = " WITH (ONLINE = ON)" if online else ""
    return f"CREATE INDEX {quoted(name)} ON {quoted(table.schema)}.{quoted(table.table)} ({keys}){option};"


def grant_schema(schema: str, user: str) -> str:
    return f"GRANT SELECT ON SCHEMA::{quoted(schema)} TO {quoted(user)};"


def grant_object(permission: str, table: TableName, user: str) -> str:
    return f"GRANT {permission} ON OBJECT::{quoted(table.schema)}.{quoted(table.table)} TO {quoted(user)};"


def grant(permission: str, principal: str) -> str:
    """Return the statement that grants a permission on the server, or on the whole database."""
    return f"GRANT {permission} TO {quoted(principal)};"


def allow_snapshot(database: str) -> str:
    return f"ALTER DATABASE {quoted(database)} SET ALLOW_SNAPSHOT_ISOLATION ON;"


def create_user(login: str) -> str:
    """Return the statement that creates a user for the login if there is none."""
    literal = login.replace("'", "''")
    return f"IF DATABASE_PRINCIPAL_ID(N'{literal}') IS NULL CREATE USER {quoted(login)} FOR LOGIN {quoted(login)};"
