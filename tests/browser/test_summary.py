"""The summary in a real browser: what is filtered, sorted, opened and downloaded by hand."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]


def _names(page: Page) -> list[str]:
    return page.locator("#summary-matrix tbody tr td:first-child .entity").all_inner_texts()


def test_a_status_is_picked_by_its_chip_and_the_address_follows(open_page: OpenPage) -> None:
    page = open_page("/")
    everything = _names(page)
    page.locator("#summary-matrix").get_by_role("checkbox", name="OK", exact=True).check()
    expect(page.locator("#summary-matrix .card__note")).to_contain_text("of")
    assert 0 < len(_names(page)) < len(everything)
    assert "status=ok" in page.url
    page.reload()
    expect(page.locator("#summary-matrix").get_by_role("checkbox", name="OK", exact=True)).to_be_checked()
    page.locator("#summary-matrix").get_by_role("link", name="Clear").click()
    expect(page.locator("#summary-matrix").get_by_role("checkbox", name="OK", exact=True)).not_to_be_checked()
    expect(page.locator("#summary-matrix tbody tr td:first-child .entity")).to_have_text(everything)
    page.go_back()
    expect(page.locator("#summary-matrix").get_by_role("checkbox", name="OK", exact=True)).to_be_checked()


def test_the_two_tables_keep_each_others_filters(open_page: OpenPage) -> None:
    # A table's name: the text is looked for in the last error too, and what fails in the demo changes.
    page = open_page("/?q=core.customers")
    page.locator("#summary-failures select").select_option("other")
    page.wait_for_url("**f-kind=other*")
    assert "q=core.customers" in page.url
    assert _names(page) == ["dim_cliente"]


def test_sorting_and_the_file_of_what_is_shown(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("/?show=active")
    page.locator("#summary-matrix th").filter(has_text="Source rows").locator("a").click()
    page.wait_for_url("**sort=source_total*")
    shown = _names(page)
    with page.expect_download() as download:
        page.locator("#summary-matrix").get_by_role("link", name="CSV").click()
    path = tmp_path / "pipelines.csv"
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert [row["Pipeline"] for row in csv.DictReader(file)] == shown


def test_a_card_leads_to_the_pipelines_behind_its_figure(open_page: OpenPage) -> None:
    page = open_page("/")
    page.get_by_role("link", name="Pending rows").click()
    page.wait_for_url("**sort=-eligible*")
    expect(page.locator("#summary-matrix th[aria-sort=descending]")).to_contain_text("Eligible")


@pytest.mark.parametrize("width", [360, 1440])
def test_the_newest_run_is_in_sight(open_page: OpenPage, width: int) -> None:
    page = open_page("/", width=width)
    newest = page.locator("#summary-grid thead .cell").last
    newest.scroll_into_view_if_needed()
    frame = page.locator("#summary-grid .run-grid-scroll").bounding_box()
    cell = newest.bounding_box()
    assert frame is not None
    assert cell is not None
    assert frame["x"] <= cell["x"] < cell["x"] + cell["width"] <= frame["x"] + frame["width"] + 1


def test_the_list_of_checks_stays_open_over_refreshes(open_page: OpenPage) -> None:
    page = open_page("/")
    page.locator("#preflight-all > summary").click()
    for _ in range(2):
        with page.expect_response(lambda answer: "X-Live" in answer.request.headers or answer.url.endswith("/")):
            page.get_by_role("button", name="Refresh now").click()
    expect(page.locator("#preflight-all")).to_have_attribute("open", "")
    expect(page.locator("#preflight-all")).to_contain_text("DW connection")


def test_every_age_of_the_figures_is_the_same(open_page: OpenPage) -> None:
    page = open_page("/")
    times = page.locator("time[data-ticked]")
    assert times.count() >= 9
    assert len(set(times.evaluate_all("all => all.map(one => Date.parse(one.dateTime) / 1000 | 0)"))) == 1
