"""The connection audit: figures, filters, paging, states, roles, cost."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring.models import CollectorState, RunCopy, RunEntityCopy
from monitoring.selectors import connections as audit
from monitoring.selectors.local_cache import cache
from tests.factories import snapshot
from tests.support import htmx
from tests.support.warehouse import NOW

PAGE = "/connections/"
BLOCKS = ("connections-activity", "connections-logins", "connections-events")


@pytest.fixture(autouse=True)
def _clock() -> Any:
    """The database's clock is SQLite's own, which no library moves: the window is fixed instead."""
    started = audit.login_events.bounds

    def bounds(hours: int) -> Any:
        real = started(hours)
        since = audit.sessions.window_start(NOW, hours)
        first = (
            audit.ConnectionLoginEvent.objects.filter(event_time_utc__gte=since)
            .order_by("event_time_utc")
            .values_list("pk", flat=True)
            .first()
        )
        return audit.Bounds(now=NOW, since=since, first=first, newest=real.newest)

    with time_machine.travel(NOW, tick=False), mock.patch.object(audit.login_events, "bounds", bounds):
        yield


@pytest.fixture
def sampled(snapshot_stored: Any) -> Any:
    return snapshot_stored(snapshot())


@pytest.fixture
def events(warehouse: Any) -> Any:
    """Two hours ago: one session sampled three times. Last hour: two sessions of two logins, and no session."""
    two, one = NOW - timedelta(hours=2), NOW - timedelta(minutes=40)
    for minute in range(3):
        warehouse.login_event(event_time_utc=two + timedelta(minutes=minute), login_time=two, session_id=51)
    warehouse.login_event(event_time_utc=one, login_time=two, session_id=51)
    warehouse.login_event(
        event_time_utc=one,
        login_time=one,
        session_id=51,
        login_name="etl_monitor",
        program_name="etlportal-web",
        host_name="PORTAL-01",
        database_name="ECOMMERCE_OLTP",
        status="sleeping",
    )
    warehouse.login_event(
        event_time_utc=one, session_id=None, login_name=None, program_name="", host_name=None, encrypt_option=None
    )
    return warehouse


def parts(response: Any) -> dict[str, Any]:
    return htmx.blocks(response.content.decode())


def rows(response: Any) -> list[str]:
    """Return the events' sampled-at cells, as many as there are rows."""
    body = parts(response)["connections-events"].find_all("tbody")[-1]
    return [line.text for line in body.find_all("tr") if "table-empty" not in (line.attrs.get("class") or "")]


def dw_statements(client: Any, url: str) -> tuple[Any, list[str]]:
    with CaptureQueriesContext(connections["dw"]) as captured:
        response = client.get(url)
    return response, [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("viewer", 403), ("operator", 403), ("auditor", 200), ("admin", 200)]
)
def test_roles(client_as: Any, sampled: Any, events: Any, role: str, status: int) -> None:
    client = client_as(role)
    urls = [PAGE, *(reverse(f"monitoring:{name}") for name in BLOCKS), "/connections/events.csv"]
    for url in urls:
        assert client.get(url).status_code == status, url


@pytest.mark.parametrize(("role", "seen"), [("viewer", False), ("operator", False), ("auditor", True), ("admin", True)])
def test_only_who_may_open_it_sees_a_link(client_as: Any, sampled: Any, role: str, seen: bool) -> None:
    assert (f'href="{PAGE}"' in client_as(role).get("/").content.decode()) is seen


@pytest.mark.parametrize(("role", "seen"), [("auditor", False), ("admin", True)])
def test_only_who_may_capture_sees_the_button(client_as: Any, sampled: Any, events: Any, role: str, seen: bool) -> None:
    assert ("/connections/capture/" in client_as(role).get(PAGE).content.decode()) is seen


def test_events_and_sessions_are_told_apart(client_as: Any, sampled: Any, events: Any) -> None:
    block = parts(client_as("auditor").get(PAGE))["connections-activity"]
    facts = dict(
        zip([each.text for each in block.find_all("dt")], [each.text for each in block.find_all("dd")], strict=True)
    )
    assert facts["Events (samples)"] == "6"
    assert facts["Sessions"] == "2"
    assert facts["Samples per session"] == "2.5"
    assert facts["Failed logins"] == "not collected"
    assert "1 event has no session number" in block.text


def test_a_session_counts_once_in_each_hour_and_once_in_the_window(events: Any, sampled: Any) -> None:
    found = audit.activity("6h")
    assert len(found.hours) == 6
    assert [hour.events for hour in found.hours] == [0, 0, 0, 3, 3, 0]
    assert [hour.sessions for hour in found.hours] == [0, 0, 0, 1, 2, 0]
    assert (found.totals.events, found.totals.sessions, found.totals.unidentified) == (6, 2, 1)
    assert [(each.login, each.events, each.sessions) for each in found.logins] == [
        ("etl_runner", 4, 1),
        (None, 1, 0),
        ("etl_monitor", 1, 1),
    ]
    assert [each.portal_percent for each in found.logins] == [0, 0, 100]


def test_failures_on_the_same_axis(events: Any, sampled: Any) -> None:
    CollectorState.objects.update(copied_to_run_id=9, copied_all=True)
    for number, (hours, status) in enumerate([(1, "failed"), (1, "FAILED"), (2, "success"), (30, "failed")], 1):
        started = NOW - timedelta(hours=hours)
        run = RunCopy.objects.create(
            run_id=number, started_at=started, status=status, entities_succeeded=0, entities_failed=1
        )
        RunEntityCopy.objects.create(
            run_entity_id=number, run=run, entity_name="x", started_at=started, status=status,
            extracted=0, upserted=0, soft_deleted=0,
        )  # fmt: skip
    found = audit.activity("6h")
    assert found.failures_known
    assert [hour.failures for hour in found.hours] == [0, 0, 0, 0, 2, 0]


def test_failures_that_are_not_known_are_not_zero(client_as: Any, sampled: Any, events: Any) -> None:
    CollectorState.objects.update(copied_to_run_id=None)
    assert [hour.failures for hour in audit.activity("6h").hours] == [None] * 6
    text = parts(client_as("auditor").get(PAGE))["connections-activity"].text
    assert "Failed run entities of this window are not known" in text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 6),
        ("login_name=etl_runner", 4),
        ("login_name=etl_runner&status=running&program_name=etl-runner", 4),
        ("login_name=etl_monitor&status=running", 0),
        ("host_name=PORTAL-01", 1),
        ("database_name=ECOMMERCE_OLTP", 1),
        ("status=sleeping", 1),
        ("login_name=∅", 1),
        ("program_name=∅", 1),
        ("window=6h&host_name=∅", 1),
    ],
)
def test_filters(client_as: Any, sampled: Any, events: Any, query: str, count: int) -> None:
    assert len(rows(client_as("auditor").get(f"{PAGE}?{query}"))) == count


@pytest.mark.parametrize(
    "name", ["login_name", "host_name", "program_name", "database_name", "status", "window", "after", "before"]
)
@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE x;--",
        "x" * 5000,
        "😀",
        "%",
        "-1",
        "99999999999999999999",
        "[a].[b]",
        "%00",
        "..",
        "bm9uc2Vuc2U",
        "WzEsMl0",
    ],
)
def test_nonsense_loses_nothing(client_as: Any, sampled: Any, events: Any, name: str, value: str) -> None:
    response = client_as("auditor").get(PAGE, {name: value} if value != "%00" else {name: "\x00"})
    assert response.status_code == 200
    assert parts(response).keys() >= set(BLOCKS)


def test_a_window_that_is_none_is_named(client_as: Any, sampled: Any, events: Any) -> None:
    response = client_as("auditor").get(f"{PAGE}?window=1y")
    assert "There is no window “1y”: 24 hours are shown." in response.content.decode()
    assert len(rows(response)) == 6


def test_a_value_that_does_not_occur_stays_chosen(client_as: Any, sampled: Any, events: Any) -> None:
    response = client_as("auditor").get(f"{PAGE}?login_name=ghost")
    assert '<option value="ghost" selected>ghost (0)</option>' in response.content.decode()
    assert rows(response) == []


def test_paging_by_key(client_as: Any, sampled: Any, warehouse: Any) -> None:
    for number in range(120):
        warehouse.login_event(event_time_utc=NOW - timedelta(seconds=120 - number), session_id=number)
    client, url, seen = client_as("auditor"), PAGE, []
    while url:
        response, sql = dw_statements(client, url)
        assert not [each for each in sql if "OFFSET" in each]
        seen += rows(response)
        older = [
            link for link in parts(response)["connections-events"].find_all("a") if link.attrs.get("rel") == "next"
        ]
        url = older[0].attrs["href"] if older else ""
    assert [int(line.split()[4]) for line in seen] == list(reversed(range(120)))


def test_an_empty_warehouse(client_as: Any, sampled: Any, warehouse: Any) -> None:
    response = client_as("auditor").get(PAGE)
    assert "No session was sampled in this window" in parts(response)["connections-activity"].text
    assert rows(response) == []


def test_without_any_snapshot(client_as: Any, warehouse: Any) -> None:
    assert client_as("auditor").get(PAGE).status_code == 200


def test_a_missing_table_says_so_and_what_to_do(client_as: Any, sampled: Any, warehouse: Any) -> None:
    warehouse.execute("dw", "ALTER TABLE [audit].[connection_login_events] RENAME TO gone")
    response = client_as("auditor").get(PAGE)
    assert response.status_code == 200
    for name in ("connections-activity", "connections-events"):
        text = parts(response)[name].text
        assert "audit.connection_login_events does not exist" in text
        assert "30_dw_audit.sql" in text
        assert " 0 " not in f" {text} "


def test_a_failure_is_believed_for_seconds_only(sampled: Any, events: Any) -> None:
    events.execute("dw", "ALTER TABLE [audit].[connection_login_events] RENAME TO gone")
    assert audit.activity("24h").problem is not None
    events.execute("dw", "ALTER TABLE [audit].gone RENAME TO connection_login_events")
    assert audit.activity("24h").problem is not None
    with time_machine.travel(NOW + timedelta(seconds=6), tick=False):
        assert audit.activity("24h").problem is None


def test_cost(client_as: Any, sampled: Any, events: Any) -> None:
    client = client_as("auditor")
    response, first = dw_statements(client, PAGE)
    assert len(first) <= 6
    _, again = dw_statements(client_as("admin"), PAGE)
    assert again == [], "a second viewer costs the warehouse nothing"
    assert response.status_code == 200
    with CaptureQueriesContext(connections["default"]) as captured:
        client.get(PAGE)
    ours = [
        each["sql"] for each in captured.captured_queries if "runcopy" in each["sql"] or "entitycopy" in each["sql"]
    ]
    assert ours == [], "what the page adds to the shell's statements is kept for everybody"


def test_an_unchanged_refresh_is_204(client_as: Any, sampled: Any, events: Any) -> None:
    client = client_as("auditor")
    page = client.get(PAGE)
    first = htmx.refresh(client, page, PAGE)
    again = client.get(PAGE, headers={"X-Live": first["X-Live"], "X-Live-Etags": htmx.etags(page.content.decode())})
    assert again.status_code == 204
    events.login_event(event_time_utc=NOW - timedelta(seconds=1), session_id=77)
    cache.clear()
    changed = client.get(PAGE, headers={"X-Live": first["X-Live"], "X-Live-Etags": htmx.etags(page.content.decode())})
    assert changed.status_code == 200
    assert set(parts(changed)) == set(BLOCKS)


@pytest.mark.parametrize("query", ["", "?login_name=etl_runner&window=6h"])
def test_a_swapped_block_equals_a_reload(client_as: Any, sampled: Any, events: Any, query: str) -> None:
    client = client_as("auditor")
    page = client.get(PAGE).content.decode()
    answer = client.get(PAGE + query, headers={"HX-Request": "true", "HX-Target": "connections-events"})
    swapped = htmx.parse(answer.content.decode()).find_all("live-block")
    fresh = htmx.blocks(client.get(PAGE + query).content.decode())["connections-events"]
    assert [node.lines() for node in swapped] == [fresh.lines()]
    assert page


def test_export(client_as: Any, sampled: Any, events: Any) -> None:
    events.login_event(event_time_utc=NOW, program_name="=cmd|' /C calc'!A0", login_name="evil")
    response = client_as("auditor").get("/connections/events.csv?login_name=evil")
    table = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert len(table) == 2
    assert len(table[0]) == 16
    assert "'=cmd|' /C calc'!A0" in table[1]
    assert client_as("auditor").get("/connections/events.xlsx").status_code == 200
    assert client_as("auditor").get("/connections/events.exe").status_code == 404


def test_names_are_escaped(client_as: Any, sampled: Any, warehouse: Any) -> None:
    warehouse.login_event(login_name="<script>x</script>", program_name='"><img src=x>', host_name="a&b")
    html = client_as("auditor").get(PAGE).content.decode()
    assert "<script>x" not in html
    assert "<img src=x" not in html


@pytest.mark.parametrize(("hours", "clock"), [(0, ""), (-3, "UTC−03:00"), (5.5, "UTC+05:30")])
def test_the_login_time_is_utc_by_the_servers_offset(
    client_as: Any, sampled: Any, warehouse: Any, hours: float, clock: str
) -> None:
    moment = NOW.replace(hour=9, minute=17)
    warehouse.login_event(login_time=moment + timedelta(hours=hours))
    bounds = audit.login_events.bounds
    with mock.patch.object(
        audit.login_events, "bounds", lambda asked: replace(bounds(asked), offset=timedelta(hours=hours))
    ):
        cache.clear()
        page = client_as("auditor").get(PAGE).content.decode()
        file = client_as("auditor").get(reverse("monitoring:connections-events-export", args=["csv"])).content.decode()
    assert 'datetime="2026-03-10T09:17:00Z"' in page
    assert "2026-03-10T09:17:00" in file
    assert ("converted from the server" in page) is bool(clock) and clock in page


def test_huge_numbers(events: Any, sampled: Any, client_as: Any) -> None:
    big = audit.LoginFigures(login="x", events=10**12, sessions=10**9, portal_events=0)
    found = audit.activity("24h")
    with mock.patch.object(audit, "_read", lambda window: replace(found, logins=(big,), stamp="x")):
        cache.clear()
        assert "1,000,000,000,000" in parts(client_as("auditor").get(PAGE))["connections-logins"].text
