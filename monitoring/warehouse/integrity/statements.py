"""The SQL of the checks: every read of a table goes through `scanned`, which is bounded."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.policies.cells import cell
from monitoring.policies.integrity import FOUND_CAP
from monitoring.warehouse.dialect import Sql
from monitoring.warehouse.integrity.sides import Side
from monitoring.warehouse.readable import readable

EVIDENCE_TEXT = 60
"""Characters of a value that evidence shows."""

SCAN_CAP = 1_000_000
"""Rows of a table that one check looks at."""


def cut_at(side: Side) -> int | None:
    """SCAN_CAP where the table is larger or its size is not known; None where all of it was looked at."""
    return None if side.total is not None and side.total <= SCAN_CAP else SCAN_CAP


def violations(side: Side, shown: Sequence[str], asked: Sequence[str], condition: str) -> Sql:
    """Rows that meet the condition: their columns `shown`. `asked`: the columns that the condition names."""
    rest = "FROM (" + scanned(side, list(dict.fromkeys([*shown, *asked]))) + f") AS s WHERE {condition}"
    return side.dialect.first(FOUND_CAP + 1, told(side, shown), rest)


def scanned(side: Side, columns: Sequence[str]) -> Sql:
    return side.dialect.first(SCAN_CAP, listed(side, columns), f"FROM {side.quoted}")


def listed(side: Side, columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{side.dialect.quote(name)}" for name in columns)


def told(side: Side, columns: Sequence[str]) -> str:
    """The columns of `s` as evidence: what the driver cannot carry comes as text."""
    return ", ".join(_told(side, name) for name in columns)


def _told(side: Side, name: str) -> str:
    quoted, column = f"s.{side.dialect.quote(name)}", side.description.column(name)
    if side.dialect.vendor == "sqlite" or column is None:
        return quoted
    return readable(quoted, column.declared, text=EVIDENCE_TEXT, binary=EVIDENCE_TEXT // 2)


def any_null(side: Side, columns: Sequence[str]) -> str:
    return " OR ".join(f"s.{side.dialect.quote(name)} IS NULL" for name in columns)


def all_there(side: Side, columns: Sequence[str]) -> str:
    return " AND ".join(f"s.{side.dialect.quote(name)} IS NOT NULL" for name in columns)


def key_text(row: Sequence[object]) -> str:
    return " / ".join("NULL" if value is None else (cell(value).text or "")[:EVIDENCE_TEXT] for value in row)
