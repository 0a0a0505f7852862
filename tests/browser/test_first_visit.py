"""Requests and bytes of a first visit, with an empty browser cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, Request, expect

from tools.screenshots import PAGES

MOST_REQUESTS, MOST_BYTES = 10, 200 * 1024
VISITED = {name: page for name, page in PAGES.items() if name != "admin"} | {
    "security": ("/account/security/", "operator")
}
"""All but Django's administration, which comes with files of its own."""

SHIFTED = """() => new Promise((resolve) => {
  let score = 0;
  const observer = new PerformanceObserver((list) => { for (const entry of list.getEntries()) score += entry.value; });
  observer.observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(score), 300);
})"""

OpenPage = Callable[..., Any]


def visit(open_page: OpenPage, address: str, user: str) -> tuple[Page, dict[str, int]]:
    """Return the page and what it fetched, in bytes as sent, headers included."""
    page = open_page("/healthz", user=user)  # brings nothing along
    page.forgive("404")  # the browser asks that text for a /favicon.ico
    seen: list[Request] = []
    page.on("requestfinished", lambda request: seen.append(request))  # a built-in cannot be a handler
    page.goto(urljoin(page.url, address), wait_until="networkidle")
    sizes = {request.url: request.sizes() for request in seen}
    return page, {url: size["responseBodySize"] + size["responseHeadersSize"] for url, size in sizes.items()}


@pytest.mark.parametrize("name", VISITED)
def test_it_is_ten_requests_and_200_kb(open_page: OpenPage, name: str) -> None:
    page, fetched = visit(open_page, *VISITED[name])
    assert len(fetched) <= MOST_REQUESTS, fetched
    assert sum(fetched.values()) <= MOST_BYTES, fetched
    # What is read stays where it is while ages, fonts and charts come.
    assert page.evaluate(SHIFTED) < 0.01


def test_the_newest_source_rows_are_asked_for_when_somebody_gets_there(open_page: OpenPage) -> None:
    page, fetched = visit(open_page, "/pipelines/fact_vendas/", "operator")
    assert not [url for url in fetched if "pipeline-sample" in url]
    page.locator("#pipeline-sample").scroll_into_view_if_needed()
    expect(page.locator("#pipeline-sample table")).to_be_visible()
