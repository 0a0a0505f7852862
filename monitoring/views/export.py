"""Tables as files: CSV and XLSX of the filtered rows with all columns, through tablib.

Text that a spreadsheet would take for a formula is made text again: an error message that begins
with "=" must not run on the machine of whoever opens the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.translation import gettext
from tablib import Dataset

from monitoring.tables import PortalTable
from monitoring.trail import note_export

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MAX_ROWS = 50_000
SECONDS = 30.0
"""How long the warehouse may take for a file: it has an address of its own, and no page waits for it."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What spreadsheets take for the start of a formula, also as full-width characters and after a blank."""

CONTROL_CHARACTERS = {code: " " for code in range(32) if chr(code) not in "\t\r\n"}
"""XML, and so XLSX, has no room for these."""

Cell = int | float | str | bool | datetime | None


def export(request: HttpRequest, table: PortalTable, name: str, kind: str, at: datetime | None) -> HttpResponse:
    """Return the table's rows as an attachment called after `name` and the sample's time `at`; it is written down.

    Raises Http404 for a `kind` that is not in FORMATS.
    """
    if kind not in FORMATS:
        raise Http404(f"no export as {kind[:20]}")
    data = dataset(table, name)
    content = _csv(data) if kind == "csv" else _xlsx(data)
    note_export(request, name, kind, len(data))
    response = HttpResponse(content, content_type=FORMATS[kind])
    stamp = f"-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}" if at else ""
    response["Content-Disposition"] = f'attachment; filename="{slugify(name)}{stamp}.{kind}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def links(request: HttpRequest, url_name: str, **kwargs: Any) -> list[tuple[str, str]]:
    """Return (label, address) per format, with the filters and the order of this request."""
    pairs = [(key, value) for key, values in request.GET.lists() for value in values]
    query = f"?{urlencode(pairs)}" if pairs else ""
    return [(kind.upper(), reverse(url_name, kwargs={**kwargs, "kind": kind}) + query) for kind in FORMATS]


def dataset(table: PortalTable, title: str) -> Dataset:
    """Return all columns of the table, hidden ones too: headers with units, bare and harmless values.

    Beyond MAX_ROWS the last row says that the file was cut.
    """
    columns = [column for column in table.columns.iterall() if not column.column.exclude_from_export]
    data = Dataset(title=title[:30])
    data.headers = [_header(column) for column in columns]
    for number, row in enumerate(table.rows):
        if number == MAX_ROWS:
            note = gettext("The file stops at %(rows)d rows: narrow the table with its filters.") % {"rows": MAX_ROWS}
            data.append([note, *[""] * (len(columns) - 1)])
            break
        data.append([harmless(_plain(row.get_cell_value(column.name))) for column in columns])
    return data


def _header(column: Any) -> Cell:
    unit = str(getattr(column.column, "unit", ""))
    # A header that only knows how to draw itself is HTML: its name is what a file wants.
    title = column.column.verbose_name if isinstance(column.header, SafeString) else column.header
    return harmless(f"{title} ({unit})" if unit else str(title))


def _plain(value: Any) -> Any:
    """A column that only knows how to draw itself gives HTML: its text is what a file wants."""
    return strip_tags(value) if isinstance(value, SafeString) else value


def harmless(value: Any) -> Cell:
    """Return what a cell may hold. Numbers stay numbers; text that looks like a formula gets an
    apostrophe before it (OWASP, "CSV injection"); times become naive UTC."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    text = str(value).translate(CONTROL_CHARACTERS)
    return f"'{text}" if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


def _csv(data: Dataset) -> bytes:
    """CSV with a byte order mark, by which Excel knows UTF-8; times as ISO 8601 with a Z."""
    rows = Dataset(headers=data.headers)
    for row in data:
        rows.append([f"{cell.isoformat()}Z" if isinstance(cell, datetime) else cell for cell in row])
    return b"\xef\xbb\xbf" + rows.export("csv").encode()


def _xlsx(data: Dataset) -> bytes:
    stream: Iterable[Any] | bytes = data.export("xlsx")
    return stream if isinstance(stream, bytes) else BytesIO(b"".join(stream)).getvalue()
