"""Integrity checks on the server, compared with plain SQL, and the limits of the login."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from monitoring.rules.enums import CheckState
from monitoring.rules.integrity import Basis, CheckCode
from tests.sqlserver import expected
from tests.sqlserver.conftest import Portal
from tests.sqlserver.server import DW, LOGIN, OLTP, PASSWORD, Server


def checked(portal: Portal, entity: str) -> dict[CheckCode, Any]:
    """Return the results of the checks that an operator runs now."""
    from monitoring.models import IntegrityReport
    from monitoring.pipelines.checks import results_of

    answer = portal.client("operator").post(reverse("monitoring:pipeline-checks-run", args=[entity]))
    assert answer.status_code == 302
    results = results_of(IntegrityReport.objects.get(pk=entity))
    assert results is not None
    return {result.code: result for result in results}


@pytest.mark.parametrize("entity", sorted(expected.SOURCES))
def test_every_check_of_every_pipeline_can_look(portal: Portal, entity: str) -> None:
    for code, result in checked(portal, entity).items():
        assert result.basis is not Basis.FAILED_TO_LOOK, (code, result.problem)


def test_negative_measures_are_counted(portal: Portal) -> None:
    wanted = portal.server.rows(DW, "SELECT COUNT(*) FROM fact.FACT_VENDAS WHERE valor_liquido < 0")[0][0]
    result = checked(portal, "fact_vendas")[CheckCode.FACT_NEGATIVE]
    assert (result.state, result.found) == (CheckState.FAILED, wanted)
    assert wanted == 3


def test_what_was_deleted_and_is_still_active_is_counted(portal: Portal) -> None:
    control = expected.controls(portal.server)["dim_produto"]
    w, key = control["watermark_updated_at"], control["watermark_id"]
    gone = portal.server.rows(
        OLTP,
        "SELECT product_id FROM core.products WHERE deleted_at IS NOT NULL "
        "AND (updated_at < ? OR (updated_at = ? AND product_id <= ?))",
        *(w, w, key),
    )
    active = portal.server.rows(DW, "SELECT produto_original_id FROM dim.DIM_PRODUTO WHERE eh_ativo = 1")
    result = checked(portal, "dim_produto")[CheckCode.SOFT_DELETE]
    assert result.found == len(set(gone) & set(active)) > 0
    assert result.state is CheckState.FAILED


def test_a_constraint_is_taken_for_what_it_guarantees(portal: Portal) -> None:
    result = checked(portal, "dim_cliente")[CheckCode.TARGET_KEY_DUPLICATE]
    assert (result.basis, result.state) == (Basis.GUARANTEED, CheckState.PASSED)


REFUSED = (
    (OLTP, "UPDATE core.customers SET full_name = N'x' WHERE customer_id = 1"),
    (OLTP, "INSERT INTO core.regions SELECT * FROM core.regions WHERE 1 = 0"),
    (OLTP, "DELETE FROM core.carriers"),
    (OLTP, "CREATE TABLE core.mine (id INT)"),
    (DW, "UPDATE ctl.etl_control SET watermark_id = 0"),
    (DW, "DELETE FROM audit.connection_login_events"),
    (DW, "DROP TABLE audit.etl_run_entity"),
)  # fmt: skip


# The databases' names are of this run: in a test's own name they would differ between xdist's workers.
@pytest.mark.parametrize(("database", "statement"), REFUSED, ids=[statement for _, statement in REFUSED])
def test_the_login_of_the_access_scripts_only_reads(
    server: Server, portal: Portal, database: str, statement: str
) -> None:
    """Also past the portal's own guard: straight through the driver, as the portal's login."""
    import pyodbc

    with server.open(database, login=LOGIN, password=PASSWORD) as connection, pytest.raises(pyodbc.Error):
        connection.cursor().execute(statement)


@pytest.mark.parametrize("alias", ["dw", "oltp"])
def test_the_preflight_finds_everything_ready(portal: Portal, alias: str) -> None:
    checks = portal.snapshot.preflight
    assert checks.ready_for_monitoring
    assert checks.ready_for_first_run
    connection = next(each for each in portal.snapshot.connections if each.alias == alias)
    assert connection.reachable
    assert connection.database == (DW if alias == "dw" else OLTP)
    assert abs(connection.clock_skew_seconds) < 5
    assert PASSWORD not in connection.connection_string
