"""A SQL Server is configured and pyodbc cannot be loaded: every page answers and says why, and it heals by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys, importlib
from pathlib import Path
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from monitoring.collector.loop import Collector
from monitoring.warehouse.reader import connection_reading
call_command("migrate", verbosity=0)
collector = Collector()
collector.turn()
print("sampled", collector.sampled)
collector.close()
client = Client(SERVER_NAME="localhost")
user = get_user_model().objects.create_superuser("a", "a@example.com", "x")
client.force_login(user, backend="monitoring.accounts.UserBackend")
print("page", client.get("/").status_code, b"libodbc2" in client.get("/").content)
print("list", client.get("/admin/monitoring/etlrun/").status_code < 504)
print("reading", connection_reading("dw").problem.code, connection_reading("dw").problem.sqlstate)
print("left", "pyodbc" in sys.modules)
Path(sys.argv[1]).unlink()
importlib.invalidate_caches()
print("healed", connection_reading("dw").problem.code)
from django.db import connections
import pyodbc
print("pool", pyodbc.pooling, connections["dw"].Database.Error is pyodbc.Error)
"""


def test_pages_answer_without_pyodbc_and_the_next_connection_finds_it(tmp_path: Path) -> None:
    blocker = tmp_path / "pyodbc.py"
    blocker.write_text("raise ImportError('libodbc.so.2: cannot open shared object file')")
    variables = {
        "ETL_SQL_SERVER": "127.0.0.1",
        "ETL_SQL_PORT": "1",
        "ETL_SQL_USER": "u",
        "ETL_SQL_PASSWORD": "p",
        "SECRET_KEY": "k" * 60,
        "ALLOWED_HOSTS": "localhost",
        "PORTAL_HTTPS": "no",
        "PORTAL_DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "etlportal.settings",
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.defpath,
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(blocker)], cwd=ROOT, env=variables, capture_output=True, text=True
    )
    said = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert said == [
        "sampled True",
        "page 200 True",
        "list True",
        "reading driver_missing IM003",
        "left False",
        "healed unreachable",
        "pool False True",
    ], done.stderr
