"""Every page, block, export and admin page on the server, as every role.

A failed block logs an error, and tests/conftest.py fails the test for it.
"""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse

from monitoring import access
from monitoring.models import RunEntityCopy
from monitoring.web import health
from tests.conftest import ROLES
from tests.sqlserver import expected
from tests.sqlserver.conftest import Portal
from tests.sqlserver.server import DW, OLTP, patience
from tests.support.addresses import ADDRESSES, BLOCKS, PAGES

AUDIT, ADMIN = frozenset({"auditor", "admin"}), frozenset({"admin"})
LEADS_ON = {"pipeline-find", "pipeline-settings"}
"""Addresses that lead to another one."""
OPEN = {"healthz": (200,), "readyz": (200, 503), "metrics": (404,)}
"""Addresses without sign-in. (Without METRICS_TOKEN /metrics does not exist.)"""
SHOWN = sorted(
    name.removeprefix("monitoring:")
    for name in access.PORTAL.keys() - access.ACTIONS.keys()
    if name.removeprefix("monitoring:") not in LEADS_ON
)
"""Pages, blocks and exports. (tests/integration/test_access.py tests that others are denied.)"""
ACTIONS = sorted(name.removeprefix("monitoring:") for name in access.ACTIONS)
KINDS = ("csv", "xlsx")

WATCHED = ("etlcontrol", "etlrun", "etlrunentity", "connectionloginevent")
OWN = (
    "pipelinesettings",
    "collectorstate",
    "pipelinesample",
    "pipelinerollup",
    "runcopy",
    "runentitycopy",
)


def address(name: str, **arguments: Any) -> str:
    needed = ADDRESSES[f"monitoring:{name}"].pattern.converters
    return reverse(f"monitoring:{name}", kwargs={key: arguments[key] for key in needed})


def short(names: list[str]) -> list[str]:
    return [name.removeprefix("monitoring:") for name in names]


def csv_rows(answer: Any) -> list[dict[str, str]]:
    """Return an export's rows by its headers, which are looked at by their beginning."""
    return list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))


@pytest.fixture(scope="module")
def a_run(portal: Portal) -> int:
    """The newest run with a failure in it."""
    return int(expected.runs(portal.server, "status = 'partial'")[0]["run_id"])


@pytest.fixture(scope="module")
def arguments(a_run: int) -> dict[str, Any]:
    """The parameters of addresses, except the pipeline."""
    failed = RunEntityCopy.objects.filter(run_id=a_run, fingerprint__isnull=False).order_by("pk").first()
    assert failed is not None
    return {"run_id": a_run, "fingerprint": failed.fingerprint}


def allowed(portal: Portal, role: str, name: str) -> bool:
    return bool(portal.users[role].has_perms(access.PORTAL[f"monitoring:{name}"]))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", SHOWN)
def test_each_address_answers_each_role(portal: Portal, arguments: dict[str, Any], name: str, role: str) -> None:
    client, opens = portal.client(role), allowed(portal, role, name)
    for entity in ("dim_cliente", "fact_vendas"):
        for kind in KINDS:
            answer = client.get(address(name, **arguments, entity=entity, kind=kind))
            assert answer.status_code == (200 if opens else 403), (name, entity, kind)


@pytest.mark.parametrize("role", ROLES)
def test_what_acts_does_nothing_on_get(portal: Portal, arguments: dict[str, Any], role: str) -> None:
    client = portal.client(role)
    for name in ACTIONS:
        answer = client.get(address(name, **arguments, entity="dim_cliente"))
        assert answer.status_code in ((200, 302, 405) if allowed(portal, role, name) else (403,)), name


def test_nobody_sees_nothing(portal: Portal, arguments: dict[str, Any]) -> None:
    for name in short(list(ADDRESSES)):
        answer = portal.client("").get(address(name, **arguments, entity="dim_cliente", kind="csv"))
        assert answer.status_code in OPEN.get(name, (302,)), name


@pytest.mark.parametrize("entity", sorted({*expected.SOURCES, *expected.MISSING}))
def test_every_block_of_every_pipeline(portal: Portal, entity: str) -> None:
    """Also of those that cannot be read: they say why."""
    client = portal.client("admin")
    names = [name for name in short(PAGES + BLOCKS) if name.startswith("pipeline-") or name == "pipeline"]
    assert len(names) >= 8
    for name in names:
        answer = client.get(address(name, entity=entity))
        assert answer.status_code == 200, name
    sample = client.get(address("pipeline-sample", entity=entity)).context["sample"]
    assert (sample.problem is None) == (entity not in expected.MISSING)


@pytest.mark.parametrize("language", ["en", "pt-br"])
@pytest.mark.parametrize("name", short(PAGES))
def test_every_page_in_both_languages(portal: Portal, arguments: dict[str, Any], name: str, language: str) -> None:
    url = address(name, **arguments, entity="fact_descontos")
    answer = portal.client("admin").get(url, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.content.decode()


def test_ready_after_a_tick(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE", health.PATIENCE * patience())
    portal.watcher.tick()
    answer = portal.client("").get("/readyz")
    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", [*WATCHED, *OWN])
def test_admin(portal: Portal, model: str, role: str) -> None:
    allowed = role in (AUDIT if model in WATCHED else ADMIN)
    client = portal.client(role)
    lists = client.get(reverse(f"admin:monitoring_{model}_changelist"))
    assert lists.status_code == (200 if allowed else 403)
    if not allowed:
        return
    for row in lists.context["cl"].result_list[:3]:
        detail = client.get(reverse(f"admin:monitoring_{model}_change", args=[quote(row.pk)]))
        assert detail.status_code == 200


QUERIES = {
    "etlcontrol": ("", "q=fact", "active=1"),
    "etlrun": ("", "window=24h", "window=7d&status=failed", "q=ana", "since=2020-01-01"),
    "etlrunentity": ("", "window=24h", "q=CK_test", "pipeline=fact_metas&window=7d", "status=failed"),
    "connectionloginevent": ("", "window=24h", "q=loja", "session_status=sleeping", "encrypted=TRUE"),
}


@pytest.mark.parametrize("model", WATCHED)
def test_admin_filters_and_searches(portal: Portal, model: str) -> None:
    for query in QUERIES[model]:
        answer = portal.client("auditor").get(f"{reverse(f'admin:monitoring_{model}_changelist')}?{query}")
        assert answer.status_code == 200, query


def walked(portal: Portal, model: str, query: str) -> list[int]:
    """Return the keys of a list in the admin, page by page to its end."""
    client, keys = portal.client("auditor"), []
    url: str | None = f"{reverse(f'admin:monitoring_{model}_changelist')}?{query}"
    while url is not None:
        found = client.get(url).context["cl"]
        keys += [row.pk for row in found.result_list]
        url = reverse(f"admin:monitoring_{model}_changelist") + found.older_url if found.older_url else None
    return keys


def test_admin_counts(portal: Portal) -> None:
    """A period's list, walked to its end, is what plain SQL finds in that period."""
    server, since = portal.server, portal.loaded_at - timedelta(days=6, hours=23)
    said = f"since={since:%Y-%m-%dT%H:%M:%SZ}"
    runs = [row["run_id"] for row in expected.runs(server, "started_at >= ?", since)]
    assert walked(portal, "etlrun", said) == runs
    entities = expected.executions(server, "run_id >= ?", min(runs))
    assert sorted(walked(portal, "etlrunentity", said)) == sorted(row["run_entity_id"] for row in entities)
    failed = [row["run_entity_id"] for row in entities if row["status"] == "failed"]
    assert sorted(walked(portal, "etlrunentity", f"{said}&status=failed")) == sorted(failed)
    until = portal.loaded_at - timedelta(hours=30)
    events = server.rows(
        DW,
        "SELECT connection_event_id FROM audit.connection_login_events WHERE event_time_utc BETWEEN ? AND ? "
        "ORDER BY connection_event_id DESC",
        *(until - timedelta(hours=18), until),
    )
    span = f"since={until - timedelta(hours=18):%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}"
    assert walked(portal, "connectionloginevent", span) == [key for (key,) in events]
    assert events
    controls = portal.client("auditor").get(reverse("admin:monitoring_etlcontrol_changelist")).context["cl"]
    assert controls.result_count == len(expected.controls(server))


def test_the_runs_export_is_the_audit_table(portal: Portal) -> None:
    rows = csv_rows(portal.client("auditor").get(address("runs-list-export", kind="csv"), {"period": "30d"}))
    kept = portal.snapshot.sampled_at - timedelta(days=30)
    wanted = expected.runs(portal.server, "started_at >= ?", expected.naive(kept))
    assert [int(row["Run"]) for row in rows] == [run["run_id"] for run in wanted]
    for row, run in zip(rows, wanted, strict=True):
        assert (row["Status"].casefold(), row["Started by"]) == (run["status"], run["started_by"])
        # The counts of an unfinished run are not final.
        counted = (run["entities_succeeded"], run["entities_failed"]) if run["finished_at"] else ("", "")
        assert (row["Succeeded"], row["Failed"]) == tuple(str(count) for count in counted)
        assert row["Started"] == f"{run['started_at'].isoformat()}Z"
        assert bool(row["Error"]) == bool(run["error_message"])  # values of rows in it are masked


def test_a_runs_page_and_export_are_its_run_entities(portal: Portal, a_run: int) -> None:
    rows = csv_rows(portal.client("viewer").get(address("run-entities-export", run_id=a_run, kind="csv")))
    wanted = {row["entity_name"]: row for row in expected.executions(portal.server, "run_id = ?", a_run)}
    assert {row["Pipeline"] for row in rows} == set(wanted)
    for row in rows:
        own = wanted[row["Pipeline"]]
        moved = (own["extracted_count"], own["upserted_count"], own["soft_deleted_count"])
        assert (int(row["Extracted"]), int(row["Upserted"]), int(row["Soft-deleted"])) == moved
        assert row["Status"].casefold() == own["status"]
        assert bool(row["Error"]) == bool(own["error_message"])


def test_a_run_older_than_the_copy_is_read_from_the_warehouse(portal: Portal) -> None:
    detail = portal.client("viewer").get(address("run", run_id=1)).context["detail"]
    assert not detail.copied
    assert len(detail.run.executions) == len(expected.executions(portal.server, "run_id = 1")) == 9


@pytest.mark.parametrize("entity", ["dim_cliente", "fact_metas", "fact_vendas"])
def test_a_pipelines_executions_export(portal: Portal, entity: str) -> None:
    rows = csv_rows(portal.client("viewer").get(address("pipeline-executions-export", entity=entity, kind="csv")))
    kept = expected.naive(portal.snapshot.sampled_at - timedelta(days=30))
    wanted = expected.executions(portal.server, "entity_name = ? AND entity_started_at >= ?", entity, kept)
    rows = rows[: len(wanted)]  # the copy may reach further back
    assert [int(row["Run"]) for row in rows] == [row["run_id"] for row in wanted]
    assert [row["Status"].casefold() for row in rows] == [row["status"] for row in wanted]
    assert [int(row["Upserted"]) for row in rows] == [row["upserted_count"] for row in wanted]


@pytest.mark.parametrize("entity", ["dim_cliente", "fact_vendas", "dim_transportadora", "visao_clientes"])
def test_the_newest_source_rows(portal: Portal, entity: str) -> None:
    """In the order of the index, with what is personal masked."""
    control = portal.snapshot.pipeline(entity).control
    key, table = control.source_pk_column, control.source_table
    rows = csv_rows(portal.client("viewer").get(address("pipeline-sample-export", entity=entity, kind="csv")))
    wanted = portal.server.rows(OLTP, f"SELECT {key} FROM {table} ORDER BY updated_at DESC, {key} DESC")
    assert rows
    assert [int(row[key]) for row in rows] == [found[0] for found in wanted[: len(rows)]]
    names = {name for (name,) in portal.server.rows(OLTP, "SELECT full_name FROM core.customers")}
    assert not names & {row.get("full_name") for row in rows}
