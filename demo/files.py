"""The embedded warehouse's files, and the ETL's own writing connections, which bypass Django and its write guard."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from etlportal.databases import EMBEDDED_SCHEMAS

BUSY_SECONDS = 5.0


class WarehouseGone(Exception):
    """A file of the embedded warehouse is missing or was replaced."""


class AlreadyHeld(Exception):
    """Another process holds this lock."""


@dataclass(frozen=True, slots=True)
class WarehouseFiles:
    folder: Path

    def path(self, alias: str, schema: str) -> Path:
        return self.folder / alias / f"{schema}.sqlite3"

    def all(self) -> dict[str, Path]:
        return {schema: self.path(alias, schema) for alias, schemas in EMBEDDED_SCHEMAS.items() for schema in schemas}

    def missing(self) -> list[str]:
        return [schema for schema, path in self.all().items() if not path.is_file()]

    def identity(self) -> tuple[tuple[int, int], ...]:
        """Return the device and inode of each file. Raises WarehouseGone.

        A deleted file stays writable for a process that has it open, so the ETL compares the identity before it writes.
        """
        try:
            stats = [path.stat() for path in self.all().values()]
        except OSError as error:
            raise WarehouseGone(f"{error.filename}: {error.strerror}") from error
        return tuple((stat.st_dev, stat.st_ino) for stat in stats)

    def connect(self, alias: str, *, building: bool = False) -> sqlite3.Connection:
        """Open `alias` for writing with its schemas attached. Raises WarehouseGone, never creates a file.

        The caller commits. With `building`, commits are fast but not safe against a power failure.
        """
        connection = sqlite3.connect(":memory:", timeout=BUSY_SECONDS, uri=True)
        try:
            for schema in EMBEDDED_SCHEMAS[alias]:
                path = self.path(alias, schema)
                connection.execute(f"ATTACH DATABASE ? AS [{schema}]", (f"file:{quote(str(path))}?mode=rw",))
                connection.execute(f"PRAGMA [{schema}].synchronous = {'OFF' if building else 'NORMAL'}")
                if building:
                    connection.execute(f"PRAGMA [{schema}].journal_mode = MEMORY")
        except sqlite3.OperationalError as error:
            connection.close()
            raise WarehouseGone(f"{path}: {error}") from error
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold SQLite's lock on an empty database `path`, which ends with the process. Raises AlreadyHeld."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise AlreadyHeld(str(path)) from error
        yield
    finally:
        connection.close()
