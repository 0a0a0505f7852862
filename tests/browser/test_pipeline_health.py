"""Pipeline health in a real browser: found by keyboard, checked, unmasked, and left alone by the refresh."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import axe_violations
from tests.support.demo import Demo

OpenPage = Callable[..., Page]
STATES = {
    "healthy": "dim_cliente",
    "new": "dim_transportadora",
    "inactive": "dim_equipe",
    "broken": "fact_devolucoes",
}
"""Pipelines in these states: the demo's, and two rows added to ctl.etl_control."""
ADDED = (
    ("dim_transportadora", "core.carriers", "dim.DIM_TRANSPORTADORA", "carrier_id"),
    ("fact_devolucoes", "core.order_returns", "fact.FACT_DEVOLUCOES", "order_return_id"),
)


@pytest.fixture(scope="module", autouse=True)
def added(browser: Browser, demo: Demo, signed_in: Callable[[str], Any]) -> Iterator[None]:
    """Add two rows to ctl.etl_control and wait until the collector has seen them."""
    warehouse = demo.folder / "data" / "warehouse"
    path = warehouse / "dw" / "ctl.sqlite3"
    now = f"{datetime.now(UTC) - timedelta(minutes=50):%Y-%m-%d %H:%M:%S}"
    with closing(sqlite3.connect(warehouse / "oltp" / "core.sqlite3", timeout=20)) as connection, connection:
        connection.execute(
            "CREATE TABLE carriers (carrier_id INTEGER PRIMARY KEY, carrier_name NVARCHAR(150), created_at TEXT, "
            "updated_at TEXT, deleted_at TEXT)"
        )
        connection.execute("INSERT INTO carriers VALUES (1, 'Transportes', ?, ?, NULL)", (now, now))
    with closing(sqlite3.connect(warehouse / "dw" / "dim.sqlite3", timeout=20)) as connection, connection:
        connection.execute(
            "CREATE TABLE DIM_TRANSPORTADORA (transportadora_id INTEGER PRIMARY KEY, "
            "transportadora_original_id BIGINT, eh_ativo BIT, data_ultima_atualizacao TEXT)"
        )
    with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
        connection.executemany(
            "INSERT INTO etl_control (entity_name, source_table, target_table, source_pk_column, created_at, "
            "updated_at) VALUES (?, ?, ?, ?, ?, ?)",
            [(*row, now, now) for row in ADDED],
        )
    context = browser.new_context(storage_state=signed_in("viewer"))
    deadline = time.monotonic() + 60
    while any(context.request.get(f"{demo.url}/pipelines/{row[0]}/").status != 200 for row in ADDED):
        assert time.monotonic() < deadline, "the collector did not see the new pipelines"
        time.sleep(0.5)
    yield
    with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
        connection.executemany("DELETE FROM etl_control WHERE entity_name = ?", [(row[0],) for row in ADDED])
    # The next file's tests have the same demo.
    deadline = time.monotonic() + 60
    while any(context.request.get(f"{demo.url}/pipelines/{row[0]}/").status == 200 for row in ADDED):
        assert time.monotonic() < deadline, "the collector still shows pipelines that are gone"
        time.sleep(0.5)
    context.close()


def test_a_pipeline_is_found_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/pipelines/")
    page.get_by_label("Pipeline", exact=True).focus()
    page.keyboard.type("dim_clie")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/pipelines/dim_cliente/$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("dim_cliente")


@pytest.mark.parametrize(("state", "theme"), list(zip(STATES, ("dark", "light", "dark", "light"), strict=True)))
def test_every_state_is_accessible(open_page: OpenPage, state: str, theme: str) -> None:
    """Each in one theme: that colours hold in both is tested by the tokens, the whole page by test_look.py."""
    page = open_page(f"/pipelines/{STATES[state]}/", user="admin", theme=theme)
    page.locator("#pipeline-sample").scroll_into_view_if_needed()  # that is what asks for its rows
    expect(page.locator("#pipeline-sample")).not_to_contain_text("Reading the latest rows")
    page.locator("#ruler-table > summary").click()
    assert axe_violations(page) == []


def test_new_quiet_and_broken_rulers_look_different(open_page: OpenPage) -> None:
    seen = {}
    for state in ("new", "inactive", "broken"):
        page = open_page(f"/pipelines/{STATES[state]}/")
        ruler = page.locator("#lag-ruler")
        expect(ruler).to_be_visible()
        seen[state] = ruler.get_attribute("class")
    assert "ruler--never_loaded" in (seen["new"] or "")
    assert "ruler--paused tone-inactive" in (seen["inactive"] or "")
    assert "ruler--unknown tone-unknown" in (seen["broken"] or "")


def test_labels_of_the_ruler_do_not_leave_a_phone(open_page: OpenPage) -> None:
    page = open_page(f"/pipelines/{STATES['new']}/", width=360)
    boxes = page.locator("#lag-ruler .ruler__label").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) == 5
    assert all(box["left"] >= 0 and box["right"] <= 360 for box in boxes)
    tops = sorted(box["top"] for box in boxes)
    assert all(below - above > 10 for above, below in pairwise(tops))


def test_an_operator_runs_the_checks_and_everybody_sees_them(open_page: OpenPage) -> None:
    page = open_page("/pipelines/dim_produto/", user="operator")
    page.get_by_role("button", name="Run the checks").click()
    expect(page.locator("#pipeline-checks")).to_contain_text("asked by operator")
    expect(page).to_have_url(re.compile(r"/pipelines/dim_produto/$"))
    other = open_page("/pipelines/dim_produto/", user="viewer")
    expect(other.locator("#pipeline-checks")).to_contain_text("asked by operator")
    expect(other.get_by_role("button", name="Run the checks")).to_have_count(0)


def test_an_auditor_sees_personal_data_and_hides_it_again(open_page: OpenPage) -> None:
    page = open_page("/pipelines/dim_cliente/", user="auditor")
    sample = page.locator("#pipeline-sample")
    sample.scroll_into_view_if_needed()
    expect(sample).to_contain_text("Masked because it is personal data")
    expect(sample.locator("tbody .masked").first).to_be_visible()
    page.get_by_role("button", name="Show personal data").click()
    expect(sample).to_contain_text("Personal data is shown")
    expect(sample.locator("tbody .masked")).to_have_count(0)
    page.get_by_role("button", name="Mask again").click()
    expect(sample).to_contain_text("Masked because it is personal data")


def test_the_seeds_path_from_a_failure_to_the_watermark(open_page: OpenPage) -> None:
    """Section 4 of the seed: filter, read the error, see whether the watermark stayed."""
    page = open_page("/pipelines/dim_cliente/")
    page.locator("#pipeline-executions .filters").get_by_text("Failed", exact=True).click()
    page.wait_for_url("**x-status=failed**")
    rows = page.locator("#pipeline-executions tbody tr")
    expect(rows.first).to_contain_text("Failed")
    expect(rows.first).to_contain_text("unchanged")
    rows.first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run")


def test_the_window_of_the_trends_is_in_the_address(open_page: OpenPage) -> None:
    page = open_page("/pipelines/dim_cliente/")
    page.get_by_role("link", name="7 days").click()
    page.wait_for_url("**window=7d**")
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    page.reload()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")


def test_a_refresh_keeps_what_is_open_and_what_is_read(open_page: OpenPage) -> None:
    page = open_page("/pipelines/fact_vendas/")
    page.locator("#pipeline-sample").scroll_into_view_if_needed()
    expect(page.locator("#pipeline-sample tbody tr")).not_to_have_count(0)
    page.locator("#ruler-table > summary").click()
    with page.expect_response(lambda response: "x-live" in response.request.headers):
        page.locator("[data-refresh-now]").click()
    page.wait_for_timeout(300)
    expect(page.locator("#ruler-table")).to_have_attribute("open", "")
    expect(page.locator("#pipeline-sample tbody tr")).not_to_have_count(0)
