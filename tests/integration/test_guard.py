"""Attacks on the read-only guard: through the ORM, raw SQL, disguised SQL, and around Django."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from django.db import connections, router
from hypothesis import given
from hypothesis import strategies as st

from etlportal.guard import WarehouseReadOnly, is_read, writable
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, RunCopy
from tests.support.warehouse import Warehouse

MODELS = (EtlControl, EtlRun, EtlRunEntity, ConnectionLoginEvent)
CONTROL = "[ctl].[etl_control]"

WRITES = [
    f"INSERT INTO {CONTROL} (entity_name) VALUES ('x')",
    f"UPDATE {CONTROL} SET is_active = 0",
    f"DELETE FROM {CONTROL}",
    f"delete from {CONTROL}",
    f"  \n\tDeLeTe FROM {CONTROL}",
    f"/* only a look */ DELETE FROM {CONTROL}",
    f"-- only a look\nDELETE FROM {CONTROL}",
    f"WITH x AS (SELECT 1 AS a) INSERT INTO {CONTROL} (entity_name) SELECT a FROM x",
    f"WITH x AS (SELECT 1 AS a) DELETE FROM {CONTROL}",
    f"WITH x AS (SELECT 1 AS a) UPDATE {CONTROL} SET is_active = 0",
    f"WITH x AS (DELETE FROM {CONTROL} OUTPUT deleted.*) SELECT * FROM x",
    f"SELECT * INTO dim.copy FROM {CONTROL}",
    f"SELECT 1; DELETE FROM {CONTROL}",
    f"SELECT 1 ; -- \n DELETE FROM {CONTROL}",
    f"SELECT ';' ; DELETE FROM {CONTROL}",
    f"SELECT 1 AS [a;] ; DELETE FROM {CONTROL}",
    f"SELECT 'it''s' DELETE FROM {CONTROL}",
    f'SELECT 1 AS "x" DELETE FROM {CONTROL}',
    f"SELECT '/*'; DELETE FROM {CONTROL} --*/",
    f"MERGE {CONTROL} AS t USING x AS s ON 1 = 1 WHEN MATCHED THEN DELETE;",
    f"TRUNCATE TABLE {CONTROL}",
    f"DROP TABLE {CONTROL}",
    f"ALTER TABLE {CONTROL} ADD x INT",
    "CREATE TABLE ctl.x (a INT)",
    "EXEC audit.sp_connection_audit_cleanup 1",
    "EXEC audit.sp_capture_connection_snapshot",
    "EXECUTE sp_executesql N'DELETE FROM x'",
    "{CALL audit.sp_connection_audit_cleanup}",
    "audit.sp_connection_audit_cleanup",
    "DECLARE @x INT SELECT @x = 1",
    "SET NOCOUNT OFF",
    "USE master",
    "GRANT SELECT ON ctl.etl_control TO x",
    "BEGIN TRANSACTION DELETE FROM x",
    "COMMIT; DELETE FROM x",
    "SELECT NEXT VALUE FOR dbo.s",
    f"SELECT * FROM {CONTROL} WITH (UPDLOCK)",
    f"SELECT * FROM {CONTROL} WITH (TABLOCKX, HOLDLOCK)",
    "SELECT * FROM OPENROWSET('x', 'y', 'DELETE FROM z')",
    "WAITFOR DELAY '00:01'",
    "SHUTDOWN",
    "PRAGMA query_only = OFF",
    "ATTACH DATABASE 'x' AS y",
    "VACUUM",
    f"REPLACE INTO {CONTROL} (entity_name) VALUES ('x')",
    f"EXPLAIN DELETE FROM {CONTROL}",
    "SELECT 'unfinished",
    "SELECT [unfinished",
    "SELECT /* unfinished",
    "",
    ";",
]

READS = [
    f"SELECT * FROM {CONTROL}",
    f"select entity_name from {CONTROL} where entity_name = %s",
    f"SELECT * FROM {CONTROL};",
    f"(SELECT 1) UNION ALL (SELECT count(*) FROM {CONTROL})",
    f"WITH x AS (SELECT * FROM {CONTROL}) SELECT count(*) FROM x",
    "SELECT 'DELETE FROM x; DROP TABLE y' AS text",
    'SELECT 1 AS [DELETE], 2 AS "INSERT INTO"',
    "SELECT 1 -- DELETE FROM x",
    "SELECT 1 /* ; DROP TABLE x */",
    "SELECT deleted_at, updated_at, created_at FROM [core].[customers]",
    f"SELECT TOP (10) * FROM {CONTROL} WITH (NOLOCK)",
    f"SELECT replace(entity_name, 'a', 'b') FROM {CONTROL}",
    'SAVEPOINT "s1_x2"',
    'RELEASE SAVEPOINT "s1_x2"',
    'ROLLBACK TO SAVEPOINT "s1_x2"',
    "BEGIN",
    "COMMIT",
]


@pytest.mark.parametrize("sql", WRITES)
def test_a_write_is_no_read(sql: str) -> None:
    assert not is_read(sql)


@pytest.mark.parametrize("sql", READS)
def test_a_read_is_one(sql: str) -> None:
    assert is_read(sql)


@given(
    text=st.text(alphabet="abcXYZ'\"[]();-*/ \n%", max_size=40),
    write=st.sampled_from(["DELETE FROM t", "DROP TABLE t"]),
)
def test_no_text_in_front_hides_a_write_from_sqlite(text: str, write: str) -> None:
    """The guard refuses every text that SQLite would run as a statement that writes."""
    sql = f"{text}{write}"
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE t (a)")
        before = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("INSERT INTO t VALUES (1)")
        try:
            connection.execute(sql.replace("%", ""))
        except (sqlite3.Error, sqlite3.Warning):
            return
        changed = connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != before or (
            connection.execute("SELECT count(*) FROM t").fetchone() != (1,)
        )
        if changed:
            assert not is_read(sql)
    finally:
        connection.close()


def test_no_write_passes_a_cursor(warehouse: Warehouse) -> None:
    warehouse.all_controls()
    for sql in WRITES:
        for alias in ("dw", "oltp"):
            with pytest.raises(WarehouseReadOnly), connections[alias].cursor() as cursor:
                cursor.execute(sql)
        with pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
            cursor.executemany(sql, [()])
    assert EtlControl.objects.count() == 9
    assert not EtlControl.objects.filter(is_active=False).exists()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "write",
    [
        lambda m: m().save(),
        lambda m: m().save(using="dw"),
        lambda m: m().delete(),
        lambda m: m.objects.create(),
        lambda m: m.objects.using("dw").create(),
        lambda m: m.objects.bulk_create([m()]),
        lambda m: m.objects.bulk_update([m(pk="1")], ["created_at"]),
        lambda m: m.objects.get_or_create(pk="1"),
        lambda m: m.objects.update_or_create(pk="1"),
        lambda m: m.objects.all().update(pk="1"),
        lambda m: m.objects.filter(pk="1").delete(),
        lambda m: m.objects.all()._raw_delete("dw"),
        lambda m: m._base_manager.all().delete(),
        lambda m: m._base_manager.all().update(**{m._meta.concrete_fields[-1].name: None}),
        lambda m: m._base_manager.create(),
        lambda m: m.save_base(m(pk="1"), raw=True, using="dw"),
    ],
)
def test_no_write_passes_the_orm(warehouse: Warehouse, model: Any, write: Any) -> None:
    with pytest.raises(WarehouseReadOnly):
        write(model)


def test_a_relation_does_not_write_either(warehouse: Warehouse) -> None:
    run_id = warehouse.execution()
    run = EtlRun.objects.get(pk=run_id)
    with pytest.raises(WarehouseReadOnly):
        run.run_entities.all().delete()
    with pytest.raises(WarehouseReadOnly):
        run.run_entities.create(entity_name="x")
    with pytest.raises(WarehouseReadOnly):
        run.run_entities.update(status="success")


@pytest.mark.parametrize("model", MODELS)
def test_the_router_refuses_by_itself(model: Any) -> None:
    with pytest.raises(WarehouseReadOnly):
        router.db_for_write(model)
    assert router.db_for_read(model) == "dw"
    assert not router.allow_migrate_model("dw", model)
    assert not router.allow_migrate("oltp", "monitoring")
    assert router.allow_migrate("default", "monitoring")


def test_the_portals_own_tables_are_not_in_the_warehouse(warehouse: Warehouse) -> None:
    assert router.db_for_write(RunCopy) == "default"


def test_behind_djangos_back_sqlite_refuses(warehouse: Warehouse) -> None:
    EtlControl.objects.count()
    for alias, table in (("dw", CONTROL), ("oltp", "[core].[customers]")):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connections[alias].connection.execute(f"DELETE FROM {table}")


def test_a_fresh_connection_is_guarded_too(warehouse: Warehouse) -> None:
    fresh = connections["dw"].copy()
    try:
        with pytest.raises(WarehouseReadOnly), fresh.cursor() as cursor:
            cursor.execute(f"DELETE FROM {CONTROL}")
    finally:
        fresh.close()


def test_lifting_it_ends(warehouse: Warehouse) -> None:
    warehouse.all_controls()
    with pytest.raises(KeyError), writable("dw"):
        with connections["dw"].cursor() as cursor:
            cursor.execute(f"UPDATE {CONTROL} SET batch_size = 7")
        raise KeyError
    assert EtlControl.objects.filter(batch_size=7).count() == 9
    with pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
        cursor.execute(f"UPDATE {CONTROL} SET batch_size = 8")


def test_lifting_one_leaves_the_other(warehouse: Warehouse) -> None:
    with writable("oltp"), pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
        cursor.execute(f"DELETE FROM {CONTROL}")


def test_nobody_lifts_it_on_sql_server(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(connections["dw"]), "vendor", "microsoft")
    with pytest.raises(WarehouseReadOnly), writable("dw"):
        pass
