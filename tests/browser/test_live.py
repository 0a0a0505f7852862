"""Live refresh: a run from start to finish, and a reader who is not disturbed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Page, Response, expect

from tests.support.demo import Demo

OpenPage = Callable[..., Page]
SEEN_WITHIN = 15.0
"""Seconds from a run's start to its being on the page (issue 2)."""


def rows(demo: Demo, sql: str) -> list[tuple[Any, ...]]:
    """Ask the demo's audit tables, behind the portal's back."""
    path = demo.folder / "data" / "warehouse" / "dw" / "audit.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql).fetchall()


def newest_run(demo: Demo) -> int:
    return int(rows(demo, "SELECT max(run_id) FROM etl_run")[0][0])


def version(page: Page) -> str:
    """Return the version that the page shows."""
    return str(page.locator("#live").get_attribute("data-live-version"))


def refresh_until_changed(page: Page, seconds: float = 60) -> None:
    """Ask for a refresh, without touching the focus, until the page has changed."""
    before, deadline = version(page), time.monotonic() + seconds
    while version(page) == before:
        assert time.monotonic() < deadline, "nothing changed"
        page.evaluate("document.querySelector('[data-refresh-now]').click()")
        page.wait_for_timeout(500)


def live_answer(response: Response) -> bool:
    return "x-live" in response.request.headers


def test_a_run_is_seen_from_start_to_finish(open_page: OpenPage, demo: Demo) -> None:
    page = open_page("/", user="operator")
    page.evaluate("window.sameDocument = true")
    before = newest_run(demo)
    running = page.locator("#summary-running article:not(.running--orphan)")
    expect(running.first).to_contain_text("Run #", timeout=90_000)
    seen = datetime.now(UTC)
    run_id = max(int(text.split("#")[1].split()[0].replace(",", "")) for text in running.all_inner_texts())
    ((started,),) = rows(demo, f"SELECT started_at FROM etl_run WHERE run_id = {run_id}")
    elapsed = (seen - datetime.fromisoformat(started).replace(tzinfo=UTC)).total_seconds()
    if run_id > before:
        # Whole seconds are stored: a started_at is up to a second early.
        assert elapsed <= SEEN_WITHIN + 1, f"seen after {elapsed:.1f} s"
    expect(running.first.locator("progress, meter, svg").first).to_be_visible()

    expect(running.filter(has_text=f"#{run_id}")).to_have_count(0, timeout=90_000)
    ((status,),) = rows(demo, f"SELECT status FROM etl_run WHERE run_id = {run_id}")
    assert status in {"success", "failed", "partial"}
    expect(page.locator(f"#summary-grid thead [data-tip^='#{run_id} ']")).to_have_count(1, timeout=20_000)
    assert page.evaluate("window.sameDocument") is True, "the page was loaded again"


def test_a_refresh_leaves_the_reader_alone(open_page: OpenPage) -> None:
    """Open details, typed text, focus, caret, scroll position and selected text outlive a change of the page."""
    page = open_page("/", user="viewer", height=600)
    details = page.locator("main details")
    if details.count():
        details.first.locator("summary").click()
    box = page.locator("#summary-matrix input[type=search]")
    box.scroll_into_view_if_needed()
    # Typed without an event for htmx, like text that is not finished.
    page.evaluate(
        """box => { box.focus(); box.value = 'half a wo'; box.setSelectionRange(4, 6); }""", box.element_handle()
    )
    page.evaluate("scrollBy(0, 40)")
    before = page.evaluate("[scrollY, document.querySelector('#summary-matrix').getBoundingClientRect().top]")

    refresh_until_changed(page)

    assert page.evaluate("document.activeElement.type") == "search"
    assert page.evaluate("[document.activeElement.selectionStart, document.activeElement.selectionEnd]") == [4, 6]
    expect(box).to_have_value("half a wo")
    if details.count():
        assert details.first.evaluate("d => d.open")
    after = page.evaluate("[scrollY, document.querySelector('#summary-matrix').getBoundingClientRect().top]")
    assert abs(after[1] - before[1]) <= 2, "what was being read has moved"


def test_selected_text_stays_selected(open_page: OpenPage) -> None:
    page = open_page("/")
    page.evaluate(
        """() => {
            const range = document.createRange();
            range.selectNodeContents(document.querySelector('#summary-matrix tbody td, #summary-matrix tbody th'));
            getSelection().addRange(range);
        }"""
    )
    selected = page.evaluate("String(getSelection())")
    assert selected
    refresh_until_changed(page)
    assert page.evaluate("String(getSelection())") == selected


def test_an_unchanged_page_is_not_sent_again(open_page: OpenPage) -> None:
    page = open_page("/")
    answers = []
    for _ in range(6):
        with page.expect_response(live_answer) as caught:
            page.evaluate("document.querySelector('[data-refresh-now]').click()")
        answers.append((caught.value.status, len(caught.value.body()) if caught.value.status != 204 else 0))
        page.wait_for_timeout(200)
    assert (204, 0) in answers, answers


def test_a_hidden_tab_asks_for_nothing_and_catches_up(open_page: OpenPage, as_before: Callable[[str], str]) -> None:
    page = open_page("/", user=as_before("viewer"))
    page.evaluate("document.querySelector('[data-live-seconds][value=\"5\"]').click()")
    asked: list[str] = []
    page.on("request", lambda request: "x-live" in request.headers and asked.append(request.url))
    hide = "v => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => v}); "
    page.evaluate(hide + "document.dispatchEvent(new Event('visibilitychange')) }", True)
    page.wait_for_timeout(300)
    asked.clear()
    page.wait_for_timeout(7000)
    assert asked == []
    with page.expect_response(live_answer):
        page.evaluate(hide + "document.dispatchEvent(new Event('visibilitychange')) }", False)


def test_lost_contact_is_told_and_forgiven(open_page: OpenPage) -> None:
    page = open_page("/")
    box = page.locator("#live")
    page.route("**/*", lambda route: route.abort() if "x-live" in route.request.headers else route.continue_())
    page.on("console", lambda message: None)
    page.evaluate("document.querySelector('[data-refresh-now]').click()")
    expect(box).to_have_attribute("data-state", "lost")
    expect(box.get_by_role("status")).not_to_be_empty()
    page.unroute_all()
    page.evaluate("document.querySelector('[data-refresh-now]').click()")
    expect(box).not_to_have_attribute("data-state", "lost")
    expect(box.get_by_role("status")).to_be_empty()
    page.forgive("net::ERR_FAILED")  # type: ignore[attr-defined]
    page.forgive("htmx:")  # type: ignore[attr-defined]  # it logs requests that fail


def test_signed_out_elsewhere_stops_and_offers_the_sign_in_page(
    open_page: OpenPage, as_before: Callable[[str], str]
) -> None:
    page = open_page("/", user=as_before("viewer"))
    page.context.clear_cookies()
    page.evaluate("document.querySelector('[data-refresh-now]').click()")
    expect(page.locator("#live")).to_have_attribute("data-state", "out")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert page.locator("live-block").count() > 2, "the page itself stays"


def test_the_switch_and_the_interval_are_remembered(
    open_page: OpenPage, demo: Demo, as_before: Callable[[str], str]
) -> None:
    page = open_page("/", user=as_before("auditor"))
    page.get_by_role("button", name="Automatic refresh").click()
    with page.expect_response("**/preferences/set/"):
        page.locator("[data-live-seconds][value='30']").check()
    with page.expect_response("**/preferences/set/"):
        page.get_by_role("switch").uncheck()
    page.goto(f"{demo.url}/")
    expect(page.locator("[data-live-interval]")).to_have_text("off")
    asked: list[str] = []
    page.on("request", lambda request: "x-live" in request.headers and asked.append(request.url))
    page.wait_for_timeout(2000)
    assert asked == []
    page.get_by_role("button", name="Automatic refresh").click()
    with page.expect_response("**/preferences/set/"):
        page.get_by_role("switch").check()
    expect(page.locator("[data-live-interval]")).to_have_text("30 s")


def test_ages_tick(open_page: OpenPage) -> None:
    page = open_page("/")
    age = page.locator("#live .live__age time")
    first = age.inner_text()
    expect(age).not_to_have_text(first, timeout=5000)
