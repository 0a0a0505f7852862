"""Error messages: parsed and masked when they are copied, and shown to each reader as their permissions allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from monitoring.collector.copies import update_errors
from monitoring.models import CollectorState, EtlRun, EtlRunEntity, RunCopy, RunEntityCopy
from monitoring.rules.enums import ErrorClass
from monitoring.web.cache import cache
from tests import factories
from tests.support.collecting import Watcher, in_real_time
from tests.support.warehouse import Warehouse

LOGIN, VALUE = "maria.souza", "ana.silva@example.com"
DUPLICATE = (
    "IntegrityError: ('23000', \"[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of UNIQUE KEY "
    f"constraint 'UQ_mail'. Cannot insert duplicate key in object 'dim.D'. The duplicate key value is ({VALUE}) for "
    f"user '{LOGIN}'. (2627) (SQLExecDirectW)\")"
)
REFUSED = f"OperationalError: Login failed for user '{LOGIN}'. (18456)"
MESSAGE = f"{DUPLICATE} | {REFUSED}"


@pytest.fixture
def watcher(warehouse: Warehouse) -> Watcher:
    in_real_time(warehouse)
    return Watcher()


@pytest.fixture
def copied(watcher: Watcher, warehouse: Warehouse) -> None:
    """A run of two executions that failed, copied by the collector."""
    warehouse.control("dim_cliente"), warehouse.control("dim_produto")
    run = warehouse.run(status="failed", started_by=LOGIN, error_message=MESSAGE)
    warehouse.run_entity(run, entity_name="dim_cliente", status="failed", error_message=DUPLICATE)
    warehouse.run_entity(run, entity_name="dim_produto", status="failed", error_message=REFUSED)
    watcher.tick()


def stored() -> list[tuple[Any, ...]]:
    columns = ("error", "error_with_logins")
    return [
        *RunEntityCopy.objects.order_by("pk").values_list(*columns, "error_class", "fingerprint"),
        *RunCopy.objects.order_by("pk").values_list(*columns),
    ]


def test_a_copy_has_its_error_parsed_and_masked(copied: None) -> None:
    row = RunEntityCopy.objects.get(entity_name="dim_cliente")
    assert row.error_message == DUPLICATE
    error, with_logins = row.error, row.error_with_logins
    assert error is not None and with_logins is not None
    for each in (error, with_logins):
        assert (each.error_class, each.number, each.sqlstate) == (ErrorClass.UNIQUE, 2627, "23000")
        assert (each.constraint, each.object, each.exception_type) == ("UQ_mail", "dim.D", "IntegrityError")
        assert each.fingerprint == row.fingerprint
        assert VALUE not in f"{each.text}{each.words}{each.key}"
        assert each.key.endswith("@example.com")
        assert each.words.startswith("Violation of UNIQUE KEY")
    assert LOGIN not in error.text
    assert LOGIN in with_logins.text
    assert row.error_class == "unique"


def test_an_error_without_a_login_is_stored_once(watcher: Watcher, warehouse: Warehouse) -> None:
    warehouse.execution(status="failed", error_message=factories.UNIQUE_ERROR)
    warehouse.execution()
    watcher.tick()
    failed, succeeded = RunEntityCopy.objects.order_by("run_id")
    assert failed.error is not None
    assert (failed.error_with_logins, succeeded.error, succeeded.error_with_logins) == (None, None, None)
    assert failed.error.severity == 14


def test_a_run_has_the_errors_of_its_executions_joined(copied: None) -> None:
    run = RunCopy.objects.get()
    errors = [each.error.text for each in RunEntityCopy.objects.order_by("pk") if each.error]
    assert run.error is not None and run.error_with_logins is not None
    assert run.error.text == " | ".join(errors)
    assert LOGIN not in run.error.text
    assert LOGIN in run.error_with_logins.text


@pytest.mark.parametrize("error", [None, {"error_class": "a class that is gone"}])
def test_rows_of_another_version_are_shown_masked_and_get_their_columns(
    copied: None, client_as: Callable[[str], Client], error: Any
) -> None:
    right = stored()
    RunEntityCopy.objects.update(error=error, error_with_logins=None, error_class="", fingerprint=None)
    RunCopy.objects.update(error=None, error_with_logins=None)
    CollectorState.objects.update(fingerprint_version=0, fingerprinted_from=None)
    page = client_as("viewer").get(f"/runs/{RunCopy.objects.get().pk}/").content.decode()
    assert "Violation of UNIQUE KEY" in page
    assert VALUE not in page and LOGIN not in page
    assert not update_errors(limit=1)
    assert not update_errors(limit=1)
    assert update_errors(limit=1)
    assert stored() == right


PAGES = ("/", "/runs/", "/runs/{run}/", "/runs/runs.csv", "/runs/{run}/executions.csv", "/runs/failures/",
         "/runs/failures/groups.csv", "/pipelines/dim_cliente/", "/pipelines/dim_cliente/executions.csv",
         "/failures.csv", "/pipelines.csv")  # fmt: skip


@pytest.mark.parametrize(("role", "logins"), [("viewer", False), ("operator", False), ("auditor", True)])
@pytest.mark.parametrize("kept", [True, False], ids=["copy", "warehouse"])
def test_a_page_shows_logins_to_readers_of_the_connection_audit_only(
    copied: None, client_as: Callable[[str], Client], role: str, logins: bool, kept: bool
) -> None:
    run_id, client = RunCopy.objects.get().pk, client_as(role)
    if not kept:
        RunEntityCopy.objects.all().delete(), RunCopy.objects.all().delete()
    cache.clear()
    seen = []
    for page in PAGES if kept else PAGES[2:3]:
        response = client.get(page.format(run=run_id))
        if response.status_code == 200:
            content = b"".join(response.streaming_content) if response.streaming else response.content
            seen.append(content.decode())
            assert VALUE not in seen[-1], page
            assert logins or LOGIN not in seen[-1], page
    assert len(seen) >= (8 if kept else 1)
    assert any("UQ_mail" in text for text in seen)
    assert any(LOGIN in text for text in seen) is logins


@pytest.fixture
def drills(client: Client) -> Client:
    """A user who may open the warehouse's tables and the copies, but not the connection audit."""
    user, group = User.objects.create_user("ana", is_staff=True), Group.objects.create(name="drills")
    tables = ("etlrun", "etlrunentity", "runcopy", "runentitycopy")
    group.permissions.set(Permission.objects.filter(codename__in=[f"view_{table}" for table in tables]))
    group.user_set.add(user)
    client.force_login(user)
    return client


@pytest.mark.parametrize("table", ["etlrun", "etlrunentity", "runcopy", "runentitycopy"])
def test_the_admin_masks_logins_for_who_may_not_see_them(
    copied: None, drills: Client, client_as: Callable[[str], Client], table: str
) -> None:
    keys = {"etlrun": EtlRun, "etlrunentity": EtlRunEntity, "runcopy": RunCopy, "runentitycopy": RunEntityCopy}
    start = f"/admin/monitoring/{table}"
    key = keys[table].objects.order_by("pk")[0].pk
    addresses = [f"{start}/", f"{start}/{key}/change/", f"{start}/{key}/row.json", f"{start}/export.csv"]
    for address in addresses:
        masked, whole = content(drills.get(address)), content(client_as("admin").get(address))
        assert LOGIN not in masked, address
        assert LOGIN in whole or table in {"runentitycopy", "runcopy"}, address
    assert "UQ_mail" in content(drills.get(addresses[1]))
    found = content(drills.get(f"{start}/?q={LOGIN}&window=30d"))
    assert f"/{key}/change/" not in found, "a search must not reveal who it was"


def content(response: Any) -> str:
    assert response.status_code == 200
    return (b"".join(response.streaming_content) if response.streaming else response.content).decode()


def test_unmasking_shows_values_of_rows_but_no_logins_to_a_reader_without_them(
    watcher: Watcher, warehouse: Warehouse, users: dict[str, User], client_as: Callable[[str], Client]
) -> None:
    message = DUPLICATE.replace(VALUE, "19800203")
    warehouse.execution(status="failed", error_message=message)
    watcher.tick()
    users["viewer"].user_permissions.add(Permission.objects.get(codename="unmask"))
    client, group = client_as("viewer"), RunEntityCopy.objects.get().fingerprint
    address = f"/runs/failures/{group}/"
    assert "19800203" not in content(client.get(address))
    assert client.post(f"{address}unmask/").status_code == 302
    assert "19800203" in content(client.get(address))
    assert LOGIN not in content(client.get(address))
