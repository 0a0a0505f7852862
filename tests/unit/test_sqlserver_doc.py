"""docs/sqlserver.md tells a DBA every statement that the portal makes: none is missing, none is made up."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WAREHOUSE = ROOT / "monitoring/warehouse"
DOC = (ROOT / "docs/sqlserver.md").read_text("utf-8")
ASKING = {"rows", "ask", "execute"}
"""Names of the calls by which a statement goes to a database."""


def called(function: ast.AST) -> set[str]:
    """Return the names that a function calls."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {
        call.id if isinstance(call, ast.Name) else call.attr
        for call in calls
        if isinstance(call, ast.Name | ast.Attribute)
    }


def asking(file: Path) -> set[str]:
    """Return the public functions of a module that make a statement, by themselves or through its private ones."""
    functions = {
        node.name: node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
    }
    found = {name for name, node in functions.items() if called(node) & ASKING}
    while more := {name for name, node in functions.items() if called(node) & found & set(functions)} - found:
        found |= more
    return {name for name in found if not name.startswith("_")}


def statements() -> set[str]:
    """Return every one as "module.function". Left out: what passes one on, and SQLite's own."""
    no_statement_of_their_own = {"reader.rows", "session.ask", "session.answer", "catalog_sqlite.read"}
    return {
        f"{file.stem}.{name}" for file in WAREHOUSE.rglob("*.py") for name in asking(file)
    } - no_statement_of_their_own


def test_every_statement_is_told() -> None:
    told = set(re.findall(r"`((?!sys\.)[a-z_]+\.[a-z_]+)`", DOC.partition("## What it runs")[2].partition("\n## ")[0]))
    assert len(told) > 15
    assert statements() - told == set(), "docs/sqlserver.md does not tell of these"
    assert told - statements() == set(), "docs/sqlserver.md tells of these, which do not exist"


def test_every_variable_is_one_that_the_settings_read() -> None:
    named = set(re.findall(r"\b(?:ETL_SQL|ETL_DW|ETL_OLTP)_[A-Z_]*[A-Z]\b", DOC))
    known = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert named - {f"{name}_FILE" for name in known} <= known


def test_the_login_script_grants_what_the_files_grant() -> None:
    script = DOC.partition("## The login")[2].partition("\n## ")[0]
    files = "\n".join(file.read_text("utf-8") for file in (ROOT / "sql/sqlserver").glob("9*.sql"))
    granted = set(re.findall(r"^(GRANT [^;\n]+);", files, re.MULTILINE))
    assert granted and granted <= set(re.findall(r"^(GRANT [^;\n]+);", script, re.MULTILINE))
