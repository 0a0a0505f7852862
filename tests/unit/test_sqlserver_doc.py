"""docs/sqlserver.md gives a DBA settings that exist and a login script that grants what the SQL files grant."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs/sqlserver.md").read_text("utf-8")


def test_every_variable_is_one_that_the_settings_read() -> None:
    named = set(re.findall(r"\b(?:ETL_SQL|ETL_DW|ETL_OLTP)_[A-Z_]*[A-Z]\b", DOC))
    known = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert named - {f"{name}_FILE" for name in known} <= known


def test_the_login_script_grants_what_the_files_grant() -> None:
    script = DOC.partition("## The login")[2].partition("\n## ")[0]
    files = "\n".join(file.read_text("utf-8") for file in (ROOT / "sql/sqlserver").glob("9*.sql"))
    granted = set(re.findall(r"^(GRANT [^;\n]+);", files, re.MULTILINE))
    assert granted and granted <= set(re.findall(r"^(GRANT [^;\n]+);", script, re.MULTILINE))
