"""The dependency audit: a hole fails, an unreachable PyPI is said and is never taken for clean."""

from __future__ import annotations

import json

import pytest

from tools.audit import Audit, read, verdict

HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": [], "description": "x"}


def answer(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


def test_a_hole_fails_and_is_named() -> None:
    found = read(answer({"name": "a", "version": "1.0", "vulns": [HOLE]}, {"name": "b", "version": "1", "vulns": []}))
    code, text = verdict(found)
    assert code == 1
    assert "a 1.0: PYSEC-2026-1 (fixed in 2.0)" in text
    assert "b 1" not in text


def test_clean_says_how_many_were_asked_and_which_were_not() -> None:
    found = read(answer({"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not on PyPI"}))
    assert verdict(found) == (0, "1 dependencies audited, no known hole; not asked: b.")


@pytest.mark.parametrize("audit", [None, read(answer({"name": "a", "skip_reason": "no answer"}))])
def test_out_of_reach_is_not_clean(audit: Audit | None) -> None:
    code, text = verdict(audit)
    assert code == 0
    assert "NOT audited" in text
