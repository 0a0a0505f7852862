"""Exports of tables: CSV and XLSX of the filtered rows with all columns (monitoring/files)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.views import View

from etlportal.budget import budget
from monitoring import files
from monitoring.selectors.snapshot import Current, current
from monitoring.tables import PortalTable
from monitoring.views import errors
from monitoring.wording.problems import ProblemWords

FORMATS = ("csv", "xlsx")
MAX_ROWS = files.MAX_ROWS
SECONDS = 30.0
"""How long the warehouse may take for a file. No page waits for it."""


class Unreadable(Exception):
    """The database could not be read: the response says why (`words`), instead of an empty file."""

    def __init__(self, words: ProblemWords) -> None:
        super().__init__(str(words.what))
        self.words = words


class TableExport(PermissionRequiredMixin, View):
    """Download a table's rows as CSV or XLSX, with all columns; the activity log records it.

    Subclasses return the table from `get_table`, which may also set `file_name` and `sampled_at` (the time in the
    file's name). It has SECONDS for the warehouse and may raise Unreadable.
    """

    file_name = ""
    permission_required: str | Sequence[str] = ()
    raise_exception = True
    sampled_at: datetime | None

    def get_table(self, current: Current) -> PortalTable:
        """Return the table with the request's filters and order."""
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Hold the user's export slot. Raises Busy, which becomes a 429."""
        held = files.slot(request)
        try:
            response = super().dispatch(request, *args, **kwargs)
        except BaseException:
            held.release()
            raise
        if not response.streaming:  # a streaming response releases the slot at its end
            held.release()
        return response

    def get(self, request: HttpRequest, *args: Any, kind: str, **kwargs: Any) -> HttpResponseBase:
        if kind not in FORMATS:
            raise Http404(f"no export as {kind[:20]}")
        state = current()
        self.sampled_at = state.figures_at
        try:
            with budget(SECONDS, anew=True):
                table = self.get_table(state)
        except Unreadable as unread:
            return errors.unread(request, unread.words)
        name = self.file_name
        return files.send(request, sheet(table, name), name=name, kind=kind, at=self.sampled_at)


def links(request: HttpRequest, url_name: str, **kwargs: Any) -> list[tuple[str, str]]:
    """Return (label, address) per format, with the filters and the order of this request."""
    pairs = [(key, value) for key, values in request.GET.lists() for value in values]
    query = f"?{urlencode(pairs)}" if pairs else ""
    return [(kind.upper(), reverse(url_name, kwargs={**kwargs, "kind": kind}) + query) for kind in FORMATS]


def sheet(table: PortalTable, title: str) -> files.Sheet:
    """Return all columns of the table, hidden ones too: headers with units, bare values."""
    columns = [column for column in table.columns.iterall() if not column.column.exclude_from_export]

    def rows() -> Iterator[list[Any]]:
        for row in table.rows:
            yield [_plain(row.get_cell_value(column.name)) for column in columns]

    return files.Sheet(title, [_header(column) for column in columns], rows(), MAX_ROWS)


def _header(column: Any) -> str:
    unit = str(getattr(column.column, "unit", ""))
    # A header of HTML has no use in a file: its name has.
    title = column.column.verbose_name if isinstance(column.header, SafeString) else column.header
    return f"{title} ({unit})" if unit else str(title)


def _plain(value: Any) -> Any:
    """Return the text of a cell that is only available as HTML."""
    return strip_tags(value) if isinstance(value, SafeString) else value
