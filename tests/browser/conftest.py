"""A real demo and a real browser, once for all browser tests.

The demo is `manage.py demo` as a newcomer starts it, with its own folder, a free port and a faster ETL.
Where no Chromium is found the tests are skipped and say so; REQUIRE_BROWSER=1 (.ci/run) makes that a
failure.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support import chromium
from tests.support.demo import Demo

PACE = 1
"""Runs a minute of the demo ETL: as a newcomer sees it."""


ZONE = "America/Sao_Paulo"
PATIENCE = 20_000
"""Milliseconds that anything may take: the machine may be busy, and slowness is not what is tested here."""

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for the package; gone afterwards, its event loop too (Django's tests want none)."""
    path = chromium.find()
    if path is None:
        reason = "no Chromium found: install chromium, or name one in CHROMIUM"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = chromium.launch(playwright, path)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def demo(browser: Browser) -> Iterator[Demo]:
    """The running demo. Depends on the browser, so that it does not start for skipped tests."""
    folder = Path(tempfile.mkdtemp(prefix="etlportal-browser-"))
    running = Demo(folder, f"--pace={PACE}")
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def signed_in(browser: Browser, demo: Demo) -> Callable[[str], Any]:
    """`signed_in("operator")` returns the cookies of a user who has signed in through the form."""
    known: dict[str, Any] = {}

    def cookies(user: str) -> Any:
        if user not in known:
            context = browser.new_context(timezone_id=ZONE)
            chromium.sign_in(context.new_page(), demo.url, user)
            known[user] = context.storage_state()
            context.close()
        return known[user]

    return cookies


@pytest.fixture
def as_before(browser: Browser, demo: Demo, signed_in: Callable[[str], Any]) -> Iterator[Callable[[str], str]]:
    """`as_before("auditor")`: that user's preferences are the defaults again after the test."""
    users: list[str] = []

    def remember(user: str) -> str:
        users.append(user)
        return user

    yield remember
    for user in users:
        context = browser.new_context(storage_state=signed_in(user))
        page = context.new_page()
        page.goto(f"{demo.url}/preferences/")
        defaults = {"language": "", "theme": "", "time_zone": "", "refresh_seconds": "10", "auto_refresh": "1"}
        token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
        answer = page.request.post(
            f"{demo.url}/preferences/set/", form=defaults, headers={"X-CSRFToken": token, "Referer": demo.url}
        )
        assert answer.ok, answer.status
        context.close()


@pytest.fixture
def open_page(browser: Browser, demo: Demo, signed_in: Callable[[str], Any]) -> Iterator[Callable[..., Page]]:
    """`open_page("/", user="viewer", theme="dark", width=1440, locale="en-US")`: a page, loaded.

    Errors that the browser reports (a refused inline style, a script error, a response of 500) fail the test.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    forgiven: list[str] = []

    def make(
        path: str = "/",
        user: str = "viewer",
        theme: Any = "light",
        width: int = 1440,
        height: int = 900,
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            storage_state=signed_in(user) if user else None,
            color_scheme=theme,
            viewport={"width": width, "height": height},
            **{"locale": "en-US", "timezone_id": ZONE, **options},
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # `page.forgive("404")`: complaints with this text are what the test is about.
        page.forgive = forgiven.append  # type: ignore[attr-defined]
        page.goto(f"{demo.url}{path}")
        return page

    yield make
    for context in contexts:
        context.close()
    left = [text for text in complaints if not any(part in text for part in forgiven)]
    assert not left, f"the browser complained: {left}\nthe demo said:\n{demo.last_words()}"
