"""A value of any column type as one line of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

LENGTH = 200
"""Characters shown of a text."""

BYTES = 32
"""Bytes shown of a binary value."""

_CONTROL = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
# Direction marks and other invisible formatting could make a row read as something else.
_INVISIBLE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` None: NULL. `masked`: a person's data, hidden. `numeric`: aligns to the right."""

    text: str | None
    masked: bool = False
    cut: bool = False
    numeric: bool = False


def cell(value: object) -> Cell:
    """Return how a raw value shows: cut at LENGTH, control characters visible, numbers as they are."""
    if value is None:
        return Cell(None)
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return Cell("0x" + data[:BYTES].hex().upper(), cut=len(data) > BYTES)
    text = _text(value)
    return Cell(text[:LENGTH], cut=len(text) > LENGTH, numeric=isinstance(value, int | float | Decimal))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return visible(str(value)[: LENGTH + 1])


def visible(text: str) -> str:
    """Return text on one line, with what cannot be seen made visible."""
    return _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text.translate(_CONTROL))
