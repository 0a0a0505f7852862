"""The settings file under every environment that matters, and the deploy checks."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path
from typing import Any
from unittest import mock

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from etlportal import checks

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "ETL_SQL_SERVER": "sql.example.com",
    "ETL_SQL_USER": "etl_monitor",
    "ETL_SQL_PASSWORD": "not-a-real-one",
    "SECRET_KEY": "k" * 60,
    "ALLOWED_HOSTS": "portal.example.com",
}


def load(tmp_path: Path, **variables: str) -> dict[str, Any]:
    """Run the settings file under exactly these variables; return its names."""
    values = {"PORTAL_DATA_DIR": str(tmp_path / "data"), **variables}
    with mock.patch.dict(os.environ, values, clear=True), mock.patch.object(environ.Env, "read_env"):
        return runpy.run_path(str(ROOT / "etlportal" / "settings.py"))


def test_nothing_set_is_the_demonstration(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings["EMBEDDED"] is True
    assert {alias: config["ENGINE"] for alias, config in settings["DATABASES"].items()} == {
        "default": "django.db.backends.sqlite3",
        "dw": "etlportal.backends.embedded",
        "oltp": "etlportal.backends.embedded",
    }
    assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert settings["DEBUG"] is False
    assert settings["SESSION_COOKIE_SECURE"] is False


def test_the_demonstration_keeps_its_key(tmp_path: Path) -> None:
    first, second = load(tmp_path)["SECRET_KEY"], load(tmp_path)["SECRET_KEY"]
    assert first == second
    assert len(first) >= 50
    assert (tmp_path / "data" / "secret-key").stat().st_mode & 0o077 == 0


def test_a_server_makes_both_watched_databases_sql_server(tmp_path: Path) -> None:
    databases = load(tmp_path, **PRODUCTION, ETL_DW_DB="DW", ETL_OLTP_DB="OLTP")["DATABASES"]
    for alias, name in (("dw", "DW"), ("oltp", "OLTP")):
        config = databases[alias]
        assert (config["ENGINE"], config["NAME"], config["HOST"], config["PORT"]) == (
            "etlportal.backends.sqlserver",
            name,
            "sql.example.com",
            "1433",
        )
        assert config["OPTIONS"]["encrypt"] == "yes"
        assert config["OPTIONS"]["trust_server_certificate"] == "no"
    assert databases["default"]["ENGINE"] == "django.db.backends.sqlite3"


def test_a_real_warehouse_is_https_only(tmp_path: Path) -> None:
    settings = load(tmp_path, **PRODUCTION)
    assert (
        settings["SECURE_SSL_REDIRECT"] is settings["SESSION_COOKIE_SECURE"] is settings["CSRF_COOKIE_SECURE"] is True
    )
    assert settings["SECURE_HSTS_SECONDS"] > 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"ETL_SQL_TIMEOUT_SECONDS": "soon"}, "ETL_SQL_TIMEOUT_SECONDS"),
        ({"ETL_SQL_TIMEOUT_SECONDS": "0"}, "ETL_SQL_TIMEOUT_SECONDS"),
        ({"ETL_SQL_ENCRYPT": "perhaps"}, "ETL_SQL_ENCRYPT"),
        ({"ETL_SQL_TRUST_SERVER_CERTIFICATE": "perhaps"}, "ETL_SQL_TRUST_SERVER_CERTIFICATE"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=named):
        load(tmp_path, **{**PRODUCTION, **changes})


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("from the file\n")
    variables = {name: value for name, value in PRODUCTION.items() if name != "ETL_SQL_PASSWORD"}
    databases = load(tmp_path, **variables, ETL_SQL_PASSWORD_FILE=str(secret))["DATABASES"]
    assert databases["dw"]["PASSWORD"] == "from the file"


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE"):
        load(tmp_path, SECRET_KEY_FILE=str(tmp_path / "absent"))


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    with pytest.raises(ImproperlyConfigured, match="not both"):
        load(tmp_path, SECRET_KEY="y", SECRET_KEY_FILE=str(tmp_path / "key"))


def test_the_policy_allows_no_inline_code(tmp_path: Path) -> None:
    directives = load(tmp_path)["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]
    assert directives["default-src"] == ["'none'"]
    assert "unsafe" not in repr(directives)


def test_the_demonstration_loads_no_sql_server_code() -> None:
    """Embedded, neither pyodbc nor the mssql backend is imported: a machine without them runs it."""
    import subprocess
    import sys
    import tempfile

    code = (
        "import django, sys; django.setup();"
        "from django.db import connections; [connections[a] for a in connections];"
        "from django.urls import get_resolver; get_resolver().url_patterns;"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('pyodbc', 'mssql', 'mssql_python')];"
        "sys.exit(', '.join(bad) or 0)"
    )
    with tempfile.TemporaryDirectory() as folder:
        variables = {"DJANGO_SETTINGS_MODULE": "etlportal.settings", "PORTAL_DATA_DIR": folder, "PATH": os.defpath}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_variable_is_named_in_the_example() -> None:
    """Nobody has to read the settings file to find out what can be set, and nothing is named that does nothing."""
    names = ("settings.py", "databases.py", "sqlserver.py", "own_database.py")
    code = "".join((ROOT / "etlportal" / name).read_text() for name in names)
    read = set(re.findall(r"""\b(?:env(?:\.\w+)*\(\s*|\w+\(env, )["']([A-Z_]+)["']""", code))
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read - example == set()
    assert example - read == {"PORT"}, "only the demo's command reads that"


# The checks


def _ids(messages: list[Any]) -> list[str]:
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_the_data_folder_must_be_writable(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    assert checks.data_folder(None) == []
    settings.DATA_DIR = tmp_path / "absent"
    assert _ids(checks.data_folder(None)) == ["etlportal.E001"]


@pytest.mark.parametrize("name", checks.POSITIVE)
def test_numbers_must_be_positive(settings: Any, name: str) -> None:
    assert checks.positive_numbers(None) == []
    setattr(settings, name, 0)
    assert _ids(checks.positive_numbers(None)) == ["etlportal.E003"]


def test_demo_users_are_an_error_beside_a_real_warehouse(settings: Any, users: dict[str, Any]) -> None:
    assert checks.no_demo_users(None, databases=["default"]) == []
    settings.EMBEDDED = False
    assert _ids(checks.no_demo_users(None, databases=["default"])) == ["etlportal.E002"]
    assert checks.no_demo_users(None) == []
    for user in users.values():
        user.set_password("another one")
        user.save()
    assert checks.no_demo_users(None, databases=["default"]) == []


def test_the_demonstration_is_no_deployment(settings: Any) -> None:
    assert _ids(checks.real_warehouse(None)) == ["etlportal.W001"]
    settings.EMBEDDED = False
    assert checks.real_warehouse(None) == []


def test_any_host_is_told(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    assert checks.named_hosts(None) == []
    settings.ALLOWED_HOSTS = ["*"]
    assert _ids(checks.named_hosts(None)) == ["etlportal.W002"]


@pytest.mark.parametrize(
    ("encrypt", "trust", "ids"),
    [
        ("yes", "no", []),
        ("strict", "no", []),
        ("no", "no", ["etlportal.W003"]),
        ("optional", "no", ["etlportal.W003"]),
        ("yes", "yes", ["etlportal.W003"]),
    ],
)
def test_unverified_traffic_is_told(settings: Any, encrypt: str, trust: str, ids: list[str]) -> None:
    # The setting is replaced, not the connection: the tests keep theirs.
    options = {"encrypt": encrypt, "trust_server_certificate": trust}
    with mock.patch.dict(settings.DATABASES, {"dw": {"OPTIONS": options, "USER": ""}}):
        assert checks.verified_traffic(None) == []
        settings.EMBEDDED = False
        assert _ids(checks.verified_traffic(None)) == ids


def test_the_administrator_is_told(settings: Any) -> None:
    with mock.patch.dict(settings.DATABASES, {"dw": {"OPTIONS": {}, "USER": "SA"}}):
        assert checks.least_privilege(None) == []
        settings.EMBEDDED = False
        assert _ids(checks.least_privilege(None)) == ["etlportal.W004"]
