"""House rules that linters do not check. (import-linter checks the direction of imports, in `make lint`.)"""

from __future__ import annotations

import ast
import importlib
import types
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("etlportal", "monitoring", "demo")
CODE = sorted(path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts)
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


DOCUMENTED = frozenset({"_asdict", "_base_manager", "_default_manager", "_exit", "_meta", "_state"})
"""Names with an underscore that Python and Django document for use."""
OVERRIDDEN = {"SqlServerWrapper._set_autocommit"}
"""Private methods of a dependency that the portal overrides: each has an entry in docs/adr/0019."""


def _defined(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_no_private_attribute_of_a_dependency_is_used() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in CODE}
    own = {name for tree in trees.values() for name in _defined(tree)} | DOCUMENTED
    found = [
        f"{_name(path)}:{node.lineno}: {node.attr}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if node.attr not in own
    ]
    assert found == []


def test_no_private_method_of_a_dependency_is_overridden() -> None:
    found = set()
    for path in CODE:
        name = _name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = importlib.import_module(name)
        for own in vars(module).values():
            if not isinstance(own, type) or own.__module__ != name:
                continue
            others = [base for base in own.__mro__ if base.__module__.split(".")[0] not in PACKAGES]
            for method, value in vars(own).items():
                # Not "__x__", and not "_x_", with which enum marks what a class may define.
                private = method.startswith("_") and not method.endswith("_")
                if private and isinstance(value, types.FunctionType):
                    found |= {f"{own.__name__}.{method}" for base in others if method in vars(base)}
    assert found == OVERRIDDEN
