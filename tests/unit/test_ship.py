"""The image and the compose files (their schema and linter run in `make lint`)."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from etlportal import gunicorn_settings, healthcheck
from etlportal.environment import FROM_FILE
from tools.dockerfile import ROOT, instructions, last

DOCKERFILE = instructions()
FINAL = [each for each in DOCKERFILE if each.stage == DOCKERFILE[-1].stage]
COMPOSE = {name: yaml.safe_load((ROOT / name).read_text("utf-8")) for name in ("compose.yaml", "compose.prod.yaml")}
SERVICES = [
    pytest.param(service, id=f"{file}:{name}")
    for file, text in COMPOSE.items()
    for name, service in text["services"].items()
]
OURS = [each for each in SERVICES if not str(each.values[0]["image"]).startswith("mcr.microsoft.com/")]  # type: ignore[index]
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|DATABASE_URL|_KEY\b")


def test_the_base_is_pinned_to_what_tests_run_on() -> None:
    (image,) = [each.pairs["PYTHON_IMAGE"] for each in DOCKERFILE if each.keyword == "ARG"]
    assert re.fullmatch(r"python:3\.11(\.\d+)?-slim-bookworm(@sha256:[0-9a-f]{64})?", image)
    assert {each.words[0] for each in DOCKERFILE if each.keyword == "FROM"} == {"${PYTHON_IMAGE}"}


def test_it_runs_as_a_user_by_number_and_answers_for_its_health() -> None:
    user, group = last("USER", FINAL).text.split(":")
    assert int(user) >= 10000 and int(group) >= 10000
    (made,) = [each.text for each in FINAL if "useradd" in each.text]
    assert f"--uid {user}" in made and f"--gid {group}" in made
    assert last("HEALTHCHECK", FINAL).text.endswith('CMD ["python", "-m", "etlportal.healthcheck"]')
    assert last("STOPSIGNAL", FINAL).text == "SIGTERM"
    assert last("CMD", FINAL).words[:3] == ["gunicorn", "--config", "python:etlportal.gunicorn_settings"]


def test_no_secret_and_nothing_from_elsewhere_is_built_in() -> None:
    for each in DOCKERFILE:
        assert each.keyword != "ADD"
        if each.keyword in {"ENV", "ARG", "LABEL"}:
            assert not [name for name in each.pairs if SECRET.search(name)]
    # Only listed results of the build stage reach the image, and no stage copies the whole repository.
    assert [each.words[1:] for each in FINAL if each.keyword == "COPY"] == [["/opt/venv"] * 2, ["/app"] * 2]
    assert not [each for each in DOCKERFILE if each.keyword == "COPY" and "." in each.words[:-1]]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored and "**/.env" in ignored and "**/secrets" in ignored
    assert not (ROOT / "etlportal/.env").exists()


def test_only_the_data_folder_is_written_to() -> None:
    env = {name: value for each in FINAL if each.keyword == "ENV" for name, value in each.pairs.items()}
    assert env["PORTAL_DATA_DIR"] == "/data" and last("VOLUME", FINAL).words == ["/data"]
    assert env["PORTAL_STATIC_ROOT"].startswith("/app/")
    assert env["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize("service", OURS)
def test_containers_may_do_little(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]
    assert "privileged" not in service


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_this_machines_own(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("service", SERVICES)
def test_secrets_are_files(service: dict[str, Any]) -> None:
    known = {*FROM_FILE, "ETL_RUNNER_PASSWORD", "POSTGRES_PASSWORD"}
    for name, value in service.get("environment", {}).items():
        if SECRET.search(name):
            assert name.endswith("_FILE") and name.removesuffix("_FILE") in known
            assert value.removeprefix("/run/secrets/") in service["secrets"]


@pytest.mark.parametrize("name", COMPOSE)
def test_everything_waits_for_what_it_needs(name: str) -> None:
    services = COMPOSE[name]["services"]
    for service in services.values():
        assert set(service.get("secrets", ())) <= set(COMPOSE[name]["secrets"])
        for other, how in service.get("depends_on", {}).items():
            one_shot = services[other].get("restart") == "no"
            assert how == {"condition": "service_completed_successfully" if one_shot else "service_healthy"}
            assert one_shot or "test" in services[other]["healthcheck"]
    for each in ("web", "collector"):
        assert "migrate" in services[each]["depends_on"]


def test_what_must_be_decided_has_no_default() -> None:
    assert COMPOSE["compose.yaml"]["services"]["sqlserver"]["environment"]["ACCEPT_EULA"].startswith("${ACCEPT_EULA:?")
    web = COMPOSE["compose.prod.yaml"]["services"]["web"]["environment"]
    assert web["ETL_SQL_SERVER"].startswith("${ETL_SQL_SERVER:?") and web["ALLOWED_HOSTS"].startswith(
        "${ALLOWED_HOSTS:?"
    )
    assert web["ETL_SQL_TRUST_SERVER_CERTIFICATE"].endswith(":-no}")


def test_the_secrets_of_both_files_are_made_once(tmp_path: Path) -> None:
    script = tmp_path / "docker/make-secrets.sh"
    script.parent.mkdir()
    script.write_bytes((ROOT / "docker/make-secrets.sh").read_bytes())
    for option in ((), ("--prod",), ()):
        before = {file.name: file.read_text() for file in (tmp_path / "secrets").glob("*")}
        subprocess.run(["sh", str(script), *option], check=True, capture_output=True)
        made = {file.name: file.read_text().strip() for file in (tmp_path / "secrets").glob("*")}
        assert {name: text.strip() for name, text in before.items()} == {name: made[name] for name in before}
    wanted = {Path(secret["file"]).name for text in COMPOSE.values() for secret in text["secrets"].values()}
    assert set(made) == wanted and all(made.values())
    assert made["postgres_password"] in made["database_url"] and len(made["secret_key"]) >= 50
    assert oct((tmp_path / "secrets").stat().st_mode)[-3:] == "700"


def test_the_init_applies_every_file_in_its_database(tmp_path: Path) -> None:
    """With a sqlcmd that writes down what it was asked; no password is among its arguments."""
    fake, log, secrets = tmp_path / "sqlcmd", tmp_path / "log", tmp_path / "secrets"
    fake.write_text(f'#!/bin/sh\necho "$MONITOR_PASSWORD $*" >>{log}\n')
    fake.chmod(0o755)
    secrets.mkdir()
    for name in ("sa_password", "etl_monitor_password", "etl_runner_password"):
        (secrets / name).write_text(f"it's {name}\n")
    environ = {
        "PATH": os.environ["PATH"],
        "SQLSERVER": "sqlserver",
        "SQLCMD": str(fake),
        "SECRETS": str(secrets),
        "SQL_FILES": str(ROOT / "sql/sqlserver"),
    }
    subprocess.run(["bash", str(ROOT / "docker/init-sqlserver.sh")], check=True, env=environ, capture_output=True)
    lines = log.read_text().splitlines()
    assert all(line.startswith("it''s etl_monitor_password ") and "sa_password" not in line for line in lines)
    applied = [Path(line.split()[-1]).name for line in lines]
    assert applied == [
        "databases.sql",
        *sorted(file.name for file in (ROOT / "sql/sqlserver").glob("*.sql")),
        "runner.sql",
    ]
    for line, name in zip(lines[1:-1], applied[1:-1], strict=True):
        assert ("-d ECOMMERCE_OLTP " if "_oltp_" in name else "-d DW_ECOMMERCE ") in line


def test_gunicorns_settings() -> None:
    assert gunicorn_settings.bind.startswith("0.0.0.0:")
    assert gunicorn_settings.accesslog == "-" and "%(q)s" not in gunicorn_settings.access_log_format
    assert "%(r)s" not in gunicorn_settings.access_log_format  # the request line has the query in it
    assert gunicorn_settings.graceful_timeout < 10  # what Docker gives a container to stop


@pytest.mark.parametrize(
    ("hosts", "asked"),
    [
        ("", "localhost"),
        ("*", "localhost"),
        ("portal.example.com,other", "portal.example.com"),
        (".example.com", "example.com"),
    ],
)
def test_the_health_check_asks_by_a_name_that_is_answered(
    hosts: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", hosts)
    assert healthcheck.host() == asked


@pytest.fixture
def answering() -> Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if (self.path, self.headers["Host"]) == ("/healthz", "portal.example.com") else 503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_healthy_is_200_and_nothing_else(answering: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "portal.example.com")
    assert healthcheck.healthy(answering.server_port)
    monkeypatch.setenv("ALLOWED_HOSTS", "other.example.com")
    assert not healthcheck.healthy(answering.server_port)
    assert not healthcheck.healthy(9)
