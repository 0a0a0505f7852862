"""The contract, its T-SQL, the unmanaged models and the embedded tables say the same.

`CONTRACT` below is the warehouse owner's list, copied by hand: the T-SQL is judged by it, the models by
the T-SQL, the embedded tables by both. Nothing is compared with what was made from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections, models

from etlportal.guard import writable
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from monitoring.models.fields import UtcDateTimeField, VarCharField
from tests.support import ddl
from tests.support.warehouse import PIPELINES, Warehouse, tables

MODELS = {
    "ctl.etl_control": EtlControl,
    "audit.etl_run": EtlRun,
    "audit.etl_run_entity": EtlRunEntity,
    "audit.connection_login_events": ConnectionLoginEvent,
}

CONTRACT = {
    "ctl.etl_control": """
        entity_name VARCHAR(100) primary key
        source_table VARCHAR(200)
        target_table VARCHAR(200)
        source_pk_column VARCHAR(128)
        watermark_updated_at DATETIME2(0) default 1900-01-01
        watermark_id BIGINT default 0
        cutoff_minutes INT default 2
        batch_size INT default 1000
        is_active BIT default 1
        last_run_id BIGINT NULL
        last_status VARCHAR(20) NULL
        last_success_at DATETIME2(0) NULL
        created_at DATETIME2(0)
        updated_at DATETIME2(0)
        index is_active entity_name
    """,
    "audit.etl_run": """
        run_id BIGINT identity primary key
        entities_requested VARCHAR(500)
        started_by VARCHAR(128)
        started_at DATETIME2(0)
        finished_at DATETIME2(0) NULL
        status VARCHAR(20) default running
        entities_succeeded INT
        entities_failed INT
        error_message VARCHAR(4000) NULL
        created_at DATETIME2(0)
        index started_at DESC
    """,
    "audit.etl_run_entity": """
        run_entity_id BIGINT identity primary key
        run_id BIGINT references audit.etl_run.run_id
        entity_name VARCHAR(100)
        entity_started_at DATETIME2(0)
        entity_finished_at DATETIME2(0) NULL
        status VARCHAR(20) default running
        extracted_count INT
        upserted_count INT
        soft_deleted_count INT
        watermark_from_updated_at DATETIME2(0) NULL
        watermark_from_id BIGINT NULL
        watermark_to_updated_at DATETIME2(0) NULL
        watermark_to_id BIGINT NULL
        error_message VARCHAR(4000) NULL
        created_at DATETIME2(0)
        updated_at DATETIME2(0)
        unique run_id entity_name
        index run_id entity_name
    """,
    "audit.connection_login_events": """
        connection_event_id BIGINT identity primary key
        event_time_utc DATETIME2(3)
        captured_by NVARCHAR(50) default SNAPSHOT_DMV
        session_id SMALLINT NULL
        login_name NVARCHAR(128) NULL
        host_name NVARCHAR(128) NULL
        program_name NVARCHAR(256) NULL
        database_name NVARCHAR(128) NULL
        status NVARCHAR(30) NULL
        login_time DATETIME NULL
        net_transport NVARCHAR(40) NULL
        protocol_type NVARCHAR(40) NULL
        client_net_address VARCHAR(48) NULL
        client_tcp_port INT NULL
        encrypt_option NVARCHAR(10) NULL
        auth_scheme NVARCHAR(60) NULL
        index event_time_utc DESC
    """,
}

PERSONAL = {
    "core.customers": "full_name email phone document_number birth_date gender credit_score address_line district "
    "zip_code",
    "dim.DIM_CLIENTE": "nome_cliente email telefone cpf_cnpj data_nascimento genero score_credito endereco_completo "
    "cep",
    "dim.DIM_VENDEDOR": "nome_vendedor cpf email email_pessoal",
}

NATURAL_KEYS = {
    "dim.DIM_CLIENTE": ("cliente_original_id",),
    "dim.DIM_PRODUTO": ("produto_original_id",),
    "dim.DIM_REGIAO": ("regiao_original_id",),
    "dim.DIM_EQUIPE": ("equipe_original_id",),
    "dim.DIM_VENDEDOR": ("vendedor_original_id",),
    "dim.DIM_DESCONTO": ("desconto_original_id",),
    "fact.FACT_VENDAS": ("venda_original_id",),
    "fact.FACT_METAS": ("vendedor_id", "data_id", "tipo_periodo"),
    "fact.FACT_DESCONTOS": ("desconto_aplicado_original_id",),
}


# The T-SQL against the contract


def described(table: ddl.Table) -> list[str]:
    """Return a table of the T-SQL in the format of `CONTRACT`."""
    references = {key.columns[0]: f"{key.schema}.{key.table}.{key.references[0]}" for key in table.foreign_keys}
    lines = []
    for column in table.columns:
        words = [column.name, _type(column)]
        words += ["identity"] if column.identity else []
        words += ["primary key"] if table.primary_key == (column.name,) else []
        words += ["NULL"] if column.nullable else []
        words += [f"default {_plain(column.default)}"] if column.default is not None else []
        words += [f"references {references[column.name]}"] if column.name in references else []
        lines.append(" ".join(words))
    lines += [f"unique {' '.join(columns)}" for columns in table.uniques]
    for index in table.indexes:
        lines.append("index " + " ".join(f"{name} DESC" if down else name for name, down in index.columns))
    return lines


def _type(column: ddl.Column) -> str:
    return column.type if column.size is None else f"{column.type}({column.size})"


def _plain(default: str) -> str:
    return default.strip("()").removeprefix("N").strip("'")


@pytest.mark.parametrize("name", CONTRACT)
def test_the_tsql_is_the_contract(name: str) -> None:
    assert described(ddl.tables()[name]) == [line.strip() for line in CONTRACT[name].strip().splitlines()]


def test_what_the_indexes_include() -> None:
    included = {index.name: set(index.include) for name in MODELS for index in ddl.tables()[name].indexes}
    assert list(included.values()) == [
        {"watermark_updated_at", "watermark_id", "batch_size"},
        {"status", "finished_at", "entities_succeeded", "entities_failed"},
        {
            "status",
            "extracted_count",
            "upserted_count",
            "soft_deleted_count",
            "watermark_to_updated_at",
            "watermark_to_id",
        },
        {"login_name", "client_net_address", "program_name", "host_name", "database_name"},
    ]


@pytest.mark.parametrize("entity", PIPELINES)
def test_every_source_can_be_read_incrementally(entity: str) -> None:
    source, key, _target = PIPELINES[entity]
    table = ddl.tables()[source]
    columns = {column.name: (column.type, column.size, column.nullable) for column in table.columns}
    assert columns["created_at"] == columns["updated_at"] == ("DATETIME2", 0, False)
    assert columns["deleted_at"] == ("DATETIME2", 0, True)
    assert table.primary_key == (key,)
    assert (("updated_at", False), (key, False)) in [index.columns for index in table.indexes]


@pytest.mark.parametrize("name", NATURAL_KEYS)
def test_every_target_has_its_natural_key_and_update_column(name: str) -> None:
    table = ddl.tables()[name]
    unique = {*table.uniques, *(tuple(c for c, _ in index.columns) for index in table.indexes if index.unique)}
    assert NATURAL_KEYS[name] in unique
    names = {column.name for column in table.columns}
    loaded = name in {"fact.FACT_VENDAS", "fact.FACT_DESCONTOS"}
    assert ("data_atualizacao" if loaded else "data_ultima_atualizacao") in names
    if name.startswith("dim."):
        assert ("eh_ativa" if name == "dim.DIM_EQUIPE" else "eh_ativo") in names
    else:
        assert any(column.startswith(("valor_", "quantidade_", "percentual_")) for column in names)


@pytest.mark.parametrize("name", PERSONAL)
def test_the_personal_columns_are_there(name: str) -> None:
    names = {column.name for column in ddl.tables()[name].columns}
    assert set(PERSONAL[name].split()) <= names
    if name == "dim.DIM_VENDEDOR":
        assert any(column.startswith("telefone_") for column in names)


# The models against the T-SQL


def differences(table: ddl.Table, model: type[models.Model]) -> Iterator[str]:
    """Yield the differences of a model from the T-SQL: columns, types, lengths, NULL, keys."""
    fields = {field.column: field for field in model._meta.concrete_fields}
    wanted = {column.name: column for column in table.columns}
    if model._meta.db_table != f"[{table.schema}].[{table.name}]":
        yield f"table {model._meta.db_table}"
    if model._meta.managed:
        yield "the model is managed"
    if list(fields) != list(wanted):
        yield f"columns {list(fields)} instead of {list(wanted)}"
    references = {key.columns[0]: (f"[{key.schema}].[{key.table}]", key.references[0]) for key in table.foreign_keys}
    for name, field in fields.items():
        if name in wanted:
            yield from (f"{name}: {text}" for text in _differences(wanted[name], field, table, references.get(name)))


def _differences(column: ddl.Column, field: Any, table: ddl.Table, reference: tuple[str, str] | None) -> Iterator[str]:
    if (kind := _model_type(field)) != _comparable(column):
        yield f"type {kind} instead of {_comparable(column)}"
    if field.null != column.nullable:
        yield f"NULL {field.null} instead of {column.nullable}"
    if field.primary_key != (table.primary_key == (column.name,)):
        yield "primary key"
    if isinstance(field, models.AutoField | models.BigAutoField) != column.identity:
        yield "identity"
    if field.has_default():
        yield "has a default of its own"
    target = (field.related_model._meta.db_table, field.target_field.column) if field.is_relation else None
    if target != reference:
        yield f"references {target} instead of {reference}"
    if field.is_relation and field.db_constraint:
        yield "has a database constraint"


def _comparable(column: ddl.Column) -> tuple[str, int | None]:
    """Return type and length; a time's precision is the database's own affair."""
    if column.type in {"DATETIME2", "DATETIME"}:
        return "DATETIME", None
    return column.type, column.size


def _model_type(field: Any) -> tuple[str, int | None]:
    if field.is_relation:
        field = field.target_field
    simple = {
        models.BigAutoField: "BIGINT",
        models.BigIntegerField: "BIGINT",
        models.IntegerField: "INT",
        models.SmallIntegerField: "SMALLINT",
        models.BooleanField: "BIT",
        UtcDateTimeField: "DATETIME",
    }
    if isinstance(field, VarCharField):
        return "VARCHAR", field.max_length
    if type(field) is models.CharField:
        return "NVARCHAR", field.max_length
    return simple[type(field)], None


@pytest.mark.parametrize("name", MODELS)
def test_the_model_is_the_tsql(name: str) -> None:
    assert list(differences(ddl.tables()[name], MODELS[name])) == []


def _changed(table: ddl.Table, which: str, **changes: Any) -> ddl.Table:
    columns = tuple(replace(column, **changes) if column.name == which else column for column in table.columns)
    return replace(table, columns=columns)


RUN_ENTITY = "audit.etl_run_entity"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: _changed(t, "error_message", size=8000), "error_message: type"),
        (lambda t: _changed(t, "error_message", type="NVARCHAR"), "error_message: type"),
        (lambda t: _changed(t, "extracted_count", type="BIGINT"), "extracted_count: type"),
        (lambda t: _changed(t, "updated_at", type="DATE", size=None), "updated_at: type"),
        (lambda t: _changed(t, "status", nullable=True), "status: NULL"),
        (lambda t: _changed(t, "watermark_to_id", nullable=False), "watermark_to_id: NULL"),
        (lambda t: _changed(t, "run_entity_id", identity=False), "run_entity_id: identity"),
        (lambda t: _changed(t, "status", name="state"), "columns"),
        (lambda t: replace(t, columns=t.columns[:-1]), "columns"),
        (lambda t: replace(t, columns=(*t.columns, replace(t.columns[-1], name="more"))), "columns"),
        (lambda t: replace(t, primary_key=("run_id",)), "primary key"),
        (lambda t: replace(t, foreign_keys=()), "run_id: references"),
        (lambda t: replace(t, schema="ctl"), "table"),
    ],
)
def test_every_kind_of_difference_is_told(change: Any, told: str) -> None:
    found = list(differences(change(ddl.tables()[RUN_ENTITY]), EtlRunEntity))
    assert [line for line in found if told in line], found


# The embedded tables against the T-SQL


def _columns(schema: str, name: str) -> dict[str, tuple[str, bool, bool]]:
    """Return (declared type, nullable, in the primary key) of an attached table, as SQLite knows it."""
    connection = connections["oltp" if schema == "core" else "dw"]
    rows = connection.connection.execute(
        "SELECT name, type, [notnull], pk FROM pragma_table_info(?, ?) ORDER BY cid", (name, schema)
    )
    return {column: (kind, not notnull, bool(pk)) for column, kind, notnull, pk in rows}


def test_the_embedded_tables_are_the_contracts(warehouse: Warehouse) -> None:
    attached = {f"{schema}.{name}" for alias in ("dw", "oltp") for schema, name in tables(alias)}
    assert attached == set(ddl.tables())


@pytest.mark.parametrize("name", ddl.tables())
def test_an_embedded_table_has_the_columns_and_keys(warehouse: Warehouse, name: str) -> None:
    table = ddl.tables()[name]
    embedded = _columns(table.schema, table.name)
    assert list(embedded) == [column.name for column in table.columns]
    for column in table.columns:
        _kind, nullable, key = embedded[column.name]
        assert key == (column.name in table.primary_key), column.name
        if not column.identity:
            assert nullable == column.nullable, column.name


@pytest.mark.parametrize("name", ddl.tables())
def test_an_embedded_table_refuses_what_sql_server_would(warehouse: Warehouse, name: str) -> None:
    """Lengths, bits and the form of a time: a value that SQL Server could not hold does not get in."""
    table = ddl.tables()[name]
    connection = connections["oltp" if table.schema == "core" else "dw"]
    (sql,) = connection.connection.execute(
        f"SELECT sql FROM [{table.schema}].sqlite_master WHERE type = 'table' AND name = ?", (table.name,)
    ).fetchone()
    for column in table.columns:
        if column.type in {"VARCHAR", "NVARCHAR", "CHAR"}:
            assert re.search(rf'length\("{column.name}"\) <= {column.size}\b', sql), column.name
        if column.type == "BIT":
            assert f'"{column.name}" IN (0, 1)' in sql, column.name


@pytest.mark.parametrize("name", MODELS)
def test_an_embedded_table_has_the_indexes(warehouse: Warehouse, name: str) -> None:
    table = ddl.tables()[name]
    for index in table.indexes:
        rows = connections["dw"].connection.execute(
            f"SELECT name, desc FROM [{table.schema}].pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno", (index.name,)
        )
        got = [(column, bool(down)) for column, down in rows]
        assert got[: len(index.columns)] == list(index.columns)
        assert {column for column, _ in got[len(index.columns) :]} == set(index.include)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("entity_name", "x" * 101),
        ("is_active", 2),
        ("cutoff_minutes", 1441),
        ("batch_size", 0),
        ("watermark_updated_at", "2026-03-10"),
        ("watermark_updated_at", "2026-03-10T12:00:00"),
        ("source_table", None),
    ],
)
def test_a_row_outside_the_contract_does_not_get_in(warehouse: Warehouse, column: str, value: Any) -> None:
    with pytest.raises(Exception, match="constraint failed"):
        warehouse.control(**{column: value})


@pytest.mark.parametrize("name", MODELS)
def test_a_model_reads_a_row(warehouse: Warehouse, name: str) -> None:
    run_id = warehouse.run()
    warehouse.control()
    warehouse.run_entity(run_id)
    warehouse.login_event()
    row = MODELS[name].objects.get()
    for field in row._meta.concrete_fields:
        value = field.value_from_object(row)
        if isinstance(field, UtcDateTimeField) and value is not None:
            assert value.utcoffset() is not None
    assert str(row)


def test_the_tests_rows_vanish(warehouse: Warehouse) -> None:
    """Isolation: what the tests before this one inserted is gone, guard and transaction intact."""
    for alias in ("dw", "oltp"):
        for schema, name in tables(alias):
            rows = connections[alias].connection.execute(f"SELECT count(*) FROM [{schema}].[{name}]").fetchone()
            assert rows == (0,), name
        with writable(alias):
            assert connections[alias].connection.execute("PRAGMA query_only").fetchone() == (0,)
        assert connections[alias].connection.execute("PRAGMA query_only").fetchone() == (1,)
