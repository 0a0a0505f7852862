"""The generated tables of docs/performance.md."""

from __future__ import annotations

from tests.support.demo import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"


def put(part: str, text: str) -> None:
    """Replace the text between the marks of `part` (for example "python -m bench")."""
    begin, end = f"<!-- begin: {part} -->", f"<!-- end: {part} -->"
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(begin)
    DOCUMENT.write_text(f"{before}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
