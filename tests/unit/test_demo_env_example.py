""".env.example names every variable that the settings read, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READS = re.compile(r"""(?:env(?:\.\w+)+\(\s*|\b_\w+\(env,\s*)["']([A-Z][A-Z_]+)["']""")


def test_every_variable_is_named() -> None:
    read = {name for file in (ROOT / "etlportal").glob("*.py") for name in READS.findall(file.read_text("utf-8"))}
    named = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert len(read) > 25
    assert named == read | {"PORT"}


def test_it_changes_nothing_when_copied_as_it_is() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
