"""What a first visit costs: requests and bytes, with nothing in the browser's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Request

MOST_REQUESTS, MOST_BYTES = 10, 200 * 1024


@pytest.mark.parametrize("address", ["/", "/pipelines/", "/runs/", "/connections/", "/account/login/"])
def test_it_is_ten_requests_and_200_kb(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/healthz", user="" if "login" in address else "admin")  # brings nothing along
    page.forgive("404")  # the browser asks that text for a /favicon.ico
    seen: list[Request] = []
    page.on("requestfinished", lambda request: seen.append(request))  # a built-in cannot be a handler
    page.goto(urljoin(page.url, address), wait_until="networkidle")
    sizes = {request.url: request.sizes()["responseBodySize"] for request in seen}
    assert len(seen) <= MOST_REQUESTS, sizes
    assert sum(sizes.values()) <= MOST_BYTES, sizes
