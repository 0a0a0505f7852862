"""`python -m bench.history`: how big `default` gets with 200 pipelines in five years, and what the trends cost over it.

Writes every table at its retention by SQL alone, in the database of DATABASE_URL (an SQLite file of its own without
one; on PostgreSQL: `python -m tools.postgres .venv/bin/python -m bench.history`). The database must be empty:
it is filled twice, with two days and with the whole history, to compare what a trend costs. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter, process_time
from typing import Any

ROUNDS = 15
LIMIT_BYTES = 2_000_000_000


def main() -> int:
    """Fill, measure, print; return 1 when it is more than 2 GB."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--pipelines", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=10, help="between two samples (10: something runs all the time)")
    parser.add_argument("--minutes", type=int, default=30, help="between two runs, each of all pipelines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etlportal-bench-") as folder:
        os.environ.update(PORTAL_DATA_DIR=folder, LOG_LEVEL="ERROR", DJANGO_SETTINGS_MODULE="etlportal.settings")
        if os.environ.get("TEST_DATABASE_URL"):
            os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from bench.history_rows import Past, fill
    from monitoring.models import PipelineSample

    call_command("migrate", verbosity=0)
    if PipelineSample.objects.exists():
        print("This database has samples: an empty one is needed.", file=sys.stderr)
        return 2
    size = {"pipelines": options.pipelines, "seconds": options.seconds, "minutes": options.minutes}
    now = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
    short = Past(now=now, samples=1, hours=2, days=2, copies=2, others=2, **size)
    full = Past(
        now=now,
        samples=settings.SAMPLE_RETENTION_DAYS,
        hours=settings.ROLLUP_RETENTION_DAYS,
        days=settings.DAY_RETENTION_DAYS,
        copies=settings.COPY_RETENTION_DAYS,
        others=settings.TRAIL_RETENTION_DAYS,
        **size,
    )
    fill(connection, short)
    before = _trends(now)
    began = perf_counter()
    fill(connection, full)
    seconds = perf_counter() - began
    after = _trends(now)
    print(
        f"Measured {datetime.now(UTC):%Y-%m-%d}, {_database(connection)}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}. {options.pipelines} pipelines, a sample every {options.seconds} s, "
        f"a run of all every {options.minutes} min. Written in {seconds:.0f} s.\n"
    )
    total = _sizes(connection)
    _costs(before, after)
    _steps(now)
    return int(total > LIMIT_BYTES)


def _database(connection: Any) -> str:
    if connection.vendor == "sqlite":
        return f"SQLite {'.'.join(map(str, connection.Database.sqlite_version_info))}"
    return f"PostgreSQL {connection.pg_version // 10000}"


def _sizes(connection: Any) -> int:
    """Print the size of each table with its indexes; return the sum."""
    from bench.history_rows import TABLES

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name "
                "GROUP BY m.tbl_name ORDER BY 2 DESC"
            )
        else:
            cursor.execute(
                "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' "
                "AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC"
            )
        sizes = dict(cursor.fetchall())
        total, rest = sum(sizes.values()), sum(sizes.values())
        print("| table | rows | MB with indexes | bytes per row |\n|---|---:|---:|---:|")
        for table in TABLES:
            cursor.execute(f"SELECT COUNT(*) FROM {table}")
            rows = cursor.fetchone()[0]
            size = int(sizes.get(table, 0))
            rest -= size
            print(f"| `{table}` | {rows:,} | {size / 1e6:,.1f} | {size / max(rows, 1):,.0f} |")
    print(f"| all others | | {float(rest) / 1e6:,.1f} | |\n| **together** | | **{float(total) / 1e6:,.0f}** | |\n")
    return int(total)


def _trends(now: datetime) -> dict[str, tuple[int, float, float]]:
    """Return, per trend and window, the statements, median CPU and median time (ms)."""
    from monitoring.pipelines.trends import execution_trends, sample_trends
    from monitoring.rules.figures import RANGES
    from monitoring.summary.queries import sample_trend

    name = "fact_bench_0100"
    costs = {}
    for window in RANGES:
        costs[f"pipeline, {window}: samples"] = _cost(lambda window=window: sample_trends(name, window, now))
        costs[f"pipeline, {window}: executions"] = _cost(lambda window=window: execution_trends(name, window, now))
    for window in RANGES:
        costs[f"summary, {window}"] = _cost(lambda window=window: sample_trend(now, window))
    return costs


def _steps(now: datetime) -> None:
    """Print what one step of each roll-up costs: an hour of samples, a day of hours, a day of executions."""
    from monitoring.collector.rollup import roll_up
    from monitoring.models import CollectorState
    from monitoring.rules.rollups import DAY, HOUR, day_of, hour_of

    done = {"hours_rolled_to": hour_of(now), "days_rolled_to": day_of(now), "run_days_rolled_to": day_of(now)}
    last = {"hours_rolled_to": HOUR, "days_rolled_to": DAY, "run_days_rolled_to": DAY}
    print("\n| one step | CPU (ms) | time (ms) |\n|---|---:|---:|")
    for column, length in last.items():
        CollectorState.objects.update(**{**done, column: done[column] - length})
        began, used = perf_counter(), process_time()
        steps, _ = roll_up(holder="bench", now=now, seconds=0)
        print(f"| {column} ({steps}) | {1000 * (process_time() - used):.0f} | {1000 * (perf_counter() - began):.0f} |")


def _cost(make: Callable[[], Any]) -> tuple[int, float, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from monitoring.web.cache import cache

    cpu, wall = [], []
    for _ in range(ROUNDS):
        cache.clear()
        began, used = perf_counter(), process_time()
        make()
        wall.append(1000 * (perf_counter() - began))
        cpu.append(1000 * (process_time() - used))
    cache.clear()
    with CaptureQueriesContext(connection) as seen:
        make()
    return len(seen), statistics.median(cpu), statistics.median(wall)


def _costs(before: dict[str, tuple[int, float, float]], after: dict[str, tuple[int, float, float]]) -> None:
    print(
        "| trend | statements | two days of history: CPU, time (ms) | all of it: CPU, time (ms) |\n|---|---:|---:|---:|"
    )
    for name, (statements, cpu, wall) in after.items():
        _, cpu_before, wall_before = before[name]
        print(f"| {name} | {statements} | {cpu_before:.1f}, {wall_before:.1f} | {cpu:.1f}, {wall:.1f} |")


if __name__ == "__main__":
    sys.exit(main())
