"""The contract's stored procedures, for the embedded warehouse: the same text does the same thing.

SQLite has no procedures. What they would do is the demonstration's business, so it is loaded only
when one is called.
"""

from __future__ import annotations

import sqlite3
from importlib import import_module

from etlportal.guard import SNAPSHOT_PROCEDURE

_WHERE = {SNAPSHOT_PROCEDURE: ("demo.procedures", "capture_connection_snapshot")}


def known(statement: str) -> bool:
    """Whether the statement calls a procedure that the embedded warehouse has."""
    return statement in _WHERE


def call(statement: str, connection: sqlite3.Connection) -> None:
    """Run the procedure on a connection with the schemas attached. Raises sqlite3.Error.

    The connection refuses writes before and after; the guard has let this statement through.
    """
    module, function = _WHERE[statement]
    procedure = getattr(import_module(module), function)
    was_locked = connection.execute("PRAGMA query_only").fetchone()[0]
    connection.execute("PRAGMA query_only = OFF")
    try:
        procedure(connection)
    finally:
        connection.execute(f"PRAGMA query_only = {'ON' if was_locked else 'OFF'}")
