"""docs/security.md names existing tests, at least one for each threat."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| threat"))
]


def test_every_threat_has_a_defence_and_a_test() -> None:
    assert len(ROWS) > 20
    for threat, defence, tests in ROWS:
        assert threat and defence
        assert re.fullmatch(r"`tests/[\w/]+\.py`(, `tests/[\w/]+\.py`)*", tests), threat


def test_every_named_test_exists() -> None:
    for _threat, _defence, tests in ROWS:
        for name in re.findall(r"`([^`]+)`", tests):
            text = (ROOT / name).read_text(encoding="utf-8")
            assert "def test_" in text or "pytest.fail" in text, name
