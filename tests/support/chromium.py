"""The installed Chromium: sign in, check accessibility."""

from __future__ import annotations

import os
import shutil

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""The shell first: without the windows of a whole browser the tests take two thirds of the time."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def find() -> str | None:
    """Return the path of a Chromium: the one that CHROMIUM names, else one by its usual names."""
    named = os.environ.get("CHROMIUM", "")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Start it without a window and without calls home."""
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


def sign_in(page: Page, url: str, user: str, password: str = "demo") -> None:
    """Sign in through the form, as a person does. Ends on the summary page."""
    page.goto(f"{url}/")
    page.fill("input[name=login]", user)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{url}/")


def axe_violations(page: Page) -> list[str]:
    """Return what axe finds wrong on the page as it is now, one line per element."""
    # Without resultTypes axe also describes every element that is right, which takes as long as the rest.
    options = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
    results = Axe().run(page, options=options)
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node.get('failureSummary', '')[:300]}"
        for violation in results.response["violations"]
        for node in violation["nodes"]
    ]
