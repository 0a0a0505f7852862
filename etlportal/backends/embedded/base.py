"""Django's SQLite backend with the schemas of a SQL Server database attached.

A model's `db_table` is the bracketed name that SQL Server understands, `[audit].[etl_run]`.
SQLite reads brackets too, and a schema is an attached file, so the same string works here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.db.backends.sqlite3 import base, features, operations

from etlportal.backends.bounded import BoundedWrapper
from etlportal.backends.embedded import procedures
from etlportal.backends.embedded.creation import DatabaseCreation
from etlportal.budget import spending, used_up

STEPS_BETWEEN_LOOKS = 10_000
"""SQLite asks this often (in its own machine's steps) whether to go on: about every 100 microseconds."""


class DatabaseFeatures(features.DatabaseFeatures):
    # RETURNING takes no schema-qualified column in SQLite.
    can_return_columns_from_insert = False
    can_return_rows_from_bulk_insert = False
    # Whether the ETL's keys hold is not ours to check (Django's tests would, with a PRAGMA that the guard refuses).
    can_defer_constraint_checks = False


class DatabaseOperations(operations.DatabaseOperations):
    def quote_name(self, name: str) -> str:
        """Return a bracketed name as it is, anything else quoted."""
        if name.startswith("[") and name.endswith("]"):
            return name
        return super().quote_name(name)


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that also knows the warehouse's stored procedures, which SQLite has not."""

    def execute(self, query: str, params: Any = None) -> Any:
        if procedures.known(query):
            procedures.call(query, self.connection)
            return self
        with spending():
            return super().execute(query, params)


class DatabaseWrapper(BoundedWrapper, base.DatabaseWrapper):
    """One connection with every schema of OPTIONS["schemas"] (name to file) attached, read-only.

    Raises OperationalError when a file is missing: nothing is ever created by looking at it.
    """

    features_class = DatabaseFeatures
    ops_class = DatabaseOperations
    creation_class = DatabaseCreation

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        self._schemas: dict[str, str] = params.pop("schemas")
        params["uri"] = True
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        for name, path in self._schemas.items():
            connection.execute(f"ATTACH DATABASE ? AS [{name}]", (f"file:{quote(path)}?mode=rw",))
        # The SQLite side of "the portal only reads": refused by the engine itself.
        connection.execute("PRAGMA query_only = ON")
        # Its side of "nobody waits longer than their budget".
        connection.set_progress_handler(used_up, STEPS_BETWEEN_LOOKS)
        return connection

    def create_cursor(self, name: str | None = None) -> Cursor:
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        return cursor

    def is_in_memory_db(self) -> bool:
        # The attached files are what counts: they can be shared between threads.
        return False
