"""Run Lighthouse on every page of a demo, in both themes: `python -m bench lighthouse`.

Needs a Chromium and Node.js; `npx` downloads the pinned Lighthouse. Its desktop preset simulates 10 Mbit/s and 40 ms
latency from the measured times, so nothing else should run on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from bench import document
from bench.serving import web
from tests.support import chromium
from tests.support.demo import Demo, free_port
from tools.screenshots import LIVE_SECONDS, PAGES, ZONE

LIGHTHOUSE = "lighthouse@12.8.2"
MEASURED = ("sign-in", "summary", "pipelines", "pipeline", "runs", "run", "failures", "failure", "connections")
THEMES = {"light": 1, "dark": 0}
"""The theme's value in Chromium's blink setting preferredColorScheme."""
TRIES = 3
SCORES = ("performance", "accessibility", "best-practices")
TIMES = ("first-contentful-paint", "largest-contentful-paint", "interactive", "total-blocking-time")
HEAD = """| page | theme | performance | accessibility | best practices | first paint | largest paint | interactive \
| blocked | shift | requests | KB |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def lighthouse(results: Path, times: int) -> str:
    """Measure each page `times` times, keep the reports in `results`; return the table of medians, written down too."""
    path = chromium.find()
    if path is None or shutil.which("npx") is None:
        raise SystemExit("Chromium and Node.js (npx) are needed.")
    results.mkdir(parents=True, exist_ok=True)
    lines = [HEAD]
    with tempfile.TemporaryDirectory() as folder, _portal(Path(folder)) as url:
        headers = {user: _cookie(path, url, user) for user in {user for _, user in map(PAGES.get, MEASURED) if user}}
        for name in MEASURED:
            address, user = PAGES[name]
            for theme in THEMES:
                asked = _command(f"{url}{address}", theme, headers.get(user))
                reports = [_run(asked, path, results / f"{name}-{theme}-{turn}.json") for turn in range(times)]
                lines.append(_row(name, theme, reports))
                print(lines[-1], flush=True)
    said = f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {os.cpu_count()} cores, {LIGHTHOUSE}, desktop preset, "
    said += f"medians of {times}. Load average at the end: {os.getloadavg()[0]:.1f}.\n\n"
    table = said + "\n".join(lines) + "\n"
    document.put("python -m bench lighthouse", table)
    return table


@contextmanager
def _portal(folder: Path) -> Iterator[str]:
    """Run a demonstration and, over its data, the image's web server; its address."""
    with ExitStack() as stack:
        demo = Demo(folder)
        stack.callback(demo.stop)
        port = free_port()
        web(stack, port, {**os.environ, "PORTAL_DATA_DIR": str(folder / "data"), "LOG_LEVEL": "ERROR"})
        time.sleep(LIVE_SECONDS)
        yield f"http://127.0.0.1:{port}"


def _cookie(path: str, url: str, user: str) -> str:
    """Sign in as a person does; the header that Lighthouse is to send with everything."""
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright, path)
        context = browser.new_context(timezone_id=ZONE)
        chromium.sign_in(context.new_page(), url, user)
        cookies = context.cookies()
        browser.close()
    return json.dumps({"Cookie": "; ".join(f"{each['name']}={each['value']}" for each in cookies)})


def _command(url: str, theme: str, headers: str | None) -> list[str]:
    flags = ["--headless=new", *chromium.ARGUMENTS, f"--blink-settings=preferredColorScheme={THEMES[theme]}"]
    command = ["npx", "--yes", LIGHTHOUSE, url, "--preset=desktop", "--output=json", "--quiet"]
    command += [f"--only-categories={','.join(SCORES)}", f"--chrome-flags={' '.join(flags)}"]
    return command if headers is None else [*command, f"--extra-headers={headers}"]


def _run(command: list[str], browser: str, report: Path) -> dict[str, Any]:
    env = {**os.environ, "CHROME_PATH": browser}
    asked = [*command, f"--output-path={report}"]
    # Lighthouse sometimes gets no trace from Chromium and exits.
    for _ in range(TRIES):
        if not subprocess.run(asked, env=env, check=False, stdout=subprocess.DEVNULL).returncode:
            break
    else:
        raise SystemExit(f"{report}: Lighthouse failed {TRIES} times.")
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    if found.get("runtimeError"):
        raise SystemExit(f"{report}: {found['runtimeError']}")
    return found


def _row(name: str, theme: str, reports: list[dict[str, Any]]) -> str:
    def middle(audit: str) -> float:
        return median(report["audits"][audit]["numericValue"] for report in reports)

    requests = [report["audits"]["network-requests"]["details"]["items"] for report in reports]
    cells = [str(round(100 * median(each["categories"][score]["score"] for each in reports))) for score in SCORES]
    cells += [f"{middle(audit):,.0f} ms" for audit in TIMES]
    cells.append(f"{middle('cumulative-layout-shift'):.3f}")
    cells.append(str(max(map(len, requests))))
    cells.append(f"{median(sum(each['transferSize'] for each in items) for items in requests) / 1024:.0f}")
    return " | ".join([f"| {name}", theme, *cells]) + " |"
