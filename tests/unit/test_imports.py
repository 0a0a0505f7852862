"""House rules that linters do not check. (import-linter checks the direction of imports, in `make lint`.)"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for folder in ("etlportal", "monitoring", "demo")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
SQL_ALLOWED = (
    "monitoring/warehouse/",
    "demo/",
    "etlportal/backends/",
    "etlportal/guard.py",
    "monitoring/web/health.py",  # SELECT 1, to each database alike
)
RAW = frozenset({"cursor", "raw", "execute", "executemany", "extra", "RawSQL"})


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _calls(path: Path) -> Iterator[tuple[int, str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            yield node.lineno, name, node


def test_hand_written_sql_lives_in_one_place() -> None:
    found = [
        f"{_name(path)}:{line}: {name}("
        for path in CODE
        if not _name(path).startswith(SQL_ALLOWED)
        for line, name, _ in _calls(path)
        if name in RAW
    ]
    assert found == []


def test_markup_is_never_put_together_unescaped() -> None:
    """`mark_safe(f"...")` and its like: format_html escapes, these do not."""
    found = [
        f"{_name(path)}:{line}"
        for path in CODE
        for line, name, call in _calls(path)
        if name == "mark_safe" and call.args and not isinstance(call.args[0], ast.Constant)
    ]
    assert found == []


def test_no_private_module_of_a_dependency_is_imported() -> None:
    """An `internal` module or an underscore name of a dependency needs an ADR and a test of its own."""
    found = [
        f"{_name(path)}:{node.lineno}: {node.module}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module not in (None, "__future__")
        if "internal" in node.module.split(".") or any(name.startswith("_") for name in _names(node))
    ]
    assert found == []


def _names(node: ast.ImportFrom) -> list[str]:
    return [*(node.module or "").split("."), *(alias.name for alias in node.names)]
