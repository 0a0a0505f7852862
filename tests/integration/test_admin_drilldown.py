"""The admin's drill-down: jumping to a moment, counts, a row's neighbours, and the row as it is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.utils import quote
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring.admin import fields
from monitoring.admin import warehouse as related_tables
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, TrailEntry
from tests.support import ddl
from tests.support.html import audit
from tests.support.warehouse import NOW

TABLES = {
    "ctl.etl_control": EtlControl,
    "audit.etl_run": EtlRun,
    "audit.etl_run_entity": EtlRunEntity,
    "audit.connection_login_events": ConnectionLoginEvent,
}


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def auditor(client_as: Any) -> Any:
    return client_as("auditor")


@pytest.fixture
def history(warehouse: Any) -> Any:
    """120 runs an hour apart, the newest an hour ago, two run entities and an event each."""
    for number in range(120, 0, -1):
        started = NOW - timedelta(hours=number)
        run = warehouse.run(started_at=started, status="failed" if number % 10 == 0 else "success")
        warehouse.run_entity(run, "dim_cliente", entity_started_at=started)
        warehouse.run_entity(run, "dim_produto", entity_started_at=started)
        warehouse.login_event(event_time_utc=started + timedelta(seconds=1))
    return warehouse


def list_url(name: str, query: str = "") -> str:
    return reverse(f"admin:monitoring_{name}_changelist") + query


def row_url(name: str, key: Any) -> str:
    return reverse(f"admin:monitoring_{name}_change", args=[quote(key)])


def listed(client: Any, name: str, query: str) -> Any:
    return client.get(list_url(name, query)).context["cl"]


def keys(found: Any) -> list[int]:
    return [row.pk for row in found.result_list]


def related(client: Any, name: str, key: Any) -> dict[str, list[str]]:
    tables = client.get(row_url(name, key)).context["related"]
    return {str(table.title): [line for _, line, _ in table.rows] for table in tables}


# NOW is 12:00 UTC, which is 09:00 in São Paulo, the embedded portal's zone.
@pytest.mark.parametrize(
    ("query", "newest"),
    [
        ("?on=2026-03-10&clock=06:00", 118),  # 09:00 UTC: run 118 started three hours ago, at that very moment
        ("?on=2026-03-10&clock=05:59", 117),
        ("?on=2026-03-10&clock=06:00:30", 118),
        ("?on=2026-03-09", 111),  # the whole day, until 02:59:59 UTC
        ("?on=2026-03-10T09:00:00Z", 118),
        ("?on=2030-01-01", 120),
    ],
)
def test_a_jump_begins_at_the_newest_row_that_is_not_later(auditor: Any, history: Any, query: str, newest: int) -> None:
    assert keys(listed(auditor, "etlrun", query)) == list(range(newest, newest - 50, -1))
    assert keys(listed(auditor, "etlrunentity", query)) == list(range(2 * newest, 2 * newest - 50, -1))


def test_an_event_is_later_by_its_second(auditor: Any, history: Any) -> None:
    assert keys(listed(auditor, "connectionloginevent", "?on=2026-03-10&clock=06:00"))[0] == 117
    assert keys(listed(auditor, "connectionloginevent", "?on=2026-03-10&clock=06:00:01"))[0] == 118


@pytest.mark.parametrize("name", ["etlrun", "etlrunentity", "connectionloginevent"])
def test_from_there_the_list_goes_both_ways_to_its_ends(auditor: Any, history: Any, name: str) -> None:
    start = listed(auditor, name, "?on=2026-03-08")
    older, newer = keys(start), keys(start)
    found = start
    while found.older_url:
        found = listed(auditor, name, found.older_url)
        older += keys(found)
    found = start
    while found.newer_url and found.result_list:
        found = listed(auditor, name, found.newer_url)
        newer = keys(found) + newer
    everything = [*newer[: -len(keys(start))], *older]
    assert everything == list(range(240 if name == "etlrunentity" else 120, 0, -1))


def test_before_the_first_row_there_is_nothing_but_the_way_back(auditor: Any, history: Any) -> None:
    found = listed(auditor, "etlrun", "?on=1999-01-01")
    assert (keys(found), found.older_url) == ([], None)
    assert keys(listed(auditor, "etlrun", found.newer_url)) == list(range(50, 0, -1))
    assert keys(listed(auditor, "etlrun", found.newest_url))[0] == 120


def test_a_filtered_jump_looks_around_its_moment(auditor: Any, warehouse: Any) -> None:
    for days in (400, 394, 392, 380, 1):
        warehouse.run(started_at=NOW - timedelta(days=days), status="failed")
    day = (NOW - timedelta(days=393)).date().isoformat()
    found = listed(auditor, "etlrun", f"?status=failed&on={day}")
    assert keys(found) == [2]  # the first is more than seven days earlier
    assert keys(listed(auditor, "etlrun", found.newer_url)) == [3]  # the fourth is more than seven days later
    found = listed(auditor, "etlrun", f"?status=failed&window=30d&on={day}")
    assert keys(found) == [2, 1]
    assert keys(listed(auditor, "etlrun", found.newer_url)) == [4, 3]


def test_another_search_stays_where_the_reader_is(auditor: Any, history: Any) -> None:
    page = auditor.get(list_url("etlrun", "?on=2026-03-08&clock=12:30&status=failed&older=50"))
    text = page.content.decode()
    assert 'name="on" id="on" value="2026-03-08"' in text
    assert 'name="clock" id="clock" value="12:30"' in text
    assert '<input type="hidden" name="status" value="failed">' in text
    assert 'type="hidden" name="older"' not in text
    assert "America/Sao_Paulo" in text


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?on=yesterday", "“on”"),
        ("?on=2026-13-45&clock=10:00", "“on”"),
        ("?clock=10:00", "“clock”"),
        ("?on=2026-03-08&clock=25:99", "“clock”"),
        ("?on=0001-01-01", "“on”"),
    ],
)
def test_a_moment_that_is_none_is_named(auditor: Any, history: Any, query: str, named: str) -> None:
    page = auditor.get(list_url("etlrun", query))
    assert named in page.content.decode() or query == "?on=0001-01-01"
    assert page.status_code == 200


@pytest.mark.parametrize("query", ["?on=0001-01-02", "?on=9999-12-31", "?on=9999-12-31&status=failed&window=30d"])
def test_the_ends_of_the_calendar(auditor: Any, history: Any, query: str) -> None:
    for name in ("etlrun", "etlrunentity", "connectionloginevent"):
        assert auditor.get(list_url(name, query)).status_code == 200


def test_a_period_of_run_entities_is_read_between_two_keys(auditor: Any, history: Any) -> None:
    """Ordered by the key and bounded by the run alone, the server would walk all newer and all older rows."""
    query = "?since=2026-03-08T00:00:00Z&until=2026-03-09T00:00:00Z&status=failed"
    with CaptureQueriesContext(connections["dw"]) as captured:
        listed(auditor, "etlrunentity", query)
    page = captured.captured_queries[-1]["sql"]
    assert ".run_entity_id >= " in page.replace('"', "")
    assert ".run_entity_id <= " in page.replace('"', "")


def test_overlapping_runs_lose_no_row_at_the_ends_of_a_period(auditor: Any, warehouse: Any) -> None:
    """A run that began before the period's end may have written its rows after those of the next run."""
    early = warehouse.run(started_at=NOW - timedelta(hours=30))
    first = warehouse.run(started_at=NOW - timedelta(hours=20))
    late = warehouse.run(started_at=NOW - timedelta(hours=5))
    order = [(first, "a"), (early, "a"), (late, "a"), (first, "b"), (early, "b"), (late, "b")]
    made = {(run, name): warehouse.run_entity(run, name) for run, name in order}
    since, until = (f"{NOW - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (24, 10))
    found = listed(auditor, "etlrunentity", f"?since={since}&until={until}&status=success")
    assert keys(found) == [made[first, "b"], made[first, "a"]]


@pytest.mark.parametrize("name", ["etlrun", "etlrunentity", "connectionloginevent"])
def test_from_row_to_row(auditor: Any, history: Any, name: str) -> None:
    context = auditor.get(row_url(name, 60)).context
    assert (context["newer_row"], context["older_row"]) == (row_url(name, 61), row_url(name, 59))
    last = 240 if name == "etlrunentity" else 120
    assert auditor.get(row_url(name, last)).context["newer_row"] is None
    assert auditor.get(row_url(name, 1)).context["older_row"] is None


def test_from_control_row_to_control_row(auditor: Any, warehouse: Any) -> None:
    for name in ("b", "a/x", "c"):
        warehouse.control(name, source_table=name, target_table=name)
    context = auditor.get(row_url("etlcontrol", "b")).context
    assert (context["newer_row"], context["older_row"]) == (row_url("etlcontrol", "a/x"), row_url("etlcontrol", "c"))


def test_around_a_run(auditor: Any, history: Any) -> None:
    tables = related(auditor, "etlrun", 60)
    assert tables == {"run entities": ["#119", "#120"], "login events around it": ["#60"]}


def test_around_a_run_entity(auditor: Any, history: Any) -> None:
    tables = related(auditor, "etlrunentity", 119)
    assert tables == {
        "next and previous execution of this pipeline": ["#121", "#117"],
        "login events around it": ["#60"],
    }


def test_executions_are_looked_for_in_near_runs_only(
    auditor: Any, history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(related_tables, "NEAR_RUNS", 3)
    alone = history.run_entity(history.run(started_at=NOW), "fact_vendas")
    page = auditor.get(row_url("etlrunentity", alone))
    table = page.context["related"][0]
    assert table.rows == []
    assert "the 3 runs before and after this one" in page.content.decode()


def test_around_an_event(auditor: Any, warehouse: Any) -> None:
    session = {"session_id": 51, "login_time": NOW - timedelta(hours=9)}
    first = warehouse.login_event(event_time_utc=NOW - timedelta(minutes=90), **session)
    warehouse.login_event(session_id=51, login_time=NOW - timedelta(hours=3))  # the number was given again
    warehouse.login_event(session_id=52, login_time=session["login_time"])
    event = warehouse.login_event(event_time_utc=NOW - timedelta(minutes=60), **session)
    last = warehouse.login_event(event_time_utc=NOW - timedelta(minutes=30), **session)
    inside = warehouse.run(started_at=NOW - timedelta(minutes=80))
    warehouse.run(started_at=NOW - timedelta(minutes=120))
    warehouse.run(started_at=NOW - timedelta(minutes=40))
    assert related(auditor, "connectionloginevent", event) == {
        "other samples of this session": [f"#{last}", f"#{first}"],
        "runs around it": [f"#{inside}"],
    }


def test_an_event_of_no_session_has_no_samples(auditor: Any, warehouse: Any) -> None:
    warehouse.login_event(session_id=None)
    event = warehouse.login_event(session_id=None)
    assert "other samples of this session" not in related(auditor, "connectionloginevent", event)


def test_around_a_control_row(auditor: Any, history: Any) -> None:
    history.control("dim_cliente", last_run_id=60)
    assert related(auditor, "etlcontrol", "dim_cliente")["latest executions"][:2] == ["#119", "#117"]
    history.control("never_run", last_run_id=None)
    assert related(auditor, "etlcontrol", "never_run") == {}


def test_more_events_than_a_row_shows(auditor: Any, warehouse: Any) -> None:
    run = warehouse.run(started_at=NOW - timedelta(minutes=10))
    for second in range(60):
        warehouse.login_event(event_time_utc=NOW - timedelta(minutes=10) + timedelta(seconds=second))
    page = auditor.get(row_url("etlrun", run))
    table = next(table for table in page.context["related"] if str(table.title) == "login events around it")
    assert len(table.rows) == 50
    assert table.rows[0][1] == "#60"
    assert "Showing the latest 50" in table.note


def test_types_are_the_contracts() -> None:
    """Column by column as sql/sqlserver/ declares them."""
    for table, model in TABLES.items():
        for column in ddl.tables()[table].columns:
            field = next(field for field in model._meta.concrete_fields if field.column == column.name)
            size = "" if column.size is None else f"({column.size})"
            declared = fields.sql_type(field).removesuffix(" IDENTITY").replace("SYSNAME", "NVARCHAR(128)")
            assert declared == f"{column.type}{size}".replace("SYSNAME", "NVARCHAR(128)"), column
            assert field.null == column.nullable, column


def test_the_row_as_it_is_stored(auditor: Any, warehouse: Any) -> None:
    run = warehouse.run(
        started_by="  svc\t", entities_requested="", error_message=None, started_at=datetime(2026, 3, 10, 9, tzinfo=UTC)
    )
    text = auditor.get(row_url("etlrun", run)).content.decode()
    stored = {each["column"]: each for each in auditor.get(row_url("etlrun", run)).context["stored"]}
    assert list(stored) == [field.column for field in EtlRun._meta.concrete_fields]
    assert stored["started_by"]["type"] == "VARCHAR(128) NOT NULL"
    assert stored["started_by"]["shown"].count("raw__blank") == 3
    assert "␣" in stored["started_by"]["shown"]
    assert stored["started_by"]["note"] == "6 characters, 3 spaces around it"
    assert ">NULL<" in stored["error_message"]["shown"]
    assert "(empty text)" in stored["entities_requested"]["shown"]
    assert "2026-03-10 09:00:00" in stored["started_at"]["shown"]
    assert "NULL" in text
    assert "VARCHAR(4000) NULL" in text


def test_a_value_that_is_markup_or_control_characters_is_only_text(auditor: Any, warehouse: Any) -> None:
    run = warehouse.run(error_message="<script>x</script>\x00\x1b[31m </pre>", status="failed")
    text = auditor.get(row_url("etlrun", run)).content.decode()
    assert "<script>x" not in text
    assert "␀␛[31m" in text
    assert audit(text) == []


def test_the_row_as_json(auditor: Any, client_as: Any, warehouse: Any) -> None:
    key = warehouse.login_event(login_time=datetime(2026, 3, 10, 9, 17, tzinfo=UTC), host_name=None, login_name=" x ")
    page = auditor.get(row_url("connectionloginevent", key))
    url = reverse("admin:monitoring_connectionloginevent_json", args=[key])
    answer = auditor.get(url)
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    data = json.loads(answer.content)
    assert data["table"] == "audit.connection_login_events"
    assert data["row"]["host_name"] is None
    assert data["row"]["login_name"] == " x "
    assert data["row"]["login_time"] == "2026-03-10T09:17:00"
    assert data["row"]["event_time_utc"].endswith("Z")
    assert data["types"]["login_name"] == "SYSNAME"
    assert json.loads(page.context["json"]) == data["row"]
    assert 'href="../row.json"' in page.content.decode()
    for role, status in (("viewer", 403), ("operator", 403), ("admin", 200), ("", 302)):
        assert client_as(role).get(url).status_code == status
    assert auditor.post(url).status_code == 403
    assert not TrailEntry.objects.filter(action="exported").exists()


@pytest.mark.parametrize("key", ["999", "x", "-1", "9" * 30, "a_2Fb"])
@pytest.mark.parametrize("name", ["etlcontrol", "etlrun", "etlrunentity", "connectionloginevent"])
def test_no_row_is_no_json(auditor: Any, warehouse: Any, name: str, key: str) -> None:
    assert auditor.get(reverse(f"admin:monitoring_{name}_json", args=[key])).status_code == 404


def test_the_collectors_binary_column_is_in_no_file(client_as: Any, snapshot_stored: Any) -> None:
    from tests.factories import healthy_snapshot

    snapshot_stored(healthy_snapshot())
    admin = client_as("admin")
    assert "payload" not in admin.get(reverse("admin:monitoring_collectorstate_json", args=[1])).content.decode()
    assert "payload" not in admin.get(reverse("admin:monitoring_collectorstate_export", args=["csv"])).content.decode()
    assert "payload" not in admin.get(reverse("admin:monitoring_collectorstate_change", args=[1])).context["json"]
