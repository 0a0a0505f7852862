"""Response headers, limits on requests, and the log's protection against injection."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from etlportal.serving import HEADERS
from tests.factories import healthy_snapshot

Clients = Callable[[str], Client]

ANSWERS = [
    ("", "/account/login/", 200),
    ("", "/healthz", 200),
    ("", "/static/css/base.css", 200),
    ("", "/", 302),
    ("viewer", "/", 200),
    ("viewer", "/nothing/here/", 404),
    ("viewer", "/connections/", 403),
    ("viewer", "/runs/runs.csv", 200),
    ("auditor", "/admin/", 200),
]


@pytest.mark.parametrize(("role", "address", "status"), ANSWERS)
def test_every_answer_says_what_it_forbids(
    role: str, address: str, status: int, client_as: Clients, snapshot_stored: Any
) -> None:
    snapshot_stored(healthy_snapshot())
    response = client_as(role).get(address)
    assert response.status_code == status
    for name, value in HEADERS.items():
        assert response[name] == value
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = response["Content-Security-Policy"]
    assert "object-src 'none'" in policy
    assert "worker-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy, "no other host"
    if not address.startswith("/static/"):
        assert response["X-Frame-Options"] == "DENY"
    response.close()


def test_the_policy_of_permissions_names_each_feature_once() -> None:
    names = [part.split("=")[0] for part in HEADERS["Permissions-Policy"].split(", ")]
    assert len(names) == len(set(names))
    assert "camera=()" in HEADERS["Permissions-Policy"]
    assert "publickey-credentials-get=(self)" in HEADERS["Permissions-Policy"]


def test_a_body_too_large_is_refused_in_words(client: Client, users: dict[str, User]) -> None:
    body = "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    response = client.post("/account/login/", {"login": "viewer", "password": body})
    # Refused while the form's token is looked for, or right after it.
    assert response.status_code in {400, 413}
    assert "Traceback" not in response.content.decode()
    assert client.post("/account/login/", body, content_type="application/x-www-form-urlencoded").status_code == 400


def test_no_form_takes_a_file_or_a_thousand_fields(client: Client, users: dict[str, User]) -> None:
    upload = SimpleUploadedFile("x.txt", b"x")
    assert client.post("/account/login/", {"login": "viewer", "file": upload}).status_code == 400
    many = "&".join(f"f{number}=1" for number in range(1001))
    assert client.post("/account/login/", many, content_type="application/x-www-form-urlencoded").status_code == 400


@pytest.fixture
def console() -> Any:
    """The console handler as settings make it, its lines collected."""
    config = settings.LOGGING
    names = {"console": config["handlers"]["console"]}
    used = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": config["formatters"],
        "filters": config["filters"],
        "handlers": names,
        "root": {"handlers": ["console"], "level": "INFO"},
    }
    root = logging.getLogger()
    before = list(root.handlers), root.level
    logging.config.dictConfig(used)
    handler = root.handlers[0]
    lines: list[str] = []
    handler.emit = lambda record: lines.append(handler.format(record)) if handler.filter(record) else None  # type: ignore[method-assign]
    root.handlers = [handler, *before[0]]
    yield lines
    root.handlers, root.level = before


def test_who_may_not_is_one_line_in_the_log(console: list[str], client_as: Clients) -> None:
    assert client_as("viewer").get("/connections/").status_code == 403
    (line,) = [each for each in console if "Forbidden" in each]
    assert "\n" not in line
    assert "Traceback" not in line


def test_a_fault_of_ours_keeps_its_traceback(console: list[str]) -> None:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("etlportal.x").exception("failed")
    assert "ZeroDivisionError" in console[-1]


@pytest.mark.parametrize("typed", ["a\nb", "a\rb", "a\x85b", "a\u2028b", "\x1b[2Ja"])
def test_a_visitor_writes_no_lines_into_the_log(console: list[str], typed: str) -> None:
    logging.getLogger("etlportal.x").warning("who: %s", typed)
    assert len(console[-1].splitlines()) == 1
    assert "\x1b" not in console[-1]
