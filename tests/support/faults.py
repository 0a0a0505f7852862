"""Faults of a watched database as the driver reports them, recorded from msodbcsql 18.6 and pyodbc 5.5.

The arguments are those of `pyodbc.Error.args` with tests/support/tds_server.py, or with no server. The faults are
raised through the embedded databases, so that every page can be tested under every fault without server and driver.
tests/integration/test_faults_driver.py compares them with the real driver.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from operator import setitem
from typing import Any

import pytest
from django.db import connections
from django.db.utils import Error

from etlportal import budget
from monitoring.rules.enums import ProblemCode as Code

DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server]"
SERVER = f"{DRIVER}[SQL Server]"
NASTY = "p;w}d={'\"ä 55"
"""A password that means something to every syntax it passes through."""


class DriverError(sqlite3.OperationalError):
    """Stands for pyodbc.OperationalError and its sisters: the embedded backend knows no other driver."""


class BareDriverError(Error):
    """Stands for pyodbc.Error itself, which Django makes a bare Error: no DatabaseError."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `statement`: a part of the statements that fail, "" where connecting does."""

    name: str
    args: tuple[str, str]
    code: Code
    aliases: tuple[str, ...] = ("dw", "oltp")
    statement: str = ""
    bare: bool = False

    @property
    def error(self) -> Exception:
        return (BareDriverError if self.bare else DriverError)(*self.args)


def _connecting(name: str, state: str, text: str, native: int, code: Code, *aliases: str, bare: bool = False) -> Fault:
    args = (state, f"[{state}] {text} ({native}) (SQLDriverConnect)")
    return Fault(name, args, code, aliases or ("dw", "oltp"), bare=bare)


def _asking(name: str, state: str, text: str, native: int, code: Code, alias: str, statement: str) -> Fault:
    args = (state, f"[{state}] {text} ({native}) (SQLExecDirectW)")
    return Fault(name, args, code, (alias,), statement, bare=state in {"40001", "HY000", "01000"})


_OPENSSL = "SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed certificate]"
_HANDSHAKE = (
    "Client unable to establish connection because an error was encountered during handshakes before login. Common "
    "causes include client attempting to connect to an unsupported version of SQL Server, server too busy to accept "
    "new connections or a resource limitation (memory or maximum allowed connections) on the server."
)
CONNECTING = (
    _connecting("server off", "HYT00", f"{DRIVER}Login timeout expired", 0, Code.UNREACHABLE),
    _connecting("OLTP off, DW on", "HYT00", f"{DRIVER}Login timeout expired", 0, Code.UNREACHABLE, "oltp"),
    _connecting("accepts and hangs up", "08001", f"{DRIVER}{_HANDSHAKE}", 26, Code.UNREACHABLE),
    _connecting("another protocol", "HY000", f"{DRIVER}Protocol error in TDS stream", 0, Code.UNREACHABLE, bare=True),
    _connecting("killed at login", "08S01", f"{DRIVER}TCP Provider: Error code 0x2746", 10054, Code.UNREACHABLE),
    _connecting("wrong password", "28000", f"{SERVER}Login failed for user 'u'.", 18456, Code.LOGIN_FAILED),
    _connecting(
        "login locked", "42000", f"{SERVER}Login failed for user 'u' because the account is currently locked out. The "
        "system administrator can unlock it. ", 18486, Code.LOGIN_BLOCKED,
    ),
    _connecting(
        "password expired", "28000", f"{SERVER}Login failed for user 'u'.  Reason: The password of the account must be "
        "changed.", 18488, Code.PASSWORD_EXPIRED,
    ),
    _connecting(
        "database missing", "42000", f'{SERVER}Cannot open database "DW" requested by the login. The login failed.',
        4060, Code.DATABASE_UNAVAILABLE,
    ),
    _connecting(
        "database in restore", "42000", f"{SERVER}Database 'DW' cannot be opened. It is in the middle of a restore.",
        927, Code.DATABASE_RESTORING,
    ),
    _connecting(
        "Azure pauses", "42000", f"{SERVER}Database 'DW' on server 'x' is not currently available.  Please retry the "
        "connection later.", 40613, Code.DATABASE_UNAVAILABLE,
    ),
    _connecting(
        "Azure throttles", "HY000", f"{SERVER}The service is currently busy.", 40501, Code.SERVER_BUSY, bare=True,
    ),
    _connecting("certificate not trusted", "08001", f"{DRIVER}{_OPENSSL}", -1, Code.CERTIFICATE),
    _connecting("no TLS", "08001", f"{DRIVER}Encryption not supported on SQL Server.", 20, Code.ENCRYPTION),
    _connecting(
        "driver missing", "01000", "[unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18 for SQL Server' : file "
        "not found", 0, Code.DRIVER_MISSING, bare=True,
    ),
    _connecting("driver unknown", "IM002", "[unixODBC][Driver Manager]Data source name not found and no default driver "
                "specified", 0, Code.DRIVER_MISSING),
)  # fmt: skip
_LOCKED = "Lock request time out period exceeded."
_VICTIM = (
    "Transaction (Process ID 52) was deadlocked on lock resources with another process and has been chosen as the "
    "deadlock victim. Rerun the transaction."
)
ASKING = (
    _asking(
        "killed while a page loads", "08S01", f"{DRIVER}Communication link failure", 0, Code.UNREACHABLE, "dw", "S",
    ),
    _asking(
        "permission missing on one table", "42000", f"{SERVER}The SELECT permission was denied on the object "
        "'DIM_CLIENTE', database 'DW', schema 'dim'.", 229, Code.PERMISSION_DENIED, "dw", "DIM_CLIENTE",
    ),
    _asking(
        "permission missing on a schema", "42000", f"{SERVER}The SELECT permission was denied on the object "
        "'etl_run', database 'DW', schema 'audit'.", 229, Code.PERMISSION_DENIED, "dw", "[audit]",
    ),
    _asking(
        "server state denied", "42000", f"{SERVER}VIEW SERVER STATE permission was denied on object 'server', database "
        "'master'.", 300, Code.STATE_DENIED, "dw", "DIM_CLIENTE",
    ),
    _asking("statement timeout", "HYT00", f"{DRIVER}Query timeout expired", 0, Code.TIMEOUT, "oltp", "customers"),
    _asking("exclusive lock on a target", "42000", f"{SERVER}{_LOCKED}", 1222, Code.LOCKED, "dw", "DIM_CLIENTE"),
    _asking("table renamed", "42S02", f"{SERVER}Invalid object name 'core.customers'.", 208, Code.OBJECT_MISSING,
            "oltp", "customers"),
    _asking("deadlock victim", "40001", f"{SERVER}{_VICTIM}", 1205, Code.DEADLOCK, "dw", "DIM_CLIENTE"),
    _asking("Babelfish's one number", "42000", f'{SERVER}relation "core.customers" does not exist', 33557097,
            Code.OTHER, "oltp", "customers"),
)  # fmt: skip
FAULTS = (*CONNECTING, *ASKING)


@contextmanager
def struck(fault: Fault, *, takes: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
    """Raise the fault inside the block. `takes`: seconds until the driver reports it."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for alias in fault.aliases:
            if fault.statement:
                stack.enter_context(connections[alias].execute_wrapper(_refusing(fault)))
                continue
            broken = type(connections[alias])(connections.settings[alias], alias)
            patch.setattr(broken, "get_new_connection", _raising(fault, takes))
            stack.callback(setitem, connections, alias, connections[alias])
            connections[alias] = broken
        yield


def _refusing(fault: Fault) -> Callable[..., Any]:
    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if fault.statement in sql:
            with context["connection"].wrap_database_errors:
                raise fault.error
        return run(sql, params, many, context)

    return execute


def _raising(fault: Fault, takes: Callable[[], float]) -> Callable[..., Any]:
    def connect(*_: Any) -> Any:
        if takes():
            found = budget.current()
            assert found is not None, "nobody limits how long this waits"
        raise fault.error

    return connect
