"""The newest source rows as a table whose columns are those of the source."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.policies.cells import LENGTH, Cell
from monitoring.selectors.source_rows import SourceSample
from monitoring.tables.base import Column
from monitoring.tables.paged import PagedTable
from monitoring.templatetags import parts


class CellColumn(Column):
    """One column of the source. NULL is not an empty text, and a masked value is not a value."""

    def __init__(self, name: str, *, personal: bool, numeric: bool) -> None:
        super().__init__(verbose_name=name, orderable=False, css="num" if numeric else "")
        self.personal = personal

    @property
    def header(self) -> SafeString | str | None:
        if not self.personal:
            return format_html('<span class="mono">{}</span>', self.verbose_name)
        return format_html(
            '<span class="mono">{}</span> <span class="tag" data-tip="{}">{}</span>',
            self.verbose_name,
            gettext("holds personal data"),
            gettext("personal"),
        )

    def render(self, value: Cell) -> SafeString:
        if value.text is None:
            return format_html('<span class="null">{}</span>', "NULL")
        if value.text == "":
            return parts.none(gettext("an empty text"))
        css = "masked" if value.masked else "stored"
        if not value.cut:
            return format_html('<span class="{}">{}</span>', css, value.text)
        tip = gettext("cut after %(number)s characters") % {"number": LENGTH}
        return format_html('<span class="{}" data-tip="{}">{}…</span>', css, tip, value.text)

    def value(self, value: Cell) -> str | None:
        return None if value.text is None else value.text + ("…" if value.cut else "")


class SourceRowsTable(PagedTable):
    """Built for one sample: its columns are given, not declared."""

    class Meta:
        attrs = {"class": "table table--rows"}

    @classmethod
    def of(cls, sample: SourceSample) -> SourceRowsTable:
        """Return the table of a sample's rows."""
        columns = [
            (f"c{index}", CellColumn(column.name, personal=column.personal, numeric=_numeric(sample, index)))
            for index, column in enumerate(sample.columns)
        ]
        rows: list[dict[str, Any]] = [{f"c{index}": cell for index, cell in enumerate(row)} for row in sample.rows]
        return cls(rows, extra_columns=columns)


def _numeric(sample: SourceSample, index: int) -> bool:
    cells = [row[index] for row in sample.rows if row[index].text is not None]
    return bool(cells) and all(cell.numeric for cell in cells)
