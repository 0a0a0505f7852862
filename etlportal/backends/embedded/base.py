"""Django's SQLite backend with the schemas of a SQL Server database attached.

A model's `db_table` is the bracketed name that SQL Server understands, `[audit].[etl_run]`.
SQLite reads brackets too, and a schema is an attached file, so the same string works here.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.db.backends.sqlite3 import base, creation, features, operations

from etlportal.backends.bounded import BoundedWrapper
from etlportal.budget import spending, used_up

SQL_FOLDER = Path(__file__).resolve().parents[3] / "sql" / "embedded"
"""SQLite's form of sql/sqlserver/, written by tools/embedded_schema.py and held to it by a test."""
STEPS_BETWEEN_CHECKS = 10_000
"""SQLite calls the progress handler after this many of its virtual machine's steps, about every 100 microseconds."""
PROCEDURES: dict[str, Callable[[sqlite3.Connection], None]] = {}
"""SQLite has no stored procedures: statement to the function that the demo registers for it (demo/apps.py)."""


def create_schema(path: Path, schema: str) -> None:
    """Create the SQLite file of `schema` with its tables and indexes, in WAL mode; keep what is there.

    Raises FileNotFoundError for a schema that the contract does not have, sqlite3.Error when the file cannot be
    written.
    """
    script = (SQL_FOLDER / f"{schema}.sql").read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {script} COMMIT;")


class DatabaseFeatures(features.DatabaseFeatures):
    # RETURNING takes no schema-qualified column in SQLite.
    can_return_columns_from_insert = False
    can_return_rows_from_bulk_insert = False
    # Django's tests would check the ETL's foreign keys with a PRAGMA that the guard refuses.
    can_defer_constraint_checks = False


class DatabaseOperations(operations.DatabaseOperations):
    def quote_name(self, name: str) -> str:
        """Return a bracketed name as it is, anything else quoted."""
        if name.startswith("[") and name.endswith("]"):
            return name
        return super().quote_name(name)


class DatabaseCreation(creation.DatabaseCreation):
    """In tests: fresh files with the contract's tables in a temporary folder, no migrations."""

    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        self._folder = tempfile.mkdtemp(prefix=f"etlportal-test-{self.connection.alias}-")
        self.connection.close()
        options = self.connection.settings_dict["OPTIONS"]
        options["schemas"] = {name: str(Path(self._folder) / f"{name}.sqlite3") for name in options["schemas"]}
        for name, path in options["schemas"].items():
            create_schema(Path(path), name)
        self.connection.ensure_connection()
        return ":memory:"

    def destroy_test_db(self, *args: Any, **kwargs: Any) -> None:
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def test_db_signature(self) -> tuple[str, str, str, str]:
        # Both aliases have the same empty main database, so their names tell them apart.
        return ("", "", self.connection.settings_dict["ENGINE"], self.connection.alias)


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that obeys the budget and knows the contract's stored procedures."""

    def execute(self, query: str, params: Any = None) -> Any:
        if query in PROCEDURES:
            _call(query, self.connection)
            return self
        with spending():
            return super().execute(query, params)


def _call(statement: str, connection: sqlite3.Connection) -> None:
    """Run a procedure. The connection refuses writes before and after it; the guard has let this statement through."""
    was_locked = connection.execute("PRAGMA query_only").fetchone()[0]
    connection.execute("PRAGMA query_only = OFF")
    try:
        PROCEDURES[statement](connection)
    finally:
        connection.execute(f"PRAGMA query_only = {'ON' if was_locked else 'OFF'}")


class DatabaseWrapper(BoundedWrapper, base.DatabaseWrapper):
    """One connection with every schema of OPTIONS["schemas"] (name to file) attached, read-only.

    Raises OperationalError when a file is missing, and never creates one.
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
        # The engine itself refuses writes.
        connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(used_up, STEPS_BETWEEN_CHECKS)
        return connection

    def create_cursor(self, name: str | None = None) -> Cursor:
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        return cursor

    def is_in_memory_db(self) -> bool:
        # False, because the attached files can be shared between threads.
        return False
