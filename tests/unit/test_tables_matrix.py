"""The pipeline matrix: rows, order, filters, export."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from django.test import RequestFactory
from django.utils import translation

from monitoring.rules.enums import PipelineStatus, ProblemCode, Structure
from monitoring.rules.facts import Count, Problem, Watermark
from monitoring.summary.tables import MatrixTable
from monitoring.web.filters import MatrixForm, filters
from monitoring.web.readings import Missing, pipeline_readings
from tests import factories

WANTED = {
    "name",
    "status",
    "active",
    "structure",
    "source_total",
    "target_total",
    "coverage",
    "eligible",
    "cooling",
    "latency",
    "served_lag",
    "extracted",
    "upserted",
    "soft_deleted",
    "duration",
    "throughput",
    "watermark",
    "last_error",
}


def _table(*pipelines: Any, sort: str = "name") -> MatrixTable:
    return MatrixTable(pipeline_readings(factories.snapshot(*pipelines)), order_by=sort)


def _names(table: MatrixTable) -> list[str]:
    return [row.record.name for row in table.rows]


def _form(query: str) -> MatrixForm:
    return MatrixForm(QueryDict(query), sortable=MatrixTable.sortable())


def test_it_has_every_column_that_is_asked_for() -> None:
    assert set(MatrixTable.base_columns) >= WANTED


def test_rows_are_sorted_by_name_unless_told() -> None:
    rows = pipeline_readings(factories.snapshot(*map(factories.pipeline, ("b", "a", "c"))))
    assert [row.name for row in rows] == ["a", "b", "c"]


@pytest.mark.parametrize("sort", ["eligible", "-eligible"])
def test_what_is_unknown_is_last_in_both_directions_and_equals_keep_their_order(sort: str) -> None:
    table = _table(
        factories.pipeline("b", source=factories.pending_source(5)),
        factories.pipeline("c", source=factories.pending_source(Count(100_000, capped=True))),
        factories.pipeline("a", source=factories.pending_source(5)),
        factories.unread_pipeline("0"),
        sort=sort,
    )
    assert _names(table) == (["a", "b", "c", "0"] if sort == "eligible" else ["c", "a", "b", "0"])


@pytest.mark.parametrize("sort", ["coverage", "-coverage"])
def test_equal_rows_stand_in_the_order_of_their_key_however_they_came(sort: str) -> None:
    rows = pipeline_readings(factories.snapshot(*map(factories.pipeline, ("a", "b", "c"))))
    assert _names(MatrixTable(rows[::-1], order_by=sort)) == ["a", "b", "c"]


@pytest.mark.parametrize("name", sorted(set(MatrixTable.base_columns) - {"unread"}))
def test_every_column_sorts_both_ways_without_losing_a_row(name: str) -> None:
    snapshot = factories.troubled_snapshot()
    for sort in (name, f"-{name}"):
        assert sort in MatrixTable.sortable()
        assert len(_names(MatrixTable(pipeline_readings(snapshot), order_by=sort))) == len(snapshot.pipelines)


def test_status_sorts_by_what_it_means_not_by_its_letters() -> None:
    table = _table(
        factories.failed_pipeline("a"), factories.pipeline("b"), factories.unread_pipeline("c"), sort="status"
    )
    assert _names(table) == ["c", "a", "b"]


@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_every_cell_of_every_kind_of_pipeline_has_something_in_it(language: str) -> None:
    with translation.override(language):
        table = MatrixTable(pipeline_readings(factories.troubled_snapshot()))
        for row in table.rows:
            for column, cell in row.items():
                assert str(cell).strip(), (row.record.name, column.name)


def test_exported_values_are_bare_and_never_blank() -> None:
    rows = list(
        _table(factories.pipeline(), factories.unread_pipeline("x"), factories.failed_pipeline("y")).as_values()
    )
    header, values = rows[0], {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert len(header) == len(set(header)) == len(MatrixTable.base_columns)
    assert values["dim_cliente"]["Source rows"] == 1000
    assert values["dim_cliente"]["Coverage"] == 99.0
    assert values["dim_cliente"]["Latency"] == 0
    assert values["x"]["Eligible"].startswith("unknown: ")
    assert values["y"]["Status"] == "Failed"
    assert values["y"]["Last error"].startswith("IntegrityError")
    assert all(cell is not None for row in rows for cell in row)


def test_a_running_duration_and_a_lag_tick_instead_of_ageing() -> None:
    html = {
        row.record.name: dict(row.items())
        for row in _table(factories.running_pipeline(), factories.late_pipeline()).rows
    }
    cells = {name: {column.name: str(cell) for column, cell in row.items()} for name, row in html.items()}
    assert "data-elapsed" in cells["dim_produto"]["duration"]
    assert "data-elapsed" in cells["fact_vendas"]["served_lag"]
    assert "3 h 12 min" not in cells["fact_vendas"]["served_lag"].replace("\N{NO-BREAK SPACE}", " ")


def test_last_known_values_are_marked_where_their_database_is_down() -> None:
    late = factories.late_pipeline()
    of_source = {"source_total", "eligible", "served_lag", "coverage", "latency", "structure"}
    of_execution = {"last_started_at", "last_finished_at", "extracted", "upserted", "soft_deleted", "duration"}
    for down, marked in (
        ({}, set()),
        ({"oltp": factories.unreachable("oltp")}, of_source),
        (
            {"dw": factories.unreachable("dw")},
            of_source | {"target_total", "throughput", "last_error"} | of_execution,
        ),
    ):
        (row,) = pipeline_readings(factories.snapshot(late, **down))
        html = {column.name: str(cell) for column, cell in MatrixTable([row]).rows[0].items()}
        found = {name for name, cell in html.items() if "last known value" in cell}
        assert found - {"cooling"} == marked
        assert ("data-elapsed" in html["served_lag"]) is not bool(down)  # the age of an unreadable value does not grow
        exported = dict(zip(*MatrixTable([row]).as_values(), strict=True))
        assert exported["Eligible"] == 5200
        assert ("The server does not answer." in exported["Could not be read"]) is bool(down)


def test_never_loaded_is_said() -> None:
    from datetime import UTC, datetime

    control = factories.control_row(watermark=Watermark(datetime(1900, 1, 1, tzinfo=UTC), 0))
    row = pipeline_readings(factories.snapshot(factories.pipeline(control=control)))[0]
    assert "never loaded" in str(MatrixTable([row]).rows[0].get_cell("watermark"))


@pytest.mark.parametrize(
    ("changes", "structure"),
    [
        ({}, Structure.COMPLETE),
        ({"source": factories.source(exists=False)}, Structure.SOURCE_MISSING),
        ({"target": factories.target(exists=False)}, Structure.TARGET_MISSING),
        (
            {"source": factories.source(exists=False), "target": factories.target(exists=False)},
            Structure.BOTH_MISSING,
        ),
        ({"mapping_valid": False}, Structure.NAME_INVALID),
        ({"source": factories.unread_source()}, Structure.UNKNOWN),
        ({"source": factories.unread_source(), "target": factories.target(exists=False)}, Structure.TARGET_MISSING),
    ],
)
def test_structure(changes: dict[str, Any], structure: Structure) -> None:
    assert factories.pipeline(**changes).structure is structure


def test_a_missing_source_gives_no_zeros() -> None:
    gone = factories.source(
        exists=False,
        total=None,
        eligible=None,
        cooling=None,
        newest_at=None,
        problem=Problem(code=ProblemCode.OBJECT_MISSING),
    )
    row = pipeline_readings(factories.snapshot(factories.pipeline(source=gone)))[0]
    for reading in (row.source_total, row.eligible, row.cooling, row.latency, row.served_lag, row.coverage):
        assert (reading.value, reading.why) == (None, Missing.SOURCE_MISSING)


def test_filters() -> None:
    rows = pipeline_readings(factories.troubled_snapshot())
    pick = lambda query: [row.name for row in _form(query).apply(rows)]  # noqa: E731
    everything = [row.name for row in rows]
    assert pick("") == everything
    assert pick("status=failed") == ["dim_equipe"]
    assert pick("status=failed&status=running") == ["dim_equipe", "dim_produto"]
    assert pick("show=inactive") == ["dim_desconto"]
    assert "dim_desconto" not in pick("show=active")
    assert set(pick("show=attention")) == {"dim_equipe", "dim_fantasma", "dim_regiao", "fact_vendas"}
    assert pick("q=FANTASMA") == ["dim_fantasma"]
    assert pick("q=UQ_DIM_CLIENTE") == ["dim_equipe"]  # in its last error
    assert pick("q=%25") == pick("q=_%5B") == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("status=nonsense", "nonsense"),
        ("show=-1", "-1"),
        ("sort=nothing", "nothing"),
        ("sort=name%3BDROP+TABLE+x", "DROP TABLE"),
        ("q=" + "x" * 500, "500"),
        ("q=%00", "Null"),
    ],
)
def test_nonsense_is_named_and_loses_nothing(query: str, told: str) -> None:
    rows = pipeline_readings(factories.troubled_snapshot())
    form = _form(query)
    assert form.apply(rows) == rows
    assert told in " ".join(form.problems)
    assert form.asked
    assert not form.filtering


def test_a_wrong_value_leaves_the_others_alone() -> None:
    rows = pipeline_readings(factories.troubled_snapshot())
    assert [row.name for row in _form("status=nonsense&q=dim_equipe").apply(rows)] == ["dim_equipe"]


def test_what_belongs_to_other_blocks_is_carried() -> None:
    request = RequestFactory().get("/?q=x&f-q=deadlock&f-sort=-at&after=b&utm=1")
    carried = filters(request, _form("q=x"), "Filter", "/")["carried"]
    assert carried == [("f-q", "deadlock"), ("f-sort", "-at"), ("utm", "1")]


def test_statuses_are_a_named_choice_each() -> None:
    assert {value for value, _ in _form("").fields["status"].choices} == {status.value for status in PipelineStatus}
