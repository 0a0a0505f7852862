"""A database of an earlier release upgrades by `migrate` alone, and keeps what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from monitoring.models import PipelineRollup, PortalSettings

FIRST_13 = (
    "0001_initial",
    "0002_groups",
    "0003_integrity",
    "0004_names",
    "0005_trail",
    "0006_wide_counts",
    "0007_shared_cache",
    "0008_failures",
    "0009_accounts",
    "0010_group_scope",
    "0011_connections",
    "0012_view_pipelines",
    "0013_history",
)
SQUASHED = ("monitoring", "0001_squashed_0013_history")
HOUR, DAY = datetime(2026, 3, 1, 7, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
ONLY_RUNS = datetime(2026, 2, 1, tzinfo=UTC)
FIGURES = ("eligible", "cooling", "latency_seconds", "served_lag_seconds", "coverage_percent")


@pytest.fixture
def upgraded(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """A database file that the 13 migrations made, with rows, upgraded; a thread with a connection to it."""
    if connection.vendor != "sqlite":
        pytest.skip("upgrades a file")
    monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "portal.sqlite3"))
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(_upgrade).result()
            yield pool
        finally:
            pool.submit(connections.close_all).result()


def _upgrade() -> None:
    call_command("migrate", "monitoring", SQUASHED[1], verbosity=0)
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(*SQUASHED)
    for name in FIRST_13:
        recorder.record_applied("monitoring", name)
    _fill(MigrationExecutor(connection).loader.project_state([SQUASHED]).apps)
    plan = MigrationExecutor(connection).migration_plan([("monitoring", "0015_rollups")])
    names = [migration.name for migration, _backwards in plan]
    assert names == ["0014_errors", "0015_rollups"], "the 13 are all applied"
    call_command("migrate", verbosity=0)


def _fill(apps: Any) -> None:
    figures = {f"{name}_{part}": 7 for name in FIGURES for part in ("known", "min", "avg", "max", "last")}
    row = {"samples": 360, "is_active": True, "status_last": "ok", "status_worst": "failed"}
    row |= {"status_seconds": {"ok": 3600}, "source_total": 10, "target_total": 9}
    apps.get_model("monitoring", "PipelineHour").objects.create(entity_name="a", hour=HOUR, **row, **figures)
    apps.get_model("monitoring", "PipelineDay").objects.create(entity_name="a", day=DAY, **row, **figures)
    apps.get_model("monitoring", "PipelineDay").objects.create(entity_name="b", day=DAY, **row)
    executed = {"executions": 5, "succeeded": 4, "failed": 1, "extracted": 90, "upserted": 80, "soft_deleted": 1}
    timed = {"timed": 4, "duration_seconds_total": 100, "duration_seconds_min": 10, "duration_seconds_max": 40}
    loaded = {"loaded": 2, "throughput_total": 40, "throughput_min": 1, "throughput_max": 39}
    runs = apps.get_model("monitoring", "PipelineRunDay").objects
    runs.create(entity_name="a", day=DAY, **executed, **timed, **loaded)
    runs.create(entity_name="a", day=ONLY_RUNS, **executed, timed=0, loaded=0)


def test_hours_days_and_executions_by_day_become_one_table(upgraded: ThreadPoolExecutor) -> None:
    rows = upgraded.submit(lambda: list(PipelineRollup.objects.order_by("grain", "start", "entity_name"))).result()
    assert [(row.grain, row.start, row.entity_name) for row in rows] == [
        ("day", ONLY_RUNS, "a"),
        ("day", DAY, "a"),
        ("day", DAY, "b"),
        ("hour", HOUR, "a"),
    ]
    only_runs, both, only_samples, hour = rows
    for row in (both, hour):
        assert (row.samples, row.is_active, row.status_last, row.status_worst) == (360, True, "ok", "failed")
        assert (row.status_seconds, row.source_total, row.target_total) == ({"ok": 3600}, 10, 9)
        assert {getattr(row, f"{name}_{part}") for name in FIGURES for part in ("known", "min", "avg", "last")} == {7}
    assert (both.executions, both.succeeded, both.failed, both.upserted) == (5, 4, 1, 80)
    assert (both.duration_seconds_known, both.duration_seconds_avg, both.duration_seconds_max) == (4, 25, 40)
    assert (both.throughput_known, both.throughput_min, both.throughput_avg) == (2, 1, 20)
    assert (only_samples.executions, only_samples.duration_seconds_known, hour.executions) == (None, 0, None)
    assert (only_runs.samples, only_runs.eligible_avg, only_runs.status_seconds) == (0, None, {})
    assert (only_runs.executions, only_runs.duration_seconds_known, only_runs.duration_seconds_avg) == (5, 0, None)


def test_whether_old_hours_were_late_is_unknown_not_on_time(upgraded: ThreadPoolExecutor) -> None:
    columns = ("seconds_measured", "seconds_late_warning", "seconds_late_critical", "seconds_in_maintenance")
    rows = upgraded.submit(lambda: list(PipelineRollup.objects.values_list(*columns))).result()
    assert set(rows) == {(0, 0, 0, 0)}


def test_groups_and_settings_are_those_of_a_new_database(upgraded: ThreadPoolExecutor) -> None:
    def rights() -> list[Any]:
        return [
            list(Group.objects.order_by("name", "permissions__codename").values_list("name", "permissions__codename")),
            list(Permission.objects.order_by("codename").values_list("content_type__app_label", "codename")),
            list(PortalSettings.objects.values()),
        ]

    found = upgraded.submit(rights).result()
    assert found == rights()
    assert not [name for _, name in found[1] if name.endswith(("pipelinehour", "pipelineday", "pipelinerunday"))]
    assert ("admin", "view_pipelinerollup") in found[0]
