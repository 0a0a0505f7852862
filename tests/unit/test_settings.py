"""The settings file under every environment that matters, and the deploy checks."""

from __future__ import annotations

import os
import pprint
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from etlportal import apps

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


def test_cookies_with_https_belong_to_this_host_alone(tmp_path: Path) -> None:
    """[RFC 6265bis] A browser takes `__Host-` only with Secure, from / and without a Domain."""
    settings = load(tmp_path, **PRODUCTION)
    for kind in ("SESSION", "CSRF"):
        assert settings[f"{kind}_COOKIE_NAME"].startswith("__Host-")
        assert settings[f"{kind}_COOKIE_SECURE"] is True
        assert f"{kind}_COOKIE_DOMAIN" not in settings
        assert f"{kind}_COOKIE_PATH" not in settings
    assert settings["SECURE_HSTS_SECONDS"] >= 31_536_000


def test_how_long_a_session_lasts(tmp_path: Path) -> None:
    assert load(tmp_path)["SESSION_COOKIE_AGE"] == 7 * 24 * 3600
    assert load(tmp_path, PORTAL_SESSION_HOURS="12")["SESSION_COOKIE_AGE"] == 12 * 3600


@pytest.mark.parametrize(("proxy", "count"), [("yes", 1), ("no", None)])
def test_forwarded_addresses_are_believed_behind_a_proxy_only(tmp_path: Path, proxy: str, count: int | None) -> None:
    settings = load(tmp_path, **PRODUCTION, PORTAL_BEHIND_PROXY=proxy)
    assert settings.get("ALLAUTH_TRUSTED_PROXY_COUNT") == count
    assert ("SECURE_PROXY_SSL_HEADER" in settings) is (proxy == "yes")
    assert not settings.get("USE_X_FORWARDED_HOST"), "the Host header is checked, and no other"


def test_the_trails_lines_go_to_stdout_for_a_real_warehouse(tmp_path: Path) -> None:
    def handlers(**variables: str) -> Any:
        return load(tmp_path, **variables)["LOGGING"]["loggers"]["etlportal.trail"]["handlers"]

    assert handlers() == []
    assert handlers(TRAIL_STDOUT="yes") == ["trail"]
    assert handlers(ETL_SQL_SERVER="sql.example.com", SECRET_KEY="x" * 50, ALLOWED_HOSTS="a") == ["trail"]


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
        ({"ETL_SQL_TRUST_SERVER_CERTIFICATE": "strict"}, "ETL_SQL_TRUST_SERVER_CERTIFICATE"),
        ({"ETL_SQL_ENCRYPT": "yes;TrustServerCertificate=yes"}, "ETL_SQL_ENCRYPT"),
        ({"ETL_SQL_PORT": "1433;UID=sa"}, "ETL_SQL_PORT"),
        ({"ETL_SQL_PORT": "70000"}, "ETL_SQL_PORT"),
        ({"ETL_SQL_APPLICATION_INTENT": "read"}, "ETL_SQL_APPLICATION_INTENT"),
        ({"ETL_SQL_AUTHENTICATION": "ActiveDirectoryInteractive"}, "ETL_SQL_AUTHENTICATION"),
        ({"ETL_SQL_AUTHENTICATION": "ActiveDirectoryPassword", "ETL_SQL_PASSWORD": ""}, "ETL_SQL_AUTHENTICATION"),
        ({"ETL_SQL_MULTI_SUBNET_FAILOVER": "perhaps"}, "ETL_SQL_MULTI_SUBNET_FAILOVER"),
        ({"ETL_SQL_ISOLATION": "serializable"}, "ETL_SQL_ISOLATION"),
        ({"ETL_SQL_USER": ""}, "ETL_SQL_PASSWORD"),
        ({"ETL_SQL_PASSWORD": "a\nb"}, "ETL_SQL_PASSWORD holds a control character"),
        ({"ETL_SQL_USER": "a\x7f"}, "ETL_SQL_USER holds a control character"),
        ({"ETL_DW_DB": "a\tb"}, "ETL_DW_DB holds a control character"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN"),
        ({"METRICS_TOKEN": "with a blank in it, long enough"}, "METRICS_TOKEN"),
        ({"COLLECTOR_METRICS_PORT": "9108"}, "COLLECTOR_METRICS_PORT is set without METRICS_TOKEN"),
        ({"COLLECTOR_METRICS_PORT": "70000", "METRICS_TOKEN": "t" * 16}, "COLLECTOR_METRICS_PORT"),
        ({"SLOW_STATEMENT_SECONDS": "-1"}, "SLOW_STATEMENT_SECONDS"),
        ({"SLOW_STATEMENT_SECONDS": "nan"}, "SLOW_STATEMENT_SECONDS"),
        ({"SQL_COMMENT_IDS": "perhaps"}, "SQL_COMMENT_IDS"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=named):
        load(tmp_path, **{**PRODUCTION, **changes})


def test_what_operators_want_is_off_until_it_is_asked_for(tmp_path: Path) -> None:
    settings = load(tmp_path, **PRODUCTION)
    assert (settings["METRICS_TOKEN"], settings["COLLECTOR_METRICS_PORT"]) == ("", 0)
    assert settings["COLLECTOR_METRICS_ADDRESS"] == "127.0.0.1"
    assert (settings["SLOW_STATEMENT_SECONDS"], settings["SQL_COMMENT_IDS"]) == (1.0, "auto")
    assert settings["LOGGING"]["handlers"]["console"]["formatter"] == "line"
    assert settings["REQUEST_ID_TRUSTED"] is False
    (tmp_path / "token").write_text("$taken-as-it-stands\n")
    asked = {"METRICS_TOKEN_FILE": str(tmp_path / "token"), "COLLECTOR_METRICS_PORT": "9108", "LOG_FORMAT": "json"}
    settings = load(tmp_path, **PRODUCTION, **asked, PORTAL_BEHIND_PROXY="yes", SLOW_STATEMENT_SECONDS="0.25")
    assert settings["METRICS_TOKEN"] == "$taken-as-it-stands"
    assert "taken" not in repr(settings["METRICS_TOKEN"])
    assert settings["COLLECTOR_METRICS_PORT"] == 9108
    assert settings["LOGGING"]["handlers"]["console"]["formatter"] == "json"
    assert settings["REQUEST_ID_TRUSTED"] is True
    assert settings["SLOW_STATEMENT_SECONDS"] == 0.25


def test_what_is_asked_for_is_what_the_driver_is_told(tmp_path: Path) -> None:
    options = load(
        tmp_path,
        **PRODUCTION,
        ETL_SQL_APPLICATION_INTENT="readonly",
        ETL_SQL_AUTHENTICATION="activedirectorymsi",
        ETL_SQL_MULTI_SUBNET_FAILOVER="yes",
        ETL_SQL_ISOLATION="SNAPSHOT",
        ETL_SQL_ENCRYPT="Strict",
        ETL_SQL_TIMEOUT_SECONDS="7",
        ETL_SQL_DRIVER="Another",
    )["DATABASES"]["oltp"]["OPTIONS"]
    assert options == {
        "application_intent": "ReadOnly",
        "authentication": "ActiveDirectoryMsi",
        "multi_subnet_failover": "Yes",
        "isolation": "snapshot",
        "encrypt": "strict",
        "trust_server_certificate": "no",
        "query_timeout": 7,
        "lock_timeout_ms": 1000,
        "driver": "Another",
    }


@pytest.mark.parametrize("password", ["$HOME", "$nothing", ";}{ =", "'quoted'", "p@ss#word"])
def test_a_password_is_taken_as_it_stands_and_not_printed(tmp_path: Path, password: str) -> None:
    """django-environ would look for a variable called HOME."""
    settings = load(tmp_path, **{**PRODUCTION, "ETL_SQL_PASSWORD": password, "SECRET_KEY": f"$HOME{'k' * 60}"})
    assert settings["DATABASES"]["dw"]["PASSWORD"] == password
    assert settings["SECRET_KEY"] == f"$HOME{'k' * 60}"
    assert password not in repr(settings["DATABASES"])
    assert password not in pprint.pformat(settings["DATABASES"])


@pytest.mark.parametrize(
    ("server", "port"), [("sql.example.com", "1433"), ("sql\\INSTANCE", ""), ("sql.example.com,1444", "")]
)
def test_a_named_instance_has_no_port(tmp_path: Path, server: str, port: str) -> None:
    databases = load(tmp_path, **{**PRODUCTION, "ETL_SQL_SERVER": server})["DATABASES"]
    assert (databases["dw"]["HOST"], databases["dw"]["PORT"]) == (server, port)


def test_the_server_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("sql.example.com\n")
    variables = {name: value for name, value in PRODUCTION.items() if name != "ETL_SQL_SERVER"}
    settings = load(tmp_path, **variables, ETL_SQL_SERVER_FILE=str(tmp_path / "server"))
    assert settings["EMBEDDED"] is False
    assert settings["DATABASES"]["dw"]["HOST"] == "sql.example.com"


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


def test_the_demonstration_needs_no_sql_server_code(tmp_path: Path) -> None:
    """Embedded, a machine on which neither pyodbc nor the mssql backend can be imported migrates and shows a page."""
    code = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pyodbc", "mssql", "mssql_python", "mssql_python_odbc"):
            raise ImportError(f"{name}: libodbc.so.2: cannot open shared object file")

sys.meta_path.insert(0, Refused())
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client(SERVER_NAME="localhost")
client.force_login(
    get_user_model().objects.create_superuser("a", "a@example.com", "x"), backend="monitoring.accounts.UserBackend"
)
print(client.get("/").status_code)
"""
    variables = {"DJANGO_SETTINGS_MODULE": "etlportal.settings", "PORTAL_DATA_DIR": str(tmp_path), "PATH": os.defpath}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.stdout.endswith("200\n"), done.stderr
    assert "ODBC" not in done.stderr


def test_a_missing_driver_manager_is_said_once_when_the_portal_starts(tmp_path: Path) -> None:
    (tmp_path / "pyodbc.py").write_text("raise ImportError('libodbc.so.2: cannot open shared object file')")
    variables = {
        **PRODUCTION,
        "DJANGO_SETTINGS_MODULE": "etlportal.settings",
        "PORTAL_DATA_DIR": str(tmp_path / "data"),
        "PATH": os.defpath,
        "PYTHONPATH": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", "import etlportal.wsgi"], cwd=ROOT, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert "apt-get install libodbc2; Red Hat: dnf install unixODBC; Alpine: apk add unixodbc" in done.stderr


def test_every_variable_is_named_in_the_example() -> None:
    """.env.example lists every variable of the settings, and no other."""
    names = ("settings", "environment", "databases")
    code = "".join((ROOT / "etlportal" / f"{name}.py").read_text() for name in names)
    read = set(re.findall(r"""\benv\.\w+\(\s*["']([A-Z_]+)["']""", code))
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read - example == set()
    assert example - read == {"PORT"}, "only the demo's command reads that"


OIDC = {
    "PORTAL_OIDC_SERVER_URL": "https://id.example.com/realms/x/",
    "PORTAL_OIDC_CLIENT_ID": "etl-portal",
    "PORTAL_OIDC_CLIENT_SECRET": "$secret",
    "PORTAL_OIDC_GROUP_MAP": "etl-admins=admin, dwh=viewer,dwh=operator , cn=a=b=auditor",
}


def test_single_sign_on_by_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path)["OIDC"] is None
    oidc = load(tmp_path, **OIDC)["OIDC"]
    assert oidc.server_url == "https://id.example.com/realms/x"
    assert (str(oidc.client_secret), repr(oidc).count("$secret")) == ("$secret", 0)
    assert oidc.group_map == {
        "etl-admins": frozenset({"admin"}),
        "dwh": frozenset({"viewer", "operator"}),
        "cn=a=b": frozenset({"auditor"}),
    }
    assert (oidc.default_group, oidc.link_by_email, oidc.second_factor) == ("", False, False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"PORTAL_OIDC_CLIENT_SECRET": ""}, "PORTAL_OIDC_CLIENT_SECRET"),
        ({"PORTAL_OIDC_SERVER_URL": ""}, "PORTAL_OIDC_SERVER_URL"),
        ({"PORTAL_OIDC_SERVER_URL": "http://id.example.com"}, "PORTAL_OIDC_SERVER_URL"),
        ({"PORTAL_OIDC_SERVER_URL": "id.example.com"}, "PORTAL_OIDC_SERVER_URL"),
        ({"PORTAL_OIDC_GROUP_MAP": "admins"}, "PORTAL_OIDC_GROUP_MAP"),
        ({"PORTAL_OIDC_GROUP_MAP": "=admin"}, "PORTAL_OIDC_GROUP_MAP"),
        ({"PORTAL_OIDC_GROUP_MAP": ""}, "PORTAL_OIDC_GROUP_MAP"),
    ],
)
def test_half_a_provider_is_refused_by_name(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=named) as caught:
        load(tmp_path, **{**OIDC, **changes})
    assert "$secret" not in str(caught.value)


def test_the_first_administrator_by_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path)["FIRST_ADMIN"] is None
    (tmp_path / "password").write_text("$from a file\n")
    given = load(tmp_path, PORTAL_ADMIN_USER="boss", PORTAL_ADMIN_PASSWORD_FILE=str(tmp_path / "password"))
    assert given["FIRST_ADMIN"] == ("boss", "$from a file", "")
    assert "from a file" not in repr(given["FIRST_ADMIN"])
    with pytest.raises(ImproperlyConfigured, match="PORTAL_ADMIN_PASSWORD"):
        load(tmp_path, PORTAL_ADMIN_USER="boss")


# The checks


def _ids(messages: list[Any]) -> list[str]:
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_the_data_folder_must_be_writable(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    assert apps.data_folder(None) == []
    settings.DATA_DIR = tmp_path / "absent"
    assert _ids(apps.data_folder(None)) == ["etlportal.E001"]


@pytest.mark.parametrize("name", apps.POSITIVE)
def test_numbers_must_be_positive(settings: Any, name: str) -> None:
    assert apps.positive_numbers(None) == []
    setattr(settings, name, 0)
    assert _ids(apps.positive_numbers(None)) == ["etlportal.E003"]


def test_demo_users_are_an_error_beside_a_real_warehouse(settings: Any, users: dict[str, Any]) -> None:
    assert apps.no_demo_users(None, databases=["default"]) == []
    settings.EMBEDDED = False
    assert _ids(apps.no_demo_users(None, databases=["default"])) == ["etlportal.E002"]
    assert apps.no_demo_users(None) == []
    for user in users.values():
        user.set_password("another one")
        user.save()
    assert apps.no_demo_users(None, databases=["default"]) == []


def test_the_demonstration_is_no_deployment(settings: Any) -> None:
    assert _ids(apps.deployment(None)) == ["etlportal.W001"]
    settings.EMBEDDED = False
    options = {"encrypt": "yes", "trust_server_certificate": "no"}
    with mock.patch.dict(settings.DATABASES, {"dw": {"OPTIONS": options}}):
        assert apps.deployment(None) == []


def test_any_host_is_told(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    assert "etlportal.W002" not in _ids(apps.deployment(None))
    settings.ALLOWED_HOSTS = ["*"]
    assert "etlportal.W002" in _ids(apps.deployment(None))


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
        assert _ids(apps.deployment(None)) == ["etlportal.W001"]
        settings.EMBEDDED = False
        assert _ids(apps.deployment(None)) == ids


def test_the_administrator_is_told(settings: Any) -> None:
    options = {"encrypt": "yes", "trust_server_certificate": "no"}
    with mock.patch.dict(settings.DATABASES, {"dw": {"OPTIONS": options, "USER": "SA"}}):
        assert _ids(apps.deployment(None)) == ["etlportal.W001"]
        settings.EMBEDDED = False
        assert _ids(apps.deployment(None)) == ["etlportal.W004"]
