"""Tables as files: CSV and XLSX of the filtered rows with all columns (monitoring/files)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.views import View

from monitoring import files
from monitoring.tables import PortalTable

FORMATS = ("csv", "xlsx")
MAX_ROWS = files.MAX_ROWS
SECONDS = 30.0
"""How long the warehouse may take for a file: it has an address of its own, and no page waits for it."""


class ExportView(View):
    """Base of the views that answer with a file: what they read, they read when it is their turn."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Raises Busy, which becomes a 429."""
        held = files.slot(request)
        try:
            response = super().dispatch(request, *args, **kwargs)
        except BaseException:
            held.release()
            raise
        if not response.streaming:  # what streams gives its place back at its end
            held.release()
        return response


def export(request: HttpRequest, table: PortalTable, name: str, kind: str, at: datetime | None) -> HttpResponse:
    """Return the table's rows as an attachment called after `name` and the sample's time `at`; it is written down.

    Raises Http404 for a `kind` that is not in FORMATS, and Busy.
    """
    if kind not in FORMATS:
        raise Http404(f"no export as {kind[:20]}")
    return files.send(request, sheet(table, name), name=name, kind=kind, at=at)


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
    # A header that only knows how to draw itself is HTML: its name is what a file wants.
    title = column.column.verbose_name if isinstance(column.header, SafeString) else column.header
    return f"{title} ({unit})" if unit else str(title)


def _plain(value: Any) -> Any:
    """A column that only knows how to draw itself gives HTML: its text is what a file wants."""
    return strip_tags(value) if isinstance(value, SafeString) else value
