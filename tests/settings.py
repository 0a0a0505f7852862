"""The portal's settings in a clean room: nothing of this machine's environment or .env reaches a test."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import environ

from tests.support.templates import UndefinedVariable

PREFIXES = ("ETL_", "PORTAL_", "COLLECT_", "CSRF_", "EMAIL_", "SAMPLE_", "ROLLUP_", "COPY_", "RUNNER_", "TRAIL_")
NAMES = ("SECRET_KEY", "DATABASE_URL", "DEBUG", "ALLOWED_HOSTS", "LOG_LEVEL", "REQUIRED_PIPELINES", "PENDING_CAP")

for name in list(os.environ):
    if name.startswith(PREFIXES) or name.removesuffix("_FILE") in NAMES:
        del os.environ[name]

_folder = tempfile.mkdtemp(prefix="etlportal-test-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["PORTAL_DATA_DIR"] = _folder
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
# The one way to another `default`: `make test-postgres` sets it. Processes that a test starts do not see it.
if os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

with mock.patch.object(environ.Env, "read_env"):
    from etlportal.settings import *  # noqa: F403
    from etlportal.settings import STATIC_ROOT, STORAGES, TEMPLATES

os.environ.pop("DATABASE_URL", None)

# No collectstatic before the tests: files are served by their own names.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True
Path(STATIC_ROOT).mkdir(parents=True, exist_ok=True)

# A variable that one of our templates does not know fails the test.
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = UndefinedVariable()

# Hashing slowly protects nobody here.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A page takes no sample by itself, unless a test is about that.
SAMPLE_ON_DEMAND = False
