"""Rows and their columns' names: read as they are written, written a piece at a time."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from itertools import islice
from typing import Any

from django.db import Error
from django.utils.translation import gettext

from monitoring.files.cells import csv_cell, machine_time, xlsx_cell

logger = logging.getLogger(__name__)

MAX_ROWS = 50_000
"""No file has more rows: it says so in its last one."""
PIECE_ROWS = 500
PIECE_BYTES = 64 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""By which Excel knows UTF-8."""

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson; charset=utf-8",
}

Row = Sequence[Any]


@dataclass(slots=True)
class Sheet:
    """`rows` may be read once, as slowly as they come; more than `most` are not.

    `written` counts them. `broken`: why they ended before their end, as far as they were read.
    """

    title: str
    headers: Sequence[str]
    rows: Iterable[Row]
    most: int = MAX_ROWS
    written: int = field(default=0, init=False)
    cut: bool = field(default=False, init=False)
    broken: Error | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[Row]:
        try:
            for row in self.rows:
                if self.written == self.most:
                    self.cut = True
                    return
                self.written += 1
                yield row
        except Error as error:
            logger.warning("a file of %s ends after %s rows", self.title, self.written, exc_info=error)
            self.broken = error

    @property
    def note(self) -> str:
        """Return what the file says after its last row; empty where it holds everything."""
        if self.broken is not None:
            text = gettext("The file ends after %(rows)d rows: the database gave no further answer. Try again.")
            return text % {"rows": self.written}
        if self.cut:
            text = gettext("The file stops at %(rows)d rows: narrow the table with its filters.")
            return text % {"rows": self.most}
        return ""


def csv_pieces(sheet: Sheet) -> Iterator[bytes]:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow([csv_cell(header) for header in sheet.headers])
    yield BYTE_ORDER_MARK + _taken(text)
    for rows in _batches(sheet):
        writer.writerows([csv_cell(value) for value in row] for row in rows)
        yield _taken(text)
    if sheet.note:
        writer.writerow([sheet.note, *[""] * (len(sheet.headers) - 1)])
        yield _taken(text)


def jsonl_pieces(sheet: Sheet) -> Iterator[bytes]:
    """One JSON object per line, by the columns' names; what a spreadsheet would run is only text here."""
    for rows in _batches(sheet):
        lines = [json_text(dict(zip(sheet.headers, row, strict=True))) for row in rows]
        yield "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    if sheet.note:
        yield f"{json_text({'note': sheet.note})}\n".encode("utf-8", "replace")


def xlsx_pieces(sheet: Sheet) -> Iterator[bytes]:
    """The workbook is made in a temporary file, row by row: an archive is only whole at its end."""
    from openpyxl import Workbook  # 175 modules, in each process: only where somebody wants such a file

    book = Workbook(write_only=True)
    page = book.create_sheet(sheet.title[:30])
    page.append([xlsx_cell(header) for header in sheet.headers])
    for row in sheet:
        page.append([xlsx_cell(value) for value in row])
    if sheet.note:
        page.append([sheet.note])
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            yield piece


PIECES: dict[str, Callable[[Sheet], Iterator[bytes]]] = {
    "csv": csv_pieces,
    "xlsx": xlsx_pieces,
    "jsonl": jsonl_pieces,
}


def json_text(row: dict[str, Any], indent: int | None = None) -> str:
    """Return a row as JSON; times as ISO 8601, no value as null."""
    return json.dumps(row, ensure_ascii=False, default=_plain, indent=indent)


def _plain(value: Any) -> Any:
    return machine_time(value) if isinstance(value, datetime) else str(value)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while batch := list(islice(source, PIECE_ROWS)):
        yield batch


def _taken(text: StringIO) -> bytes:
    """Return what was written, and empty it."""
    taken = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return taken
