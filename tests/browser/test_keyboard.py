"""Every control is reachable by Tab in visual order, with a visible focus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tools.screenshots import PAGES

OpenPage = Callable[..., Page]

WALKED = {
    **{name: PAGES[name] for name in ("sign-in", "summary", "preferences", "failures", "failure", "connections")},
    "security": ("/account/security/", "admin"),
    "sessions": ("/account/sessions/", "admin"),
    "app": ("/account/security/app/add/", "admin"),
    "admin list": ("/admin/monitoring/etlrunentity/?window=24h", "admin"),
    "admin row": ("/admin/monitoring/etlrun/600/change/", "admin"),
    "trail": ("/admin/monitoring/trailentry/", "admin"),
}

FOCUSABLE = """
() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
  .filter(e => !e.disabled && e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0
    && !(e.type === 'radio' && !e.checked))
  .map((e, i) => { e.dataset.testFocus = i; return e.outerHTML.slice(0, 120); })
"""
FOCUSED: Any = """
() => {
  const e = document.activeElement, s = getComputedStyle(e);
  const marked = [e, e.parentElement].some(x => {
    const y = getComputedStyle(x); return y.outlineStyle !== 'none' || y.boxShadow !== 'none'; });
  return [e.dataset.testFocus ?? '', marked, e.outerHTML.slice(0, 120)];
}
"""


def walk(page: Page) -> tuple[list[str], list[int], list[str]]:
    """Press Tab through the page; return what it holds, in which order it was reached, and what did not show it."""
    elements = page.evaluate(FOCUSABLE)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    order: list[int] = []
    unmarked = []
    # Dates and times have parts of their own, and the browser's frame is walked through, too.
    for _ in range(len(elements) + 40):
        page.keyboard.press("Tab")
        number, marked, html = page.evaluate(FOCUSED)
        if number and int(number) not in order:
            order.append(int(number))
            if not marked:
                unmarked.append(html)
        if len(order) == len(elements):
            break
    return elements, order, unmarked


@pytest.mark.parametrize("name", WALKED)
def test_the_keyboard_reaches_everything_and_shows_where_it_is(open_page: OpenPage, name: str) -> None:
    address, user = WALKED[name]
    page = open_page(address, user=user)
    if page.locator("#live").count():
        # A refresh in the middle would change what there is to reach.
        page.route("**/*", lambda route: route.abort() if "x-live" in route.request.headers else route.continue_())
        page.forgive("net::ERR_FAILED")  # type: ignore[attr-defined]
        page.forgive("htmx:")  # type: ignore[attr-defined]
    elements, order, unmarked = walk(page)
    assert [html for number, html in enumerate(elements) if number not in order] == []
    assert unmarked == []
    first = order.index(min(order))  # where the walk began is the browser's choice
    assert order[first:] + order[:first] == sorted(order)


@pytest.mark.parametrize(
    ("address", "user"), [("/", "viewer"), ("/runs/failures/", "viewer"), ("/connections/", "auditor")]
)
def test_the_first_tab_leads_to_the_content(open_page: OpenPage, address: str, user: str) -> None:
    page = open_page(address, user=user)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_menu_is_closed_by_escape(open_page: OpenPage) -> None:
    page = open_page("/connections/", user="auditor")
    menu = page.locator("#user-menu")
    page.locator(".topbar__user").focus()
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.locator(".topbar__user")).to_be_focused()


def test_a_row_is_copied_as_json_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/admin/monitoring/etlrun/600/change/", user="admin", permissions=["clipboard-read"])
    page.locator("button[data-copies]").focus()
    page.keyboard.press("Space")
    expect(page.locator("#copied")).to_have_text("Copied.")
    copied = page.evaluate("async () => JSON.parse(await navigator.clipboard.readText())")
    assert copied["run_id"] == 600
