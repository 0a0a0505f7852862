"""`make bench`: measure the figures of docs/performance.md. Takes about half an hour.

    python -m bench                     all parts
    python -m bench load --minutes 60   one part: build, statements, pages, refresh, team, load, busy
    python -m bench report              write the document's table from the last results
    python -m bench lighthouse          Lighthouse on each page (needs Chromium and Node.js; not one of the parts)

Results are JSON files in --results (var/bench). The warehouses are in --data and are built if they are missing.
Nothing else should run on the machine. Ratios within one run are more reliable than single numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

from bench import document, targets
from bench.asking import Asked
from bench.build import Size, build
from bench.lighthouse import lighthouse
from bench.load import load
from bench.worker import PAGES

ROOT = Path(__file__).resolve().parents[1]
TURNS, TIMES = 12, 10
"""The two histories are measured in turns: TURNS rounds of TIMES requests."""
TEAM = 200
"""Viewers of the load `team`."""


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.short, self.long = (options.data / str(runs) for runs in (options.short, options.runs))

    def build(self) -> dict[str, Any]:
        """Build both histories again and time the long one."""
        shutil.rmtree(self.options.data, ignore_errors=True)
        self._made(self.short, self.options.short)
        used = process_time()
        seconds = self._made(self.long, self.options.runs)
        return {"seconds": seconds, "cpu_seconds": process_time() - used, "runs": self.options.runs}

    def statements(self) -> dict[str, Any]:
        folder = self._copy("statements")
        with Asked(folder) as worker:
            worker.ask("prepare")
            found: dict[str, Any] = {"viewers": self.options.viewers}
            worker.ask("viewers", len(PAGES))  # fill the caches of the process
            found |= {"nine": worker.ask("tick"), "one": worker.ask("viewers", len(PAGES))}
            found["thousand"] = worker.ask("viewers", self.options.viewers)
            _more_pipelines(folder, 200)
            found["two_hundred"] = worker.ask("tick")
        return found

    def pages(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: {"short": {}, "long": {}, "bare": {}, "first": {}} for name in PAGES}
        with Asked(self._there(self.short, self.options.short)) as short, Asked(self._long()) as long:
            short.ask("prepare")
            long.ask("prepare")
            for _ in range(TURNS):
                for name in PAGES:
                    _add(found[name]["short"], short.ask("page", name, TIMES))
                    _add(found[name]["long"], long.ask("page", name, TIMES))
            for name in PAGES:
                _add(found[name]["bare"], long.ask("bare", name, 5))
                _add(found[name]["first"], long.ask("first", name, 5))
        return found

    def refresh(self) -> dict[str, Any]:
        with Asked(self._copy("refresh")) as worker:
            worker.ask("prepare")
            quiet: dict[str, dict[str, Any]] = {name: {} for name in PAGES}
            for _ in range(TURNS):
                for name in PAGES:
                    _add(quiet[name], worker.ask("refresh", name, 2 * TIMES))
            return {"unchanged": quiet, "moved": worker.ask("moved")}

    def team(self) -> dict[str, Any]:
        """Put TEAM viewers on the portal while a pipeline moves every few seconds."""
        return load(self._copy("load"), self.options.minutes, TEAM, self.options.moves)

    def load(self) -> dict[str, Any]:
        """Put --viewers on the portal while no row changes (time does)."""
        return load(self._copy("load"), self.options.minutes, self.options.viewers)

    def busy(self) -> dict[str, Any]:
        """The same while a pipeline moves every few seconds, so that all pages are rendered again each time."""
        return load(self._copy("load"), self.options.minutes, self.options.viewers, self.options.moves)

    def _long(self) -> Path:
        return self._there(self.long, self.options.runs)

    def _copy(self, name: str) -> Path:
        """Build a short history for a part that writes to it."""
        folder: Path = self.options.data / name
        shutil.rmtree(folder, ignore_errors=True)
        self._made(folder, self.options.short)
        return folder

    def _there(self, folder: Path, runs: int) -> Path:
        if not (folder / "warehouse").exists():
            self._made(folder, runs)
        return folder

    def _made(self, folder: Path, runs: int) -> float:
        folder.mkdir(parents=True, exist_ok=True)
        return build(folder, Size(runs, 10), datetime.now(UTC))


def main() -> int:
    """Measure the requested parts, store the results and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parts: dict[str, Callable[[Bench], dict[str, Any]]] = {
        each.__name__: each
        for each in (Bench.build, Bench.statements, Bench.pages, Bench.refresh, Bench.team, Bench.load, Bench.busy)
    }
    parser.add_argument("part", nargs="?", default="all", choices=["all", *parts, "report", "lighthouse"])
    parser.add_argument("--short", type=int, default=1_000, help="runs of the short history")
    parser.add_argument("--runs", type=int, default=1_000_000, help="runs of the long history")
    parser.add_argument("--minutes", type=float, default=3.0, help="duration of each load")
    parser.add_argument("--moves", type=float, default=20.0, help="seconds between two moves in team and busy")
    parser.add_argument("--viewers", type=int, default=1000, help="viewers of load and busy")
    parser.add_argument("--data", type=Path, default=ROOT / "var" / "bench" / "data")
    parser.add_argument("--results", type=Path, default=ROOT / "var" / "bench" / "results")
    parser.add_argument("--times", type=int, default=3, help="Lighthouse runs per page")
    options = parser.parse_args()
    if options.part == "lighthouse":
        print(lighthouse(options.results / "lighthouse", options.times))
        return 0
    options.results.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    for name, measure in parts.items():
        if options.part in ("all", name):
            print(f"{datetime.now(UTC):%H:%M:%S} {name}", flush=True)
            found = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", **measure(bench)}
            (options.results / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in options.results.glob("*.json")}
    at = sorted({each.pop("at") for each in results.values()})
    text = f"Measured {' to '.join(sorted({at[0], at[-1]}))} UTC on {os.cpu_count()} cores, Python "
    text += f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}. Load average at the end: "
    text += f"{os.getloadavg()[0]:.1f}.\n\n{targets.table(results)}"
    print(text)
    if options.part in ("all", "report"):
        document.put("python -m bench", text)
    return 0


def _add(to: dict[str, Any], answer: dict[str, Any]) -> None:
    """Append the times of `answer` to those in `to` and keep its other values."""
    for key, value in answer.items():
        to[key] = [*to.get(key, []), *value] if key in ("cpu", "wall", "loop") else value


def _more_pipelines(folder: Path, number: int) -> None:
    """Add copies of the first pipeline's control row under other names until there are `number` rows."""
    with closing(sqlite3.connect(folder / "warehouse" / "dw" / "ctl.sqlite3")) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(etl_control)")][1:]
        listed = ", ".join(columns)
        have = connection.execute("SELECT COUNT(*) FROM etl_control").fetchone()[0]
        for extra in range(number - have):
            connection.execute(
                f"INSERT INTO etl_control (entity_name, {listed}) SELECT 'dim_more_{extra:03}', {listed} "
                "FROM etl_control WHERE entity_name = 'dim_cliente'"
            )


if __name__ == "__main__":
    raise SystemExit(main())
