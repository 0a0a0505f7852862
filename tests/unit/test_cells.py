"""A value of any column type becomes one line of text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from monitoring.rules.masking import cell


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ("", ""),
        ("plain", "plain"),
        (True, "1"),
        (0, "0"),
        (2**70, str(2**70)),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (Decimal("1E+5"), "100000"),
        (Decimal("NaN"), "NaN"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (b"", "0x"),
        (b"\x00\xff", "0x00FF"),
        (bytearray(b"\x01"), "0x01"),
        (memoryview(b"\x02"), "0x02"),
        (b"\x01" * 33, "0x" + "01" * 32 + "…"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "…"),
        ("two\nlines\t", "two␊lines␉"),
        ("a\u202eb\u200b", "a�b�"),
        ("<b>", "<b>"),
    ],
)
def test_cells(value: object, shown: str | None) -> None:
    assert cell(value) == shown
