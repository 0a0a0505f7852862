"""Every figure of every pipeline and of the overview, compared with plain SQL on the same server."""

from __future__ import annotations

from datetime import timedelta
from statistics import fmean
from typing import Any

import pytest

from monitoring.rules.enums import ErrorClass, PipelineStatus, ProblemCode
from monitoring.rules.error_text import parse
from monitoring.rules.facts import Count, Execution, Pipeline
from tests.sqlserver import expected
from tests.sqlserver.conftest import Portal
from tests.sqlserver.server import DW, OLTP

READABLE = sorted(expected.SOURCES)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


@pytest.fixture(scope="module")
def controls(portal: Portal) -> dict[str, dict[str, Any]]:
    return expected.controls(portal.server)


@pytest.fixture(scope="module")
def newest(portal: Portal) -> dict[str, dict[str, Any]]:
    return expected.newest_executions(portal.server)


def pipeline(portal: Portal, entity: str) -> Pipeline:
    found = portal.snapshot.pipeline(entity)
    assert found is not None
    return found


def same_execution(shown: Execution | None, row: dict[str, Any] | None) -> None:
    """Assert that the portal's execution is the audit table's row, column by column."""
    if row is None:
        assert shown is None
        return
    assert shown is not None
    wanted = {**row, "error_message": row["error_message"] or ""}
    got = {
        "run_entity_id": shown.run_entity_id,
        "run_id": shown.run_id,
        "entity_name": shown.entity_name,
        "entity_started_at": expected.naive(shown.started_at),
        "entity_finished_at": shown.finished_at and expected.naive(shown.finished_at),
        "status": shown.status.value,
        "extracted_count": shown.extracted,
        "upserted_count": shown.upserted,
        "soft_deleted_count": shown.soft_deleted,
        "watermark_from_updated_at": shown.watermark_from and expected.naive(shown.watermark_from.updated_at),
        "watermark_from_id": shown.watermark_from and shown.watermark_from.id,
        "watermark_to_updated_at": shown.watermark_to and expected.naive(shown.watermark_to.updated_at),
        "watermark_to_id": shown.watermark_to and shown.watermark_to.id,
        "error_message": shown.error_message,
    }
    assert got == wanted


def test_the_scenario_holds_every_status(portal: Portal, controls: Any, newest: Any) -> None:
    """Else the tests below would prove less than they say."""
    said = {expected.status(control, newest.get(name)) for name, control in controls.items()}
    assert said == {status.value for status in PipelineStatus} - {"unknown"}
    assert {run["status"] for run in expected.runs(portal.server)} == {"running", "success", "failed", "partial"}
    assert not controls["dim_equipe"]["is_active"]
    waits = {name: expected.waiting(portal.server, name, controls[name], portal.snapshot.sampled_at)
             for name in READABLE}  # fmt: skip
    for name in ("fact_vendas", "fact_descontos", "fact_metas", "dim_transportadora"):
        assert waits[name].eligible and waits[name].cooling, name
    assert waits["dim_cliente"].cooling
    assert waits["dim_equipe"].eligible


def test_every_control_row_is_shown(portal: Portal, controls: Any) -> None:
    assert [each.name for each in portal.snapshot.pipelines] == sorted(controls)
    for each in portal.snapshot.pipelines:
        row = controls[each.name]
        assert each.control.is_active == row["is_active"]
        assert expected.naive(each.control.watermark.updated_at) == row["watermark_updated_at"]
        assert each.control.watermark.id == row["watermark_id"]


def test_status(portal: Portal, controls: Any, newest: Any) -> None:
    shown = {each.name: each.status.value for each in portal.snapshot.pipelines}
    assert shown == {name: expected.status(row, newest.get(name)) for name, row in controls.items()}


@pytest.mark.parametrize("entity", READABLE)
def test_source(portal: Portal, controls: Any, entity: str) -> None:
    """Total, newest, eligible and cooling rows (also of the facts whose ts is the latest of joined tables)."""
    source = pipeline(portal, entity).source
    wanted = expected.waiting(portal.server, entity, controls[entity], portal.snapshot.sampled_at)
    assert source.problem is None
    assert source.exists
    assert source.total == expected.metadata_total(portal.server, OLTP, entity, wanted.total)
    assert source.newest_at == wanted.newest_at
    assert source.eligible == Count(wanted.eligible)
    assert source.cooling == Count(wanted.cooling)
    assert source.oldest_eligible_at == wanted.oldest_eligible_at


@pytest.mark.parametrize("entity", READABLE)
def test_target(portal: Portal, entity: str) -> None:
    target = pipeline(portal, entity).target
    total, newest_at = expected.target(portal.server, entity)
    assert target.problem is None
    assert target.exists
    assert target.total == expected.metadata_total(portal.server, DW, entity, total)
    assert target.is_load_time == (expected.TARGETS[entity][1] is None)
    if not target.is_load_time:
        assert target.newest_at == newest_at


@pytest.mark.parametrize("entity", READABLE)
def test_coverage_latency_and_served_lag(portal: Portal, controls: Any, entity: str) -> None:
    figures, now = pipeline(portal, entity).figures, portal.snapshot.sampled_at
    source = expected.waiting(portal.server, entity, controls[entity], now)
    total, loaded_to = expected.target(portal.server, entity)
    rows = expected.metadata_total(portal.server, OLTP, entity, source.total)
    loaded = expected.metadata_total(portal.server, DW, entity, total)
    assert figures.coverage_percent == (pytest.approx(100 * loaded / rows) if rows else None)
    latency = None
    if loaded_to is not None and source.newest_at is not None:
        latency = max(0.0, (source.newest_at - loaded_to).total_seconds())
    assert figures.latency_seconds == latency
    waits = source.oldest_eligible_at
    assert figures.served_lag_seconds == (0.0 if waits is None else pytest.approx((now - waits).total_seconds()))


def test_last_execution_duration_and_throughput(portal: Portal, newest: Any) -> None:
    for each in portal.snapshot.pipelines:
        row, now = newest.get(each.name), expected.naive(portal.snapshot.sampled_at)
        same_execution(each.newest, row)
        seconds = row and ((row["entity_finished_at"] or now) - row["entity_started_at"]).total_seconds()
        assert each.figures.duration_seconds == seconds
        moved = row is not None and row["status"] == "success"
        wanted = row["upserted_count"] / max(1.0, seconds) if moved else None
        assert each.figures.throughput == (None if wanted is None else pytest.approx(wanted))


def test_what_is_not_there_says_so(portal: Portal) -> None:
    missing = pipeline(portal, "fact_devolucoes")
    assert missing.source.problem and missing.source.problem.code is ProblemCode.OBJECT_MISSING
    assert missing.target.problem and missing.target.problem.code is ProblemCode.OBJECT_MISSING
    nonsense = pipeline(portal, "nonsense")
    assert not nonsense.mapping_valid
    assert nonsense.source.problem is not None
    assert nonsense.source.eligible is None


def test_the_failures_are_the_servers_own(portal: Portal) -> None:
    """Errors are recognised by the driver's number (547: a CHECK constraint), not by their text."""

    failed = expected.executions(portal.server, "status = 'failed'")
    refused = [row for row in failed if "ck_test_deadline" in row["error_message"].casefold()]
    assert {row["entity_name"] for row in refused} == {"dim_cliente", "fact_metas"}
    for row in refused:
        told = parse(row["error_message"])
        assert (told.error_class, told.number, told.exception_type) == (ErrorClass.CHECK, 547, "IntegrityError")
    # A customer that was refused is missing for the facts that come after it in that run.
    assert all("MissingDimensionRow" in row["error_message"] for row in failed if row not in refused)


def test_overview(portal: Portal, controls: Any, newest: Any) -> None:
    overview, now = portal.snapshot.overview, portal.snapshot.sampled_at
    active = [name for name, row in controls.items() if row["is_active"]]
    day, week = expected.run_counts(portal.server, now - DAY), expected.run_counts(portal.server, now - WEEK)
    assert (overview.active, overview.pipelines) == (len(active), len(controls))
    for shown, finished, counts in (
        (overview.success_rate_24h, overview.finished_24h, day),
        (overview.success_rate_7d, overview.finished_7d, week),
    ):
        ended = sum(counts.get(status, 0) for status in ("success", "failed", "partial"))
        assert finished == ended
        assert shown == pytest.approx(100 * counts["success"] / ended)
    assert week["success"] > day["success"]
    assert (overview.failed_24h, overview.partial_24h) == (day.get("failed", 0), day.get("partial", 0))
    assert overview.mean_throughput_24h == pytest.approx(expected.mean_throughput(portal.server, now - DAY))
    by_status = dict(overview.by_status)
    said = [expected.status(row, newest.get(name)) for name, row in controls.items()]
    assert {status.value: count for status, count in by_status.items()} == {
        status.value: said.count(status.value) for status in PipelineStatus
    }
    last = expected.runs(portal.server)[0]
    assert overview.last_run is not None
    assert (overview.last_run.run_id, overview.last_run.started_by) == (last["run_id"], last["started_by"])


def test_overview_over_the_sources(portal: Portal, controls: Any) -> None:
    overview, now = portal.snapshot.overview, portal.snapshot.sampled_at
    waits = {name: expected.waiting(portal.server, name, controls[name], now) for name in READABLE}
    targets = {name: expected.target(portal.server, name) for name in READABLE}
    assert overview.eligible_total == Count(sum(each.eligible for each in waits.values()))
    assert overview.cooling_total == Count(sum(each.cooling for each in waits.values()))
    both = [name for name in READABLE if name not in expected.VIEWS]
    loaded = sum(expected.metadata_total(portal.server, DW, name, targets[name][0]) or 0 for name in both)
    rows = sum(expected.metadata_total(portal.server, OLTP, name, waits[name].total) or 0 for name in both)
    assert overview.coverage_percent == pytest.approx(100 * loaded / rows)
    active = [name for name in READABLE if controls[name]["is_active"]]
    lags = {name: (now - when).total_seconds() for name in active if (when := waits[name].oldest_eligible_at)}
    worst = max(lags, key=lambda name: lags[name])
    assert overview.worst_lag_entity == worst
    assert overview.worst_lag_seconds == pytest.approx(lags[worst])
    latencies = [
        max(0.0, (waits[name].newest_at - targets[name][1]).total_seconds())
        for name in active
        if waits[name].newest_at and targets[name][1]
    ]
    assert overview.mean_latency_seconds == pytest.approx(fmean(latencies))
    assert set(overview.unread) == {*expected.MISSING, *expected.VIEWS}
