"""Every page, block, export and admin page, as every role, over the real server: who may see it sees it whole.

A block that fails is an error in the log, and the harness (tests/conftest.py) fails the test for it.
"""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse

from tests.conftest import ROLES
from tests.sqlserver import expected
from tests.sqlserver.conftest import Portal
from tests.sqlserver.server import DW, OLTP
from tests.support.addresses import ADDRESSES, BLOCKS, PAGES

EVERYBODY = frozenset(ROLES)
AUDIT, CAPTURE, ADMIN = frozenset({"auditor", "admin"}), frozenset({"operator", "admin"}), frozenset({"admin"})
WRITES = {"pipeline-checks-run": CAPTURE, "pipeline-unmask": AUDIT, "preference-set": EVERYBODY}
"""Addresses that only take POST, and for whom."""
LEADS_ON = {"pipeline-find": EVERYBODY, "pipeline-settings": ADMIN}
"""Addresses that lead to another one."""
MAY = {
    **{
        name.removeprefix("monitoring:"): AUDIT for name in ADDRESSES if name.startswith("monitoring:connections")
    },
    "connections-capture": CAPTURE,
}  # fmt: skip
"""Who may see what; an address that is not named here is for everybody who has signed in."""
OPEN = ("healthz", "readyz")
KINDS = ("csv", "xlsx")

WATCHED = ("etlcontrol", "etlrun", "etlrunentity", "connectionloginevent")
OWN = ("pipelinesettings", "collectorstate", "pipelinesample", "pipelinehour", "runcopy", "runentitycopy")


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


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", sorted(set(short(list(ADDRESSES))) - {*WRITES, *LEADS_ON, *OPEN}))
def test_each_address_answers_each_role(portal: Portal, a_run: int, name: str, role: str) -> None:
    allowed = role in MAY.get(name, EVERYBODY)
    client = portal.client(role)
    for entity in ("dim_cliente", "fact_vendas"):
        for kind in KINDS:
            answer = client.get(address(name, run_id=a_run, entity=entity, kind=kind))
            assert answer.status_code == (200 if allowed else 403), (name, entity, kind)


@pytest.mark.parametrize("role", ROLES)
def test_what_writes_takes_no_get_and_what_leads_on_leads(portal: Portal, role: str) -> None:
    client = portal.client(role)
    for name, may in WRITES.items():
        assert client.get(address(name, entity="dim_cliente")).status_code == (405 if role in may else 403), name
    for name, may in LEADS_ON.items():
        answer = client.get(address(name, entity="dim_cliente"), {"entity": "dim_cliente"})
        assert answer.status_code == (302 if role in may else 403), name


def test_nobody_sees_nothing(portal: Portal, a_run: int) -> None:
    for name in short(list(ADDRESSES)):
        answer = portal.client("").get(address(name, run_id=a_run, entity="dim_cliente", kind="csv"))
        assert answer.status_code in ((200, 503) if name in OPEN else (302,)), name


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
def test_every_page_in_both_languages(portal: Portal, a_run: int, name: str, language: str) -> None:
    url = address(name, run_id=a_run, entity="fact_descontos")
    answer = portal.client("admin").get(url, headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.content.decode()


def test_ready_after_a_tick(portal: Portal) -> None:
    portal.watcher.tick()
    assert portal.client("").get("/readyz").status_code == 200


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
    rows = csv_rows(portal.client("viewer").get(address("runs-list-export", kind="csv"), {"period": "30d"}))
    kept = portal.snapshot.sampled_at - timedelta(days=30)
    wanted = expected.runs(portal.server, "started_at >= ?", expected.naive(kept))
    assert [int(row["Run"]) for row in rows] == [run["run_id"] for run in wanted]
    for row, run in zip(rows, wanted, strict=True):
        assert (row["Status"].casefold(), row["Started by"]) == (run["status"], run["started_by"])
        assert (int(row["Succeeded"]), int(row["Failed"])) == (run["entities_succeeded"], run["entities_failed"])
        assert row["Started"] == f"{run['started_at'].isoformat()}Z"
        assert row["Error"] == (run["error_message"] or "")


def test_a_runs_page_and_export_are_its_run_entities(portal: Portal, a_run: int) -> None:
    rows = csv_rows(portal.client("viewer").get(address("run-entities-export", run_id=a_run, kind="csv")))
    wanted = {row["entity_name"]: row for row in expected.executions(portal.server, "run_id = ?", a_run)}
    assert {row["Pipeline"] for row in rows} == set(wanted)
    for row in rows:
        own = wanted[row["Pipeline"]]
        moved = (own["extracted_count"], own["upserted_count"], own["soft_deleted_count"])
        assert (int(row["Extracted"]), int(row["Upserted"]), int(row["Soft-deleted"])) == moved
        assert row["Status"].casefold() == own["status"]
        assert row["Error"] == (own["error_message"] or "")


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
