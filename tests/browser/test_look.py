"""Theme, language, widths, keyboard, and accessibility of every page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.chromium import axe_violations
from tests.support.demo import Demo
from tools.screenshots import PAGES

OpenPage = Callable[..., Page]
Remember = Callable[[str], str]


WIDTHS = (360, 768, 1440, 2560)


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_in_either_theme(open_page: OpenPage, name: str) -> None:
    address, user = PAGES[name]
    page = open_page(address, user=user)
    page.forgive("404")  # type: ignore[attr-defined]
    found = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.wait_for_timeout(400)  # colours fade, and charts are drawn in the new ones
        found[theme] = axe_violations(page)
    assert found == {"light": [], "dark": []}


def test_axe_finds_nothing_in_what_opens(open_page: OpenPage) -> None:
    page = open_page("/", user="admin")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    page.locator(".topbar__user").click()
    assert axe_violations(page) == []


@pytest.mark.parametrize("name", [name for name in PAGES if name != "admin"])
def test_nothing_sticks_out_at_any_width(open_page: OpenPage, name: str) -> None:
    """A page never scrolls sideways; a wide table does so in its own frame."""
    address, user = PAGES[name]
    page = open_page(address, user=user)
    page.forgive("404")  # type: ignore[attr-defined]
    needed = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        needed[width] = page.evaluate("document.documentElement.scrollWidth")
    assert all(needed[width] <= width for width in WIDTHS), needed


def test_an_admin_list_fits_a_phone(open_page: OpenPage) -> None:
    page = open_page("/admin/monitoring/connectionloginevent/", user="auditor", width=360, locale="pt-BR")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_theme_follows_the_system_until_it_is_chosen(open_page: OpenPage, demo: Demo, as_before: Remember) -> None:
    page = open_page("/", user=as_before("auditor"), theme="dark")
    colour = "getComputedStyle(document.querySelector('.topbar')).backgroundColor"
    dark = page.evaluate(colour)
    with page.expect_response("**/preferences/set/"):
        page.locator("[data-theme-switch]").click()
    light = page.evaluate(colour)
    assert light != dark
    page.goto(f"{demo.url}/")
    assert page.evaluate(colour) == light
    page.locator("[data-theme-switch]").click()
    assert page.evaluate(colour) == dark


def test_the_language_follows_the_browser_until_it_is_chosen(open_page: OpenPage, as_before: Remember) -> None:
    page = open_page("/", user=as_before("auditor"), locale="pt-BR")
    expect(page.locator("html")).to_have_attribute("lang", "pt-br")
    expect(page.locator("h1")).to_have_text("Resumo operacional")
    page.locator("button[name=language][value=en]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("h1")).to_have_text("Operational summary")
    page.locator("button[name=language][value=pt-br]").click()
    expect(page.locator("h1")).to_have_text("Resumo operacional")
