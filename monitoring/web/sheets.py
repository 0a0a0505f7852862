"""Rows as CSV, XLSX or JSON lines, written a piece at a time as they are read.

Text that a spreadsheet would take for a formula is made text again: an error message that begins with "=" must not run
on the machine of the user who opens the file (OWASP, "CSV injection").
"""

from __future__ import annotations

import csv
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import Any

from django.db import Error
from django.utils.translation import gettext

logger = logging.getLogger(__name__)

MAX_ROWS = 50_000
"""The most rows of a file. A file that is cut says so in its last row."""
PIECE_ROWS = 500
PIECE_BYTES = 64 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Excel recognises UTF-8 by it
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What spreadsheets take for the start of a formula, also as full-width characters and after a blank."""
CONTROL_CHARACTERS = {code: " " for code in range(32) if chr(code) not in "\t\r\n"}  # not allowed in XML
LONGEST = 32_767  # characters that a cell of a spreadsheet holds
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson; charset=utf-8",
}

Row = Sequence[Any]
Cell = int | float | str | bool | datetime | None


@dataclass(slots=True)
class Sheet:
    """`rows` are read once. `at`: the time in the file name. `broken`: the error that ended the rows early."""

    title: str
    headers: Sequence[str]
    rows: Iterable[Row]
    at: datetime | None = None
    most: int = field(default_factory=lambda: MAX_ROWS)
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

    def batches(self) -> Iterator[list[Row]]:
        source = iter(self)
        while batch := list(islice(source, PIECE_ROWS)):
            yield batch

    @property
    def note(self) -> str:
        if self.broken is not None:
            text = gettext("The file ends after %(rows)d rows because the database stopped responding. Try again.")
            return text % {"rows": self.written}
        if self.cut:
            text = gettext("The file is limited to %(rows)d rows. Narrow the table with its filters.")
            return text % {"rows": self.most}
        return ""


def harmless(value: Any) -> Cell:
    """Return what a cell may hold: text like a formula behind an apostrophe, times as naive UTC."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    text = str(value).translate(CONTROL_CHARACTERS)
    return f"'{text}" if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


def xlsx_cell(value: Any) -> Cell:
    cell = harmless(value)
    if isinstance(cell, str):
        return cell[:LONGEST]
    # A workbook's numbers have 15 digits: a longer key would become another one.
    too_long = isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) >= 10**15
    return str(cell) if too_long else cell


def machine_time(value: Any) -> str:
    """Return ISO 8601: an aware time as UTC with a Z, a naive one as it is. Other values as text."""
    if not isinstance(value, datetime):
        return str(value)
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z" if value.tzinfo else value.isoformat()


def json_text(row: dict[str, Any], indent: int | None = None) -> str:
    return json.dumps(row, ensure_ascii=False, default=machine_time, indent=indent)


def csv_pieces(sheet: Sheet) -> Iterator[bytes]:
    def lines(rows: Iterable[Row]) -> bytes:
        text = StringIO()
        csv.writer(text).writerows(
            [machine_time(value) if isinstance(value, datetime) else harmless(value) for value in row] for row in rows
        )
        return text.getvalue().encode("utf-8", "replace")

    yield BYTE_ORDER_MARK + lines([sheet.headers])
    yield from map(lines, sheet.batches())
    if sheet.note:
        yield lines([[sheet.note, *[""] * (len(sheet.headers) - 1)]])


def jsonl_pieces(sheet: Sheet) -> Iterator[bytes]:
    for rows in sheet.batches():
        lines = [json_text(dict(zip(sheet.headers, row, strict=True))) for row in rows]
        yield "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    if sheet.note:
        yield f"{json_text({'note': sheet.note})}\n".encode("utf-8", "replace")


def xlsx_pieces(sheet: Sheet) -> Iterator[bytes]:
    """Write the workbook to a temporary file first: an archive is only complete at its end."""
    from openpyxl import Workbook  # 175 modules: imported by the first export of a process

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
