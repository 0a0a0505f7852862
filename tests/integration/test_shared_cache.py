"""The cache that all processes share: limits hold across processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

from tests.support.queries import queries

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_what_pages_keep_is_elsewhere_and_asks_nothing() -> None:
    with queries(default=0):
        for name in ("local", "rights"):
            caches[name].set("a", 1, 60)
            assert caches[name].get("a") == 1


def test_it_is_bounded_in_the_settings(settings: Any) -> None:
    assert 1_000 <= settings.CACHES["default"]["OPTIONS"]["MAX_ENTRIES"] <= 50_000


def test_two_processes_count_together(tmp_path: Path) -> None:
    """One process uses up the attempts; the other refuses the right password."""
    made = run(tmp_path, "from django.core.management import call_command; call_command('migrate', verbosity=0)", USER)
    assert made.returncode == 0, made.stderr
    first = run(tmp_path, *("c.post(LOGIN, {'login': 'ana', 'password': 'wrong'})" for _ in range(5)))
    assert first.returncode == 0, first.stderr
    right = (
        "c.post(LOGIN, {'login': 'ana', 'password': 'demo'}); print('in' if '_auth_user_id' in c.session else 'out')"
    )
    second = run(tmp_path, right)
    assert second.stdout.splitlines()[-1] == "out", second.stderr
    third = run(tmp_path, "from django.core.cache import cache; cache.clear()", right)
    assert third.stdout.splitlines()[-1] == "in", third.stderr


USER = "from django.contrib.auth.models import User; User.objects.create_user('ana', 'ana@example.com', 'demo')"
START = """
import django; django.setup()
from django.test import Client
LOGIN = '/account/login/'
c = Client(headers={'host': 'localhost'})
"""


def run(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run these lines in a process of its own over the folder's portal."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "etlportal.settings",
        "PORTAL_DATA_DIR": str(folder),
        "SECRET_KEY": "two-processes-" + "x" * 50,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-c", "\n".join([START, *lines])]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
