"""Import settings with an empty environment and a temporary data folder."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

PREFIXES = ("ETL_", "PORTAL_", "COLLECT_", "CSRF_", "EMAIL_", "SAMPLE_", "ROLLUP_", "COPY_", "RUNNER_", "TRAIL_")
NAMES = (
    *("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "DEBUG", "ALLOWED_HOSTS", "LOG_LEVEL", "REQUIRED_PIPELINES"),
    *("PENDING_CAP", "METRICS_TOKEN", "COLLECTOR_METRICS_PORT", "COLLECTOR_METRICS_ADDRESS", "LOG_FORMAT"),
    *("PROMETHEUS_MULTIPROC_DIR", "SLOW_STATEMENT_SECONDS", "SQL_COMMENT_IDS"),
)

WANTED: dict[str, str] = {}
"""Variables that are set after clearing. A settings module adds its own before it imports `tests.settings`."""


def enter() -> None:
    """Clear the environment of every variable that the portal reads, then set WANTED."""
    for name in list(os.environ):
        if name.startswith(PREFIXES) or name.removesuffix("_FILE") in NAMES:
            del os.environ[name]
    folder = tempfile.mkdtemp(prefix="etlportal-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["PORTAL_DATA_DIR"] = folder
    os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
    # The one way to another `default`: `make test-postgres` sets it. Processes that a test starts do not see it.
    if os.environ.get("TEST_DATABASE_URL"):
        os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
    os.environ.update(WANTED)
