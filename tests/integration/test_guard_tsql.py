"""The guard against texts that only T-SQL or only SQLite parses as two statements.

Numbers next to keywords, other line ends, nested comments, backticks; and against lifting the guard where it must
stay.
"""

from __future__ import annotations

import sqlite3
import threading
from types import SimpleNamespace

import pytest
from django.db import connections

from etlportal import guard
from etlportal.guard import WarehouseReadOnly, is_read, writable
from monitoring.models import EtlControl
from monitoring.warehouse.dialect import Sql
from monitoring.warehouse.reader import rows
from tests.support.warehouse import Warehouse

DISGUISED = [
    # T-SQL ends a number where its letters begin.
    "SELECT 1DROP TABLE t",
    "SELECT 1DELETE FROM t",
    "SELECT 1.DELETE FROM t",
    "SELECT .5DELETE FROM t",
    "SELECT 0xADELETE FROM t",
    "SELECT 0xUPDATE t SET a = 1",
    "SELECT 1e5DELETE FROM t",
    "SELECT 1eUPDATE t SET a = 1",
    "SELECT $1DELETE FROM t",
    # No semicolon is needed between two statements.
    "SELECT 1 DELETE FROM t",
    "SELECT 'a'DELETE FROM t",
    "SELECT (1)DELETE FROM t",
    "SELECT [a]DELETE FROM t",
    "SELECT 1 USE master",
    "SELECT 1 SET IMPLICIT_TRANSACTIONS ON",
    "SELECT 1 DECLARE @a INT",
    "SELECT 1 EXEC sp_who",
    "SELECT 1 BEGIN TRANSACTION",
    "SELECT 1 COMMIT",
    "SELECT 1 RECEIVE * FROM q",
    # A line may end otherwise than by a line feed.
    "SELECT 1 --\rDELETE FROM t",
    "SELECT 1 --\u2028DELETE FROM t",
    "SELECT 1 --\x85DELETE FROM t",
    # T-SQL nests comments, SQLite does not.
    "SELECT 1 /* /* */ DELETE FROM t */",
    "SELECT 1 /* /* */ */ DELETE FROM t",
    # A backtick quotes in SQLite only: the quotes inside would hide what is between them.
    "WITH a AS (SELECT 1 AS `'`) INSERT INTO t SELECT 1 AS `'`",
    # What looks like blanks.
    "SELECT\u00a01\u3000DELETE\u00a0FROM t",
    "SELECT load_extension('x')",
    "SELECT NEXT\nVALUE FOR s",
    "x SELECT 1",
    "1 SELECT 1",
    "; SELECT 1",
    ")SELECT 1",
    "VALUES (1)",
    "TABLE t",
]

HARMLESS = [
    "SELECT 1, 1.5, -500, DATETIME2(0) FROM t0",
    "SELECT TOP (%s) t0.[updated_at] FROM [core].[orders] AS t0",
    "SELECT a.offset_1, b.inserted_at, c.set_id FROM x AS a1b2",
    "SELECT p.name FROM [core].sqlite_master AS m JOIN pragma_table_info(m.name, 'core') AS p",
    "SELECT * FROM x ORDER BY 1 OFFSET 0 ROWS FETCH FIRST 10 ROWS ONLY",
    "((SELECT 1))",
    "\n  SELECT 1",
    "SELECT CASE WHEN 1 = 1 THEN 1 ELSE 0 END",
]


@pytest.mark.parametrize("sql", DISGUISED)
def test_disguised_writes_are_seen(sql: str) -> None:
    assert not is_read(sql)


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_the_portal_asks_passes(sql: str) -> None:
    assert is_read(sql)


@pytest.mark.parametrize("sql", DISGUISED)
def test_disguised_writes_do_not_reach_a_database(warehouse: Warehouse, sql: str) -> None:
    with pytest.raises(WarehouseReadOnly):
        rows("dw", Sql(sql))


def test_the_guard_is_lifted_on_embedded_databases_only(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "connections", {"dw": SimpleNamespace(vendor="microsoft")})
    with pytest.raises(WarehouseReadOnly), writable("dw"):
        pytest.fail("lifted")


def test_it_is_down_again_after_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), writable("dw"):
        raise ZeroDivisionError
    with pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
        cursor.execute("DELETE FROM [ctl].[etl_control]")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connections["dw"].connection.execute("DELETE FROM [ctl].[etl_control]")


def test_lifting_one_database_leaves_the_other_guarded(warehouse: Warehouse) -> None:
    with (
        writable("dw"),
        pytest.raises(WarehouseReadOnly),
        connections["oltp"].cursor() as cursor,
    ):
        cursor.execute("DELETE FROM [core].[customers]")


def test_lifting_in_one_thread_leaves_the_others_guarded(warehouse: Warehouse) -> None:
    refused: list[bool] = []

    def attack() -> None:
        try:
            refused.append(not guard._permitted.get())
        finally:
            connections.close_all()

    with writable("dw"):
        thread = threading.Thread(target=attack)
        thread.start()
        thread.join()
    assert refused == [True]


def test_raw_querysets_are_guarded(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseReadOnly):
        list(EtlControl.objects.raw("DELETE FROM [ctl].[etl_control] RETURNING *"))
