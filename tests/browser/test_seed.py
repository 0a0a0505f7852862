"""The seed's own instructions, step by step: section 4 (recommended use) and 6 (before the first run)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

from playwright.sync_api import Page, expect

from tests.support.demo import Demo

OpenPage = Callable[..., Page]


def failed_run(demo: Demo) -> tuple[int, str]:
    """The newest failed run entity: its run and its pipeline, asked behind the portal's back."""
    path = demo.folder / "data" / "warehouse" / "dw" / "audit.sqlite3"
    sql = "SELECT run_id, entity_name FROM etl_run_entity WHERE status = 'failed' ORDER BY run_entity_id DESC LIMIT 1"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        run_id, name = connection.execute(sql).fetchone()
    return int(run_id), str(name)


def test_section_6_the_checklist_before_the_first_run(open_page: OpenPage) -> None:
    page = open_page("/", user="operator", locale="pt-BR")
    preflight = page.locator("#preflight")
    expect(preflight).to_contain_text("Pronto para o primeiro run: sim")
    expect(preflight).to_contain_text(re.compile(r"Obrigatórios:\s*dim_cliente"))
    preflight.locator("summary").filter(has_text="Todas as verificações").click()
    for check in ("Conexão DW", "Conexão OLTP"):
        line = preflight.locator("li, tr").filter(has_text=check).filter(visible=True).first
        expect(line).to_contain_text("Passou")
    # dim_cliente is ready and active: both signs beside its name say so to a screen reader too.
    required = preflight.get_by_text("Obrigatórios:").locator("xpath=..")
    expect(required).to_contain_text("pronto")
    expect(required).to_contain_text("ativo")


def test_section_4_from_the_pre_flight_to_the_failure_and_its_watermark(open_page: OpenPage, demo: Demo) -> None:
    run_id, name = failed_run(demo)
    # 1, 2: open it, look at the pre-flight. 3: the demo's ETL runs by itself. 4: refresh now.
    page = open_page("/", user="operator")
    expect(page.locator("#preflight")).to_contain_text("Required:")
    with page.expect_response(lambda response: "x-live" in response.request.headers):
        page.locator("[data-refresh-now]").click()
    # 5: filter the run, read error_message per entity, see whether the watermark stayed: two clicks.
    page.goto(f"{demo.url}/runs/?run={run_id}")
    page.locator("#runs-list").get_by_role("link", name=f"#{run_id}").click()
    expect(page).to_have_url(re.compile(rf"/runs/{run_id}/$"))
    failure = page.locator("#run-entities article").filter(has_text=name)
    expect(failure).to_contain_text("What to do")
    expect(failure).to_contain_text("Watermark: unchanged")
    expect(failure).to_contain_text("In ctl.etl_control it is now at")
    failure.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_runs_are_filtered_and_paged_without_leaving_the_page(open_page: OpenPage) -> None:
    page = open_page("/runs/", user="viewer")
    page.evaluate("window.sameDocument = true")
    first = page.locator("#runs-list tbody tr").first.get_attribute("data-row")
    page.locator("#runs-list").get_by_role("link", name="Next").click()
    expect(page.locator("#runs-list tbody tr").first).not_to_have_attribute("data-row", first or "")
    expect(page).to_have_url(re.compile("after="))
    page.locator("#runs-list").get_by_label("Failed").check()
    expect(page).to_have_url(re.compile("status=failed"))
    for status in page.locator("#runs-list tbody tr td:nth-child(2)").all_inner_texts():
        assert "Failed" in status
    assert page.evaluate("window.sameDocument") is True, "the page was loaded again"
