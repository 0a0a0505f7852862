"""The embedded warehouse in tests: fresh files with the contract's tables, no migrations."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import creation


class DatabaseCreation(creation.DatabaseCreation):
    """Points the connection at empty files in a temporary folder for as long as the tests run."""

    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        from demo.schema import create_schema

        self._folder = tempfile.mkdtemp(prefix=f"etlportal-test-{self.connection.alias}-")
        self.connection.close()
        schemas = {name: str(Path(self._folder) / f"{name}.sqlite3") for name in self._schemas()}
        self.connection.settings_dict["OPTIONS"]["schemas"] = schemas
        for name, path in schemas.items():
            create_schema(Path(path), name)
        self.connection.ensure_connection()
        return ":memory:"

    def destroy_test_db(self, *args: Any, **kwargs: Any) -> None:
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def test_db_signature(self) -> tuple[str, ...]:
        # Both aliases have the same empty main database: without their names Django takes one for the other.
        return (self.connection.settings_dict["ENGINE"], self.connection.alias)

    def _schemas(self) -> dict[str, str]:
        return self.connection.settings_dict["OPTIONS"]["schemas"]
