"""Map a driver's exception to a Problem by SQLSTATE and native error number.

Message text is read only where there is no number: for SQLite's generic error, and on Linux, where every TLS failure
has the native number -1 and OpenSSL's own number is in brackets in the text. Sources: Microsoft, "Database Engine
events and errors" and "Appendix A: ODBC error codes".
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from etlportal.backends.sqlserver.odbc import without_password
from etlportal.breaker import NotAsked
from etlportal.budget import NotBegun
from monitoring.rules.enums import ProblemCode as Code
from monitoring.rules.facts import Problem

DETAIL_LENGTH = 500

_SQLSERVER_NUMBERS: dict[Code, tuple[int, ...]] = {
    Code.LOGIN_FAILED: (18456, 18452, 40532),
    Code.LOGIN_BLOCKED: (18486, 18470, 40615, 18401, 18451, 18461),
    Code.PASSWORD_EXPIRED: (18487, 18488),
    Code.DATABASE_UNAVAILABLE: (4060, 911, 4064, 922, 924, 926, 942, 945, 976, 978, 983, 40197, 40613, 40540),
    Code.DATABASE_RESTORING: (927, 952, 3101, 3159),
    Code.SERVER_BUSY: (40501, 49918, 49919, 49920, 10928, 10929, 17809, 17187, 17142, 6005, 6006, 596, 701, 802, 8645),
    Code.PERMISSION_DENIED: (229, 230, 371, 916, 15247),
    Code.STATE_DENIED: (262, 297, 300),
    Code.OBJECT_MISSING: (208, 2812, 4701, 15009),
    Code.COLUMN_MISSING: (207,),
    Code.LOCKED: (1222,),
    Code.DEADLOCK: (1205,),
    # SChannel (Windows): untrusted root, wrong name, expired; then the same three as X.509 errors.
    Code.CERTIFICATE: (-2146893019, -2146893022, -2146893016, -2146762487, -2146762481, -2146762495),
    Code.UNREACHABLE: (
        *(2, 26, 53, 64, 104, 110, 111, 113, 121, 233, 258),
        *(10013, 10053, 10054, 10060, 10061, 11001, 11002),
    ),
    # The server has no TLS; SChannel: no common algorithm, no TLS answer; OpenSSL: -1 (see _tls).
    Code.ENCRYPTION: (20, -2146893007, -2146893048, -1),
}
_BY_NUMBER = {number: code for code, numbers in _SQLSERVER_NUMBERS.items() for number in numbers}
_COMPANIONS = frozenset({8180, 18456})
"""`Statement(s) could not be prepared` and `Login failed`: they often accompany the error with the cause."""
_OF_THE_NETWORK = frozenset({Code.UNREACHABLE, Code.ENCRYPTION})
"""Outside SQLSTATE class 08 these small numbers have other meanings."""

_BY_SQLSTATE = {
    **dict.fromkeys(("IM002", "IM003", "IM004"), Code.DRIVER_MISSING),
    "28000": Code.LOGIN_FAILED,
    "42S02": Code.OBJECT_MISSING,
    "42S22": Code.COLUMN_MISSING,
    "40001": Code.DEADLOCK,
    "HYT00": Code.TIMEOUT,
    "HYT01": Code.UNREACHABLE,
    "HY008": Code.TIMEOUT,
}
_BY_SQLSTATE_CONNECTING = {
    "HYT00": Code.UNREACHABLE,
    "HY000": Code.UNREACHABLE,  # the server speaks another protocol
    "01000": Code.DRIVER_MISSING,  # the driver manager cannot load the library
}
"""For a state without a number, before there is a connection."""

_BY_SQLITE_CODE = {
    **dict.fromkeys((sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH), Code.PERMISSION_DENIED),
    **dict.fromkeys((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), Code.LOCKED),
    **dict.fromkeys((sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT), Code.DATABASE_UNAVAILABLE),
    **dict.fromkeys((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB), Code.DATABASE_UNAVAILABLE),
    sqlite3.SQLITE_INTERRUPT: Code.TIMEOUT,
}
_SQLITE_GENERIC = {
    "no such table": Code.OBJECT_MISSING,
    "unknown database": Code.OBJECT_MISSING,
    "no such column": Code.COLUMN_MISSING,
    "has no column": Code.COLUMN_MISSING,
}

CONNECTION_CODES = frozenset(
    {
        *(Code.DRIVER_MISSING, Code.UNREACHABLE, Code.LOGIN_FAILED, Code.LOGIN_BLOCKED, Code.PASSWORD_EXPIRED),
        *(Code.CERTIFICATE, Code.ENCRYPTION, Code.DATABASE_UNAVAILABLE, Code.DATABASE_RESTORING, Code.SERVER_BUSY),
    }
)
"""Problems of the whole connection, not of one statement."""

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_NATIVE = re.compile(r"\((-?\d+)\)(?= \(SQL\w+\)|; ?\[|$)")
"""pyodbc writes "[state] text (native) (SQLFunction); [state] text (native)". Numbers inside the text do not count."""
_OPENSSL = re.compile(r"\[error:([0-9A-F]{8}):")
_CERTIFICATE_VERIFY_FAILED = 134
"""OpenSSL's SSL_R_CERTIFICATE_VERIFY_FAILED: unknown authority, wrong host name, or expired."""
_SECRET = re.compile(r"\b(pwd|password|access_?token|secret)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;\s]*)", re.IGNORECASE)


def problem_from(error: BaseException, alias: str = "", *, connecting: bool = False) -> Problem:
    """Return the problem behind `error`, an exception of a driver or of Django.

    The password of `alias` is removed from the text. `connecting`: there was no connection yet, so a timeout means that
    no server answered; the backends set this on their own errors too.
    """
    chain = list(_chain(error))
    refused = next((each for each in chain if isinstance(each, NotAsked)), None)
    if refused is not None:
        reason = refused.reason
        found = reason if isinstance(reason, Problem) else problem_from(reason, alias, connecting=True)
        return replace(found, seen_at=refused.at)
    # The arguments of an ODBC error are (SQLSTATE, message).
    text = error.args[1] if len(error.args) > 1 else None
    detail = scrub(text if isinstance(text, str) else str(error) or type(error).__name__, alias)
    odbc = next((each for each in chain if len(each.args) > 1 and _SQLSTATE.fullmatch(str(each.args[0]))), None)
    if odbc is not None:
        return _from_odbc(odbc, detail, connecting or any(getattr(each, "while_connecting", False) for each in chain))
    sqlite = next((each for each in chain if isinstance(each, sqlite3.Error)), None)
    if sqlite is not None:
        # The low byte of an extended code is the primary code. Errors of Python's own module have no code.
        number = getattr(sqlite, "sqlite_errorcode", None)
        said = next((code for words, code in _SQLITE_GENERIC.items() if words in str(sqlite)), Code.OTHER)
        code = said if number is None else _BY_SQLITE_CODE.get(number & 0xFF, said)
        return Problem(code=code, detail=detail, native=number)
    code = next((code for kind, code in _BY_TYPE if any(isinstance(each, kind) for each in chain)), Code.OTHER)
    return Problem(code=code, detail=detail)


_BY_TYPE: tuple[tuple[type[BaseException], Code], ...] = (
    (ImportError, Code.DRIVER_MISSING),
    (ImproperlyConfigured, Code.DRIVER_MISSING),
    (TimeoutError, Code.TIMEOUT),
    (OSError, Code.UNREACHABLE),
)


def scrub(text: str, alias: str = "") -> str:
    """Return `text` without passwords, on one line, cut at DETAIL_LENGTH."""
    text = _SECRET.sub(lambda match: f"{match[1]}=***", text)
    password = str(connections.settings[alias].get("PASSWORD") or "") if alias else ""
    return " ".join(without_password(text, password).split())[:DETAIL_LENGTH]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes: Django keeps the driver's exception as `__cause__`."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _from_odbc(error: BaseException, detail: str, connecting: bool) -> Problem:
    sqlstate, message = str(error.args[0]), str(error.args[1])
    if isinstance(error, NotBegun):
        return Problem(code=Code.NOT_READ, detail=detail)
    natives = [int(number) for number in _NATIVE.findall(message)]
    known = sorted((n for n in natives if n in _BY_NUMBER), key=_COMPANIONS.__contains__)
    native = known[0] if known else None
    shown = native if native is not None else next((n for n in natives if n not in (0, *_COMPANIONS)), None)
    if native is not None and (_BY_NUMBER[native] not in _OF_THE_NETWORK or sqlstate.startswith(("08", "HYT"))):
        code = _BY_NUMBER[native]
        tls = _OPENSSL.search(message) if code is Code.ENCRYPTION else None
        # The low 12 bits of OpenSSL's number are the reason.
        if tls is not None and int(tls[1], 16) & 0xFFF == _CERTIFICATE_VERIFY_FAILED:
            code = Code.CERTIFICATE
    elif connecting and shown is None and sqlstate in _BY_SQLSTATE_CONNECTING:
        code = _BY_SQLSTATE_CONNECTING[sqlstate]
    else:
        code = Code.UNREACHABLE if sqlstate.startswith("08") else _BY_SQLSTATE.get(sqlstate, Code.OTHER)
    return Problem(code=code, detail=detail, sqlstate=sqlstate, native=shown)
