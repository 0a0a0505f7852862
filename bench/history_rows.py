"""The rows that `python -m bench.history` writes: every table that grows, at its retention, by one statement each.

Figures vary as real ones do (length of numbers, some unknown); times are those of a collector that never paused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bench.build import ERROR

PAYLOAD_BYTES_PER_PIPELINE = 3_000
CACHE_ROWS = 20_000
"""settings.CACHES: beyond it the oldest go."""
SEEN_DAYS, SEEN_PER_DAY = 60, 400
TRAIL_PER_DAY = 300
STATUSES = '{"failed": 70, "ok": 3450, "running": 80}'
DETAIL = '{"filter": "status=failed", "rows": 1234}'
FRACTION = ".123456"
SESSIONS = 2_000

TABLES = (
    "monitoring_pipelinesample",
    "monitoring_pipelinerollup",
    "monitoring_runentitycopy",
    "monitoring_runcopy",
    "monitoring_trailentry",
    "monitoring_seenday",
    "monitoring_collectorstate",
    "django_session",
    "portal_shared_cache",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """How many days of what, of how many pipelines: a sample every `seconds`, a run of all every `minutes`."""

    now: datetime
    pipelines: int
    seconds: int
    minutes: int
    samples: int
    hours: int
    days: int
    copies: int
    others: int


class _Sql:
    """The expressions that differ between SQLite and PostgreSQL."""

    def __init__(self, connection: Any) -> None:
        self.sqlite = connection.vendor == "sqlite"

    def back(self, now: datetime, unit_seconds: int, steps: str, fraction: str = "") -> str:
        """The moment `steps` units before `now`; `steps` is SQL. `fraction`: of a second, as clocks have it."""
        if self.sqlite:
            modifier = f"'-' || (({steps}) * {unit_seconds}) || ' seconds'"
            return f"strftime('%Y-%m-%d %H:%M:%S{fraction}', '{now:%Y-%m-%d %H:%M:%S}', {modifier})"
        return f"(TIMESTAMPTZ '{now:%Y-%m-%d %H:%M:%S}+00' - ({steps}) * INTERVAL '{unit_seconds} seconds')"

    def some(self, value: str, every: int) -> str:
        """NULL in one of `every` rows: what could not be read."""
        return f"CASE WHEN (p.i + n.i) % {every} = 0 THEN NULL ELSE {value} END"

    @property
    def true(self) -> str:
        return "1" if self.sqlite else "TRUE"

    def json(self, text: str) -> str:
        return f"'{text}'" if self.sqlite else f"'{text}'::jsonb"

    def padded(self, number: str) -> str:
        return f"substr('0000' || ({number}), -4)" if self.sqlite else f"lpad(({number})::text, 4, '0')"


def fill(connection: Any, past: Past) -> None:
    """Empty the tables and write that past."""
    sql = _Sql(connection)
    with connection.cursor() as cursor:
        if sql.sqlite:
            for table in TABLES:
                cursor.execute(f"DELETE FROM {table}")
            # Now, not afterwards: pages stay as full as rows that come in by time leave them.
            cursor.execute("VACUUM")
        else:
            cursor.execute(f"TRUNCATE {', '.join(TABLES)}")
            cursor.execute("SET statement_timeout = 0")
        for statement in _statements(sql, past):
            cursor.execute(statement)
        _state(past)
        cursor.execute("ANALYZE" if sql.sqlite else "VACUUM ANALYZE")
        if not sql.sqlite:
            cursor.execute("RESET statement_timeout")


def _numbers(name: str, first: int, last: int) -> str:
    return f"{name}(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM {name} WHERE i < {last})"


def _crossed(numbers: tuple[int, int], pipelines: int, table: str, columns: str, values: str) -> str:
    """One row per pipeline and number; the numbers are the outer loop, as a collector writes them."""
    return (
        f"INSERT INTO {table} ({columns}) WITH RECURSIVE {_numbers('n', *numbers)}, {_numbers('p', 1, pipelines)} "
        f"SELECT {values} FROM n CROSS JOIN p ORDER BY n.i DESC, p.i"
    )


def _statements(sql: _Sql, past: Past) -> list[str]:
    name = f"'fact_bench_' || {sql.padded('p.i')}"
    return [
        _samples(sql, past, name),
        _rolled(sql, past, name, "hour", 24 * past.hours),
        _rolled(sql, past, name, "day", past.days),
        *_copies(sql, past, name),
        *_others(sql, past),
    ]


def _samples(sql: _Sql, past: Past, name: str) -> str:
    ticks = (past.samples * 86400 + 3600) // past.seconds
    at = sql.back(past.now, past.seconds, "n.i", FRACTION)
    return _crossed(
        (0, ticks - 1),
        past.pipelines,
        "monitoring_pipelinesample",
        "entity_name, sampled_at, status, is_active, source_total, target_total, eligible, cooling, latency_seconds, "
        "served_lag_seconds, watermark_updated_at, watermark_id, run_entity_id, problem",
        f"{name}, {at}, CASE WHEN (p.i + n.i) % 50 = 0 THEN 'failed' ELSE 'ok' END, {sql.true}, "
        f"{sql.some('4000000 + p.i * 1000 - n.i', 97)}, {sql.some('3999000 + p.i * 1000 - n.i', 97)}, "
        f"{sql.some('(p.i * 7919 + n.i * 31) % 5000', 97)}, {sql.some('(p.i + n.i * 17) % 900', 97)}, "
        f"{sql.some('(p.i * 13 + n.i) % 3600', 97)}, {sql.some('(p.i * 7 + n.i) % 7200', 97)}, "
        f"{sql.back(past.now, past.seconds, 'n.i + 60')}, 9000000 + p.i * 1000 - n.i, 345000 - n.i, ''",
    )


def _rolled(sql: _Sql, past: Past, name: str, grain: str, count: int) -> str:
    """The roll-ups of the last `count` hours or days; days have executions too."""
    hours = grain == "hour"
    at = sql.back(past.now.replace(minute=0, hour=past.now.hour if hours else 0), 3600 if hours else 86400, "n.i")
    figures, values = [], []
    for place, figure in enumerate(("eligible", "cooling", "latency_seconds", "served_lag_seconds"), 1):
        low = f"(p.i * {place} + n.i) % 500"
        figures += [f"{figure}_{part}" for part in ("known", "min", "avg", "max", "last")]
        values += ["357", low, f"({low}) + 41.73 + n.i % 7 / 9.0", f"({low}) + 4321", f"({low}) + 77"]
    figures += [f"coverage_percent_{part}" for part in ("known", "min", "avg", "max", "last")]
    values += ["357", "99.91 + n.i % 7 / 900.0", "99.95 + n.i % 7 / 900.0", "99.97 + n.i % 7 / 900.0", "99.96"]
    figures += ["seconds_measured", "seconds_late_warning", "seconds_late_critical", "seconds_in_maintenance"]
    values += ["3590", "n.i % 600", "n.i % 300", "0"]
    rows, executed = "(p.i * 1000 + n.i * 37) % 90000", {"duration_seconds_known": "0", "throughput_known": "0"}
    if not hours:
        executed = {
            "executions": "48", "succeeded": "47", "failed": "1", "extracted": rows, "upserted": rows,
            "soft_deleted": f"{rows} / 90",
            "duration_seconds_known": "47", "duration_seconds_min": "11.25 + n.i % 9 / 7.0",
            "duration_seconds_avg": "26.267 + n.i % 9 / 7.0", "duration_seconds_max": "60.5 + n.i % 9 / 7.0",
            "throughput_known": "46", "throughput_min": "12.34 + n.i % 9 / 7.0",
            "throughput_avg": "99.302 + n.i % 9 / 7.0", "throughput_max": "456.7",
        }  # fmt: skip
    return _crossed(
        (1, count),
        past.pipelines,
        "monitoring_pipelinerollup",
        "entity_name, grain, start, samples, is_active, status_last, status_worst, status_seconds, source_total, "
        f"target_total, {', '.join([*figures, *executed])}",
        f"{name}, '{grain}', {at}, 360, {sql.true}, 'ok', CASE WHEN (p.i + n.i) % 50 = 0 THEN 'failed' ELSE 'ok' END, "
        f"{sql.json(STATUSES)}, 4000000 + p.i * 1000 - n.i, "
        f"3999000 + p.i * 1000 - n.i, {', '.join([*values, *executed.values()])}",
    )


def _copies(sql: _Sql, past: Past, name: str) -> list[str]:
    runs = (past.copies + 1) * 1440 // past.minutes
    unit = past.minutes * 60
    error = ERROR.replace("'", "''")
    names = ", ".join(f"fact_bench_{number:04}" for number in range(1, 25))
    failed = "(p.i + n.i) % 50 = 0"
    started = sql.back(past.now, unit, "n.i", FRACTION)
    finished = sql.back(past.now - timedelta(seconds=40), unit, "n.i", FRACTION)
    broken = past.pipelines // 50
    every = (
        "INSERT INTO monitoring_runcopy (run_id, entities_requested, started_by, started_at, finished_at, status, "
        f"entities_succeeded, entities_failed, error_message) WITH RECURSIVE {_numbers('n', 0, runs - 1)} "
        f"SELECT {runs} - n.i, '{names}', 'svc_etl', {started}, {finished}, 'partial', {past.pipelines - broken}, "
        f"{broken}, '{error}' FROM n ORDER BY n.i DESC"
    )
    entities = _crossed(
        (0, runs - 1),
        past.pipelines,
        "monitoring_runentitycopy",
        "run_entity_id, run_id, entity_name, started_at, finished_at, status, extracted, upserted, soft_deleted, "
        "watermark_from_updated_at, watermark_from_id, watermark_to_updated_at, watermark_to_id, error_message, "
        "error_class, fingerprint",
        f"({runs} - n.i) * 1000 + p.i, {runs} - n.i, {name}, {started}, {finished}, "
        f"CASE WHEN {failed} THEN 'failed' ELSE 'success' END, (p.i * 100 + n.i) % 40000, (p.i * 100 + n.i) % 40000, "
        f"n.i % 7, {started}, 9000000 - n.i, {finished}, "
        f"9000100 - n.i, CASE WHEN {failed} THEN '{error}' ELSE '' END, "
        f"CASE WHEN {failed} THEN 'unique_violation' ELSE '' END, "
        f"CASE WHEN {failed} THEN '0123456789ab' || {sql.padded('p.i')} ELSE NULL END",
    )
    return [every, entities]


def _others(sql: _Sql, past: Past) -> list[str]:
    digest = f"'0123456789abcdef0123456789ab' || {sql.padded('p.i')}"
    day = "date(" + sql.back(past.now, 86400, "n.i") + ")"
    trail = _crossed(
        (0, past.others - 1),
        TRAIL_PER_DAY,
        "monitoring_trailentry",
        "at, user_name, address, action, object, outcome, detail",
        f"{sql.back(past.now, 86400, 'n.i')}, 'somebody.' || p.i, '192.0.2.' || (p.i % 250), 'signed_in', "
        f"'fact_bench_' || {sql.padded('p.i')}, 'done', {sql.json(DETAIL)}",
    )
    seen = _crossed(
        (0, min(SEEN_DAYS, past.others) - 1),
        SEEN_PER_DAY,
        "monitoring_seenday",
        '"column", digest, value, day, first_seen, last_seen, hours',
        f"'program_name', {digest}, 'etl-runner on host ' || p.i, {day}, {sql.back(past.now, 86400, 'n.i')}, "
        f"{sql.back(past.now, 86400, 'n.i')}, 16777215",
    )
    text = "x" * 400
    sessions = (
        "INSERT INTO django_session (session_key, session_data, expire_date) "
        f"WITH RECURSIVE {_numbers('p', 1, SESSIONS)} "
        f"SELECT '0123456789abcdef0123456789ab' || {sql.padded('p.i')}, '{text}', "
        f"{sql.back(past.now, 60, 'p.i')} FROM p"
    )
    cache = (
        "INSERT INTO portal_shared_cache (cache_key, value, expires) "
        f"WITH RECURSIVE {_numbers('p', 1, CACHE_ROWS)} "
        f"SELECT ':1:limit:sign-in:192.0.2.1:' || p.i, '{text[:80]}', {sql.back(past.now, 1, 'p.i')} FROM p"
    )
    return [trail, seen, sessions, cache]


def _state(past: Past) -> None:
    from monitoring.models import CollectorState

    # As JSON of many similar parts: compressible, as the real one is.
    part = b'{"control":{"entity_name":"fact_bench","source_table":"core.orders"},"status":"ok","verdicts":[]}'
    payload = part * (PAYLOAD_BYTES_PER_PIPELINE * past.pipelines // len(part))
    CollectorState.objects.create(payload=payload, copied_all=True, lease_holder="bench")
