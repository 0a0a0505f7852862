"""Cells share their column's attributes, which are put together once: no column's may depend on the row."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import django_tables2
import pytest

from monitoring.templatetags.portal import cell_attrs


def _subclasses(of: type[django_tables2.Table]) -> Iterator[type[django_tables2.Table]]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


FEATURES = ("summary", "pipelines", "runs", "failures", "connections")
for feature in FEATURES:
    import_module(f"monitoring.{feature}.tables")
TABLES = sorted(
    {each for each in _subclasses(django_tables2.Table) if each.__module__.startswith("monitoring.")}, key=str
)


@pytest.mark.parametrize("table", TABLES)
def test_no_columns_attributes_depend_on_the_row(table: type[django_tables2.Table]) -> None:
    for column in table.base_columns.values():
        for part in column.attrs.values():
            assert not [value for value in part.values() if callable(value)]


def test_tables_are_found() -> None:
    assert len(TABLES) > 8


def test_cell_attributes_are_the_columns() -> None:
    class Table(django_tables2.Table):
        size = django_tables2.Column(attrs={"td": {"class": "num"}})

    (column,) = Table([{"size": 1}]).columns
    assert cell_attrs(column) == cell_attrs(column) == column.attrs["td"].as_html()
    assert "num" in cell_attrs(column)
