"""Take every page in both themes, both languages and three widths, into docs/screenshots/: `make screenshots`.

Git ignores all but `readme-*.png`, the pictures of the README.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from monitoring.rules.error_text import parse
from tests.support import chromium
from tests.support.demo import ROOT, Demo

FOLDER = ROOT / "docs" / "screenshots"
WIDTHS = {360: 780, 1440: 900, 2560: 1440}
LANGUAGES = {"en": "en-US", "pt-br": "pt-BR"}
THEMES = ("light", "dark")
ZONE = "America/Sao_Paulo"
DEADLOCK = parse("(1205, b'deadlock')").fingerprint
"""Every demonstration has had some."""
PAGES = {
    "sign-in": ("/account/login/", ""),
    "summary": ("/", "operator"),
    "pipelines": ("/pipelines/", "operator"),
    "pipeline": ("/pipelines/fact_vendas/", "operator"),
    "runs": ("/runs/", "operator"),
    "run": ("/runs/670/", "operator"),
    "failures": ("/runs/failures/", "operator"),
    "failure": (f"/runs/failures/{DEADLOCK}/", "auditor"),
    "connections": ("/connections/", "auditor"),
    "preferences": ("/preferences/", "operator"),
    "password": ("/account/password/change/", "operator"),
    "not-found": ("/no-such-page", "operator"),
    "admin": ("/admin/", "admin"),
}
"""Name to address and user ("": anonymous)."""


LIVE_SECONDS = 45
"""Time for the demo to run, to fail and to store samples."""


def render(browser: Browser, url: str, only: list[str]) -> list[Path]:
    """Take the pictures of the pages in `only` (all when empty); return their files."""
    made = []
    states = {}
    for user in {user for _, user in PAGES.values() if user}:
        context = browser.new_context(timezone_id=ZONE)
        chromium.sign_in(context.new_page(), url, user)
        states[user] = context.storage_state()
        context.close()
    for name, (address, user) in PAGES.items():
        if only and name not in only:
            continue
        for language, locale in LANGUAGES.items():
            for theme in THEMES:
                for width, height in WIDTHS.items():
                    context = browser.new_context(
                        storage_state=states.get(user),
                        color_scheme=theme,
                        locale=locale,
                        timezone_id=ZONE,
                        viewport={"width": width, "height": height},
                        reduced_motion="reduce",
                    )
                    page = context.new_page()
                    _settle(page, f"{url}{address}")
                    made.append(FOLDER / f"{name}-{language}-{theme}-{width}.png")
                    page.screenshot(path=made[-1], full_page=True)
                    if (name, language, width) == ("summary", "en", 1440):
                        page.set_viewport_size({"width": width, "height": 1180})
                        made.append(FOLDER / f"readme-{theme}.png")
                        page.screenshot(path=made[-1])
                    context.close()
    return made


def _settle(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("load")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)  # charts draw themselves after the load


def main(arguments: list[str]) -> int:
    path = chromium.find()
    if path is None:
        sys.stderr.write("no Chromium found: install chromium, or name one in CHROMIUM\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        demo = Demo(Path(folder), "--pace=2")
        try:
            browser = chromium.launch(playwright, path)
            time.sleep(LIVE_SECONDS)
            made = render(browser, demo.url, arguments)
            browser.close()
        finally:
            demo.stop()
    sys.stdout.write(f"{len(made)} pictures in {FOLDER.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
