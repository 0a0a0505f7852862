"""DATABASE_URL becomes the `default` that it means, or is refused by name and without its password."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured

from etlportal import databases
from etlportal.environment import Environment

FOLDER = Path("/data/a+b c")
ODD = "p@:/?#%+ ;{}=ç"
ENCODED = "p%40%3A%2F%3F%23%25%2B%20%3B%7B%7D%3D%C3%A7"


def built(url: str) -> dict[str, Any]:
    with mock.patch.dict(os.environ, {"DATABASE_URL": url}):
        return databases.own(Environment(), FOLDER)


def test_nothing_said_is_a_file_in_the_data_folder() -> None:
    config = built("")
    assert (config["ENGINE"], config["NAME"]) == ("django.db.backends.sqlite3", "/data/a+b c/portal.sqlite3")
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "POSTGRES"])
def test_postgresql(scheme: str) -> None:
    config = built(f"{scheme}://portal:{ENCODED}@db.example.com:5433/own?sslmode=verify-full&conn_max_age=0")
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert [config[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == [
        "portal",
        ODD,
        "db.example.com",
        5433,
        "own",
    ]
    assert config["OPTIONS"]["sslmode"] == "verify-full"
    assert config["OPTIONS"]["connect_timeout"] == 5
    assert "statement_timeout=30000" in config["OPTIONS"]["options"]
    assert (config["CONN_MAX_AGE"], config["CONN_HEALTH_CHECKS"]) == (0, True)


def test_what_the_address_says_goes_first() -> None:
    options = built("postgres://h/n?connect_timeout=2&options=")["OPTIONS"]
    assert options["connect_timeout"] == 2
    assert "statement_timeout" in options["options"], "an empty value says nothing"
    assert built("postgres://h/n?options=-c%20statement_timeout%3D0")["OPTIONS"]["options"] == "-c statement_timeout=0"


def test_postgresql_by_a_socket() -> None:
    config = built("postgres://portal@//run/postgresql/own")
    assert (config["HOST"], config["NAME"], config["USER"]) == ("/run/postgresql", "own", "portal")


def test_sql_server() -> None:
    config = built(f"mssql://portal:{ENCODED}@sql.example.com/own?encrypt=strict")
    assert config["ENGINE"] == "etlportal.backends.sqlserver"
    assert (config["PASSWORD"], config["PORT"], config["NAME"]) == (ODD, "1433", "own")
    assert config["OPTIONS"]["encrypt"] == "strict"
    assert "isolation" not in config["OPTIONS"], "its own tables are not read uncommitted"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hidden@h/n",
        "nonsense",
        "$DATABASE",
        "postgres://u:hid#den@h/n",
        "postgres://u:hid?den@h/n",
        "postgres://u:1/hidden@h/n",
        "postgres://u:hid[den@h/n",
        "postgres://u:hidden@h:port/n",
        "postgres://u:hidden@h",
        "sqlite://:memory:",
        "sqlite:///",
        "mssql://u:hidden@h/n?pwd=hidden",
        "mssql://u:hidden@h/n?encrypt=perhaps",
        "mssql://u:hidden@h/n?trust_server_certificate=perhaps",
    ],
)
def test_what_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as caught:
        built(url)
    assert "den" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_password_is_not_shown_with_the_settings() -> None:
    assert "hidden" not in repr(built("postgres://u:hidden@h/n"))
