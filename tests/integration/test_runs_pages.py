"""Runs and control, and the page of one run: roles, filters, paging, states, exports, cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.models import RunCopy, RunEntityCopy
from monitoring.rules.enums import RunStatus
from monitoring.web.cache import cache
from tests import factories
from tests.conftest import ROLES
from tests.support.queries import counted
from tests.support.warehouse import Warehouse

UNIQUE = factories.UNIQUE_ERROR


def copy_run(run_id: int, **changes: Any) -> RunCopy:
    """A copied run of one pipeline, one minute after the run before it."""
    status = changes.pop("status", "success")
    start = changes.pop("started_at", timezone.now() - timedelta(minutes=200 - run_id))
    entity = changes.pop("entity_name", "dim_cliente")
    message = changes.pop("error_message", "")
    finish = None if status == "running" else start + timedelta(seconds=30)
    run = RunCopy.objects.create(
        run_id=run_id,
        entities_requested=changes.pop("entities_requested", entity),
        started_by=changes.pop("started_by", "svc_etl"),
        started_at=start,
        finished_at=finish,
        status=status,
        entities_succeeded=int(status == "success"),
        entities_failed=int(status == "failed"),
        error_message=message,
    )
    w = factories.W
    RunEntityCopy.objects.create(
        run_entity_id=run_id * 10,
        run=run,
        entity_name=entity,
        started_at=start,
        finished_at=finish,
        status=status if status != "partial" else "failed",
        extracted=300,
        upserted=300,
        soft_deleted=0,
        watermark_from_updated_at=w.updated_at - timedelta(hours=1),
        watermark_from_id=w.id,
        watermark_to_updated_at=w.updated_at,
        watermark_to_id=w.id,
        error_message=message,
    )
    return run


@pytest.fixture
def pages(client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]) -> Client:
    """A user with all permissions, and a healthy snapshot."""
    snapshot_stored(factories.healthy_snapshot())
    return client_as("auditor")


def shown_runs(html: str) -> list[int]:
    block = html[html.index('id="runs-list"') :]
    return [int(number) for number in re.findall(r'<tr[^>]*data-row="(\d+)"', block)]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "path", ["/runs/", "/runs/7/", "/runs/runs.csv", "/runs/control.xlsx", "/runs/7/executions.csv"]
)
def test_every_role_may_look(
    role: str, path: str, client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]
) -> None:
    snapshot_stored(factories.healthy_snapshot())
    copy_run(7)
    assert client_as(role).get(path).status_code == 200


@pytest.mark.parametrize("path", ["/runs/", "/runs/7/", "/runs/runs.csv", "/runs/blocks/runs-list/"])
def test_nobody_is_sent_to_sign_in(path: str, client: Client) -> None:
    answer = client.get(path)
    assert answer.status_code in (302, 404)
    assert answer.status_code == 404 or answer["Location"].startswith("/account/login/")


def test_runs_are_newest_first_and_paged_by_key(pages: Client) -> None:
    for number in range(1, 61):
        copy_run(number)
    first = pages.get("/runs/").content.decode()
    assert shown_runs(first) == list(range(60, 35, -1))
    following = re.search(r'href="([^"]+)"[^>]*rel="next"', first)
    assert following
    second = pages.get(following[1].replace("&amp;", "&")).content.decode()
    assert shown_runs(second) == list(range(35, 10, -1))
    back = re.search(r'href="([^"]+)"[^>]*rel="prev"', second)
    assert back
    assert shown_runs(pages.get(back[1].replace("&amp;", "&")).content.decode()) == list(range(60, 35, -1))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=failed", [4]),
        ("status=failed&status=running", [5, 4]),
        ("by=ana", [3]),
        ("pipeline=fact_vendas", [2]),
        ("run=3", [3]),
        ("period=24h", [5, 4, 3, 2]),
        ("sort=run_id", [1, 2, 3, 4, 5]),
        ("sort=started_by", [3, 1, 2, 4, 5]),
        ("by=nobody", []),
    ],
)
def test_filters_and_order(pages: Client, query: str, wanted: list[int]) -> None:
    copy_run(1, started_at=timezone.now() - timedelta(days=3))
    copy_run(2, entity_name="fact_vendas")
    copy_run(3, started_by="ana")
    copy_run(4, status="failed", error_message=UNIQUE)
    copy_run(5, status="running")
    assert shown_runs(pages.get(f"/runs/?{query}").content.decode()) == wanted


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("run=abc", "Enter a run number. The filter was ignored."),
        ("run=-1", "Run numbers start at 1. The filter was ignored."),
        ("run=99999999999999999999999", "Run numbers are not that large. The filter was ignored."),
        ("status=DROP+TABLE", "There is no status “DROP TABLE”"),
        ("period=1y", "There is no period “1y”"),
        ("sort=finished_at", "The table has no column “finished_at”"),
        ("sort=1;--", "The table has no column “1;--”"),
        ("after=nonsense", "That page no longer exists. Showing the first page."),
        ("before=%00", "That page no longer exists. Showing the first page."),
        ("by=" + "x" * 500, "100"),
        ("control-sort=nope", "The table has no column “nope”"),
    ],
)
def test_nonsense_gets_a_clear_answer_and_loses_nothing(pages: Client, query: str, answer: str) -> None:
    copy_run(1)
    response = pages.get(f"/runs/?{query}")
    assert response.status_code == 200
    assert answer in response.content.decode()
    assert shown_runs(response.content.decode()) == [1]


def test_another_filter_starts_at_the_first_page(pages: Client) -> None:
    for number in range(1, 31):
        copy_run(number)
    first = pages.get("/runs/").content.decode()
    following = re.search(r'href="([^"]+)"[^>]*rel="next"', first)
    assert following
    second = pages.get(following[1].replace("&amp;", "&")).content.decode()
    assert 'name="after"' not in second


def test_a_filtered_list_alone_is_what_the_page_holds(pages: Client) -> None:
    copy_run(1)
    copy_run(2, status="failed", error_message=UNIQUE)
    whole = pages.get("/runs/?status=failed").content.decode()
    alone = pages.get("/runs/?status=failed", headers={"HX-Request": "true", "HX-Target": "runs-list"}).content.decode()
    assert alone in whole


def test_the_run_page_says_what_failed_why_and_whether_the_watermark_stayed(pages: Client) -> None:
    copy_run(8, status="failed", error_message=UNIQUE, entities_requested="dim_cliente,dim_produto")
    html = pages.get("/runs/8/").content.decode()
    assert "2627" in html
    assert "Never started" in html
    assert ">unchanged</strong>" in html
    assert "In ctl.etl_control it is now at" in html
    assert "What to do" in html


def test_every_table_offers_its_files(pages: Client) -> None:
    copy_run(8)
    html = pages.get("/runs/?status=success").content.decode() + pages.get("/runs/8/").content.decode()
    for address in ("/runs/runs.csv?status=success", "/runs/control.xlsx?status=success", "/runs/8/executions.csv"):
        assert f'href="{address}"' in html


def test_an_unknown_run_is_not_found(pages: Client) -> None:
    response = pages.get("/runs/987654/")
    assert response.status_code == 404
    assert "There is no run 987654" in response.content.decode()


def test_a_run_number_beyond_bigint_is_not_found(pages: Client) -> None:
    assert pages.get(f"/runs/{10**30}/").status_code == 404


def test_a_run_older_than_the_copy_is_read_from_the_warehouse(pages: Client, warehouse: Warehouse) -> None:
    run_id = warehouse.run(status="success")
    warehouse.run_entity(run_id, "dim_cliente", status="success")
    html = pages.get(f"/runs/{run_id}/").content.decode()
    assert "read from the warehouse" in html
    assert "dim_cliente" in html


def test_an_old_run_costs_the_warehouse_the_same_however_many_look(pages: Client, warehouse: Warehouse) -> None:
    run_id = warehouse.run(status="success")
    warehouse.run_entity(run_id, "dim_cliente", status="success")
    pages.get(f"/runs/{run_id}/")
    for _ in range(3):
        with counted() as seen:
            assert "dim_cliente" in pages.get(f"/runs/{run_id}/").content.decode()
        assert seen.counts()["dw"] == 0


def test_the_next_sample_reads_a_run_anew(pages: Client, snapshot_stored: Callable[..., Any]) -> None:
    run = copy_run(5, status="running")
    assert "Running" in pages.get(reverse("monitoring:run-facts", args=(5,))).content.decode()
    RunCopy.objects.filter(pk=run.pk).update(status="success", finished_at=timezone.now())
    snapshot_stored(factories.healthy_snapshot(), ticked_at=timezone.now() + timedelta(seconds=1))
    assert "Running" not in pages.get(reverse("monitoring:run-facts", args=(5,))).content.decode()


def test_a_run_that_begins_is_found_at_once(pages: Client) -> None:
    assert pages.get("/runs/5/").status_code == 404
    copy_run(5)
    assert pages.get("/runs/5/").status_code == 200


def test_a_refresh_does_not_wait_for_somebody_elses_reading_of_a_run(
    pages: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_run(5)
    add = cache.add
    monkeypatch.setattr(cache, "add", lambda key, *rest: not key.startswith("run:") and add(key, *rest))
    answer = pages.get("/runs/5/", headers={"X-Live": "old"})
    assert (answer.status_code, "X-Live" in answer) == (204, False)


def test_the_path_of_the_seed_takes_two_clicks(pages: Client) -> None:
    """Seed, section 4: filter the run, read the error per entity, see whether the watermark stayed."""
    copy_run(9, status="failed", error_message=UNIQUE)
    listed = pages.get("/runs/?status=failed").content.decode()
    link = reverse("monitoring:run", args=(9,))
    assert f'href="{link}"' in listed
    html = pages.get(link).content.decode()
    assert "Violation of" in html
    assert ">unchanged</strong>" in html


def test_before_the_first_sample_every_block_says_so(client_as: Callable[[str], Client]) -> None:
    html = client_as("viewer").get("/runs/").content.decode()
    assert html.count("No sample yet") >= 3


@pytest.mark.parametrize("snapshot", [factories.troubled_snapshot, factories.unreachable_snapshot])
def test_trouble_still_gives_the_page(
    snapshot: Callable[[], Any], client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]
) -> None:
    snapshot_stored(snapshot())
    copy_run(1)
    assert client_as("viewer").get("/runs/").status_code == 200


def test_the_export_holds_the_filtered_rows_and_no_formula(pages: Client) -> None:
    copy_run(1, started_by='=HYPERLINK("http://x")')
    copy_run(2, status="failed", error_message=UNIQUE)
    text = pages.get("/runs/runs.csv?status=success").content.decode("utf-8-sig")
    assert "'=HYPERLINK" in text
    assert "2627" not in text


def test_the_cost_does_not_grow_with_pipelines_or_runs(
    client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]
) -> None:
    client = client_as("viewer")
    snapshot_stored(factories.snapshot(factories.pipeline("p0")))
    copy_run(1)
    with counted() as few:
        client.get("/runs/")
    snapshot_stored(factories.snapshot(*(factories.pipeline(f"p{number}") for number in range(50))))
    for number in range(2, 61):
        copy_run(number)
    with counted() as many:
        client.get("/runs/")
    assert many.counts() == few.counts()
    assert few.counts()["dw"] == few.counts()["oltp"] == 0


def test_a_collector_that_is_gone_is_named(
    client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]
) -> None:
    state = snapshot_stored(factories.healthy_snapshot())
    client = client_as("viewer")
    assert "The collector is not running." not in client.get("/runs/").content.decode()
    state.lease_until = timezone.now() - timedelta(seconds=31)
    state.save()
    assert "The collector is not running." in client.get("/runs/").content.decode()


@pytest.mark.parametrize(
    ("status", "known"), [("running", False), ("whatever", False), ("failed", True), ("partial", True)]
)
def test_a_runs_counts_are_unknown_until_it_has_finished(status: str, known: bool) -> None:
    """The runner writes them at the end (CONTRACT): the 0 of a run that goes on, or was killed, says nothing."""
    run = factories.run(status=RunStatus.parse(status), entities_succeeded=0, entities_failed=0)
    assert (run.succeeded_count, run.failed_count) == ((0, 0) if known else (None, None))
