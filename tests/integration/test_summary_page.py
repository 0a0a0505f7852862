"""The summary: every state, filters, sorting, refresh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from monitoring.models import PipelineSample, RunCopy, RunEntityCopy
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.rules.facts import Count
from tests import factories
from tests.factories import NOW, ago, execution, run
from tests.support import htmx
from tests.support.htmx import Node
from tests.support.queries import counted, queries

Clients = Callable[[str], Client]
ORDER = [
    "verdict",
    "preflight",
    "summary-attention",
    "summary-running",
    "summary-kpis",
    "summary-grid",
    "summary-matrix",
    "summary-charts",
    "summary-failure-groups",
    "summary-failures",
]


@pytest.fixture
def page(client_as: Clients, snapshot_stored: Any) -> Callable[..., dict[str, Node]]:
    """`page(snapshot, query)`: the blocks of the summary by name, as a viewer gets them."""

    def load(snapshot: Any = None, query: str = "", **stored: Any) -> dict[str, Node]:
        if snapshot is not None:
            snapshot_stored(snapshot, **stored)
        answer = client_as("viewer").get(f"/{query}")
        assert answer.status_code == 200
        return htmx.blocks(answer.content.decode())

    return load


@pytest.fixture
def history() -> None:
    """Two weeks of runs and a day of samples in `default`."""
    for number in range(1, 40):
        started = ago(hours=number * 8)
        RunCopy.objects.create(
            run_id=1000 - number,
            entities_requested="dim_cliente",
            started_by="etl",
            started_at=started,
            finished_at=started + timedelta(minutes=1),
            status="partial" if number % 7 == 0 else "success",
            entities_succeeded=1,
            entities_failed=0,
        )
        RunEntityCopy.objects.create(
            run_entity_id=1000 - number,
            run_id=1000 - number,
            entity_name="dim_cliente",
            started_at=started,
            finished_at=started + timedelta(seconds=30),
            status="failed" if number % 3 == 0 else "success",
            extracted=100,
            upserted=100,
            soft_deleted=0,
            error_message=factories.UNIQUE_ERROR if number % 3 == 0 else "",
        )
    PipelineSample.objects.bulk_create(
        PipelineSample(
            entity_name="dim_cliente",
            sampled_at=ago(hours=hours),
            status="ok",
            is_active=True,
            eligible=hours,
            source_total=100,
            target_total=90,
            latency_seconds=hours,
        )
        for hours in range(24)
    )


def _cells(block: Node, column: str) -> list[str]:
    table = block.find_all("table")[0]
    header = [cell.text for cell in table.find_all("thead")[0].find_all("th")]
    place = next(index for index, text in enumerate(header) if text.startswith(column))
    return [row.find_all("td")[place].text for row in table.find_all("tbody")[0].find_all("tr")]


def test_blocks_come_in_the_order_in_which_questions_do(page: Any) -> None:
    assert list(page(factories.troubled_snapshot())) == ORDER


def test_before_the_first_sample_it_says_what_to_do_and_shows_no_figure(page: Any) -> None:
    blocks = page()
    assert "No sample yet" in blocks["verdict"].text
    assert "manage.py collect" in blocks["preflight"].text
    for name in ORDER[2:]:
        assert "sample" in blocks[name].text, name
        assert "table" not in {node.tag for node in blocks[name].find_all("table")}


def test_a_calm_page(page: Any) -> None:
    blocks = page(factories.healthy_snapshot())
    assert blocks["verdict"].text == "OK All 3 active pipelines are healthy."
    assert "Nothing needs attention" in blocks["summary-attention"].text
    assert "checks passed" in blocks["preflight"].text
    assert blocks["preflight"].find(id="preflight-all") is not None
    assert "Run #101" in blocks["summary-running"].text


def test_trouble_is_told_worst_first_with_since_why_and_next_step(page: Any) -> None:
    snapshot = factories.troubled_snapshot()
    blocks = page(snapshot)
    items = blocks["summary-attention"].find_all("ol")[0].find_all("li")
    assert len(items) == min(5, len(snapshot.verdicts))
    for item, verdict in zip(items, snapshot.verdicts, strict=False):
        assert verdict.entity_name in item.text
        assert "since" in item.text or "start unknown" in item.text
        assert len(item.find_all("p")) >= 3
    assert "need attention" in blocks["verdict"].text


def test_more_than_five_are_counted_not_hidden(page: Any) -> None:
    failing = [factories.failed_pipeline(f"dim_{number}") for number in range(8)]
    snapshot = factories.snapshot(*failing)
    block = page(snapshot)["summary-attention"]
    assert len(block.find_all("ol")[0].find_all("li")) == 5
    assert f"and {len(snapshot.verdicts) - 5} more" in block.text


def test_the_warehouse_is_down(page: Any) -> None:
    running = (run(status=RunStatus.RUNNING, finished_at=None),)
    blocks = page(replace(factories.unreachable_snapshot(), running=running))
    verdict = blocks["verdict"].text
    assert "DW has not answered since" in verdict
    assert "The server does not answer." in verdict
    assert "ETL_SQL_SERVER" in verdict  # what to do
    assert "Login timeout expired" in verdict  # the driver's words
    assert "DATABASE=DW_ECOMMERCE" in verdict
    assert "It is unknown whether anything is running" in blocks["summary-running"].text
    assert " ".join(blocks["summary-running"].text.split()).startswith("Running now It is unknown"), "no number either"
    assert "did not pass" in blocks["preflight"].text
    assert "dim_cliente" in blocks["summary-matrix"].text  # the last that was read


def test_only_one_database_is_down(page: Any) -> None:
    snapshot = factories.snapshot(factories.unread_pipeline(), oltp=factories.unreachable("oltp"))
    blocks = page(snapshot)
    assert "OLTP does not answer" in blocks["verdict"].text
    assert "DW_ECOMMERCE:" not in blocks["verdict"].text
    assert "unknown" in _cells(blocks["summary-matrix"], "Eligible")[0]


def test_no_connection_string_shows_a_password(page: Any) -> None:
    reading = factories.unreachable("dw", connection_string="SERVER=x;UID=etl;PWD=***")
    blocks = page(factories.snapshot(dw=reading, problem=reading.problem))
    assert "PWD=***" in blocks["verdict"].text + blocks["preflight"].text


def test_old_figures_say_so(page: Any) -> None:
    blocks = page(factories.healthy_snapshot(), ticked_at=timezone.now() - timedelta(minutes=5))
    assert "the collector has taken no sample since" in blocks["verdict"].text
    assert "manage.py collect" in blocks["verdict"].text
    assert "Its last sample is older than" in blocks["preflight"].text


def test_a_page_that_becomes_old_is_told_by_a_refresh(client_as: Clients, snapshot_stored: Any) -> None:
    state = snapshot_stored(factories.healthy_snapshot())
    client = client_as("viewer")
    before = client.get("/")
    type(state).objects.update(ticked_at=timezone.now() - timedelta(minutes=5))
    answer = htmx.refresh(client, before, "/")
    was, now = (htmx.blocks(each.content.decode()) for each in (before, answer))
    assert {name for name in now if now[name].lines() != was[name].lines()} == {"verdict", "preflight"}


def test_a_newer_sample_of_the_same_state_sends_nothing(
    client_as: Clients, snapshot_stored: Any, history: None
) -> None:
    """The ages move by the answer's headers; the blocks need not be sent for that."""
    state = snapshot_stored(factories.troubled_snapshot(), ticked_at=timezone.now() - timedelta(seconds=30))
    client = client_as("viewer")
    before = client.get("/")
    type(state).objects.update(ticked_at=timezone.now())
    answer = htmx.refresh(client, before, "/")
    assert answer.status_code == 204
    assert answer["X-Ticked-At"] == answer["X-Figures-At"] != ""


def test_an_empty_warehouse(page: Any) -> None:
    from monitoring.rules.overview import overview

    nothing = overview((), day={}, week={}, throughputs=(), last_run=None)
    blocks = page(factories.snapshot(pipelines=(), overview=nothing, recent_runs=(), verdicts=()))
    assert "lists no pipelines yet" in blocks["verdict"].text
    assert "ctl.etl_control has no row" in blocks["summary-matrix"].text
    assert "No run yet" in blocks["summary-grid"].text
    assert "no pipeline could be evaluated" in blocks["summary-attention"].text
    assert "No execution failed" in blocks["summary-failures"].text
    assert "No run started in these 14 days." in blocks["summary-charts"].text


def test_huge_numbers_fit(page: Any) -> None:
    huge = factories.pipeline(
        source=factories.pending_source(Count(100_000, capped=True), total=9_223_372_036_854_775_807),
        target=factories.target(total=123_456_789_012),
    )
    blocks = page(factories.snapshot(huge))
    assert _cells(blocks["summary-matrix"], "Source rows") == ["9,223,372,036,854,775,807"]
    assert _cells(blocks["summary-matrix"], "Eligible") == ["100,000+"]


def test_names_are_text_whatever_they_hold(page: Any) -> None:
    name = "<img src=x onerror=alert(1)>'\"[a].[b]; DROP TABLE x--"
    evil = factories.failed_pipeline(name, owner="<script>alert(2)</script>")
    last = run(started_by="<svc>", executions=(execution(100, name),))
    blocks = page(factories.snapshot(evil, recent_runs=(last,)))
    assert name in blocks["summary-matrix"].text
    assert name in blocks["summary-grid"].text
    assert name in blocks["summary-attention"].text
    assert not blocks["summary-matrix"].find_all("img")


def test_filters_are_the_pages_address(page: Any) -> None:
    blocks = page(factories.troubled_snapshot(), "?status=failed")
    assert _cells(blocks["summary-matrix"], "Pipeline") == ["dim_equipe"]
    checked = [node for node in blocks["summary-matrix"].find_all("input") if "checked" in node.attrs]
    assert [node.attrs["value"] for node in checked] == ["failed"]
    assert "1 of 7" in blocks["summary-matrix"].text


def test_sorting_is_the_pages_address_and_keeps_the_filters(page: Any) -> None:
    blocks = page(factories.troubled_snapshot(), "?show=active&sort=-eligible")
    assert _cells(blocks["summary-matrix"], "Pipeline")[0] == "fact_vendas"
    links = [link.attrs["href"] or "" for link in blocks["summary-matrix"].find_all("thead")[0].find_all("a")]
    assert all("show=active" in link for link in links)
    assert any("sort=eligible" in link for link in links)


def test_nonsense_is_named_and_everything_is_shown(page: Any) -> None:
    blocks = page(factories.troubled_snapshot(), "?status=nonsense&sort=name;DROP TABLE x&f-kind=x&q=%00")
    assert "There is no status “nonsense”" in blocks["summary-matrix"].text
    assert "The table has no column" in blocks["summary-matrix"].text
    assert "There is no kind of failure “x”" in blocks["summary-failures"].text
    assert len(_cells(blocks["summary-matrix"], "Pipeline")) == 7


def test_nothing_matches(page: Any) -> None:
    blocks = page(factories.troubled_snapshot(), "?q=zzz")
    assert "0 of 7" in blocks["summary-matrix"].text
    assert "No pipeline matches" in blocks["summary-matrix"].text


@pytest.mark.parametrize(
    "query", ["?status=failed&sort=-name&q=dim", "?f-q=unique&f-sort=entity_name", "?show=nonsense"]
)
def test_a_filtered_block_is_the_block_of_a_filtered_page(
    client_as: Clients, snapshot_stored: Any, history: None, query: str
) -> None:
    snapshot_stored(factories.troubled_snapshot())
    client = client_as("viewer")
    before = client.get("/")
    for block in ("summary-matrix", "summary-failures"):
        answer, swapped = htmx.swap(client, before, f"/{query}", block)
        fresh = htmx.blocks(client.get(f"/{query}").content.decode())[block]
        found = next(node for node in swapped.find_all("live-block") if node.attrs["name"] == block)
        assert found.lines() == fresh.lines()
        assert list(htmx.blocks(answer.content.decode())) == [block]


def test_a_refresh_of_a_filtered_page_keeps_its_filters(
    client_as: Clients, snapshot_stored: Any, history: None
) -> None:
    url = "/?show=attention&sort=-served_lag&f-kind=unique"
    snapshot_stored(factories.healthy_snapshot())
    client = client_as("viewer")
    before = client.get(url)
    snapshot_stored(factories.troubled_snapshot())
    htmx.assert_refresh_equals_reload(client, before, url)


def test_a_run_that_starts_changes_only_what_shows_it(client_as: Clients, snapshot_stored: Any, history: None) -> None:
    calm = factories.snapshot(factories.pipeline())
    snapshot_stored(calm)
    client = client_as("viewer")
    before = client.get("/")
    started = run(101, status=RunStatus.RUNNING, executions=(execution(101, status=ExecutionStatus.RUNNING),))
    snapshot_stored(replace(calm, running=(started,), recent_runs=(started, *calm.recent_runs)))
    answer = htmx.assert_refresh_equals_reload(client, before, "/")
    was, now = (htmx.blocks(each.content.decode()) for each in (before, answer))
    changed = {name for name in now if now[name].lines() != was[name].lines()}
    assert {"summary-running", "summary-grid"} <= changed
    assert not {"verdict", "preflight", "summary-matrix", "summary-charts", "summary-failures"} & changed


def test_history_is_drawn(page: Any, history: None) -> None:
    blocks = page(factories.snapshot())
    charts = blocks["summary-charts"]
    assert "runs in 14 days" in charts.text
    assert "Extracted" in charts.text
    assert len(charts.find_all("figure")) == 2
    sparks = [node for node in blocks["summary-kpis"].find_all("svg") if node.attrs.get("role") == "img"]
    assert len(sparks) >= 5
    assert all((node.attrs["aria-label"] or "").startswith("Trend") for node in sparks)


def test_recent_failures_mean_something(page: Any, history: None) -> None:
    block = page(factories.snapshot())["summary-failures"]
    rows = block.find_all("tbody")[0].find_all("tr")
    assert "Duplicate key" in rows[0].text
    assert "A row arrived twice" in rows[0].text
    assert "Find the key in source and target" in rows[0].text
    assert factories.UNIQUE_ERROR in rows[0].text


def test_cards_and_lists_say_how_old_they_are(page: Any) -> None:
    cards = [
        node
        for node in page(factories.snapshot())["summary-kpis"].find_all("div")
        if (node.attrs.get("class") or "").split()[:1] == ["kpi"]
    ]
    assert len(cards) == 8
    for card in cards:
        ages = [time for time in card.find_all("time") if "data-ticked" in time.attrs]
        assert len(ages) == 1
        assert card.find_all("button")  # its help
        assert card.find_all("a")  # its link


def test_times_are_the_viewers(page: Any, client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.snapshot(factories.failed_pipeline()))
    client = client_as("viewer")
    client.cookies["etlportal_zone"] = "Asia/Tokyo"
    html = client.get("/").content.decode()
    assert 'title="2024-05-15 11:35:00 UTC"' in html
    assert "15 May 20:35" in html


def test_what_it_costs(client_as: Clients, snapshot_stored: Any, history: None, warehouse: Any) -> None:
    """Nothing on the warehouse. In `default` a fixed number; the history is read once per snapshot."""
    client = client_as("viewer")
    client.get("/")
    snapshot_stored(factories.troubled_snapshot())
    with queries(dw=0, oltp=0, default=range(8, 20)):
        client.get("/")
    with counted() as seen:
        client.get("/")
    history_reads = [sql for sql in seen.of("default") if "runcopy" in sql or "runentitycopy" in sql or "sample" in sql]
    assert [sql for sql in history_reads if "collectorstate" not in sql] == []


def test_a_hundred_viewers_are_one_rendering_per_language_zone_and_address(
    client_as: Clients, snapshot_stored: Any, history: None
) -> None:
    snapshot_stored(factories.troubled_snapshot())
    first = client_as("viewer").get("/").content.decode()
    second_client = client_as("operator")
    second_client.get("/preferences/")
    with counted() as seen:
        second = second_client.get("/").content.decode()
    assert not [sql for sql in seen.of("default") if "pipelinesample" in sql or "runentitycopy" in sql]
    assert htmx.blocks(first) == htmx.blocks(second)

    other = client_as("viewer")
    portuguese = other.get("/", headers={"Accept-Language": "pt-br"}).content.decode()
    assert 'lang="pt-br"' in portuguese
    assert htmx.blocks(portuguese)["summary-kpis"].text != htmx.blocks(first)["summary-kpis"].text
    other.cookies["etlportal_zone"] = "Asia/Tokyo"
    assert htmx.blocks(other.get("/").content.decode())["summary-attention"].text != (
        htmx.blocks(first)["summary-attention"].text
    )
    assert htmx.blocks(other.get("/?q=zzz").content.decode())["summary-matrix"].text != (
        htmx.blocks(first)["summary-matrix"].text
    )


def test_the_summary_links_what_needs_attention_to_the_matrix(page: Any) -> None:
    links = [link.attrs.get("href") or "" for link in page(factories.snapshot())["summary-kpis"].find_all("a")]
    assert any(link.endswith("#summary-matrix") for link in links)
    assert NOW  # the snapshot's time is fixed: nothing here depends on today
