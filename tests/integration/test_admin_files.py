"""Exports of the admin: the list's rows, every column, with a limit, without formulas, always in the activity log."""

from __future__ import annotations

import csv
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.core.cache import cache
from django.db import OperationalError, connections
from django.urls import reverse
from django.utils import timezone, translation
from openpyxl import load_workbook

from etlportal import budget as budgets
from monitoring.admin import fields, paging, readonly
from monitoring.models import EtlRun, TrailEntry
from monitoring.web import export, sheets
from tests.support.queries import counted
from tests.support.warehouse import NOW

WATCHED = ("etlcontrol", "etlrun", "etlrunentity", "connectionloginevent")
EVIL = '=HYPERLINK("http://evil.example","x")'


def file_url(name: str, kind: str, query: str = "") -> str:
    return reverse(f"admin:monitoring_{name}_export", args=[kind]) + query


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def auditor(client_as: Any) -> Any:
    return client_as("auditor")


@pytest.fixture
def runs(warehouse: Any) -> Any:
    """25 runs an hour apart, the newest an hour ago; each fifth partial with an error that looks like a formula."""
    for number in range(25, 0, -1):
        partial = number % 5 == 0
        warehouse.run(
            started_at=NOW - timedelta(hours=number),
            status="partial" if partial else "success",
            error_message=EVIL if partial else None,
            started_by=" svc ",
        )
    return warehouse


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few rows are streamed, too, in chunks and pieces of a few rows."""
    monkeypatch.setattr(export, "AT_ONCE_ROWS", 5)
    monkeypatch.setattr(paging, "EXPORT_CHUNK", 4)
    monkeypatch.setattr(sheets, "PIECE_ROWS", 3)


def rows_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(response.getvalue().decode("utf-8-sig"))))


def taken() -> list[tuple[str, str, dict[str, Any]]]:
    entries = TrailEntry.objects.filter(action="exported").order_by("pk")
    return [(entry.object, entry.outcome, entry.detail) for entry in entries]


def go_away(response: Any) -> None:
    """Close the answer as a server does whose client is gone; the tests' connections stay."""
    with mock.patch.object(connections, "all", return_value=[]):
        response.close()


@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("viewer", 403), ("operator", 403), ("auditor", 200), ("admin", 200)]
)
@pytest.mark.parametrize("name", WATCHED)
def test_roles(client_as: Any, warehouse: Any, role: str, status: int, name: str) -> None:
    response = client_as(role).get(file_url(name, "csv"))
    assert response.status_code == status
    assert len(taken()) == (status == 200)


def test_csv_has_what_the_list_has_with_every_column(auditor: Any, runs: Any, streamed: None) -> None:
    response = auditor.get(file_url("etlrun", "csv", "?status=partial"))
    assert response.streaming
    rows = rows_of(response)
    assert [int(row["run_id"]) for row in rows] == [21, 16, 11, 6, 1]
    assert list(rows[0]) == [field.column for field in EtlRun._meta.concrete_fields]
    assert rows[0]["error_message"] == f"'{EVIL}"
    assert rows[0]["started_by"] == " svc "
    assert rows[0]["started_at"] == "2026-03-10T07:00:00Z"
    assert response["Content-Disposition"].startswith('attachment; filename="auditetl_run-2026')
    assert taken() == [("audit.etl_run", "done", {"format": "csv", "filter": "status=partial", "rows": 5})]


@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_all_rows_by_key_in_chunks(auditor: Any, runs: Any, streamed: None, language: str) -> None:
    with counted() as seen:
        rows = rows_of(auditor.get(file_url("etlrun", "csv"), headers={"Accept-Language": language}))
    assert [int(row["run_id"]) for row in rows] == list(range(25, 0, -1))
    assert {row["finished_at"] for row in rows} != {"NULL"}
    assert {row["error_message"] for row in rows} == {"NULL", f"'{EVIL}"}
    statements = [sql for sql in seen.of("dw") if "[etl_run]" in sql]
    assert len(statements) == 1 + 7  # the list's own page, then four rows at a time
    assert not any("OFFSET" in sql.upper() for sql in statements)


def test_json_lines_keep_null_and_type(auditor: Any, runs: Any, streamed: None) -> None:
    text = auditor.get(file_url("etlrun", "jsonl")).getvalue().decode()
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 25
    assert rows[0]["run_id"] == 25
    assert rows[0]["error_message"] is None
    assert rows[4]["error_message"] == EVIL
    assert rows[0]["started_at"] == "2026-03-10T11:00:00Z"


def test_a_workbook_has_numbers_times_and_no_formula(auditor: Any, runs: Any, streamed: None) -> None:
    response = auditor.get(file_url("etlrun", "xlsx"))
    page = load_workbook(BytesIO(response.getvalue())).active
    assert page is not None
    lines = list(page.iter_rows())
    assert len(lines) == 26
    first = {str(head.value): cell.value for head, cell in zip(lines[0], lines[1], strict=True)}
    assert first["run_id"] == 25
    assert first["started_at"] == datetime(2026, 3, 10, 11)  # noqa: DTZ001
    assert "f" not in {cell.data_type for line in lines for cell in line}
    assert taken()[0][2]["rows"] == 25


def test_a_key_longer_than_a_workbooks_numbers_stays_itself(auditor: Any, warehouse: Any) -> None:
    warehouse.run(run_id=2**63 - 5)
    page = load_workbook(BytesIO(auditor.get(file_url("etlrun", "xlsx")).getvalue())).active
    assert page is not None
    assert page["A2"].value == str(2**63 - 5)


@pytest.mark.parametrize("kind", sheets.MEDIA_TYPES)
def test_a_file_stops_at_the_most_rows_and_says_so(
    auditor: Any, runs: Any, streamed: None, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 7)
    content = auditor.get(file_url("etlrun", kind)).getvalue()
    if kind == "xlsx":
        page = load_workbook(BytesIO(content)).active
        assert page is not None
        lines = [str(line[0].value) for line in page.iter_rows()][1:]
    else:
        lines = content.decode().splitlines()[kind == "csv" :]
    assert len(lines) == 8
    assert "The file is limited to 7 rows" in lines[-1]
    assert taken()[0][2]["rows"] == 7


def test_the_page_says_the_limit_beforehand_and_links_with_the_filters(auditor: Any, runs: Any) -> None:
    page = auditor.get(reverse("admin:monitoring_etlrun_changelist") + "?status=partial&older=20")
    text = page.content.decode()
    assert "at most 50,000" in text
    for kind in sheets.MEDIA_TYPES:
        assert f'href="export.{kind}?status=partial"' in text


@pytest.mark.parametrize("kind", ["pdf", "csv.exe", "x" * 300, "CSV"])
def test_no_other_kind(auditor: Any, warehouse: Any, kind: str) -> None:
    assert auditor.get(file_url("etlrun", kind)).status_code == 404
    assert auditor.get(file_url("etlrun", "csv")).status_code == 200  # its place was given back


def test_nobody_posts(auditor: Any, warehouse: Any) -> None:
    assert auditor.post(file_url("etlrun", "csv")).status_code == 403


def test_a_reader_who_goes_away_is_written_down_and_makes_room(auditor: Any, runs: Any, streamed: None) -> None:
    response = auditor.get(file_url("etlrun", "csv"))
    pieces = iter(response.streaming_content)
    next(pieces), next(pieces)
    assert auditor.get(file_url("etlrun", "csv")).status_code == 429
    go_away(response)
    ((_, outcome, detail),) = taken()
    assert (outcome, detail["ended"]) == ("failed", "the reader went away")
    assert 0 < detail["rows"] < 25
    assert len(rows_of(auditor.get(file_url("etlrun", "csv")))) == 25


def test_a_reader_who_never_read_is_written_down(auditor: Any, runs: Any, streamed: None) -> None:
    go_away(auditor.get(file_url("etlrun", "csv")))
    assert [(outcome, detail["rows"]) for _, outcome, detail in taken()] == [("failed", 0)]


def test_a_warehouse_that_stops_in_the_middle(
    auditor: Any, runs: Any, streamed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = fields.value_of, []

    def value_of(row: Any, field: Any) -> Any:
        calls.append(row.pk)
        if row.pk == 11:
            raise OperationalError("08S01", "[08S01] Communication link failure (0)")
        return original(row, field)

    monkeypatch.setattr(fields, "value_of", value_of)
    rows = rows_of(auditor.get(file_url("etlrun", "csv")))
    assert [row["run_id"] for row in rows][-2:] == ["12", rows[-1]["run_id"]]
    assert "ends after 14 rows" in rows[-1]["run_id"]
    assert [(outcome, detail["ended"]) for _, outcome, detail in taken()] == [("failed", "the database gave no answer")]


def test_a_warehouse_without_the_table_gives_no_file(auditor: Any, warehouse: Any) -> None:
    warehouse.execute("dw", "ALTER TABLE [audit].[etl_run] RENAME TO gone")
    response = auditor.get(file_url("etlrun", "csv"))
    assert response.status_code == 503
    assert "does not exist" in response.content.decode()
    assert taken() == []
    assert auditor.get(file_url("etlcontrol", "csv")).status_code == 200


def test_a_file_has_seconds_of_its_own_in_all(
    auditor: Any, runs: Any, streamed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every chunk spends the same budget, which is not the page's."""
    left: list[float] = []
    original = paging.budget

    def budget(seconds: float, **kwargs: Any) -> Any:
        left.append(seconds)
        return original(seconds, **kwargs)

    moment = iter(range(10**6))
    monkeypatch.setattr(budgets, "clock", lambda: float(next(moment)))
    monkeypatch.setattr(paging, "budget", budget)
    monkeypatch.setattr(readonly, "budget", budget)
    rows_of(auditor.get(file_url("etlrun", "csv")))
    assert left[:2] == [paging.EXPORT_SECONDS, paging.EXPORT_SECONDS]
    assert left[1:] == sorted(left[1:], reverse=True)
    assert left[-1] < left[1]


def test_one_file_at_a_time_for_each_and_two_for_all(client_as: Any, runs: Any, streamed: None) -> None:
    auditor, admin = client_as("auditor"), client_as("admin")
    first = auditor.get(file_url("etlrun", "csv"))
    busy = auditor.get(file_url("etlrunentity", "csv"))
    assert busy.status_code == 429
    assert busy["Retry-After"] == "30"
    assert "Another of your downloads" in busy.content.decode()
    second = admin.get(file_url("etlrun", "csv"))
    assert second.status_code == 200
    go_away(first)
    cache.add("export:place:0", "somebody else's")
    others = auditor.get(file_url("etlrun", "csv"))
    assert others.status_code == 429
    assert "Downloads are being prepared for other users" in others.content.decode()
    go_away(second)
    assert auditor.get(file_url("etlrun", "csv")).status_code == 200
    assert cache.get("export:place:0") == "somebody else's"


def test_a_portals_own_file_waits_its_turn_too(client_as: Any, runs: Any, streamed: None) -> None:
    auditor = client_as("auditor")
    held = auditor.get(file_url("etlrun", "csv"))
    assert auditor.get(reverse("monitoring:runs-list-export", args=["csv"])).status_code == 429
    assert client_as("viewer").get(reverse("monitoring:runs-list-export", args=["csv"])).status_code == 200
    go_away(held)
    assert auditor.get(reverse("monitoring:runs-list-export", args=["csv"])).status_code == 200


def test_a_file_is_made_in_the_language_and_zone_of_its_request(rf: Any, users: Any, streamed: None) -> None:
    """It streams after the request is over, when scope and budget belong to another request."""
    seen: list[tuple[str | None, str]] = []

    def rows() -> Any:
        for number in range(20):
            seen.append((translation.get_language(), timezone.get_current_timezone_name()))
            yield [number]

    request = rf.get("/")
    request.user = users["auditor"]
    with translation.override("pt-br"), timezone.override("Asia/Tokyo"):
        response = export.send(request, lambda: sheets.Sheet("x", ["n"], rows(), most=15), "csv")
    text = response.getvalue().decode()
    assert set(seen) == {("pt-br", "Asia/Tokyo")}
    assert "15 linhas" in text


def test_memory_stays_flat(rf: Any, users: Any) -> None:
    """Forty thousand rows of a kilobyte go through without ever being in memory together."""
    request = rf.get("/")
    request.user = users["auditor"]
    rows = ([number, "x" * 1_000] for number in range(40_000))
    response = export.send(request, lambda: sheets.Sheet("x", ["n", "t"], rows), "jsonl")
    tracemalloc.start()
    sent = sum(len(piece) for piece in response)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    response.close()
    assert sent > 40_000_000
    assert peak < 5_000_000


def test_the_trail_can_be_taken_along_and_holds_that(auditor: Any, warehouse: Any) -> None:
    auditor.get(file_url("etlrun", "csv"))
    rows = [
        json.loads(line)
        for line in auditor.get(file_url("trailentry", "jsonl", "?action=exported")).getvalue().decode().splitlines()
    ]
    assert [(row["user_name"], row["object"], row["detail"]["rows"]) for row in rows] == [
        ("auditor", "audit.etl_run", 0)
    ]
    assert taken()[-1][0] == "monitoring_trailentry"


def test_a_login_time_by_the_servers_clock_claims_no_zone(auditor: Any, warehouse: Any) -> None:
    warehouse.login_event(login_time=datetime(2026, 3, 10, 9, 17, tzinfo=UTC))
    (row,) = rows_of(auditor.get(file_url("connectionloginevent", "csv")))
    assert row["login_time"] == "2026-03-10T09:17:00"
    assert row["event_time_utc"].endswith("Z")


@pytest.mark.parametrize("query", ["?q=%00", "?older=x", "?on=nonsense", "?q=" + "x" * 3000, "?nothing__contains=1"])
def test_nonsense_gets_a_file_all_the_same(auditor: Any, runs: Any, query: str) -> None:
    assert auditor.get(file_url("etlrun", "csv", query)).status_code == 200
