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

from monitoring import models as monitoring_models
from monitoring import warehouse as monitoring_warehouse
from monitoring.connections import queries as audit
from monitoring.models import CollectorState, RunCopy, RunEntityCopy, UserPreferences
from monitoring.rules.login_events import Figures
from monitoring.warehouse import login_events as warehouse_login_events
from monitoring.web.cache import cache
from tests.factories import snapshot
from tests.support import htmx
from tests.support.warehouse import NOW, window_start

PAGE = "/connections/"
BLOCKS = ("connections-activity", "connections-facets", "connections-extraction", "connections-events")


@pytest.fixture(autouse=True)
def _clock() -> Any:
    """The database's clock is SQLite's own, which no library moves: the window is fixed instead."""
    started = monitoring_warehouse.login_events.bounds

    def bounds(hours: int) -> Any:
        real = started(hours)
        since = window_start(NOW, hours)
        first = (
            monitoring_models.ConnectionLoginEvent.objects.filter(event_time_utc__gte=since)
            .order_by("event_time_utc", "pk")
            .values_list("pk", flat=True)
            .first()
        )
        return warehouse_login_events.Bounds(now=NOW, since=since, first=first, newest=real.newest)

    with time_machine.travel(NOW, tick=False), mock.patch.object(monitoring_warehouse.login_events, "bounds", bounds):
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
    files = [f"/connections/{name}.csv" for name in ("events", "values", "extraction")]
    urls = [PAGE, *(reverse(f"monitoring:{name}") for name in BLOCKS), *files]
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
    assert [hour.events for hour in found.hours.values()] == [0, 0, 0, 3, 3, 0]
    assert [hour.sessions for hour in found.hours.values()] == [0, 0, 0, 1, 2, 0]
    assert (found.totals.events, found.totals.sessions, found.totals.unidentified) == (6, 2, 1)
    logins = found.facets["login_name"]
    assert [(each.value, each.events, each.sessions) for each in logins] == [
        ("etl_runner", 4, 1),
        (None, 1, 0),
        ("etl_monitor", 1, 1),
    ]
    assert [each.portal_percent for each in logins] == [0, 0, 100]


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
    assert [hour.failures for hour in found.hours.values()] == [0, 0, 0, 0, 2, 0]


def test_failures_that_are_not_known_are_not_zero(client_as: Any, sampled: Any, events: Any) -> None:
    CollectorState.objects.update(copied_to_run_id=None)
    assert [hour.failures for hour in audit.activity("6h").hours.values()] == [None] * 6
    text = parts(client_as("auditor").get(PAGE))["connections-activity"].text
    assert "Failed executions of this window are unknown" in text


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
    assert "There is no window “1y”. Showing 24 hours." in response.content.decode()
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
    assert htmx.refresh(client, page, PAGE).status_code == 204
    events.login_event(event_time_utc=NOW - timedelta(seconds=1), session_id=77)
    cache.clear()
    changed = htmx.refresh(client, page, PAGE)
    assert changed.status_code == 200
    before = parts(page)
    # No session in the sources' database, and no run started.
    changes = {"connections-activity", "connections-facets", "connections-findings", "connections-events"}
    assert {name for name, part in parts(changed).items() if part.lines() != before[name].lines()} == changes


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
    bounds = monitoring_warehouse.login_events.bounds
    with mock.patch.object(
        monitoring_warehouse.login_events, "bounds", lambda asked: replace(bounds(asked), offset=timedelta(hours=hours))
    ):
        cache.clear()
        page = client_as("auditor").get(PAGE).content.decode()
        file = client_as("auditor").get(reverse("monitoring:connections-events-export", args=["csv"])).content.decode()
    assert 'datetime="2026-03-10T09:17:00Z"' in page
    assert "2026-03-10T09:17:00" in file
    assert ("converted from the server" in page) is bool(clock) and clock in page


def test_huge_numbers(events: Any, sampled: Any, client_as: Any) -> None:
    big = Figures(values=("x",), events=10**12, sessions=10**9, unidentified=0, portal_events=0, first=NOW, last=NOW)
    found = audit.activity("24h")
    with mock.patch.object(audit, "_read", lambda window: replace(found, facets={"login_name": (big,)}, stamp="x")):
        cache.clear()
        assert "1,000,000,000,000" in parts(client_as("auditor").get(PAGE))["connections-facets"].text


def listed(response: Any, block: str) -> list[list[str]]:
    body = parts(response)[block].find_all("tbody")[-1]
    return [[cell.text for cell in line.find_all("td")] for line in body.find_all("tr")]


def test_each_columns_values_with_their_figures(client_as: Any, sampled: Any, events: Any) -> None:
    client = client_as("auditor")
    assert [line[:3] for line in listed(client.get(PAGE), "connections-facets")] == [
        ["etl_runner", "4", "1"],
        ["(none)", "1", "0"],
        ["etl_monitor", "1", "1"],
    ]
    hosts = listed(client.get(f"{PAGE}?facet=host_name&facet-sort=events"), "connections-facets")
    assert [line[0] for line in hosts] == ["(none)", "PORTAL-01", "etl-host-01"]
    (encrypted, unsaid) = listed(client.get(f"{PAGE}?facet=encrypt_option"), "connections-facets")
    assert (encrypted[:2], unsaid[:2]) == (["TRUE", "5"], ["(none)", "1"])
    (portal,) = [line for line in listed(client.get(PAGE), "connections-facets") if line[0] == "etl_monitor"]
    assert portal[3:] == ["10 Mar 2026 08:20:00"] * 2 + ["100%"]


def test_a_value_leads_to_its_events_in_the_same_window(client_as: Any, sampled: Any, events: Any) -> None:
    client = client_as("auditor")
    page = parts(client.get(f"{PAGE}?window=6h&facet=auth_scheme&database_name=DW_ECOMMERCE"))
    link = page["connections-facets"].find_all("tbody")[-1].find_all("a")[0].attrs["href"]
    assert len(rows(client.get(link))) == 5
    assert "window=6h" in link and "auth_scheme=SQL" in link and "database_name=DW_ECOMMERCE" in link


def test_the_extraction_view(client_as: Any, sampled: Any, events: Any, settings: Any) -> None:
    client = client_as("auditor")
    (line,) = listed(client.get(PAGE), "connections-extraction")
    assert line[:5] == ["etl_monitor", "etlportal-web", "PORTAL-01", "1", "1"]
    link = parts(client.get(PAGE))["connections-extraction"].find_all("tbody")[-1].find_all("a")[0].attrs["href"]
    assert len(rows(client.get(link))) == 1
    settings.OLTP_NAME = "dw_ecommerce"
    cache.clear()
    assert [line[3] for line in listed(client.get(PAGE), "connections-extraction")] == ["4", "1"]


@pytest.mark.parametrize(("name", "lines"), [("values", 4), ("extraction", 2)])
def test_the_figures_as_files(client_as: Any, sampled: Any, events: Any, name: str, lines: int) -> None:
    response = client_as("auditor").get(f"/connections/{name}.csv")
    assert len(list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))) == lines
    assert client_as("auditor").get(f"/connections/{name}.exe").status_code == 404


def test_a_file_of_a_window_that_cannot_be_read_says_why(client_as: Any, sampled: Any, warehouse: Any) -> None:
    warehouse.execute("dw", "ALTER TABLE [audit].[connection_login_events] RENAME TO gone")
    for name in ("values", "extraction", "events"):
        assert client_as("auditor").get(f"/connections/{name}.csv").status_code == 503


@pytest.mark.parametrize(
    ("query", "count", "said"),
    [
        ("from=2026-03-10T09:00:00Z&to=2026-03-10T10:02:00Z", 2, ""),
        ("from=2026-03-10T10:01:00Z", 5, ""),
        ("to=2026-03-10T11:00:00Z", 3, ""),
        ("from=2026-03-10T10:00&to=2026-03-10T11:00", 0, ""),
        ("from=2026-03-10T07:00&to=2026-03-10T08:00", 3, ""),
        ("from=2026-03-10T12:00Z&to=2026-03-10T10:00Z", 6, "The range ends before it starts"),
        ("from=yesterday", 6, "“yesterday” is not a date and time"),
        ("from=2026-02-30", 6, "is not a date and time"),
        ("from=0001-01-01T00:00:00%2B14:00", 6, "is not a date and time"),
        ("to=9999-12-31T23:59:59-14:00", 6, "is not a date and time"),
        (
            "from=2025-01-01&to=2026-03-10T12:00Z",
            6,
            "A range can cover at most 14 days. This one starts at 24 Feb 2026 09:00:00",
        ),
        ("from=&to=&window=6h", 6, ""),
    ],
)
def test_a_free_range(client_as: Any, sampled: Any, events: Any, query: str, count: int, said: str) -> None:
    response = client_as("auditor").get(f"{PAGE}?{query}")
    assert len(rows(response)) == count
    text = parts(response)["connections-activity"].text
    assert said in text
    assert ("not a date" in text or "A range can cover" in text or "ends before" in text) is bool(said)


def test_an_hour_at_whose_start_the_range_ends_is_not_in_it(client_as: Any, sampled: Any, events: Any) -> None:
    page = client_as("auditor").get(f"{PAGE}?from=2026-03-10T09:00:00Z&to=2026-03-10T11:00:00Z")
    assert "in 2 hours" in parts(page)["connections-activity"].text
    page = client_as("auditor").get(f"{PAGE}?from=2026-03-10T09:05:00Z&to=2026-03-10T09:20:00Z")
    assert "in this hour" in parts(page)["connections-activity"].text


def test_the_events_of_one_session(client_as: Any, sampled: Any, events: Any) -> None:
    events.login_event(session_id=88)
    client = client_as("auditor")
    numbers = {line[1] for line in listed(client.get(PAGE), "connections-events")}
    digits = {number for number in numbers if number.isdigit()}
    assert digits == {"51", "88"}
    for number in digits:
        found = listed(client.get(f"{PAGE}?session_id={number}"), "connections-events")
        assert {line[1] for line in found} == {number}
    assert "No session has this number" in client.get(f"{PAGE}?session_id=99999999").content.decode()


def test_a_range_stays_in_every_link_and_is_written_in_utc(client_as: Any, sampled: Any, events: Any) -> None:
    page = client_as("auditor").get(f"{PAGE}?from=2026-03-10T06:30&to=2026-03-10T08:30")
    links = [each.attrs["href"] for each in parts(page)["connections-facets"].find_all("tbody")[-1].find_all("a")]
    assert links and all("from=2026-03-10T09%3A30%3A00Z&to=2026-03-10T11%3A30%3A00Z" in each for each in links)
    assert 'value="2026-03-10T06:30"' in page.content.decode()


def test_a_range_in_the_readers_own_zone(client_as: Any, sampled: Any, events: Any, users: Any) -> None:
    UserPreferences.objects.create(user=users["auditor"], time_zone="Asia/Tokyo")
    page = client_as("auditor").get(f"{PAGE}?from=2026-03-10T19:00&to=2026-03-10T19:02")
    assert len(rows(page)) == 2
    assert 'value="2026-03-10T19:00"' in page.content.decode()


def test_a_range_costs_the_warehouse_once_for_everybody(client_as: Any, sampled: Any, events: Any) -> None:
    url = f"{PAGE}?from=2026-03-10T09:00:00Z&to=2026-03-10T10:02:00Z"
    assert len(dw_statements(client_as("auditor"), url)[1]) <= 6
    assert dw_statements(client_as("admin"), url)[1] == []
