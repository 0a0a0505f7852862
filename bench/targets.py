"""The performance targets and the measured figures: the table of docs/performance.md."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One target. `share` is measured / allowed: met up to 1, None if not measured."""

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
    """Return the targets that the results in `found` (by part of the bench) cover."""
    return [line for make in (_statements, _pages, _refresh, _load, _build) for line in make(found)]


def _statements(found: Results) -> list[Line]:
    made = []
    if "statements" in found:
        one, many = (found["statements"][key]["statements"] for key in ("one", "thousand"))
        told = f"dw {one['dw']}, oltp {one['oltp']} and dw {many['dw']}, oltp {many['oltp']}"
        no_more = many["dw"] <= one["dw"] and many["oltp"] <= one["oltp"]
        viewers = f"1 viewer of each page and {found['statements']['viewers']:,}"
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
        Line("a cached page, compared with bare SQL (processor time), times", "-", _each(warm), None),
        Line("the same, rendered for the first user after a sample", "-", _each(cold), None),
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
    # A shared processor may run at half its speed for minutes. The loop measures that (bench/processor.py).
    slower = {name: _median(each["loop"]) / min(loops) for name, each in quiet.items()}
    undisturbed = {name: cpu[name] / slower[name] for name in quiet}
    told = f"{_each(undisturbed)} ms at the processor's full speed; as measured, at 1/{max(slower.values()):.1f} of it "
    told += f"at the slowest: {_each(cpu)} ms"
    return [
        Line("an unchanged refresh: processor time", "4 ms", told, max(undisturbed.values()) / 4),
        Line("an unchanged refresh: size", "1 request, 1 KB", f"1 request, body {size} bytes", size / 1000),
        Line(
            "a refresh after one pipeline moved: size",
            "25 KB",
            f"{_each(sent)} KB, compressed",
            max(sent.values()) / 25,
        ),
        Line("the same: processor time for all users but the first", "-", f"{_each(second)} ms", None),
    ]


def _load(found: Results) -> list[Line]:
    return [line for name in ("team", "load", "busy") if name in found for line in _viewers(found[name])]


def _viewers(load: Results) -> list[Line]:
    errors, memory = load["errors"], load["memory_mb"]
    told = f"{load['requests']:,} requests in {load['seconds']:.0f} s, {errors} errors, "
    told += f"median {load['p50_ms']:.0f}, 95th {load['p95_ms']:.0f}, 99th percentile {load['p99_ms']:.0f} ms"
    allowed = 150 if load["viewers"] <= 200 else 2_500 if load["moves"] else 1_000  # ms
    share = load["p99_ms"] / allowed if not errors else 1 + errors
    worker, collector = ([each[key] for each in memory] for key in ("worker", "collector"))
    each = 1000 * load["cpu_seconds"]["web"] / load["requests"]
    beside = 100 * load["cpu_seconds"]["collector"] / load["seconds"]
    cost = f"{each:.2f} ms a request, gunicorn included; the collector: {beside:.0f} % of a core"
    cost += f"; the fixed loop took {_median(load['loop']):.2f} ms, {min(load['loop']):.2f} at best"
    grows = f"{worker[0]:.0f} MB after the start, {max(worker):.0f} maximum, {worker[-1]:.0f} at the end"
    viewers = f"{load['viewers']:,} viewers refreshing every 5 s"
    if load["moves"]:
        viewers += f", a pipeline moves every {load['moves']:.0f} s"
    return [
        Line(viewers, f"no error, 99th percentile {allowed:,} ms", told, share),
        Line("the same: processor time", "-", cost, None),
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


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[18]


def _each(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" if value < 10 else f"{name} {value:.0f}" for name, value in values.items())
