"""Driver errors become problems by their numbers; no password ever shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.utils import OperationalError, ProgrammingError

from etlportal.breaker import NotAsked
from etlportal.budget import NotBegun, OutOfTime
from monitoring.rules.enums import ProblemCode as Code
from monitoring.rules.facts import Problem
from monitoring.warehouse.errors import problem_from, scrub

DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server]"


OPENSSL_3 = "SSL Provider: [error:{}:SSL routines::certificate verify failed:self-signed certificate]"
"""The text is the same for every number, so that only the number decides."""


def odbc(sqlstate: str, text: str, native: int, *, server: bool = True) -> Exception:
    """An error with the arguments of a pyodbc.Error."""
    origin = f"{DRIVER}[SQL Server]" if server else DRIVER
    return Exception(sqlstate, f"[{sqlstate}] {origin}{text} ({native}) (SQLExecDirectW)")


@pytest.mark.parametrize(
    ("error", "code", "native"),
    [
        (odbc("42S02", "Invalid object name 'core.x'.", 208), Code.OBJECT_MISSING, 208),
        (odbc("42S22", "Invalid column name 'x'.", 207), Code.COLUMN_MISSING, 207),
        (odbc("42000", "The SELECT permission was denied on the object 'x'.", 229), Code.PERMISSION_DENIED, 229),
        (odbc("42000", "VIEW SERVER STATE permission was denied.", 300), Code.STATE_DENIED, 300),
        (odbc("42000", "VIEW DATABASE STATE permission denied in database 'DW'.", 262), Code.STATE_DENIED, 262),
        (odbc("42000", "The account is currently locked out.", 18486), Code.LOGIN_BLOCKED, 18486),
        (odbc("28000", "The password of the account must be changed.", 18488), Code.PASSWORD_EXPIRED, 18488),
        (odbc("42000", "It is in the middle of a restore.", 927), Code.DATABASE_RESTORING, 927),
        (odbc("HY000", "The service is currently busy.", 40501), Code.SERVER_BUSY, 40501),
        (odbc("01000", "SHUTDOWN is in progress.", 6005), Code.SERVER_BUSY, 6005),
        (odbc("08001", "Encryption not supported on SQL Server.", 20, server=False), Code.ENCRYPTION, 20),
        (odbc("08004", "The server principal is not able to access the database.", 916), Code.PERMISSION_DENIED, 916),
        (odbc("28000", "Login failed for user 'x'.", 18456), Code.LOGIN_FAILED, 18456),
        (odbc("42000", "Cannot open database \"DW\" requested by the login.", 4060), Code.DATABASE_UNAVAILABLE, 4060),
        (odbc("HY000", "Database 'DW' is not currently available.", 40613), Code.DATABASE_UNAVAILABLE, 40613),
        (odbc("40001", "Transaction was deadlocked.", 1205), Code.DEADLOCK, 1205),
        (odbc("42000", "Lock request time out period exceeded.", 1222), Code.LOCKED, 1222),
        (odbc("HYT00", "Query timeout expired", 0, server=False), Code.TIMEOUT, None),
        (odbc("08001", "TCP Provider: Error code 0x2749", 10061, server=False), Code.UNREACHABLE, 10061),
        (odbc("08S01", "Communication link failure", 0, server=False), Code.UNREACHABLE, None),
        (odbc("HYT01", "Connection timeout expired", 0, server=False), Code.UNREACHABLE, None),
        (odbc("08001", OPENSSL_3.format("0A000086"), -1, server=False), Code.CERTIFICATE, -1),
        (odbc("08001", OPENSSL_3.format("1416F086"), -1, server=False), Code.CERTIFICATE, -1),
        (odbc("08001", OPENSSL_3.format("0A000102"), -1, server=False), Code.ENCRYPTION, -1),
        (odbc("08001", "SSL Provider: not trusted.", -2146893019, server=False), Code.CERTIFICATE, -2146893019),
        (Exception("IM002", "[IM002] [unixODBC]Data source name not found (0)"), Code.DRIVER_MISSING, None),
        (ImproperlyConfigured("Error loading pyodbc module: libodbc.so.2"), Code.DRIVER_MISSING, None),
        (ModuleNotFoundError("No module named 'pyodbc'"), Code.DRIVER_MISSING, None),
        (ConnectionRefusedError("refused"), Code.UNREACHABLE, None),
        (TimeoutError("slow"), Code.TIMEOUT, None),
        (odbc("42000", "Something new.", 99999), Code.OTHER, 99999),
        (RuntimeError("?"), Code.OTHER, None),
    ],
)  # fmt: skip
def test_the_number_decides(error: Exception, code: Code, native: int | None) -> None:
    problem = problem_from(error)
    assert (problem.code, problem.native) == (code, native)


def test_prose_does_not_decide_where_there_is_a_number() -> None:
    assert problem_from(odbc("42000", "Login failed, said the text.", 229)).code is Code.PERMISSION_DENIED
    # In another class of SQLSTATE, 53 is nothing of the network's.
    assert problem_from(odbc("42000", "Something.", 53)).code is Code.OTHER


def test_the_companion_error_does_not_hide_the_reason() -> None:
    text = (
        f"[42S02] {DRIVER}[SQL Server]Invalid object name 'core.x'. (208) (SQLExecDirectW); "
        f"[42000] {DRIVER}[SQL Server]Statement(s) could not be prepared. (8180)"
    )
    assert problem_from(Exception("42S02", text)).native == 208
    swapped = Exception("42000", "; ".join(reversed(text.split("; "))))
    assert problem_from(swapped).code is Code.OBJECT_MISSING


@pytest.mark.parametrize(
    ("sqlstate", "text", "connecting", "later"),
    [
        ("HYT00", "Login timeout expired", Code.UNREACHABLE, Code.TIMEOUT),
        ("HY000", "Protocol error in TDS stream", Code.UNREACHABLE, Code.OTHER),
        ("01000", "[unixODBC][Driver Manager]Can't open lib 'x' : file not found", Code.DRIVER_MISSING, Code.OTHER),
    ],
)
def test_some_states_mean_something_else_while_connecting(
    sqlstate: str, text: str, connecting: Code, later: Code
) -> None:
    error = odbc(sqlstate, text, 0, server=False)
    assert problem_from(error, connecting=True).code is connecting
    assert problem_from(error).code is later
    # Our backends say so themselves, also under Django's exception (etlportal/backends/bounded.py).
    error.while_connecting = True  # type: ignore[attr-defined]
    try:
        raise OperationalError(*error.args) from error
    except OperationalError as around:
        assert problem_from(around).code is connecting


def test_a_number_inside_the_text_is_none() -> None:
    error = odbc("42000", "Type VARCHAR(229) and DECIMAL(1205) differ.", 99999)
    assert problem_from(error).native == 99999
    assert problem_from(error).code is Code.OTHER


def test_the_reason_beside_login_failed_is_told() -> None:
    text = (
        f"[28000] {DRIVER}[SQL Server]Login failed for user 'x'. (18456) (SQLDriverConnect); "
        f'[42000] {DRIVER}[SQL Server]Cannot open database "DW" requested by the login. (4060)'
    )
    assert problem_from(Exception("28000", text)).code is Code.DATABASE_UNAVAILABLE


def test_what_was_not_asked_again_is_told_with_its_time() -> None:
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    driver = odbc("HYT00", "Login timeout expired", 0, server=False)
    found = problem_from(NotAsked(driver, at))
    assert (found.code, found.seen_at) == (Code.UNREACHABLE, at)
    sampled = Problem(code=Code.LOGIN_FAILED, native=18456)
    assert problem_from(NotAsked(sampled, at)) == replace(sampled, seen_at=at)


def test_no_time_left_blames_nobody() -> None:
    assert problem_from(NotBegun()).code is Code.NOT_READ
    assert problem_from(OutOfTime()).code is Code.TIMEOUT


def test_django_around_it_does_not_matter() -> None:
    driver = odbc("42S02", "Invalid object name 'x'.", 208)
    try:
        raise ProgrammingError(*driver.args) from driver
    except ProgrammingError as error:
        assert problem_from(error).code is Code.OBJECT_MISSING


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT * FROM missing", Code.OBJECT_MISSING),
        ("SELECT * FROM nowhere.missing", Code.OBJECT_MISSING),
        ("SELECT missing FROM t", Code.COLUMN_MISSING),
        ("SELEKT", Code.OTHER),
    ],
)
def test_sqlite_says_it_in_words_only(statement: str, code: Code) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(statement)
    connection.close()
    assert problem_from(caught.value).code is code


def _cannot_open(folder: Path) -> None:
    sqlite3.connect(f"file:{folder / 'nothing'}?mode=rw", uri=True).execute("SELECT 1")


def _not_a_database(folder: Path) -> None:
    (folder / "x").write_text("this is no database" * 100)
    connection = sqlite3.connect(folder / "x")
    try:
        connection.execute("SELECT * FROM sqlite_master")
    finally:
        connection.close()


def _locked(folder: Path) -> None:
    holder = sqlite3.connect(folder / "y", isolation_level=None)
    other = sqlite3.connect(folder / "y", timeout=0)
    try:
        holder.execute("CREATE TABLE t (a)")
        holder.execute("BEGIN EXCLUSIVE")
        other.execute("SELECT * FROM t")
    finally:
        other.close()
        holder.close()


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (_cannot_open, Code.DATABASE_UNAVAILABLE),
        (_not_a_database, Code.DATABASE_UNAVAILABLE),
        (_locked, Code.LOCKED),
    ],
)
def test_sqlite_has_numbers_for_files(tmp_path: Path, act: Callable[[Path], None], code: Code) -> None:
    with pytest.raises(sqlite3.Error) as caught:
        act(tmp_path)
    problem = problem_from(caught.value)
    assert problem.code is code
    assert problem.native is not None


@pytest.mark.parametrize(
    "text",
    [
        "DRIVER={x};UID=etl;PWD=s3cret;Encrypt=yes",
        "DRIVER={x};UID=etl;pwd = {s3cret;}}more};Encrypt=yes",
        "password=s3cret",
        "Password='s3cret'",
        "access_token=s3cret;x",
        "login with s3cret failed",
    ],
)
def test_no_password_shows(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["dw"], "PASSWORD", "s3cret")
    cleaned = scrub(text, "dw")
    assert "s3cret" not in cleaned
    assert "more" not in cleaned
    assert problem_from(OperationalError(text), "dw").detail == cleaned


def test_the_detail_is_one_short_line() -> None:
    detail = problem_from(RuntimeError("a\n\tb" + "x" * 1000)).detail
    assert detail.startswith("a bx")
    assert len(detail) == 500
