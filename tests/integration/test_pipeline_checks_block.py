"""Integrity checks on the page: permission, shared result, one at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring.models import IntegrityReport
from monitoring.pipelines.checks import AlreadyRunning, check_integrity, count, results_of
from monitoring.rules.enums import CheckState
from monitoring.rules.integrity import Basis
from tests import factories
from tests.support.htmx import blocks
from tests.support.queries import queries
from tests.support.warehouse import Warehouse

RUN = "/pipelines/dim_cliente/checks/run/"
BLOCK = "/pipelines/dim_cliente/blocks/pipeline-checks/"


@pytest.fixture
def stored(snapshot_stored: Any) -> None:
    snapshot_stored(factories.snapshot(factories.pipeline()))


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("auditor", False), ("operator", True), ("admin", True)])
def test_who_may_run_them(role: str, may: bool, client_as: Any, stored: None, warehouse: Warehouse) -> None:
    client = client_as(role)
    assert ("Run the checks" in client.get(BLOCK).content.decode()) is may
    response = client.post(RUN)
    assert response.status_code == (302 if may else 403)
    assert IntegrityReport.objects.filter(finished_by=role).exists() is may
    assert client.get(RUN).status_code == (405 if may else 403)


def test_everybody_sees_the_last_result_with_who_when_cost_and_evidence(
    client_as: Any, stored: None, warehouse: Warehouse
) -> None:
    answer = client_as("operator").post(RUN, headers={"hx-request": "true"})
    assert set(blocks(answer.content.decode())) == {"pipeline-checks"}
    with queries(dw=0, oltp=0):
        html = client_as("viewer").get(BLOCK).content.decode()
    assert "asked by operator" in html
    assert "Source: keys used twice" in html
    assert "Ruled out by a constraint" in html
    assert "Does not apply: only facts have it." in html
    assert " ms</td>" in html


def test_they_need_a_token(users: Any, stored: None, warehouse: Warehouse) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(users["operator"], backend="monitoring.accounts.UserBackend")
    assert client.post(RUN).status_code == 403


def test_one_person_at_a_time(client_as: Any, stored: None, warehouse: Warehouse) -> None:
    now = timezone.now()
    IntegrityReport.objects.create(
        entity_name="dim_cliente", lease_until=now + timedelta(seconds=30), lease_by="somebody"
    )
    with queries(dw=0, oltp=0), pytest.raises(AlreadyRunning):
        check_integrity(factories.control_row(), by="me", now=now)
    html = client_as("operator").post(RUN, headers={"hx-request": "true"}).content.decode()
    assert "somebody is running them now" in html
    assert "Run the checks" not in html
    # A process that died meanwhile blocks others for the length of the lease only.
    check_integrity(factories.control_row(), by="me", now=now + timedelta(seconds=30))
    last = IntegrityReport.objects.get()
    assert (last.running_by(now + timedelta(seconds=31)), last.finished_by) == ("", "me")


def test_a_crash_frees_the_lease(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: Any, **options: Any) -> None:
        raise RuntimeError("gone")

    monkeypatch.setattr("monitoring.pipelines.checks.run_checks", crash)
    with pytest.raises(RuntimeError):
        check_integrity(factories.control_row(), by="me", now=timezone.now())
    assert IntegrityReport.objects.get().running_by(timezone.now()) == ""


def test_what_was_found_survives_storing(warehouse: Warehouse) -> None:
    report = check_integrity(factories.control_row(), by="me", now=timezone.now())
    results = results_of(IntegrityReport.objects.get())
    assert results == results_of(report)
    assert results is not None
    assert {result.basis for result in results} == {Basis.GUARANTEED, Basis.LOOKED, Basis.NOT_APPLICABLE}
    assert count(results, CheckState.PASSED) == 9
    assert count(results, CheckState.UNKNOWN) == 0  # what does not apply is not counted as unknown


def test_results_of_another_version_are_none(db: None) -> None:
    report = IntegrityReport(entity_name="x", finished_at=timezone.now(), results=[{"code": "of_the_future"}])
    assert results_of(report) is None


def test_a_pipeline_not_sampled_yet_can_be_checked(client_as: Any, stored: None, warehouse: Warehouse) -> None:
    warehouse.control("dim_produto")
    client_as("operator").post("/pipelines/dim_produto/checks/run/")
    assert IntegrityReport.objects.filter(pk="dim_produto", finished_by="operator").exists()
    assert client_as("operator").post("/pipelines/unheard_of/checks/run/").status_code == 404


@pytest.mark.parametrize("name", ["dim_cliente", "DIM_Cliente"])
def test_a_new_result_is_everybodys_at_once_at_any_spelling(
    name: str, client_as: Any, stored: None, warehouse: Warehouse
) -> None:
    operator, viewer, page = client_as("operator"), client_as("viewer"), f"/pipelines/{name}/"
    assert "Never checked" in viewer.get(page).content.decode()
    assert "asked by operator" in operator.post(f"{page}checks/run/", headers={"hx-request": "true"}).content.decode()
    assert "asked by operator" in viewer.get(page).content.decode()
