"""The auditor's questions, factors around failures, a run's connections: on the page and in exports."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring.collector import login_history as seen
from monitoring.collector.memory import Memory
from monitoring.models import CollectorState, RunCopy, RunEntityCopy
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse import login_events as login_history
from monitoring.warehouse.reader import ReadFailed
from monitoring.web.formats import machine_text
from tests.factories import snapshot
from tests.integration.test_connections import _clock, listed, parts, rows  # noqa: F401 (a fixture)
from tests.support.warehouse import NOW

PAGE = "/connections/"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def sampled(snapshot_stored: Any) -> Any:
    return snapshot_stored(snapshot())


@pytest.fixture
def history(warehouse: Any, sampled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The runner on 39 days, at noon; `remember` then reads what is there."""
    for ago in range(40, 1, -1):
        warehouse.login_event(event_time_utc=NOW - ago * DAY, login_time=NOW - ago * DAY - HOUR)

    def remember() -> None:
        real = login_history.ends()
        monkeypatch.setattr(seen, "ends", lambda: (NOW, *real[1:]))
        seen.remember_logins(Memory(), NOW)

    warehouse.remember = remember
    return warehouse


def questions(response: Any) -> list[str]:
    block = parts(response)["connections-findings"]
    return [" ".join(item.text.split()) for item in block.find_all("li")]


def test_a_quiet_window_says_so_question_by_question(client_as: Any, history: Any) -> None:
    # The hour before noon is beside the usual one.
    history.login_event(event_time_utc=NOW - MINUTE, login_time=NOW - HOUR)
    history.remember()
    page = client_as("auditor").get(PAGE)
    told = questions(page)
    assert len(told) == 6
    for line in told[:5]:
        assert line.startswith("Passed") and "nothing found" in line, line
    assert told[5].startswith("not collected Failed logins") and "FAILED_LOGIN_GROUP" in told[5]
    assert "The portal's records begin at 29 Jan 2026" in parts(page)["connections-findings"].text


def test_each_question_with_evidence_and_a_link_to_its_rows(client_as: Any, history: Any) -> None:
    history.login_event(event_time_utc=NOW - 8 * HOUR, login_time=NOW - 9 * HOUR)
    history.login_event(
        event_time_utc=NOW - 2 * HOUR,
        login_time=NOW - 5 * DAY,
        session_id=77,
        host_name="NB-9",
        program_name="SSMS",
        client_net_address="10.9.9.9",
        encrypt_option="FALSE",
    )
    history.remember()
    client = client_as("auditor")
    page = client.get(PAGE)
    found = listed(page, "connections-findings")
    assert [(line[0], line[1]) for line in found] == [
        ("Never seen in the 30 days before", "Address: 10.9.9.9"),
        ("Never seen in the 30 days before", "Encrypted: FALSE"),
        ("Never seen in the 30 days before", "Host: NB-9"),
        ("Never seen in the 30 days before", "Program: SSMS"),
        (
            "Unencrypted, from another host",
            "Login: etl_runner, Host: NB-9, Address: 10.9.9.9, Program: SSMS, Encrypted: FALSE",
        ),
        ("Outside its usual hours", "Login: etl_runner"),
        ("Outside its usual hours", "Login: etl_runner"),
        ("The runner's or the portal's login, another program", "Login: etl_runner, Program: SSMS, Host: NB-9"),
        ("Open for days", "Login: etl_runner, Host: NB-9, Program: SSMS, Session: 77"),
    ]
    details = [line[2] for line in found]
    assert details[0] == "new: not seen in the 30 days before the window"
    assert details[5].startswith("from the hour of 10 Mar 2026, 01:00 on; seen on 29 days before")
    assert details[8] == "had been open for 4 d 22 h"
    assert [line.split(" ")[0] for line in questions(page)[:5]] == ["Warning"] * 5
    links = [each.attrs["href"] for each in parts(page)["connections-findings"].find_all("tbody")[-1].find_all("a")]
    assert [len(rows(client.get(link))) for link in links] == [1] * 9


def test_a_link_shows_the_rows_that_were_counted_and_no_others(client_as: Any, history: Any) -> None:
    """Unusual hours with others between them; two sessions of the same login, host and program; a range cut short."""
    history.login_event(event_time_utc=NOW - 8 * HOUR, login_time=NOW - 9 * HOUR)
    for hours in (8, 7, 2):
        for minutes in (3, 9):
            history.login_event(event_time_utc=NOW - hours * HOUR + minutes * MINUTE, login_time=NOW - 9 * HOUR)
    for session_id in (77, 78):
        history.login_event(event_time_utc=NOW - HOUR, login_time=NOW - 5 * DAY, session_id=session_id)
    history.remember()
    client = client_as("auditor")
    for query in ("", f"?from={machine_text(NOW - 9 * HOUR)}&to={machine_text(NOW - 8 * HOUR + 5 * MINUTE)}"):
        block = parts(client.get(f"{PAGE}{query}"))["connections-findings"]
        lines, links = listed(client.get(f"{PAGE}{query}"), "connections-findings"), block.find_all("tbody")[-1]
        shown = [rows(client.get(each.attrs["href"])) for each in links.find_all("a")]
        counted = [int(line[3]) if line[3].isdigit() else None for line in lines]
        assert lines
        for line, events, found in zip(lines, counted, shown, strict=True):
            assert len(found) == (1 if events is None else events), line
        if not query:
            assert len([line for line in lines if line[0] == "Outside its usual hours"]) == 2
            assert [line[1][-2:] for line in lines if line[0] == "Open for days"] == ["77", "78"]


def test_a_question_with_much_hides_no_other(client_as: Any, history: Any) -> None:
    for number in range(40):
        history.login_event(
            event_time_utc=NOW - MINUTE, login_time=NOW - 5 * DAY, session_id=number, host_name=f"NB-{number}"
        )
    history.remember()
    page = client_as("auditor").get(PAGE)
    shown = [line[0] for line in listed(page, "connections-findings")]
    assert {name: shown.count(name) for name in shown} == {"Never seen in the 30 days before": 12, "Open for days": 12}
    whole = client_as("auditor").get("/connections/findings.csv").content.decode("utf-8-sig").splitlines()[1:]
    assert len(whole) > 24
    assert f"{len(whole)} in total" in parts(page)["connections-findings"].text


def test_a_short_history_makes_nothing_new(client_as: Any, warehouse: Any, sampled: Any, history: Any) -> None:
    warehouse.execute("dw", "DELETE FROM [audit].[connection_login_events] WHERE connection_event_id < 30")
    history.login_event(event_time_utc=NOW - HOUR, login_name="eva")
    history.remember()
    page = client_as("auditor").get(PAGE)
    assert questions(page)[0].startswith("Unknown")
    assert questions(page)[2].startswith("Unknown")
    assert "1 login has too little history" in questions(page)[2]
    (line,) = [line for line in listed(page, "connections-findings") if line[1] == "Login: eva"]
    assert line[2] == "unknown: not seen since 27 Feb 2026, 09:00, where the portal's records begin"


def test_without_any_memory_nothing_is_new_and_that_is_said(client_as: Any, warehouse: Any, sampled: Any) -> None:
    warehouse.login_event()
    page = client_as("auditor").get(PAGE)
    assert "has no records from before this window yet" in parts(page)["connections-findings"].text
    assert all("unknown: the portal has no records" in line[2] for line in listed(page, "connections-findings"))


def test_the_findings_as_a_file_and_in_another_order(client_as: Any, history: Any) -> None:
    history.login_event(event_time_utc=NOW - HOUR, login_name="=eva", host_name="NB-9")
    history.remember()
    client = client_as("auditor")
    response = client.get("/connections/findings.csv?findings-sort=-what")
    table = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [line[1] for line in table[1:]] == ["Login: =eva", "Host: NB-9"]
    assert [line[1] for line in listed(client.get(f"{PAGE}?findings-sort=-what"), "connections-findings")] == [
        "Login: =eva",
        "Host: NB-9",
    ]


def runs(count: int, status: str, start: Any, every: timedelta) -> None:
    CollectorState.objects.update(copied_to_run_id=9, copied_all=True)
    for number in range(count):
        started = start + number * every
        run_id = RunCopy.objects.count() + 1
        run = RunCopy.objects.create(
            run_id=run_id, started_at=started, finished_at=started + MINUTE, status=status,
            entities_succeeded=int(status == "success"), entities_failed=int(status == "failed"),
        )  # fmt: skip
        RunEntityCopy.objects.create(
            run_entity_id=run_id, run=run, entity_name="dim_cliente", started_at=started, status=status,
            extracted=0, upserted=0, soft_deleted=0,
        )  # fmt: skip


@pytest.fixture
def failing(warehouse: Any, sampled: Any) -> Any:
    """20 runs that succeeded and 3 that failed, the runner at each of them; the backup at each failure and 5 others."""
    good, bad = NOW - 22 * HOUR, NOW - 6 * HOUR
    runs(20, "success", good, 30 * MINUTE)
    runs(3, "failed", bad, 90 * MINUTE)
    for number in range(20):
        warehouse.login_event(event_time_utc=good + number * 30 * MINUTE)
        if number < 5:
            warehouse.login_event(event_time_utc=good + number * 30 * MINUTE, login_name="svc_backup", host_name="BKP")
    for number in range(3):
        warehouse.login_event(event_time_utc=bad + number * 90 * MINUTE)
        warehouse.login_event(
            event_time_utc=bad + number * 90 * MINUTE + 4 * MINUTE, login_name="svc_backup", host_name="BKP"
        )
    return warehouse


def test_what_is_there_around_failures(client_as: Any, failing: Any) -> None:
    client = client_as("auditor")
    page = client.get(PAGE)
    assert listed(page, "connections-factors") == [
        ["Login: svc_backup", "3 of 3", "5 of 20", "4.0×"],
        ["Host: BKP", "3 of 3", "5 of 20", "4.0×"],
    ]
    text = parts(page)["connections-factors"].text
    assert "around a failed start (3 windows) than around successful starts (20)" in text
    assert "not necessarily the cause" in text
    link = parts(page)["connections-factors"].find_all("tbody")[-1].find_all("a")[0].attrs["href"]
    assert len(rows(client.get(link))) == 8
    table = list(csv.reader(io.StringIO(client.get("/connections/factors.csv").content.decode("utf-8-sig"))))
    assert table[1] == ["Login: svc_backup", "3 of 3", "5 of 20", "4.0"]


def test_two_failures_are_too_few_and_the_warehouse_is_not_asked(client_as: Any, failing: Any) -> None:
    RunEntityCopy.objects.filter(status="failed").order_by("pk").last().delete()
    with CaptureQueriesContext(connections["dw"]) as captured:
        page = client_as("auditor").get(PAGE)
    text = parts(page)["connections-factors"].text
    assert "Too few to compare: 2 windows around failures and 20 others; at least 3 and 20 are needed" in text
    assert not [query for query in captured.captured_queries if "UNION ALL" in query["sql"]]


def test_failures_that_are_not_known_are_compared_with_nothing(client_as: Any, failing: Any) -> None:
    CollectorState.objects.update(copied_to_run_id=None)
    page = parts(client_as("auditor").get(PAGE))
    assert "Failed executions of this window are unknown" in page["connections-factors"].text
    assert "some may be missing" in page["connections-runs"].text


def test_factors_that_cannot_be_read_are_not_an_empty_file(client_as: Any, failing: Any) -> None:
    problem = ReadFailed(Problem(code=ProblemCode.PERMISSION_DENIED))
    with mock.patch.object(login_history, "factors_in", side_effect=problem):
        client = client_as("auditor")
        assert "may not read audit.connection_login_events" in parts(client.get(PAGE))["connections-factors"].text
        assert client.get("/connections/factors.csv").status_code == 503


def test_the_factors_cost_one_statement_once_for_everybody(client_as: Any, failing: Any) -> None:
    with CaptureQueriesContext(connections["dw"]) as captured:
        client_as("auditor").get(PAGE)
        client_as("admin").get(PAGE)
    assert len([query for query in captured.captured_queries if "UNION ALL" in query["sql"]]) == 1


def test_from_a_run_to_its_connections_and_back(client_as: Any, failing: Any) -> None:
    client = client_as("auditor")
    run_page = client.get("/runs/22/")
    (link,) = [a for a in parts(run_page)["run-facts"].find_all("a") if a.text == "Connections around this run"]
    page = client.get(link.attrs["href"])
    assert len(rows(page)) == 2, "the runner and the backup, from 5 minutes before its start to 5 after its end"
    (line,) = listed(page, "connections-runs")
    assert (line[0], line[1], line[4]) == ("#22", "Failed", "1")
    targets = [a.attrs["href"] for a in parts(page)["connections-runs"].find_all("tbody")[-1].find_all("a")]
    assert targets == ["/runs/22/", link.attrs["href"]]


@pytest.mark.parametrize(("role", "seen_by"), [("viewer", False), ("operator", False), ("auditor", True)])
def test_only_who_may_read_the_audit_is_led_there(client_as: Any, failing: Any, role: str, seen_by: bool) -> None:
    assert ("/connections/?" in client_as(role).get("/runs/22/").content.decode()) is seen_by


def test_the_runs_of_a_window_are_cut_and_that_is_said(client_as: Any, failing: Any) -> None:
    runs(5, "partial", NOW - 3 * HOUR, MINUTE)
    page = client_as("auditor").get(PAGE)
    assert len(listed(page, "connections-runs")) == 25
    assert "3 earlier runs are not shown." in parts(page)["connections-runs"].text


@pytest.mark.parametrize("name", ["findings", "factors"])
@pytest.mark.parametrize(("role", "status"), [("", 302), ("viewer", 403), ("operator", 403), ("auditor", 200)])
def test_roles(client_as: Any, failing: Any, name: str, role: str, status: int) -> None:
    client = client_as(role)
    assert client.get(f"/connections/{name}.csv").status_code == status
    assert client.get(reverse(f"monitoring:connections-{name}")).status_code == status


def test_names_are_escaped(client_as: Any, failing: Any) -> None:
    for number in range(3):
        failing.login_event(event_time_utc=NOW - 6 * HOUR + number * 90 * MINUTE, program_name="<b>x</b>")
    html = client_as("auditor").get(PAGE).content.decode()
    assert "<b>x" not in html
    assert "Program: &lt;b&gt;x&lt;/b&gt;" in html


def test_in_portuguese(client_as: Any, failing: Any) -> None:
    page = client_as("auditor").get(PAGE, headers={"Accept-Language": "pt-br"})
    assert "Nunca visto nos 30 dias anteriores" in parts(page)["connections-findings"].text
    assert "não necessariamente a causa" in parts(page)["connections-factors"].text
