"""Modules that a web worker and a collector must not import, because they cost memory in each process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RARE = ("openpyxl", "faker", "sqlglot", "hypothesis", "time_machine", "demo.runner")
WEB = "import etlportal.wsgi, etlportal.urls"
COLLECTOR = (
    "import django; django.setup(); from monitoring.management.commands.collect import Command; "
    "from django.core.checks import run_checks; run_checks(tags=Command.requires_system_checks)"
)


@pytest.mark.parametrize(("started", "rare"), [(WEB, RARE), (COLLECTOR, (*RARE, "etlportal.urls"))])
def test_what_is_rare_is_not_loaded(started: str, rare: tuple[str, ...], tmp_path: Path) -> None:
    code = f"import sys; {started}; print([name for name in {rare!r} if sys.modules.get(name)])"
    env = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "etlportal.settings", "PORTAL_DATA_DIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"
