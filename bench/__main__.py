"""`make bench`: the same pages over a short and a long history, side by side.

Prints a table and writes it as Markdown to the file named with --write.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.build import Size, build

SHORT, LONG = 5_000, 100_000


def main() -> int:
    """Build both warehouses, measure both, print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", type=int, default=SHORT, help="runs of the short history")
    parser.add_argument("--runs", type=int, default=LONG, help="runs of the long history")
    parser.add_argument("--write", type=Path, help="write the table to this Markdown file too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etlportal-bench-") as folder:
        results = [_one(Path(folder) / str(runs), Size(runs)) for runs in (options.short, options.runs)]
    table = _table(*results)
    print(table)
    if options.write:
        options.write.write_text(table, encoding="utf-8")
    return 0


def _one(folder: Path, size: Size) -> dict[str, Any]:
    folder.mkdir()
    seconds = build(folder, size, datetime.now(UTC))
    print(
        f"built {size.runs:,} runs, {size.run_entities:,} run entities, {size.login_events:,} login events "
        f"in {seconds:.1f} s",
        file=sys.stderr,
    )
    output = subprocess.run(
        [sys.executable, "-m", "bench.measure"],
        env={**os.environ, "PORTAL_DATA_DIR": str(folder), "LOG_LEVEL": "ERROR"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    return {"size": size, "seconds": seconds, "lines": {(line["kind"], line["name"]): line for line in lines}}


def _table(short: dict[str, Any], long: dict[str, Any]) -> str:
    rows = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"one process. Short history: {short['size'].runs:,} runs; long: {long['size'].runs:,} runs, "
        f"{long['size'].run_entities:,} run entities, {long['size'].login_events:,} login events "
        f"(built in {long['seconds']:.0f} s).",
        "",
        "| what | | statements default / dw / oltp | short: median, p95 (ms) | long: median, p95 (ms) "
        "| p95 long / short | CPU (ms) | bytes (compressed) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, line in long["lines"].items():
        before = short["lines"][key]
        ratio = line["p95_ms"] / before["p95_ms"]
        statements = " / ".join(str(number) for number in line.get("statements", {}).values()) or "-"
        size = f"{line['bytes']:,} ({line['compressed']:,})" if "bytes" in line else "-"
        cpu = f"{line['cpu_ms']:.1f}" if "cpu_ms" in line else "-"
        rows.append(
            f"| {line['kind']} | {line['name']} | {statements} | {before['median_ms']:.1f}, {before['p95_ms']:.1f} "
            f"| {line['median_ms']:.1f}, {line['p95_ms']:.1f} | {ratio:.2f} | {cpu} | {size} |"
        )
    first = long["lines"][("collector", "tick, steady")]
    rows += [
        "",
        f"First copy of the kept days: {first['first_copy_ticks']} ticks, {first['first_copy_s']:.1f} s in all, "
        f"the slowest tick {first['slowest_tick_ms']:.0f} ms.",
        "",
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
