"""A value of any column type becomes one line of text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from monitoring.rules.masking import Cell, cell


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, Cell(None)),
        ("", Cell("")),
        ("plain", Cell("plain")),
        (True, Cell("1", numeric=True)),
        (0, Cell("0", numeric=True)),
        (2**70, Cell(str(2**70), numeric=True)),
        (1.5, Cell("1.5", numeric=True)),
        (float("nan"), Cell("nan", numeric=True)),
        (Decimal("1E+5"), Cell("100000", numeric=True)),
        (Decimal("NaN"), Cell("NaN", numeric=True)),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), Cell("2026-01-02 03:04:05+00:00")),
        (date(2026, 1, 2), Cell("2026-01-02")),
        (time(3, 4), Cell("03:04:00")),
        (b"", Cell("0x")),
        (b"\x00\xff", Cell("0x00FF")),
        (bytearray(b"\x01"), Cell("0x01")),
        (memoryview(b"\x02"), Cell("0x02")),
        (b"\x01" * 33, Cell("0x" + "01" * 32, cut=True)),
        (UUID(int=1), Cell("00000000-0000-0000-0000-000000000001")),
        ("x" * 200, Cell("x" * 200)),
        ("x" * 201, Cell("x" * 200, cut=True)),
        ("two\nlines\t", Cell("two␊lines␉")),
        ("a\u202eb\u200b", Cell("a�b�")),
        ("<b>", Cell("<b>")),
    ],
)
def test_cells(value: object, shown: Cell) -> None:
    assert cell(value) == shown
