"""Filters and sorting through htmx: the address has the state, and the rest of the page stays."""

from __future__ import annotations

import csv
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.demo import Demo

OpenPage = Callable[..., Page]
MATRIX = "#summary-matrix tbody tr"


def names(page: Page) -> list[str]:
    return [text.split()[0] for text in page.locator(f"{MATRIX} > :first-child").all_inner_texts()]


def test_sorting_keeps_the_page_and_changes_the_address(open_page: OpenPage, demo: Demo) -> None:
    page = open_page("/")
    page.evaluate("window.sameDocument = true")
    first = page.locator(f"{MATRIX} > :first-child").first
    before = names(page)
    page.locator("#summary-matrix th").first.locator("a.sort").click()
    expect(first).not_to_contain_text(before[0])
    once = names(page)
    page.locator("#summary-matrix th").first.locator("a.sort").click()
    expect(first).not_to_contain_text(once[0])
    assert names(page) == once[::-1]
    assert "sort=" in page.url
    assert page.evaluate("window.sameDocument") is True
    page.reload()
    assert names(page) == once[::-1]


def test_filtering_by_text_while_typing(open_page: OpenPage) -> None:
    page = open_page("/")
    page.evaluate("window.sameDocument = true")
    everything = page.locator(MATRIX).count()
    page.locator("#summary-matrix input[type=search]").press_sequentially("fact.fact_", delay=30)
    expect(page.locator(f"{MATRIX} > :first-child", has_text="dim_")).to_have_count(0)
    assert names(page)
    assert all(name.startswith("fact_") for name in names(page))
    assert page.evaluate("document.activeElement.type") == "search"
    assert page.evaluate("window.sameDocument") is True
    page.go_back()
    expect(page.locator(MATRIX)).to_have_count(everything)


def test_a_filter_outlives_a_refresh(open_page: OpenPage) -> None:
    # A table's name: the text is looked for in the last error too, and what fails in the demo changes.
    page = open_page("/?q=core.customers")
    assert names(page) == ["dim_cliente"]
    for _ in range(3):
        with page.expect_response(lambda response: "x-live" in response.request.headers):
            page.evaluate("document.querySelector('[data-refresh-now]').click()")
    assert names(page) == ["dim_cliente"]


def test_an_export_is_what_the_table_shows(open_page: OpenPage) -> None:
    page = open_page("/?q=fact.fact_")
    with page.expect_download() as caught:
        page.locator("#summary-matrix .table-exports a", has_text="CSV").click()
    with caught.value.path().open(encoding="utf-8-sig", newline="") as file:
        assert [row["Pipeline"] for row in csv.DictReader(file)] == names(page)
