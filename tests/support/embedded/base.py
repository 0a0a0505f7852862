"""The embedded backend for tests: empty files with the contract's tables in a temporary folder, no migrations."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import creation

from etlportal.backends.embedded import base


class DatabaseFeatures(base.DatabaseFeatures):
    # Django would check the ETL's foreign keys with a PRAGMA that the guard refuses.
    can_defer_constraint_checks = False


class DatabaseCreation(creation.DatabaseCreation):
    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        self._folder = tempfile.mkdtemp(prefix=f"etlportal-test-{self.connection.alias}-")
        self.connection.close()
        options = self.connection.settings_dict["OPTIONS"]
        options["schemas"] = {name: str(Path(self._folder) / f"{name}.sqlite3") for name in options["schemas"]}
        for name, path in options["schemas"].items():
            base.create_schema(Path(path), name)
        self.connection.ensure_connection()
        return ":memory:"

    def destroy_test_db(self, *args: Any, **kwargs: Any) -> None:
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def test_db_signature(self) -> tuple[str, str, str, str]:
        # Both aliases have the same empty main database, so their names tell them apart.
        return ("", "", self.connection.settings_dict["ENGINE"], self.connection.alias)


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
    creation_class = DatabaseCreation
