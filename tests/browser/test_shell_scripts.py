"""static/js in a real browser, against a page made here: no demo, no clock to wait for, every answer chosen."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django_htmx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from monitoring.web.formats import duration_text

STATIC = Path(__file__).resolve().parents[2] / "static"
HTMX = Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"
LIBRARY = "/static/dist/chart-library.js"
SITE = "https://portal.test"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
WORDS = {
    "lost": "Contact lost since {time}",
    "signed_out": "Signed out.",
    "sign_in": "Sign in",
    "forbidden": "Not yours.",
    "off": "off",
    "no_data": "Nothing to draw.",
    "not_saved": "Not saved.",
    "running": "running",
    "ago": "{time} ago",
    "ahead": "in {time}",
    "usual": "usual",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
)


def iso(seconds_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()


def block(name: str, content: str) -> str:
    inside = f'<div id="{name}">{content}</div>'
    return f'<live-block id="live-{name}" name="{name}" hx-swap-oob="morph">{inside}</live-block>'


@dataclass
class Server:
    """The responses of a fake portal: the page, then one response for each refresh."""

    body: str = ""
    lang: str = "en"
    seconds: int = 60
    on: int = 1
    ticked: str = field(default_factory=lambda: iso(3))
    skew: float = 0.0
    answers: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def page(self) -> str:
        config = json.dumps({"includeIndicatorStyles": False, "allowEval": False, "historyCacheSize": 0})
        return f"""<!DOCTYPE html><html lang="{self.lang}"><head><title>t</title>
        <meta name="htmx-config" content='{config}'>
        <link rel="stylesheet" href="/static/css/tokens.css"><link rel="stylesheet" href="/static/css/base.css">
        <link rel="stylesheet" href="/static/css/components.css">
        <script src="/htmx.js" defer></script><script src="/static/js/shell.js" type="module"></script></head>
        <body data-zone="America/Sao_Paulo" data-chart-library="{LIBRARY}"
        hx-ext="morph" hx-target="closest live-block" hx-swap="none" hx-headers='{{"X-CSRFToken": "token"}}'>
        <input type="hidden" name="csrfmiddlewaretoken" value="token">
        <div id="live" data-live-version="v1" data-clock="{iso(0)}" data-skew="{self.skew}" data-url="/set/"
          data-seconds="{self.seconds}" data-on="{self.on}" data-state="fresh">
          <span class="live__age"><span></span>
          <time datetime="{self.ticked}" data-age="portal" title="u">abs</time></span>
          <span class="live__lost" role="status"></span><button data-refresh-now>now</button>
          <span data-live-interval></span></div>
        <input type="checkbox" data-live-switch checked>
        <input type="radio" name="s" value="5" data-live-seconds>
        <input type="radio" name="s" value="60" data-live-seconds>
        <button data-theme-switch data-url="/set/">theme</button>
        <main>{self.body}</main><div id="tip" class="tip" popover="manual"></div>
        <script id="words" type="application/json">{json.dumps(WORDS)}</script></body></html>"""

    def handle(self, route: Route) -> None:
        request = route.request
        path = request.url.removeprefix(SITE).split("?")[0]
        self.fetched.append(path)
        if path == "/set/":
            self.stored.append(request.post_data or "")
            return route.fulfill(status=204)
        if path == "/htmx.js":
            return route.fulfill(path=HTMX, content_type="text/javascript")
        if path.startswith("/static/"):
            file = STATIC / path.removeprefix("/static/")
            return route.fulfill(path=file, content_type=TYPES[file.suffix])
        if "x-live" in request.headers or "hx-request" in request.headers:
            self.asked.append({**request.headers, "url": request.url})
            return self.answer(route)
        return route.fulfill(body=self.page(), content_type="text/html", headers={"Content-Security-Policy": POLICY})

    def answer(self, route: Route) -> None:
        answer = dict(self.answers.pop(0)) if self.answers else {"status": 204}
        if answer.pop("abort", False):
            return route.abort()
        headers = {"X-Clock": iso(0), "X-Clock-Skew": str(self.skew), "X-Ticked-At": iso(0)}
        if answer.get("status", 200) == 200 and "x-live" in route.request.headers:
            headers["X-Live"] = "v2"
        headers = {**headers, **answer.pop("headers", {})}
        return route.fulfill(**{"status": 200, "content_type": "text/html", **answer, "headers": headers})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """One context per set of options: making one costs more than most of these tests."""
    made: dict[str, BrowserContext] = {}

    def get(**options: Any) -> BrowserContext:
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = browser.new_context(locale="en-US", timezone_id="Asia/Tokyo", **options)
            made[key].set_default_timeout(5000)
        made[key].clear_cookies()
        return made[key]

    yield get
    for context in made.values():
        context.close()


@pytest.fixture
def load(contexts: Callable[..., BrowserContext], server: Server) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []
    complaints: list[str] = []

    def make(body: str = "", path: str = "/", **options: Any) -> Page:
        server.body = body
        page = contexts(**options).new_page()
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: "Content Security Policy" in message.text and complaints.append(message.text),
        )
        page.route("**/*", server.handle)
        page.goto(f"{SITE}{path}")
        if "data-chart" in body:
            page.evaluate(f"import('{LIBRARY}').then((library) => Object.assign(window, library))")
            page.wait_for_function(
                "() => [...document.querySelectorAll('canvas')].every((one) => one.hidden || Chart.getChart(one))"
            )
        return page

    yield make
    for page in pages:
        page.close()
    assert complaints == []


def refresh(page: Page, server: Server, **answer: Any) -> None:
    """Press "refresh now" and wait until the answer is in place."""
    server.answers.append(answer)
    count = len(server.asked)
    page.locator("[data-refresh-now]").click()
    page.wait_for_function("() => !document.getElementById('live').hasAttribute('data-busy')")
    assert len(server.asked) == count + 1


# The protocol


def test_a_refresh_says_what_the_page_has(load: Any, server: Server) -> None:
    page = load(block("a", "one") + block("b", "two"), path="/x/?status=failed#part")
    refresh(page, server, body=block("b", "new"))
    assert server.asked[0]["x-live"] == "v1"
    assert server.asked[0]["url"] == f"{SITE}/x/?status=failed"
    expect(page.locator("#b")).to_have_text("new")
    expect(page.locator("#a")).to_have_text("one")
    refresh(page, server, status=204)
    assert server.asked[1]["x-live"] == "v2"
    refresh(page, server, status=204)
    assert server.asked[2]["x-live"] == "v2"


def test_an_empty_answer_changes_nothing(load: Any, server: Server) -> None:
    """Another request renders the page just now: the browser keeps the blocks and the version that it has."""
    page = load(block("a", "one"))
    refresh(page, server, status=204)
    expect(page.locator("#live")).to_have_attribute("data-state", "fresh")
    refresh(page, server, body=block("a", "two"))
    expect(page.locator("#a")).to_have_text("two")
    assert [each["x-live"] for each in server.asked] == ["v1", "v1"]


def test_a_block_that_the_page_does_not_have_is_left_out(load: Any, server: Server) -> None:
    page = load(block("a", "one"))
    refresh(page, server, body=block("z", "alien") + block("a", "two"))
    expect(page.locator("main")).to_have_text("two")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_failing_server_is_lost_contact(load: Any, server: Server, status: int) -> None:
    page = load(block("a", "one"))
    refresh(page, server, status=status, body="<live-block name=a>no</live-block>")
    expect(page.locator("#live")).to_have_attribute("data-state", "lost")
    expect(page.locator(".live__lost")).to_have_text(re.compile("Contact lost since .*:"))
    expect(page.locator("#a")).to_have_text("one")
    refresh(page, server, status=204)
    expect(page.locator(".live__lost")).to_be_empty()
    expect(page.locator("#live")).to_have_attribute("data-state", "fresh")


def test_signed_out_stops_and_says_so(load: Any, server: Server) -> None:
    page = load(block("a", "one"))
    refresh(page, server, status=401)
    expect(page.locator("#live")).to_have_attribute("data-state", "out")
    expect(page.locator(".live__lost")).to_have_text("Signed out. Sign in")
    expect(page.locator(".live__lost a")).to_have_attribute("href", f"{SITE}/")
    page.locator("[data-refresh-now]").click()
    page.wait_for_timeout(100)
    assert len(server.asked) == 1, "it asks no more"


@pytest.mark.parametrize("status", [403, 404])
def test_a_page_that_is_closed_meanwhile_stops(load: Any, server: Server, status: int) -> None:
    page = load(block("a", "one"))
    refresh(page, server, status=status)
    expect(page.locator(".live__lost")).to_have_text("Not yours.")


def test_some_other_page_is_no_answer(load: Any, server: Server) -> None:
    """A proxy's sign-in page with status 200 must not be taken for "nothing changed"."""
    page = load(block("a", "one"))
    page.route(
        "**/*",
        lambda route: (
            route.fulfill(body="<h1>Corporate login</h1>", content_type="text/html")
            if "x-live" in route.request.headers
            else route.fallback()
        ),
    )
    page.locator("[data-refresh-now]").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "out")


def test_old_figures_are_marked_old(load: Any, server: Server) -> None:
    server.ticked = iso(75)
    page = load(block("a", "one"))
    expect(page.locator("#live")).to_have_attribute("data-state", "stale")
    refresh(page, server, status=204)
    expect(page.locator("#live")).to_have_attribute("data-state", "fresh")


def test_it_waits_longer_for_a_server_that_fails(load: Any, server: Server) -> None:
    server.on, server.seconds = 0, 5
    page = load(block("a", "one"))
    waits = []
    for _ in range(4):
        refresh(page, server, status=500)
        waits.append(page.evaluate("import('/static/js/live.js').then(live => live.wait())"))
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(waits[:3]))
    assert max(waits) <= 300_000 * 1.1


def test_an_answer_to_an_older_address_is_dropped(load: Any, server: Server) -> None:
    page = load(block("a", "one"))
    held: list[Route] = []
    page.route("**/*", lambda route: held.append(route) if "x-live" in route.request.headers else route.fallback())
    page.locator("[data-refresh-now]").click()
    page.wait_for_timeout(100)
    page.evaluate("history.pushState(null, '', '/?status=failed')")
    held[0].fulfill(body=block("a", "of the older address"), headers={"X-Live": "v2", "Content-Type": "text/html"})
    page.wait_for_function("() => !document.getElementById('live').hasAttribute('data-busy')")
    expect(page.locator("#a")).to_have_text("one")


# A refresh does not disturb the user


def test_only_what_differs_is_touched(load: Any, server: Server) -> None:
    rows = "".join(f"<li id=r{n}>row {n}</li>" for n in range(5))
    page = load(block("a", f"<ul>{rows}</ul>"))
    page.evaluate("document.querySelectorAll('li').forEach(e => e.kept = true)")
    refresh(page, server, body=block("a", f"<ul>{rows.replace('row 3', 'new 3')}<li id=r5>row 5</li></ul>"))
    expect(page.locator("#r3")).to_have_text("new 3")
    assert page.evaluate("[...document.querySelectorAll('li')].map(e => !!e.kept)") == [True] * 5 + [False]


def test_opened_details_stay_open_and_others_follow_the_server(load: Any, server: Server) -> None:
    html = "<details id=d1><summary>s</summary>x</details><details id=d2><summary>s</summary>x</details>"
    page = load(block("a", html))
    page.locator("#d1 summary").click()
    refresh(page, server, body=block("a", html.replace("<details id=d2>", "<details id=d2 open>") + "<p>new</p>"))
    assert page.evaluate("[d1.open, d2.open]") == [True, True]
    page.locator("#d1 summary").click()
    refresh(page, server, body=block("a", html.replace("<details id=d1>", "<details id=d1 open>")))
    assert page.evaluate("[d1.open, d2.open]") == [False, False]


def test_what_is_typed_stays_until_it_is_sent(load: Any, server: Server) -> None:
    html = "<form><input id=i value=old><select id=s><option>1<option>2</select><input id=o value=old></form>"
    page = load(block("a", html))
    page.fill("#i", "half a wo")
    page.select_option("#s", "2")
    page.locator("#i").focus()
    page.evaluate("i.setSelectionRange(2, 5)")
    refresh(page, server, body=block("a", html.replace("old", "new")))
    assert page.evaluate("[i.value, s.value, o.value]") == ["half a wo", "2", "new"]


def test_focus_and_caret_stay(load: Any, server: Server) -> None:
    page = load(block("a", "<p>x</p><input id=i><button id=b>b</button>"))
    page.evaluate("i.focus(); i.value = 'abcdef'; i.setSelectionRange(2, 4)")
    server.answers.append({"body": block("a", "<p>y</p><p>z</p><input id=i><button id=b>b</button>")})
    page.evaluate("document.querySelector('[data-refresh-now]').click()")
    expect(page.locator("p")).to_have_count(2)
    assert page.evaluate("[document.activeElement.id, i.selectionStart, i.selectionEnd]") == ["i", 2, 4]


def test_selected_text_waits_for_the_next_time(load: Any, server: Server) -> None:
    page = load(block("a", "<p id=p>selected words</p><p id=q>other</p>"))
    page.evaluate("getSelection().selectAllChildren(p)")
    server.answers.append({"body": block("a", "<p id=p>changed words</p><p id=q>new</p>")})
    page.evaluate("document.querySelector('[data-refresh-now]').click()")
    expect(page.locator("#q")).to_have_text("new")
    assert page.evaluate("String(getSelection())").strip() == "selected words"
    page.evaluate("getSelection().removeAllRanges()")
    refresh(page, server, body=block("a", "<p id=p>changed words</p><p id=q>new</p>"))
    assert server.asked[-1]["x-live"] == "", "the page is asked for again"
    expect(page.locator("#p")).to_have_text("changed words")


def test_rows_read_on_demand_stay_while_they_are_of_the_same_watermark(load: Any, server: Server) -> None:
    def rows(key: str, text: str) -> str:
        return block("a", f'<section data-rows="{key}"><p>{text}</p></section><a id=l href="/" hx-get="/">again</a>')

    page = load(rows("w1", "rows"))
    refresh(page, server, body=rows("w1", "a place for rows"))
    expect(page.locator("#a p")).to_have_text("rows")
    refresh(page, server, body=rows("w2", "a place for rows"))
    expect(page.locator("#a p")).to_have_text("a place for rows")
    server.answers.append({"body": rows("w2", "new rows")})
    page.locator("#l").click()
    expect(page.locator("#a p")).to_have_text("new rows")


def test_a_refresh_never_undoes_what_was_asked_for_meanwhile(load: Any, server: Server) -> None:
    page = load(block("a", '<a id=l href="/" hx-get="/">go</a><p>old</p>'))
    held: list[Route] = []
    page.route("**/*", lambda route: held.append(route) if "x-live" in route.request.headers else route.fallback())
    page.locator("[data-refresh-now]").click()
    server.answers.append({"body": block("a", "<p>asked for</p>")})
    page.locator("#l").click()
    expect(page.locator("#a p")).to_have_text("asked for")
    held[0].fulfill(body=block("a", "<p>older</p>"), headers={"X-Live": "v2", "Content-Type": "text/html"})
    page.wait_for_function("() => !document.getElementById('live').hasAttribute('data-busy')")
    expect(page.locator("#a p")).to_have_text("asked for")
    assert page.locator("#live").get_attribute("data-live-version") == "v1"


def test_scrolling_inside_a_block_stays(load: Any, server: Server) -> None:
    cells = "<td class=nowrap>some words</td>" * 60
    wide = f'<div class="table-wrap" id=w tabindex=0><table class="table"><tr>{cells}</tr></table></div>'
    page = load(block("a", wide + "<p>1</p>"))
    page.evaluate("w.scrollLeft = 300")
    refresh(page, server, body=block("a", wide + "<p>2</p>"))
    assert page.evaluate("w.scrollLeft") == 300


def test_an_open_tooltip_follows(load: Any, server: Server) -> None:
    page = load(block("a", '<p><br><br><br></p><button class=help data-tip="before" id=h>?</button>'))
    page.locator("#h").hover()
    expect(page.locator("#tip")).to_have_text("before")
    server.answers.append(
        {"body": block("a", '<p><br><br><br></p><button class=help data-tip="after" id=h>?</button>')}
    )
    page.evaluate("import('/static/js/live.js').then(live => live.refresh())")
    expect(page.locator("#tip")).to_have_text("after")
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()


# htmx


def test_a_filter_swaps_its_block_and_changes_the_address(load: Any, server: Server) -> None:
    link = '<a id=l href="?s=1" hx-get="?s=1" hx-push-url="true">filter</a>'
    page = load(block("a", link + "<p>all</p>") + block("b", "other"))
    page.evaluate("window.same = true")
    server.answers.append({"body": block("a", link + "<p>some</p>")})
    page.locator("#l").click()
    expect(page.locator("#a p")).to_have_text("some")
    assert server.asked[0]["hx-target"] == "live-a"
    assert page.url == f"{SITE}/?s=1"
    assert page.locator("live-block").count() == 2, "never a block inside a block"
    refresh(page, server, status=204)
    assert server.asked[1]["url"].endswith("/?s=1")
    assert page.evaluate("window.same") is True


def test_links_that_came_with_a_refresh_work(load: Any, server: Server) -> None:
    page = load(block("a", "<p>none</p>"))
    refresh(page, server, body=block("a", '<a id=l href="/other/" hx-get="?s=1">go</a>'))
    server.answers.append({"body": block("a", "<p>swapped</p>")})
    page.locator("#l").click()
    expect(page.locator("#a")).to_have_text("swapped")


def test_clearing_a_filter_clears_what_was_typed(load: Any, server: Server) -> None:
    html = '<input id=i value=""><a id=l href="/" hx-get="/">clear</a>'
    page = load(block("a", html))
    page.fill("#i", "typed")
    page.locator("#l").focus()
    server.answers.append({"body": block("a", html.replace('value=""', 'value="fresh"'))})
    page.locator("#l").click()
    expect(page.locator("#i")).to_have_value("fresh")


def test_a_swap_to_the_sign_in_page_shows_it_whole(load: Any, server: Server) -> None:
    page = load(block("a", '<a id=l href="/" hx-get="/">go</a>'))
    page.evaluate("window.same = true")
    server.answers.append({"body": "<html><body><h1>Sign in</h1></body></html>"})
    page.locator("#l").click()
    page.wait_for_function("() => !window.same")


# Ages


def words_for(page: Page, function: str, seconds: list[float]) -> list[str]:
    """Return the texts of ages.js for each number of seconds, with ordinary spaces."""
    script = f"seconds => import('/static/js/ages.js').then(ages => seconds.map(ages.{function}))"
    return [text.replace("\u00a0", " ") for text in page.evaluate(script, seconds)]


def test_durations_read_as_the_servers(load: Any) -> None:
    seconds = [0, 10, 59, 60, 723, 3599, 3600, 11_520, 86_399, 86_400, 183_600, 90_000_000]
    assert words_for(load(), "durationText", seconds) == [duration_text(s).replace("\u00a0", " ") for s in seconds]


def test_ages_in_words(load: Any) -> None:
    expected = {
        0: "0 s ago",
        -0.4: "0 s ago",
        3.9: "3 s ago",
        75: "1 min ago",
        7200: "2 h ago",
        172_799: "47 h ago",
        172_800: "2 d ago",
        200_000_000: "2,314 d ago",
        -90: "in 1 min",
    }
    assert words_for(load(), "ageText", list(expected)) == list(expected.values())


def test_an_age_counts_by_the_clock_that_dated_it(load: Any, server: Server) -> None:
    """The warehouse is 100 s ahead of the portal, and the browser's own clock is a day wrong."""
    server.skew = 100.0
    at = (datetime.now(UTC) + timedelta(seconds=100 - 600)).strftime("%Y-%m-%dT%H:%M:%SZ")
    page = load(f'<time id=t datetime="{at}" data-elapsed="warehouse" title="UTC">abs</time>')
    expect(page.locator("#t")).to_have_text(re.compile(r"^(9\Dmin|10\Dmin\D0[0-9])"))
    page.evaluate("const real = Date.now; Date.now = () => real() + 86400000")
    refresh(page, server, status=204)
    expect(page.locator("#t")).to_have_text(re.compile(r"^10\Dmin"))


def test_the_absolute_time_stays_at_hand(load: Any, server: Server) -> None:
    html = f'<time id=t datetime="{iso(60)}" data-age="portal" title="2026-01-31 23:30:05 UTC">31 Jan 20:30</time>'
    page = load(block("a", html))
    expect(page.locator("#t")).to_have_attribute("title", "31 Jan 20:30 · 2026-01-31 23:30:05 UTC")
    refresh(page, server, body=block("a", html + "<p>x</p>"))
    expect(page.locator("#t")).to_have_attribute("title", "31 Jan 20:30 · 2026-01-31 23:30:05 UTC")
    expect(page.locator("#t")).to_have_text("1\u00a0min ago")


def test_a_bar_grows_with_time(load: Any) -> None:
    bar = '<rect class="progress__bar" width="0%"/>'
    page = load(f'<svg class="progress" data-progress-since="{iso(30)}" data-progress-scale="60">{bar}</svg>')
    share = float(page.locator("svg").get_attribute("aria-valuenow"))
    assert 49 <= share <= 56


# Charts


def chart(data: dict[str, Any], identity: str = "c") -> str:
    return (
        f'<figure class="chart" id="{identity}" data-chart="{identity}-data"><div class="chart__canvas" data-keep '
        f'id="{identity}-canvas"><canvas></canvas></div>'
        f'<script id="{identity}-data" type="application/json">{json.dumps(data)}</script></figure>'
    )


BARS = {
    "type": "bar",
    "stacked": True,
    "labels": ["Mon", "Tue"],
    "datasets": [{"label": "Failed", "tone": "failed", "data": [1, 2]}, {"label": "OK", "tone": "ok", "data": [3, 4]}],
}
LINES = {
    "type": "line",
    "format": "seconds",
    "times": ["2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z"],
    "datasets": [{"label": "Duration", "tone": "accent", "data": [10, None, 30]}],
    "band": {"label": "usual", "low": [5, 5, 5], "high": [20, 20, 20]},
}
MIXED = {
    "type": "bar",
    "labels": ["1", "2"],
    "datasets": [
        {"label": "Events", "tone": "inactive", "data": [5, 6]},
        {"label": "Failures", "tone": "failed", "type": "line", "axis": "y2", "data": [0, 1]},
    ],
    "y2": {"unit": "failures"},
}
GANTT = {
    "type": "gantt",
    "rows": ["dim_cliente", "fact_vendas"],
    "start": "2026-01-31T10:00:00Z",
    "end": "2026-01-31T12:00:00Z",
    "spans": [
        {
            "row": 0,
            "start": "2026-01-31T10:00:00Z",
            "end": "2026-01-31T10:30:00Z",
            "tone": "ok",
            "label": "#1",
            "url": "/runs/1/",
        },
        {"row": 1, "start": "2026-01-31T11:00:00Z", "end": None, "tone": "unknown", "label": "#2", "url": "/runs/2/"},
    ],
}
CHART = "Chart.getChart(document.querySelector('canvas'))"


@pytest.mark.parametrize("data", [BARS, LINES, MIXED, GANTT, {**BARS, "horizontal": True}])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_kind_is_drawn(load: Any, data: dict[str, Any], theme: Any) -> None:
    page = load(chart(data), color_scheme=theme)
    drawn = page.evaluate(
        "(() => { const c = document.querySelector('canvas'); const p = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; return p.some(v => v > 0); })()"
    )
    assert drawn


def test_the_legend_has_its_colours_where_the_first_value_is_zero(load: Any) -> None:
    zeros = {**BARS, "datasets": [{**each, "data": [0, 2]} for each in BARS["datasets"]]}
    page = load(chart(zeros))
    fills = page.evaluate(f"{CHART}.legend.legendItems.map((item) => item.fillStyle)")
    assert fills == page.evaluate(f"{CHART}.data.datasets.map((each) => each.borderColor)")
    assert "transparent" not in fills and len(set(fills)) == len(BARS["datasets"])


def test_a_refresh_changes_the_numbers_in_place(load: Any, server: Server) -> None:
    page = load(block("a", chart(BARS)))
    page.evaluate(f"window.first = {CHART}; first.setDatasetVisibility(1, false)")
    more = {
        **BARS,
        "labels": ["Mon", "Tue", "Wed"],
        "datasets": [{**d, "data": [*d["data"], 9]} for d in BARS["datasets"]],
    }
    refresh(page, server, body=block("a", chart(more)))
    assert page.evaluate(f"{CHART} === first")
    assert page.evaluate("first.data.datasets.map(d => d.data)") == [[1, 2, 9], [3, 4, 9]]
    assert page.evaluate("first.isDatasetVisible(1)") is False, "what the reader hid stays hidden"


def test_a_picture_outlives_a_change_around_it(load: Any, server: Server) -> None:
    page = load(block("a", chart(BARS) + "<p>1</p>"))
    painted = "(() => { const c = document.querySelector('canvas'); return c.toDataURL(); })()"
    before = page.evaluate(painted)
    refresh(page, server, body=block("a", chart(BARS) + "<p>2</p>"))
    expect(page.locator("p")).to_have_text("2")
    assert page.evaluate(painted) == before


def test_a_chart_that_goes_is_forgotten(load: Any, server: Server) -> None:
    page = load(block("a", chart(BARS)))
    refresh(page, server, body=block("a", "<p>none</p>"))
    assert page.evaluate("Object.keys(Chart.instances).length") == 0
    refresh(page, server, body=block("a", chart(BARS)))
    assert page.evaluate("Object.keys(Chart.instances).length") == 1


@pytest.mark.parametrize(
    "nothing", [{**BARS, "datasets": []}, {**BARS, "datasets": [{"label": "x", "data": [0, None]}]}]
)
def test_nothing_to_draw_says_so_and_then_draws(load: Any, server: Server, nothing: dict[str, Any]) -> None:
    page = load(block("a", chart(nothing)))
    expect(page.locator(".chart__empty")).to_have_text("Nothing to draw.")
    refresh(page, server, body=block("a", chart(BARS)))
    expect(page.locator(".chart__empty")).to_have_count(0)
    expect(page.locator("canvas")).to_be_visible()


def test_the_library_comes_with_the_first_chart(load: Any, server: Server) -> None:
    page = load(block("a", "x"))
    refresh(page, server, body=block("a", "<p>none</p>"))
    assert LIBRARY not in server.fetched
    with page.expect_response(f"**{LIBRARY}"):
        refresh(page, server, body=block("a", chart(BARS)))
    page.wait_for_function("() => document.querySelector('canvas').width > 300")


def test_little_is_seen_and_nothing_is_not(load: Any) -> None:
    page = load(chart({**BARS, "datasets": [{"label": "one", "tone": "failed", "data": [0, 1, 1000]}]}))
    bars = page.evaluate(f"{CHART}.getDatasetMeta(0).data.map(b => [b.height, b.options.backgroundColor])")
    assert [height > 1 and colour != "transparent" for height, colour in bars] == [False, True, True], bars


def test_a_gap_stays_a_gap(load: Any) -> None:
    page = load(chart(LINES))
    assert page.evaluate(f"{CHART}.data.datasets[2].data[1].y") is None


def test_the_theme_recolours_charts(load: Any, server: Server) -> None:
    page = load(chart(BARS))
    before = page.evaluate(f"{CHART}.data.datasets[0].borderColor")
    page.locator("[data-theme-switch]").click()
    after = page.evaluate(f"{CHART}.data.datasets[0].borderColor")
    assert before != after
    assert server.stored == ["theme=dark"]
    assert "etlportal_theme=dark" in page.evaluate("document.cookie")


def test_a_bar_of_the_timeline_leads_to_its_run(load: Any) -> None:
    page = load(chart(GANTT))
    place = page.evaluate(
        f"(() => {{ const b = {CHART}.getDatasetMeta(0).data[0]; const r = {CHART}.canvas.getBoundingClientRect();"
        "return [r.left + (b.x + b.base) / 2, r.top + b.y]; })()"
    )
    page.mouse.click(*place)
    page.wait_for_url(f"{SITE}/runs/1/")


# The browser's own part


def test_the_zone_is_told(load: Any) -> None:
    page = load()
    assert "etlportal_zone=Asia%2FTokyo" in page.evaluate("document.cookie")


def test_choices_are_stored(load: Any, server: Server) -> None:
    page = load(block("a", "x"))
    page.locator("[data-live-seconds][value='5']").check()
    page.locator("[data-live-switch]").uncheck()
    page.wait_for_function("() => document.querySelector('[data-live-interval]').textContent === 'off'")
    page.wait_for_timeout(100)
    assert server.stored == ["refresh_seconds=5", "auto_refresh=false"]
