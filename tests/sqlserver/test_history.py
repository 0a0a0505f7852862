"""Charts and connection audit, compared with plain SQL on the same server."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from tests.sqlserver import expected
from tests.sqlserver.conftest import Portal
from tests.sqlserver.differences import NO_OWNERSHIP_CHAIN
from tests.sqlserver.server import DW, LOGIN, RUNNER_PROGRAM

VIEWER = ZoneInfo("America/Sao_Paulo")


@pytest.fixture
def audit(portal: Portal) -> Any:
    """The audit of the last two days, read now."""
    from monitoring.connections.queries import activity

    found = activity("48h")
    assert found.problem is None
    return found


def test_runs_by_day(portal: Portal) -> None:
    """The viewer's days, which begin at another hour than UTC's."""
    from monitoring.summary.queries import runs_by_day

    days = runs_by_day(portal.snapshot.sampled_at, VIEWER)
    wanted: Counter[tuple[Any, str]] = Counter()
    for run in expected.runs(portal.server, "started_at >= ?", expected.naive(since(portal))):
        wanted[run["started_at"].replace(tzinfo=UTC).astimezone(VIEWER).date(), run["status"]] += 1
    shown = {(day.day, status.value): count for day in days for status, count in day.counts.items() if count}
    assert shown == dict(wanted)
    assert len(days) == 14


def since(portal: Portal) -> datetime:
    """Where the charts' 14 days begin."""
    first = portal.snapshot.sampled_at.astimezone(VIEWER).date() - timedelta(days=13)
    return datetime.combine(first, time.min, tzinfo=VIEWER)


def test_volume_by_pipeline(portal: Portal) -> None:
    from monitoring.summary.queries import volume_by_pipeline

    shown = {
        each["entity_name"]: (each["rows_extracted"], each["rows_upserted"], each["executions"], each["failed"])
        for each in volume_by_pipeline(portal.snapshot.sampled_at, VIEWER)
    }
    assert shown == expected.volumes(portal.server, since(portal))


def test_timeline_and_grid(portal: Portal) -> None:
    from monitoring.runs.queries import timeline
    from monitoring.web.graphics import run_grid

    runs = [run["run_id"] for run in expected.runs(portal.server)]
    wanted = {row["run_entity_id"]: row for row in expected.executions(portal.server, "run_id >= ?", runs[9])}
    bars = {bar.execution.run_entity_id: bar for bar in timeline(portal.snapshot)[0]}
    assert set(bars) == set(wanted)
    for number, bar in bars.items():
        assert expected.naive(bar.execution.started_at) == wanted[number]["entity_started_at"]
        assert (bar.end and expected.naive(bar.end)) == wanted[number]["entity_finished_at"]
    grid = run_grid(portal.snapshot, 30)
    assert [run.run_id for run in grid.runs] == runs[:30][::-1]
    shown = {
        (row.name, cell.run.run_id): cell.execution.status.value
        for row in grid.rows
        for cell in row.cells
        if cell.execution is not None
    }
    listed = expected.executions(portal.server, "run_id >= ?", runs[29])
    assert shown == {(row["entity_name"], row["run_id"]): row["status"] for row in listed}


@pytest.mark.parametrize("entity", ["dim_cliente", "fact_metas"])
def test_trends_of_a_pipeline(portal: Portal, entity: str) -> None:
    """Duration and throughput over time: a point per success."""
    from monitoring.pipelines.trends import trends

    now = portal.snapshot.sampled_at
    pipeline = portal.snapshot.pipeline(entity)
    assert pipeline is not None
    found = trends(pipeline, "7d", now)
    wanted = expected.executions(
        portal.server,
        "entity_name = ? AND entity_started_at >= ? AND status = 'success'",
        *(entity, expected.naive(now - timedelta(days=7))),
    )
    assert found.executions.executions == len(wanted) > 10


def test_hours_of_the_connection_audit(portal: Portal, audit: Any) -> None:
    """Events and distinct sessions of every hour, with the failed run entities on the same axis."""
    wanted = expected.event_hours(portal.server, audit.bounds.since, audit.bounds.now)
    failed: Counter[datetime] = Counter()
    for row in expected.executions(portal.server, "status = 'failed'"):
        failed[row["entity_started_at"].replace(minute=0, second=0, tzinfo=UTC)] += 1
    assert len(audit.hours) == 48
    for hour, figures in audit.hours.items():
        assert (figures.events, figures.sessions) == wanted.get(hour, (0, 0)), hour
        assert figures.failures == failed[hour], hour
    assert len(wanted) > 10
    assert sum(hour.failures for hour in audit.hours.values()) >= 3


def test_logins_and_totals_of_the_connection_audit(portal: Portal, audit: Any) -> None:
    bounds = audit.bounds
    shown = {each.value: (each.events, each.sessions, each.portal_events) for each in audit.facets["login_name"]}
    assert shown == expected.event_logins(portal.server, bounds.since, bounds.now)
    totals = expected.event_sessions(portal.server, bounds.since, bounds.now)
    assert (audit.totals.events, audit.totals.sessions) == tuple(totals)
    assert audit.totals.portal_events == sum(row[2] for row in shown.values()) > 0


def test_events_of_one_login(portal: Portal, audit: Any) -> None:
    """The list of a login has as many rows as its figure."""
    from monitoring.connections.queries import NONE, matching

    for each in audit.facets["login_name"][:3]:
        found = matching(audit.bounds, {"login_name": each.value or NONE})
        assert len(list(found)) == each.events


def test_a_free_range_of_the_connection_audit(portal: Portal, audit: Any) -> None:
    """From within an hour to within another: what is inside, and nothing else."""
    from monitoring.connections.queries import activity

    since, until = audit.bounds.now - timedelta(hours=30, minutes=17), audit.bounds.now - timedelta(hours=3, minutes=5)
    since, until = since.replace(microsecond=0), until.replace(microsecond=0)
    found = activity((since, until))
    events, sessions = expected.event_sessions(portal.server, since, until - timedelta(milliseconds=1))
    assert found.problem is None
    assert (found.totals.events, found.totals.sessions) == (events, sessions)
    assert found.totals.events < audit.totals.events


def test_the_memory_of_who_was_seen(portal: Portal) -> None:
    """Each login on each day, with its first and last time."""
    from monitoring.collector.login_history import remember_logins
    from monitoring.collector.memory import Memory
    from monitoring.models import SeenDay, SeenHistory

    remember_logins(Memory(), portal.snapshot.sampled_at)
    rows = SeenDay.objects.filter(column="login_name")
    shown = {(row.value, row.day): (row.first_seen, row.last_seen) for row in rows}
    wanted = portal.server.rows(
        DW,
        "SELECT ISNULL(login_name, N''), CAST(event_time_utc AS DATE), MIN(event_time_utc), MAX(event_time_utc) "
        "FROM audit.connection_login_events GROUP BY ISNULL(login_name, N''), CAST(event_time_utc AS DATE)",
    )
    assert SeenHistory.objects.get().complete
    assert shown == {
        (name, day): (first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)) for name, day, first, last in wanted
    }


def test_factors_around_failures(portal: Portal, audit: Any) -> None:
    """The covering index, window by window: logins that plain SQL finds in the same minutes."""
    from monitoring.warehouse.login_events import factors_in

    end = audit.bounds.now.replace(microsecond=0)
    windows = [(end - timedelta(hours=ago), end - timedelta(hours=ago, minutes=-10)) for ago in range(1, 40)]
    for (since, until), found in zip(windows, factors_in(windows), strict=True):
        wanted = expected.event_logins(portal.server, since, until - timedelta(milliseconds=1))
        assert {values[0] for values in found} == set(wanted), since


def test_the_servers_own_snapshot(portal: Portal) -> None:
    """sp_capture_connection_snapshot, executed by the ETL at the end of its history, saw its own session."""
    rows = portal.server.rows(
        DW,
        "SELECT program_name, login_name, session_id, login_time FROM audit.connection_login_events "
        "WHERE event_time_utc >= ?",
        portal.loaded_at - timedelta(seconds=1),
    )
    assert RUNNER_PROGRAM in {row[0] for row in rows}
    assert all(row[2] is not None and row[3] is not None for row in rows)


def test_an_operator_captures_a_snapshot_as_the_portals_login(portal: Portal) -> None:
    """EXECUTE on the procedure is all that the login needs; it sees the portal's own sessions by their name."""
    server = portal.server
    newest = "SELECT MAX(connection_event_id) FROM audit.connection_login_events"
    before = server.rows(DW, newest)[0][0]
    answer = portal.client("operator").post(reverse("monitoring:connections-capture"))
    assert answer.status_code == 302
    rows = server.rows(
        DW,
        "SELECT login_name, program_name FROM audit.connection_login_events WHERE connection_event_id > ?",
        before,
    )
    if server.family in NO_OWNERSHIP_CHAIN:
        assert rows == []
        return
    assert (LOGIN, "etlportal-web") in {tuple(row) for row in rows}
