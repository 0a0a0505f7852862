"""The integrity checks on real tables: results, checks that do not apply, cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from etlportal import budget as budgets
from etlportal.budget import spending
from monitoring.models import PipelineSettings
from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import Watermark
from monitoring.rules.integrity import Basis, CheckCode, CheckResult, Reason
from monitoring.warehouse import integrity
from monitoring.warehouse.dialect import Sql
from monitoring.warehouse.integrity import run_checks
from tests import factories
from tests.support.clock import Clock
from tests.support.queries import queries
from tests.support.warehouse import NOW, Warehouse

SOURCE = """CREATE TABLE [core].[loose] (id BIGINT, name TEXT, status VARCHAR(20), updated_at DATETIME2(0),
  deleted_at DATETIME2(0))"""
TARGET = """CREATE TABLE [dim].[LOOSE] (loose_id INTEGER PRIMARY KEY, loose_original_id BIGINT, situacao VARCHAR(20),
  eh_ativo BIT, data_ultima_atualizacao DATETIME2(0))"""
FACT = """CREATE TABLE [fact].[FACT_LOOSE] (loose_id INTEGER PRIMARY KEY, loose_original_id BIGINT NOT NULL UNIQUE,
  cliente_id BIGINT, produto_id BIGINT NOT NULL, valor_total DECIMAL(18, 2), quantidade INT, quantidade_itens INT,
  percentual_desconto DECIMAL(5, 2), situacao_pedido VARCHAR(20) NOT NULL, data_atualizacao DATETIME2(0) NOT NULL)"""


@pytest.fixture
def loose(warehouse: Warehouse) -> Warehouse:
    """Two tables without a single constraint, empty."""
    warehouse.execute("oltp", SOURCE)
    warehouse.execute("dw", TARGET)
    return warehouse


def source_row(warehouse: Warehouse, **values: Any) -> None:
    warehouse.insert("core.loose", **{"id": 1, "status": "ATIVO", "updated_at": NOW - timedelta(hours=1), **values})


def target_row(warehouse: Warehouse, **values: Any) -> None:
    row = {"loose_original_id": 1, "situacao": "ATIVO", "eh_ativo": 1, "data_ultima_atualizacao": NOW, **values}
    warehouse.insert("dim.LOOSE", **row)


CONTROL = {
    "entity_name": "dim_loose",
    "source_table": "core.loose",
    "target_table": "dim.LOOSE",
    "source_pk_column": "id",
    "watermark": Watermark(NOW, 100),
}


def results(words: str = "", **changes: Any) -> dict[CheckCode, CheckResult]:
    """Run the checks. `changes` of the control row, and arguments of run_checks."""
    row = {name: changes.pop(name) for name in CONTROL if name in changes}
    asked = {"source_total": 10, "target_total": 10, **changes}
    settings = PipelineSettings(status_words=words)
    return {
        result.code: result for result in run_checks(factories.control_row(**{**CONTROL, **row}), settings, **asked)
    }


def test_every_check_answers_once_in_order(loose: Warehouse) -> None:
    assert list(results()) == list(CheckCode)


def test_empty_tables_pass(loose: Warehouse) -> None:
    found = results()
    looked = {code for code, result in found.items() if result.basis is Basis.LOOKED}
    assert looked == set(CheckCode) - {CheckCode.FACT_NEGATIVE, CheckCode.FACT_REQUIRED_NULL}
    assert all(found[code].state is CheckState.PASSED and found[code].found == 0 for code in looked)


def test_violations_are_counted_with_their_keys(loose: Warehouse) -> None:
    source_row(loose, id=None, updated_at=NOW)
    source_row(loose, id=7)
    source_row(loose, id=7)
    source_row(loose, id=8, updated_at=None)
    for key in (5, 5, 5, 6, 6):
        target_row(loose, loose_original_id=key)
    target_row(loose, loose_original_id=None, data_ultima_atualizacao=None)
    found = results()
    expected = {
        CheckCode.SOURCE_KEY_NULL: (1, ("NULL / 2026-03-10 12:00:00",)),
        CheckCode.SOURCE_KEY_DUPLICATE: (1, ("7 × 2",)),
        CheckCode.SOURCE_UPDATED_NULL: (1, ("8",)),
        CheckCode.TARGET_KEY_NULL: (1, ("NULL / NULL",)),
        CheckCode.TARGET_KEY_DUPLICATE: (2, ("5 × 3", "6 × 2")),
        CheckCode.TARGET_UPDATED_NULL: (1, ("NULL",)),
    }
    for code, (count, evidence) in expected.items():
        result = found[code]
        assert result.state is CheckState.FAILED, code
        assert (result.found, tuple(sorted(result.evidence)), result.capped) == (count, evidence, False), code
        assert result.milliseconds > 0


def test_counting_stops_at_its_cap(loose: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.rules.integrity.FOUND_CAP", 3)
    monkeypatch.setattr("monitoring.warehouse.integrity.FOUND_CAP", 3)
    for _ in range(6):
        source_row(loose, id=None)
    result = results()[CheckCode.SOURCE_KEY_NULL]
    assert (result.found, result.capped) == (3, True)


def test_a_scan_that_was_cut_says_so(loose: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.warehouse.integrity.SCAN_CAP", 2)
    for key in (1, 2, 3, None):
        source_row(loose, id=key)
    result = results(source_total=4)[CheckCode.SOURCE_KEY_NULL]
    assert (result.state, result.looked_at) == (CheckState.PASSED, 2)
    assert results(source_total=2)[CheckCode.SOURCE_KEY_NULL].looked_at is None
    assert results(source_total=None)[CheckCode.SOURCE_KEY_NULL].looked_at == 2


@pytest.mark.parametrize(
    ("words", "allowed", "state", "evidence"),
    [
        (["ATIVO", "Inativo", "ativa"], "", CheckState.PASSED, ()),
        (["ATIVO", "XYZ", "XYZ"], "", CheckState.WARNING, ("“XYZ” × 2",)),
        (["ATIVO", None], "", CheckState.FAILED, ("NULL × 1",)),
        (["ATIVO", " "], "", CheckState.FAILED, ("“ ” × 1",)),
        (["ATIVO", " ATIVO"], "", CheckState.FAILED, ("“ ATIVO” × 1",)),
        (["XYZ", "Ação"], "xyz, acao", CheckState.PASSED, ()),
        (["XYZ", "ATIVO"], "XYZ", CheckState.FAILED, ("“ATIVO” × 1",)),
    ],
)
def test_status_words(
    loose: Warehouse, words: list[str | None], allowed: str, state: CheckState, evidence: tuple[str, ...]
) -> None:
    for number, word in enumerate(words):
        target_row(loose, loose_original_id=number, situacao=word)
    result = results(words=allowed)[CheckCode.TARGET_STATUS]
    assert (result.state, result.evidence) == (state, evidence)


def test_deleted_rows_must_not_be_active(loose: Warehouse) -> None:
    deleted = NOW - timedelta(minutes=5)
    source_row(loose, id=1, updated_at=deleted, deleted_at=deleted)  # still active: wrong
    source_row(loose, id=2, updated_at=deleted, deleted_at=deleted)  # inactive: right
    source_row(loose, id=3, updated_at=deleted, deleted_at=deleted)  # never loaded: right
    source_row(loose, id=4)  # not deleted
    source_row(loose, id=101, updated_at=NOW, deleted_at=NOW)  # at W, key beyond: waits for a run
    source_row(loose, id=102, updated_at=NOW + timedelta(seconds=1), deleted_at=NOW)  # waits
    for key, active in ((1, 1), (2, 0), (4, 1), (101, 1), (102, 1)):
        target_row(loose, loose_original_id=key, eh_ativo=active)
    result = results()[CheckCode.SOFT_DELETE]
    assert (result.state, result.found, result.evidence) == (CheckState.FAILED, 1, ("1",))
    assert result.columns == ("deleted_at", "eh_ativo")


def test_many_deletions_are_looked_up_in_chunks(loose: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "KEYS_AT_ONCE", 2)
    monkeypatch.setattr(integrity, "DELETED_CAP", 5)
    for key in range(1, 9):
        source_row(loose, id=key, deleted_at=NOW)
        target_row(loose, loose_original_id=key)
    result = results()[CheckCode.SOFT_DELETE]
    assert (result.found, result.looked_at) == (5, 5)


def test_facts(warehouse: Warehouse) -> None:
    warehouse.execute("dw", FACT)
    for key, changes in enumerate(
        ({}, {"cliente_id": None}, {"valor_total": -1.5}, {"quantidade_itens": -2, "percentual_desconto": -3}), start=1
    ):
        row = {
            "loose_original_id": key, "cliente_id": 1, "produto_id": 1, "valor_total": 0, "quantidade": -9,
            "quantidade_itens": 1, "percentual_desconto": 0, "situacao_pedido": "PAGO", "data_atualizacao": NOW,
            **changes,
        }  # fmt: skip
        warehouse.insert("fact.FACT_LOOSE", **row)
    found = results(entity_name="fact_loose", target_table="fact.FACT_LOOSE")
    null, negative = found[CheckCode.FACT_REQUIRED_NULL], found[CheckCode.FACT_NEGATIVE]
    assert (null.state, null.columns, null.evidence) == (CheckState.WARNING, ("cliente_id",), ("2: cliente_id = NULL",))
    assert (negative.state, negative.found) == (CheckState.FAILED, 2)
    assert set(negative.evidence) == {"3: valor_total = -1.5", "4: quantidade_itens = -2"}
    assert "quantidade" not in negative.columns
    assert found[CheckCode.TARGET_KEY_DUPLICATE].basis is Basis.GUARANTEED
    assert found[CheckCode.SOFT_DELETE].reason is Reason.NO_TABLE  # the source is not there


def test_the_contracts_own_tables_guarantee_most(warehouse: Warehouse) -> None:
    asked = {
        "entity_name": "dim_cliente",
        "source_table": "core.customers",
        "target_table": "dim.DIM_CLIENTE",
        "source_pk_column": "customer_id",
    }
    with queries(dw=range(0, 5), oltp=range(0, 5)):
        found = results(**asked)
    for code in (
        CheckCode.SOURCE_KEY_NULL, CheckCode.SOURCE_KEY_DUPLICATE, CheckCode.SOURCE_UPDATED_NULL,
        CheckCode.TARGET_KEY_NULL, CheckCode.TARGET_KEY_DUPLICATE, CheckCode.TARGET_UPDATED_NULL,
    ):  # fmt: skip
        assert (found[code].basis, found[code].state) == (Basis.GUARANTEED, CheckState.PASSED), code
    assert found[CheckCode.FACT_NEGATIVE].reason is Reason.NOT_A_FACT


def test_the_composite_key_of_the_contract(warehouse: Warehouse) -> None:
    asked = {
        "entity_name": "fact_metas", "source_table": "core.seller_targets_monthly", "target_table": "fact.FACT_METAS",
        "source_pk_column": "seller_target_id",
    }  # fmt: skip
    found = results(**asked)
    assert found[CheckCode.TARGET_KEY_DUPLICATE].columns == ("vendedor_id", "data_id", "tipo_periodo")
    assert found[CheckCode.FACT_REQUIRED_NULL].columns == ("vendedor_id", "data_id", "equipe_id")
    assert found[CheckCode.SOFT_DELETE].reason is Reason.NO_ACTIVE_FLAG


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"source_table": "[a].[b].[c]"}, CheckCode.SOURCE_KEY_NULL, Reason.NAME_INVALID),
        ({"source_table": "core.customers; DROP TABLE x"}, CheckCode.SOURCE_STATUS, Reason.NAME_INVALID),
        ({"source_table": ""}, CheckCode.SOFT_DELETE, Reason.NAME_INVALID),
        ({"target_table": "dim.NOT_THERE"}, CheckCode.TARGET_KEY_NULL, Reason.NO_TABLE),
        ({"target_table": "other_schema.t"}, CheckCode.TARGET_STATUS, Reason.NO_TABLE),
    ],
)
def test_what_cannot_be_asked_says_why(
    loose: Warehouse, changes: dict[str, str], code: CheckCode, reason: Reason
) -> None:
    result = results(**changes)[code]
    assert (result.state, result.basis, result.reason) == (CheckState.UNKNOWN, Basis.NOT_APPLICABLE, reason)


@pytest.mark.parametrize("key", ["no_such_column", "id; DROP TABLE x", "", "]"])
def test_a_key_that_is_no_column_is_a_problem_of_its_checks_alone(loose: Warehouse, key: str) -> None:
    found = results(source_pk_column=key)
    assert found[CheckCode.SOURCE_KEY_NULL].problem is not None
    assert found[CheckCode.SOURCE_KEY_NULL].problem.code is ProblemCode.COLUMN_MISSING
    assert found[CheckCode.SOURCE_UPDATED_NULL].state is CheckState.PASSED


def test_a_slow_statement_is_given_up_and_the_others_go_on(loose: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.warehouse.integrity.STATEMENT_SECONDS", 0.15)
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000000) SELECT MAX(i) FROM n"

    def endless(side: integrity.Side, code: CheckCode) -> Any:
        return side.ask(Sql(slow))

    monkeypatch.setattr(integrity, "check_key_null", endless)
    found = results()
    timed_out = found[CheckCode.SOURCE_KEY_NULL]
    assert timed_out.problem is not None
    assert timed_out.problem.code is ProblemCode.TIMEOUT
    assert 100 < timed_out.milliseconds < 5000
    assert found[CheckCode.SOURCE_KEY_DUPLICATE].state is CheckState.PASSED


def test_when_the_whole_time_is_used_up_the_rest_says_so(loose: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, check = Clock(), integrity.check_key_null

    def slow(side: integrity.Side, code: CheckCode) -> CheckResult:
        found = check(side, code)
        with spending():
            clock.now += integrity.TOTAL_SECONDS
        return found

    monkeypatch.setattr(budgets, "clock", clock)
    monkeypatch.setattr(integrity, "check_key_null", slow)
    found = results()
    assert found[CheckCode.SOURCE_KEY_NULL].state is CheckState.PASSED
    late = found[CheckCode.SOURCE_KEY_DUPLICATE]
    assert (late.state, late.basis, late.reason) == (CheckState.UNKNOWN, Basis.FAILED_TO_LOOK, Reason.OUT_OF_TIME)


def test_a_database_that_is_down_is_unknown_never_passed(loose: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError, connections

    def refuse() -> None:
        raise OperationalError("unable to open database file")

    monkeypatch.setattr(connections["oltp"], "ensure_connection", refuse)
    found = results()
    source = [
        result for code, result in found.items() if code.value.startswith("source") or code is CheckCode.SOFT_DELETE
    ]
    assert all(result.state is CheckState.UNKNOWN and result.problem for result in source)
    assert found[CheckCode.TARGET_KEY_NULL].state is CheckState.PASSED
