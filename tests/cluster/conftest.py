"""Servers of the distribution's: without them these tests are skipped, with REQUIRE_CLUSTER they fail."""

from __future__ import annotations

import os

import pytest

from tests.cluster import programs
from tools.postgres import NoPostgres, binaries


def _missing() -> str:
    try:
        binaries()
    except NoPostgres as missing:
        return str(missing)
    lacks = [name for name in ("redis-server", "nginx") if programs.program(name) is None]
    return f"{', '.join(lacks)} {programs.MISSING}" if lacks else ""


@pytest.fixture(scope="session", autouse=True)
def _servers() -> None:
    if missing := _missing():
        if os.environ.get("REQUIRE_CLUSTER"):
            pytest.fail(missing)
        pytest.skip(missing)
