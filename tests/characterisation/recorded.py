"""Recorded figures in JSON files: compare, and say what differs by name."""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "recorded"
SHOWN = 80
"""Lines that one failure prints."""


def check(found: dict[str, dict[str, Any]]) -> None:
    """Compare with recorded/NAME.json for each name; with UPDATE_RECORDED=1 in the environment, write them instead."""
    lines = []
    for name, figures in found.items():
        path = FOLDER / f"{name}.json"
        if os.environ.get("UPDATE_RECORDED") == "1":
            path.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        else:
            recorded = json.loads(path.read_text(encoding="utf-8"))
            lines += differences(recorded, json.loads(json.dumps(figures)), name)
    if lines:
        more = [f"... and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
        head = "Not what was recorded. If that is intended: UPDATE_RECORDED=1 pytest tests/characterisation"
        pytest.fail("\n".join([head, *lines[:SHOWN], *more]), pytrace=False)


def differences(wanted: Any, found: Any, place: str = "") -> list[str]:
    """Return one line per name whose value differs. Blanks do not matter, and a page may take fewer statements."""
    if _bare(wanted) == _bare(found) or (".statements / pages" in place and _is_fewer(wanted, found)):
        return []
    if isinstance(wanted, dict) and isinstance(found, dict):
        return _of_mappings(wanted, found, place)
    if isinstance(wanted, list) and isinstance(found, list):
        return _of_lines(wanted, found, place)
    return [f"{place}: {_short(wanted)} -> {_short(found)}"]


def _is_fewer(wanted: Any, found: Any) -> bool:
    return isinstance(wanted, int) and isinstance(found, int) and found <= wanted


def _bare(value: Any) -> Any:
    """A value as it is compared: without blanks, a text's lines in one, in a table the order of rows too."""
    if isinstance(value, dict):
        return [("".join(name.split()), _bare(each)) for name, each in value.items()]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "".join("".join(value).split())
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return "".join(value.split()) if isinstance(value, str) else value


def _of_mappings(wanted: dict[str, Any], found: dict[str, Any], place: str) -> list[str]:
    if place.endswith("/ text") and _bare([*_lines(wanted)]) == _bare([*_lines(found)]):
        return []  # the same words in the same order, with other headings or none
    keys = {"".join(name.split()): name for name in (*found, *wanted)}
    one, other = ({"".join(name.split()): each for name, each in side.items()} for side in (wanted, found))
    lines = []
    for key, name in keys.items():
        here = f"{place} / {name}" if place else name
        if key not in other:
            lines.append(f"{here}: {_short(one[key])} -> (missing)")
        elif key not in one:
            lines.append(f"{here}: (new) -> {_short(other[key])}")
        else:
            lines += differences(one[key], other[key], here)
    # The parts of a page may change places, the rows of a table may not.
    if not lines and "table" in place and list(one) != list(other):
        lines.append(f"{place}: order {list(wanted)} -> {list(found)}")
    return lines


def _of_lines(wanted: list[Any], found: list[Any], place: str) -> list[str]:
    left, right = ([each if isinstance(each, str) else json.dumps(each) for each in side] for side in (wanted, found))
    changes = [line for line in difflib.ndiff(left, right) if line[:2] in {"- ", "+ "}]
    return [f"{place}:", *(f"  {_short(line)}" for line in changes)]


def _lines(sections: dict[str, list[str] | None]) -> list[str]:
    return [line for lines in sections.values() for line in lines or []]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}..."
