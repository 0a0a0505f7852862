"""What a DBA could run for the portal, as T-SQL text. Only ever printed: nothing here is executed.

Names are quoted as everywhere, but without the doubled `%` of Django's parameter style.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitoring.warehouse.names import MAX_PART, TableName, bracketed

ONLINE_EDITIONS = frozenset({3, 5, 8})
"""SERVERPROPERTY('EngineEdition') of what builds an index online: Enterprise (and Developer), Azure SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One statement for one database, and why, as a code with its values (wording/doctor.py)."""

    database: str
    statement: str
    why: str
    values: dict[str, str] = field(default_factory=dict)


def quoted(name: str) -> str:
    """Return a name in brackets, as a script wants it."""
    return bracketed(name).replace("%%", "%")


def quoted_table(table: TableName) -> str:
    """Return `[schema].[table]`."""
    return f"{quoted(table.schema)}.{quoted(table.table)}"


def use(database: str) -> str:
    """Return the statement that chooses a database."""
    return f"USE {quoted(database)};"


def create_index(table: TableName, columns: Iterable[str], *, online: bool) -> str:
    """Return the statement for an index on `columns` in this order."""
    listed = list(columns)
    name = "_".join(("IX", table.table, *listed))[:MAX_PART]
    keys = ", ".join(quoted(column) for column in listed)
    option = " WITH (ONLINE = ON)" if online else ""
    return f"CREATE INDEX {quoted(name)} ON {quoted_table(table)} ({keys}){option};"


def grant_schema(schema: str, user: str) -> str:
    """Return the statement that lets `user` read every table of a schema."""
    return f"GRANT SELECT ON SCHEMA::{quoted(schema)} TO {quoted(user)};"


def grant_object(permission: str, table: TableName, user: str) -> str:
    """Return the statement that grants `permission` on one table or procedure."""
    return f"GRANT {permission} ON OBJECT::{quoted_table(table)} TO {quoted(user)};"


def grant(permission: str, principal: str) -> str:
    """Return the statement that grants a permission on the server, or on the whole database."""
    return f"GRANT {permission} TO {quoted(principal)};"


def allow_snapshot(database: str) -> str:
    """Return the statement that lets sessions read a snapshot of a database."""
    return f"ALTER DATABASE {quoted(database)} SET ALLOW_SNAPSHOT_ISOLATION ON;"


def create_user(login: str) -> str:
    """Return the statement that makes a user for the login, where there is none."""
    literal = login.replace("'", "''")
    return f"IF DATABASE_PRINCIPAL_ID(N'{literal}') IS NULL CREATE USER {quoted(login)} FOR LOGIN {quoted(login)};"
