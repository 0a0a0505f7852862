"""What is wanted of the portal's speed, against what was measured: docs/performance.md's table and chart."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from html import escape
from typing import Any

Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One target. `share`: measured / allowed, 1 or less is met; None: not measured."""

    what: str
    target: str
    measured: str
    share: float | None

    @property
    def verdict(self) -> str:
        if self.target == "-":
            return ""
        return "not measured" if self.share is None else "met" if self.share <= 1 else "**not met**"


def lines(found: Results) -> list[Line]:
    """Return the targets that the results in `found` (by sub-bench) say something about."""
    return [line for make in (_statements, _pages, _refresh, _load, _build) for line in make(found)]


def _statements(found: Results) -> list[Line]:
    made = []
    if "statements" in found:
        one, many = (found["statements"][key]["statements"] for key in ("one", "thousand"))
        told = f"dw {one['dw']}, oltp {one['oltp']} against dw {many['dw']}, oltp {many['oltp']}"
        no_more = many["dw"] <= one["dw"] and many["oltp"] <= one["oltp"]
        viewers = f"1 viewer of each page against {found['statements']['viewers']:,}"
        what = f"statements on dw and oltp per minute caused by pages, {viewers}"
        made.append(Line(what, "the same", told, 1.0 if no_more else 2.0))
        for key, number in (("nine", 9), ("two_hundred", 200)):
            counts = found["statements"][key]["statements"]
            share = max(counts["dw"] / 3, counts["oltp"] / 1)
            told = f"dw {counts['dw']}, oltp {counts['oltp']}"
            made.append(Line(f"statements per collector tick, {number} pipelines", "3 on dw, 1 on oltp", told, share))
    return made


def _pages(found: Results) -> list[Line]:
    if "pages" not in found:
        return []
    pages = found["pages"]
    warm = {name: _median(page["long"]["cpu"]) / _median(page["bare"]["cpu"]) for name, page in pages.items()}
    cold = {name: _median(page["first"]["cpu"]) / _median(page["bare"]["cpu"]) for name, page in pages.items()}
    every = [[time for page in pages.values() for time in page[size]["wall"]] for size in ("short", "long")]
    grown = {name: _p95(page["long"]["wall"]) / _p95(page["short"]["wall"]) for name, page in pages.items()}
    overall = _p95(every[1]) / _p95(every[0])
    return [
        Line("a page, served, against bare SQL (processor time)", "1.3 times", _each(warm), max(warm.values()) / 1.3),
        Line("the same for the first reader after a sample", "-", _each(cold), None),
        Line(
            "95th percentile, long history / short history",
            "1.2 times",
            f"all pages {overall:.2f}; {_each(grown)}",
            overall / 1.2,
        ),
    ]


def _refresh(found: Results) -> list[Line]:
    if "refresh" not in found:
        return []
    quiet, moved = found["refresh"]["unchanged"], found["refresh"]["moved"]
    cpu = {name: _median(each["cpu"]) for name, each in quiet.items()}
    size = max(each["bytes"] for each in quiet.values())
    sent = {name: each["bytes"] / 1000 for name, each in moved.items()}
    second = {name: _median(each["cpu"]) for name, each in moved.items()}
    loops = [time for each in quiet.values() for time in each["loop"]]
    # A processor that others use too runs at half its speed at times: the loop tells (bench/worker.py).
    slower = {name: _median(each["loop"]) / min(loops) for name, each in quiet.items()}
    undisturbed = {name: cpu[name] / slower[name] for name in quiet}
    told = f"{_each(undisturbed)} ms; as measured, on a processor at 1/{max(slower.values()):.1f} of its best speed "
    told += f"at the slowest: {_each(cpu)} ms"
    return [
        Line("a refresh when nothing changed: processor", "4 ms", told, max(undisturbed.values()) / 4),
        Line("a refresh when nothing changed: size", "1 request, 1 KB", f"1 request, body {size} bytes", size / 1000),
        Line("a refresh when one pipeline moved", "25 KB", f"{_each(sent)} KB, compressed", max(sent.values()) / 25),
        Line("the same: processor, for all readers but the first", "-", f"{_each(second)} ms", None),
    ]


def _load(found: Results) -> list[Line]:
    return [line for name in ("load", "busy") if name in found for line in _viewers(found[name])]


def _viewers(load: Results) -> list[Line]:
    errors, memory = load["errors"], load["memory_mb"]
    told = f"{load['requests']:,} requests in {load['seconds']:.0f} s, {errors} errors, "
    told += f"median {load['p50_ms']:.0f}, 95th {load['p95_ms']:.0f}, 99th percentile {load['p99_ms']:.0f} ms"
    allowed = 150 if load["viewers"] <= 200 else 2_500 if load["moves"] else 1_000  # ms
    share = load["p99_ms"] / allowed if not errors else 1 + errors
    worker, collector = ([each[key] for each in memory] for key in ("worker", "collector"))
    each = 1000 * load["cpu_seconds"]["web"] / load["requests"]
    beside = 100 * load["cpu_seconds"]["collector"] / load["seconds"]
    cost = f"{each:.2f} ms a request, gunicorn's own part in it; the collector: {beside:.0f} % of a core"
    cost += f"; a fixed loop beside it took {_median(load['loop']):.2f} ms, {min(load['loop']):.2f} at best"
    grows = f"{worker[0]:.0f} MB after the start, {max(worker):.0f} at most, {worker[-1]:.0f} at the end"
    viewers = f"{load['viewers']:,} viewers refreshing every 5 s"
    if load["moves"]:
        viewers += f", a pipeline moves every {load['moves']:.0f} s"
    return [
        Line(viewers, f"no error, 99th percentile {allowed:,} ms", told, share),
        Line("the same: processor", "-", cost, None),
        Line(f"web worker's memory, {load['minutes']:g} minutes of that", "120 MB", grows, max(worker) / 120),
        Line("collector's memory", "90 MB", f"{max(collector):.0f} MB", max(collector) / 90),
    ]


def _build(found: Results) -> list[Line]:
    if "build" not in found:
        return []
    built = found["build"]
    told = f"{built['seconds']:.0f} s (processor: {built['cpu_seconds']:.0f} s) for {built['runs']:,} runs"
    full = built["runs"] >= 1_000_000
    return [Line("build of the bench's data", "3 minutes", told, built["seconds"] / 180 if full else None)]


def table(found: Results) -> str:
    """Return the targets as a Markdown table."""
    head = "| what | target | measured | |\n|---|---|---|---|\n"
    return head + "".join(
        f"| {each.what} | {each.target} | {each.measured} | {each.verdict} |\n" for each in lines(found)
    )


BAR, ROOM, STEP = 300, 470, 26


def chart(found: Results) -> str:
    """Return the targets as an SVG: how much of what is allowed each uses. Readable on light and dark."""
    shown = [line for line in lines(found) if line.share is not None]
    rows = []
    for number, line in enumerate(shown):
        share, y = line.share or 0.0, 34 + number * STEP
        width = max(2.0, min(share, 1.6) * BAR / 1.6)
        tone = "met" if share <= 1 else "missed"
        rows.append(
            f'<text x="{ROOM - 10}" y="{y + 12}" text-anchor="end">{escape(line.what[:66])}</text>'
            f'<rect class="{tone}" x="{ROOM}" y="{y}" width="{width:.0f}" height="16" rx="2"/>'
            f'<text x="{ROOM + width + 8:.0f}" y="{y + 12}">{100 * share:.0f} %</text>'
        )
    height = 44 + len(shown) * STEP
    limit = ROOM + BAR / 1.6
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" role="img" '
        'aria-label="How much of each target is used">\n'
        "<style>text{font:12px sans-serif;fill:#57606a}.met{fill:#2da44e}.missed{fill:#d1570d}line{stroke:#8c959f}"
        "@media (prefers-color-scheme:dark){text{fill:#c9d1d9}}</style>\n"
        f'<line x1="{limit:.0f}" y1="24" x2="{limit:.0f}" y2="{height - 6}" stroke-dasharray="4 3"/>'
        f'<text x="{limit:.0f}" y="18" text-anchor="middle">allowed</text>\n' + "\n".join(rows) + "\n</svg>\n"
    )


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[18]


def _each(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" if value < 10 else f"{name} {value:.0f}" for name, value in values.items())
