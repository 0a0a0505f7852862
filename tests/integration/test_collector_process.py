"""`manage.py collect` as a process of its own: it starts without a warehouse, and SIGTERM drains it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60


def state(data: Path) -> tuple[str | None, str, str | None]:
    """The lease's end, its holder, and when the last tick ended."""
    with closing(sqlite3.connect(data / "portal.sqlite3")) as connection:
        row = connection.execute(
            "SELECT lease_until, lease_holder, ticked_at FROM monitoring_collectorstate"
        ).fetchone()
    return row or (None, "", None)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_sigterm_drains_it(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ETL_", "DJANGO_"))}
    environ |= {"PORTAL_DATA_DIR": str(tmp_path), "SECRET_KEY": "x" * 60}
    environ.pop("DATABASE_URL", None)
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], env=environ, check=True, timeout=PATIENCE_SECONDS)
    process = subprocess.Popen([*manage, "collect"], env=environ, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while state(tmp_path)[2] is None and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.1)
        assert state(tmp_path)[2] is not None, "it never ticked"
        assert state(tmp_path)[0] is not None, "it holds no lease"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0
    assert state(tmp_path)[:2] == (None, "")
    assert "lease released" in errors
    assert "Traceback" not in errors
