"""Small pieces of HTML and their cache."""

from __future__ import annotations

from monitoring.rules.error_text import parse
from monitoring.web import parts

PREAMBLE = "IntegrityError: ('23000', \"[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"


def test_an_error_begins_with_what_happened_and_keeps_the_whole() -> None:
    html = parts.error_text(parse(f"{PREAMBLE}Violation of UNIQUE KEY constraint 'UQ_x'. (2627)\")"), 30)
    assert ">Violation of UNIQUE KEY const…</span>" in html
    assert "ODBC Driver 18" in html.split('data-tip="')[1].split('"')[0]
    assert ">plain words</span>" in parts.error_text(parse("plain words"), 30)
    assert "&lt;b&gt;" in parts.error_text(parse("<b>"), 30)
