"""What a cell may hold.

Text that a spreadsheet would take for a formula is made text again: an error message that begins
with "=" must not run on the machine of whoever opens the file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What spreadsheets take for the start of a formula, also as full-width characters and after a blank."""

CONTROL_CHARACTERS = {code: " " for code in range(32) if chr(code) not in "\t\r\n"}
"""XML, and so XLSX, has no room for these."""

LONGEST = 32_767
"""Characters that a cell of a spreadsheet holds."""

Cell = int | float | str | bool | datetime | None


def harmless(value: Any) -> Cell:
    """Return what a cell may hold. Numbers stay numbers; text that looks like a formula gets an
    apostrophe before it (OWASP, "CSV injection"); times become naive UTC."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    text = str(value).translate(CONTROL_CHARACTERS)
    return f"'{text}" if text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS) else text


def csv_cell(value: Any) -> Cell:
    """Return a cell of a CSV file: a time as ISO 8601, with a Z where it is known to be UTC."""
    if isinstance(value, datetime):
        return machine_time(value)
    return harmless(value)


def xlsx_cell(value: Any) -> Cell:
    """Return a cell of a workbook: numbers and times as such, a text cut to what fits."""
    cell = harmless(value)
    if isinstance(cell, bool) or not isinstance(cell, int | str):
        return cell
    if isinstance(cell, int):
        # A workbook's numbers have 15 digits: a longer key would become another one.
        return cell if abs(cell) < 10**15 else str(cell)
    return cell[:LONGEST]


def machine_time(value: datetime) -> str:
    """Return ISO 8601; UTC with a Z, a time of nobody knows whose zone without."""
    if value.tzinfo is None:
        return value.isoformat()
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
