"""The portal's settings in a clean room: nothing of this machine's environment or .env reaches a test."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import environ

from tests.support import clean_room
from tests.support.templates import UndefinedVariable

clean_room.enter()

with mock.patch.object(environ.Env, "read_env"):
    from etlportal.settings import *  # noqa: F403
    from etlportal.settings import DATABASES, STATIC_ROOT, STORAGES, TEMPLATES

os.environ.pop("DATABASE_URL", None)

for config in DATABASES.values():
    if config["ENGINE"] == "etlportal.backends.embedded":
        config["ENGINE"] = "tests.support.embedded"

# No collectstatic before the tests: files are served by their own names.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True
Path(STATIC_ROOT).mkdir(parents=True, exist_ok=True)

# A variable that one of our templates does not know fails the test.
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = UndefinedVariable()

# A fast hasher: tests need no slow one.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Pages take no samples, except in tests of that.
SAMPLE_ON_DEMAND = False
