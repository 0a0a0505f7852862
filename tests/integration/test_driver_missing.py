"""With a SQL Server configured and pyodbc missing, every page answers and gives the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
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
from django.db import connections
from monitoring.models import EtlRun
try:
    list(EtlRun.objects.filter(pk=1))
except Exception as error:
    print("model", type(error).__name__)
connections["dw"].close_if_unusable_or_obsolete()
"""


def test_pages_answer_without_pyodbc(tmp_path: Path) -> None:
    (tmp_path / "pyodbc.py").write_text("raise ImportError('libodbc.so.2: cannot open shared object file')")
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
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=variables, capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert said == [
        "sampled True",
        "page 200 True",
        "list True",
        "reading driver_missing IM003",
        "model InterfaceError",
    ], done.stderr
