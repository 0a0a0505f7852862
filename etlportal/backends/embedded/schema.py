"""Creates the files of the embedded warehouse from sql/embedded/, one per schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SQL_FOLDER = Path(__file__).resolve().parents[3] / "sql" / "embedded"
"""SQLite's form of sql/sqlserver/, written by tools/embedded_schema.py and held to it by a test."""


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
