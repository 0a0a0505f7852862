"""What a driver's exception means: from SQLSTATE and native number to a Problem.

Prose is read only where a driver gives no number: SQLite's generic error, and certificates under ODBC.
Numbers: Microsoft, "Database Engine events and errors"; SQLSTATEs: "Appendix A: ODBC error codes".
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from monitoring.enums import ProblemCode as Code
from monitoring.policies.facts import Problem

DETAIL_LENGTH = 500

_SQLSERVER_NUMBERS: dict[Code, tuple[int, ...]] = {
    Code.LOGIN_FAILED: (18456, 18452, 18470, 18486, 18487, 18488, 40532, 40615),
    Code.DATABASE_UNAVAILABLE: (
        *(4060, 911, 922, 924, 926, 927, 942, 945, 976, 978, 983, 4064),
        *(40197, 40501, 40613, 40540, 49918, 49919, 49920, 10928, 10929),
    ),
    Code.PERMISSION_DENIED: (229, 230, 262, 297, 300, 371, 916, 15247),
    Code.OBJECT_MISSING: (208, 2812, 4701, 15009),
    Code.COLUMN_MISSING: (207,),
    Code.LOCKED: (1222,),
    Code.DEADLOCK: (1205,),
    Code.CERTIFICATE: (-2146893019, -2146893022, -2146893048, -2146893016),
    Code.UNREACHABLE: (2, 53, 64, 121, 233, 258, 10053, 10054, 10060, 10061, 11001, 10013, 11002),
}
_BY_NUMBER = {number: code for code, numbers in _SQLSERVER_NUMBERS.items() for number in numbers}
_COMPANION = 8180
"""`Statement(s) could not be prepared`: comes with the error that says why."""

_BY_SQLSTATE = {
    "IM002": Code.DRIVER_MISSING,
    "IM003": Code.DRIVER_MISSING,
    "IM004": Code.DRIVER_MISSING,
    "28000": Code.LOGIN_FAILED,
    "42S02": Code.OBJECT_MISSING,
    "42S22": Code.COLUMN_MISSING,
    "40001": Code.DEADLOCK,
    "HYT00": Code.TIMEOUT,
    "HYT01": Code.UNREACHABLE,
    "HY008": Code.TIMEOUT,
}

_BY_SQLITE_CODE = {
    3: Code.PERMISSION_DENIED,  # SQLITE_PERM
    5: Code.LOCKED,  # SQLITE_BUSY
    6: Code.LOCKED,  # SQLITE_LOCKED
    8: Code.PERMISSION_DENIED,  # SQLITE_READONLY
    9: Code.TIMEOUT,  # SQLITE_INTERRUPT
    10: Code.DATABASE_UNAVAILABLE,  # SQLITE_IOERR
    11: Code.DATABASE_UNAVAILABLE,  # SQLITE_CORRUPT
    14: Code.DATABASE_UNAVAILABLE,  # SQLITE_CANTOPEN
    23: Code.PERMISSION_DENIED,  # SQLITE_AUTH
    26: Code.DATABASE_UNAVAILABLE,  # SQLITE_NOTADB
}
_SQLITE_GENERIC = (
    (re.compile(r"no such table"), Code.OBJECT_MISSING),
    (re.compile(r"no such column|has no column"), Code.COLUMN_MISSING),
    (re.compile(r"unknown database"), Code.OBJECT_MISSING),
)

# Codes of the whole connection, not of one statement on it.
CONNECTION_CODES = frozenset(
    {
        Code.DRIVER_MISSING,
        Code.UNREACHABLE,
        Code.LOGIN_FAILED,
        Code.CERTIFICATE,
        Code.DATABASE_UNAVAILABLE,
    }
)

_ODBC_SHAPE = re.compile(r"^[0-9A-Z]{5}$")
_NATIVE = re.compile(r"\((-?\d+)\)")
_SECRET = re.compile(r"\b(pwd|password|access_?token|secret)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;\s]*)", re.IGNORECASE)


def problem_from(error: BaseException, alias: str = "", *, connecting: bool = False) -> Problem:
    """Return what `error`, raised by a driver or by Django around it, means.

    `alias` lets its password be removed wherever it appears. `connecting`: it was raised before a
    connection stood, where a timeout means that nobody answered.
    """
    detail = scrub(_text(error), alias)
    if (odbc := next((e for e in _chain(error) if _is_odbc(e)), None)) is not None:
        return _from_odbc(odbc, detail, connecting)
    if (sqlite := next((e for e in _chain(error) if isinstance(e, sqlite3.Error)), None)) is not None:
        return _from_sqlite(sqlite, detail)
    if any(isinstance(e, ImportError | ImproperlyConfigured) for e in _chain(error)):
        return Problem(code=Code.DRIVER_MISSING, detail=detail)
    if any(isinstance(e, TimeoutError) for e in _chain(error)):
        return Problem(code=Code.TIMEOUT, detail=detail)
    if any(isinstance(e, OSError) for e in _chain(error)):
        return Problem(code=Code.UNREACHABLE, detail=detail)
    return Problem(code=Code.OTHER, detail=detail)


def scrub(text: str, alias: str = "") -> str:
    """Return `text` without passwords, on one line, cut at 500."""
    text = _SECRET.sub(lambda match: f"{match[1]}=***", text)
    password = str(connections.settings[alias].get("PASSWORD") or "") if alias else ""
    if password:
        # As it is, and as it stands in a connection string.
        text = text.replace(password.replace("}", "}}"), "***").replace(password, "***")
    return " ".join(text.split())[:DETAIL_LENGTH]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it: Django keeps the driver's exception as `__cause__`."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _text(error: BaseException) -> str:
    """The driver's message: an ODBC error is (SQLSTATE, message), whose second half says it all."""
    args: tuple[Any, ...] = error.args
    if len(args) > 1 and isinstance(args[1], str):
        return args[1]
    return str(error) or type(error).__name__


def _is_odbc(error: BaseException) -> bool:
    args: tuple[Any, ...] = error.args
    return len(args) > 1 and isinstance(args[0], str) and bool(_ODBC_SHAPE.fullmatch(args[0]))


def _from_odbc(error: BaseException, detail: str, connecting: bool) -> Problem:
    sqlstate, message = str(error.args[0]), str(error.args[1])
    natives = [int(number) for number in _NATIVE.findall(message)]
    native = next((number for number in natives if number != _COMPANION and number in _BY_NUMBER), None)
    shown = native if native is not None else next((n for n in natives if n not in (0, _COMPANION)), None)
    return Problem(
        code=_odbc_code(sqlstate, native, message, connecting), detail=detail, sqlstate=sqlstate, native=shown
    )


def _odbc_code(sqlstate: str, native: int | None, message: str, connecting: bool) -> Code:
    # unixODBC reports a library that it cannot load with the general state 01000.
    if sqlstate == "01000" and "open lib" in message:
        return Code.DRIVER_MISSING
    if sqlstate == "08001" and "certificate" in message.lower():
        return Code.CERTIFICATE
    # The network's numbers are small and mean something else outside class 08.
    if native is not None and (_BY_NUMBER[native] is not Code.UNREACHABLE or sqlstate.startswith(("08", "HYT"))):
        return _BY_NUMBER[native]
    if sqlstate == "HYT00" and connecting:
        return Code.UNREACHABLE
    if sqlstate.startswith("08"):
        return Code.UNREACHABLE
    return _BY_SQLSTATE.get(sqlstate, Code.OTHER)


def _from_sqlite(error: sqlite3.Error, detail: str) -> Problem:
    # An extended code carries the primary one in its low byte. Absent: raised by the module itself.
    number = getattr(error, "sqlite_errorcode", None)
    code = _BY_SQLITE_CODE.get(number & 0xFF) if number is not None else None
    if code is None:
        message = str(error)
        code = next((found for pattern, found in _SQLITE_GENERIC if pattern.search(message)), Code.OTHER)
    return Problem(code=code, detail=detail, native=number)
