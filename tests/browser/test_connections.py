"""The connection audit and the admin's drill-down, in a real browser over a running demo."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support import chromium
from tests.support.demo import Demo

OpenPage = Callable[..., Page]
THEMES = ("light", "dark")
ADMIN = (
    "/admin/",
    "/admin/monitoring/etlcontrol/",
    "/admin/monitoring/etlrun/?status=partial&window=30d",
    "/admin/monitoring/etlrunentity/?q=deadlock&window=30d",
    "/admin/monitoring/connectionloginevent/",
    "/admin/monitoring/etlrun/600/change/",
    "/admin/monitoring/connectionloginevent/100/change/",
    "/admin/monitoring/pipelinesettings/add/",
)


def rows(page: Page) -> Any:
    return page.locator("#connections-events tbody tr")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("path", ["/connections/", "/connections/?window=7d&login_name=ghost", "/connections/capture/"])
def test_the_pages_are_accessible(open_page: OpenPage, path: str, theme: str, width: int) -> None:
    page = open_page(path, user="admin", theme=theme, width=width)
    page.wait_for_load_state("networkidle")
    assert chromium.axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", ADMIN)
def test_the_admin_is_accessible(open_page: OpenPage, path: str, theme: str) -> None:
    page = open_page(path, user="admin", theme=theme)
    for own in ("inline style", "404", "preload assets"):  # axe fetches style sheets again, and adds one
        page.forgive(own)  # type: ignore[attr-defined]
    assert chromium.axe_violations(page) == []


def test_the_admin_keeps_to_the_policy(open_page: OpenPage, demo: Demo) -> None:
    """Anything that the browser refuses fails the test (open_page)."""
    page = open_page(ADMIN[0], user="admin")
    for path in ADMIN[1:]:
        page.goto(f"{demo.url}{path}")
        page.wait_for_load_state("networkidle")


def test_a_filter_narrows_the_events_and_is_in_the_address(open_page: OpenPage) -> None:
    page = open_page("/connections/?window=7d", user="auditor")
    page.evaluate("window.stayed = true")
    page.locator("select[name=login_name]").select_option(value="etl_runner")
    page.wait_for_url(re.compile(r"login_name=etl_runner"))
    assert "window=7d" in page.url
    expect(rows(page).first.locator("td").nth(3)).to_have_text("etl_runner")
    assert set(rows(page).locator("td:nth-child(4)").all_inner_texts()) == {"etl_runner"}
    assert page.evaluate("window.stayed"), "the page was not loaded anew"
    page.locator("select[name=program_name]").select_option(value="etl-runner")
    page.wait_for_url(re.compile(r"program_name=etl-runner"))
    assert "login_name=etl_runner" in page.url
    page.go_back()
    expect(page.locator("select[name=program_name]")).to_have_value("")


def test_older_and_back_by_key(open_page: OpenPage) -> None:
    page = open_page("/connections/?window=7d", user="auditor")
    first = rows(page).first.inner_text()
    page.locator("#connections-events a[rel=next]").click()
    page.wait_for_url(re.compile("after="))
    expect(rows(page).first).not_to_have_text(first)
    expect(page.locator("#connections-events a[rel=prev]")).to_be_visible()
    # Another filter begins at the newest event again.
    page.locator("select[name=status]").select_option(value="running")
    page.wait_for_url(re.compile("status=running"))
    assert "after=" not in page.url


def test_a_top_login_leads_to_its_events(open_page: OpenPage) -> None:
    page = open_page("/connections/", user="auditor")
    link = page.locator("#connections-facets tbody a").first
    name = link.inner_text()
    link.click()
    expect(page.locator("select[name=login_name]")).to_have_value(name)


def test_capture_now(open_page: OpenPage) -> None:
    page = open_page("/connections/", user="admin")
    before = rows(page).first.inner_text()
    page.get_by_role("button", name="Capture now").click()
    expect(page.locator(".messages")).to_contain_text(re.compile(r"Captured: \d+ open session"))
    expect(rows(page).first).not_to_have_text(before)
    page.get_by_role("button", name="Capture now").click()
    expect(page.locator(".messages")).to_contain_text("less than 30 seconds old")


def test_from_a_run_to_its_entities_to_the_events_around_it(open_page: OpenPage) -> None:
    page = open_page("/admin/monitoring/etlrun/", user="auditor")
    page.get_by_role("link", name="Older").click()
    page.locator("#result_list tbody th a").first.click()
    page.locator(".related-rows tbody th a").first.click()
    page.get_by_role("link", name="Login events around it").click()
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Connection audit in the portal").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connection audit")
