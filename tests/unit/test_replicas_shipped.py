"""The shipped nginx configuration has the settings that the cluster test relies on."""

from __future__ import annotations

import re

from etlportal import gunicorn_settings
from tests.unit.test_ship import COMPOSE
from tools.dockerfile import ROOT

NGINX = re.sub(r"#.*", "", (ROOT / "docker/nginx.conf").read_text())
SERVICES = COMPOSE["compose.prod.yaml"]["services"]


def test_a_get_is_tried_again_and_a_post_never() -> None:
    assert re.search(r"proxy_next_upstream +error timeout;", NGINX)
    assert "non_idempotent" not in NGINX


def test_what_a_visitor_says_of_himself_is_overwritten() -> None:
    for header, value in (
        ("X-Forwarded-For", "$remote_addr"),
        ("X-Forwarded-Proto", "$scheme"),
        ("Host", "$http_host"),
    ):
        assert f"proxy_set_header {header} {value};" in NGINX


def test_idle_connections_end_on_its_side_first() -> None:
    (seconds,) = re.findall(r"keepalive_timeout (\d+)s;", NGINX)
    assert int(seconds) < getattr(gunicorn_settings, "keepalive", 2)


def test_its_replicas_are_the_composes() -> None:
    names = {"web-2", *SERVICES["web"]["networks"]["default"]["aliases"]}
    assert set(re.findall(r"server (web-\d):8000 ", NGINX)) == names
    assert "127.0.0.1:${PROXY_PORT:-8080}:8080" in SERVICES["nginx"]["ports"] and "listen 8080;" in NGINX


def test_the_extra_parts_are_asked_for_by_name() -> None:
    assert {name for name, each in SERVICES.items() if "profiles" in each} == {"web-2", "nginx", "redis"}
