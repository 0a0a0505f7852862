"""The frame of every page: links by role, the warehouse's name, the user's language, zone and theme."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring.models import UserPreferences
from monitoring.web.context import PAGES, words
from tests.support.htmx import Node, parse

Clients = Callable[[str], Client]
PAGE = "/preferences/"


def page(client: Client, **headers: Any) -> Node:
    response = client.get(PAGE, **headers)
    assert response.status_code == 200
    return parse(response.content.decode())


def rail(tree: Node) -> list[str]:
    return [link.attrs["href"] or "" for nav in tree.find_all("nav") for link in nav.find_all("a")][1:]


def test_the_rail_leads_to_what_the_role_may_open(client_as: Clients) -> None:
    seen = {role: rail(page(client_as(role))) for role in ("viewer", "operator", "auditor", "admin")}
    connections = reverse("monitoring:connections")
    assert connections not in seen["viewer"]
    assert connections not in seen["operator"]
    assert connections in seen["auditor"]
    assert connections in seen["admin"]
    assert all(reverse("monitoring:summary") in links for links in seen.values())


def test_a_link_in_the_rail_opens(client_as: Clients) -> None:
    for role in ("viewer", "auditor"):
        client = client_as(role)
        for address in rail(page(client)):
            assert client.get(address).status_code == 200, (role, address)


def test_the_rail_keeps_the_order_of_the_pages(client_as: Clients) -> None:
    links = rail(page(client_as("admin")))
    known = [reverse(f"monitoring:{name}") for name, *_ in PAGES if name in {"summary", "runs", "connections"}]
    assert [link for link in links if link in known] == known


def test_the_current_page_is_marked_and_names_the_page(client_as: Clients) -> None:
    tree = parse(client_as("viewer").get("/").content.decode())
    marked = [link.attrs["href"] for link in tree.find_all("a") if link.attrs.get("aria-current") == "page"]
    assert marked == ["/"]
    (title,) = tree.find_all("title")
    assert title.text == "Operational summary · ETL Portal"


def test_the_administration_is_for_staff(client_as: Clients) -> None:
    assert page(client_as("viewer")).find(href=reverse("admin:index")) is None
    assert page(client_as("admin")).find(href=reverse("admin:index")) is not None


def test_the_demo_says_that_it_is_one(client_as: Clients, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ">Demo<" in client_as("viewer").get(PAGE).content.decode()
    settings.EMBEDDED = False
    monkeypatch.setitem(settings.DATABASES["dw"], "HOST", "sql01.example")
    monkeypatch.setitem(settings.DATABASES["dw"], "NAME", "DW_ECOMMERCE")
    html = client_as("viewer").get(PAGE).content.decode()
    assert ">Demo<" not in html
    assert "sql01.example" in html
    assert "DW_ECOMMERCE · " in html


# Language, zone, theme


@pytest.mark.parametrize(
    ("asked", "language"),
    [("pt-BR,pt;q=0.9,en;q=0.8", "pt-br"), ("pt", "pt-br"), ("en-GB", "en"), ("de", "en"), ("", "en"), ("x,;q=", "en")],
)
def test_the_language_follows_the_browser(client: Client, asked: str, language: str) -> None:
    response = client.get("/account/login/", headers={"Accept-Language": asked})
    assert f'<html lang="{language}"' in response.content.decode()
    assert response["Content-Language"] == language
    assert "Accept-Language" in response["Vary"]


def test_a_chosen_language_wins(client_as: Clients, users: dict[str, User]) -> None:
    UserPreferences.objects.create(user=users["viewer"], language="pt-br")
    response = client_as("viewer").get(PAGE, headers={"Accept-Language": "en"})
    assert '<html lang="pt-br"' in response.content.decode()


def test_the_zone_follows_the_browser_until_it_is_chosen(client_as: Clients, users: dict[str, User]) -> None:
    client = client_as("viewer")
    client.cookies["etlportal_zone"] = "Asia/Kathmandu"
    assert "Kathmandu UTC+05:45" in client.get(PAGE).content.decode()
    UserPreferences.objects.create(user=users["viewer"], time_zone="Europe/Lisbon")
    html = client.get(PAGE).content.decode()
    assert "Lisbon UTC" in html
    assert 'data-zone="Europe/Lisbon"' in html


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", "/etc/passwd", "x" * 5000, "%00", "America"])
def test_a_zone_that_does_not_exist_changes_nothing(client_as: Clients, zone: str) -> None:
    client = client_as("viewer")
    client.cookies["etlportal_zone"] = zone
    assert "Sao Paulo UTC−03" in client.get(PAGE).content.decode()


def test_the_theme_is_the_users(client_as: Clients, users: dict[str, User]) -> None:
    client = client_as("viewer")
    client.cookies["etlportal_theme"] = "dark"
    assert "data-theme" not in client.get(PAGE).content.decode().split(">", 2)[1], (
        "as the system, whatever the cookie says"
    )
    UserPreferences.objects.create(user=users["viewer"], theme="dark")
    assert '<html lang="en" data-theme="dark">' in client.get(PAGE).content.decode()


@pytest.mark.parametrize(("cookie", "attribute"), [("dark", ' data-theme="dark"'), ("light", ' data-theme="light"')])
def test_before_sign_in_the_theme_is_the_browsers(client: Client, cookie: str, attribute: str) -> None:
    client.cookies["etlportal_theme"] = cookie
    assert f'<html lang="en"{attribute}>' in client.get("/account/login/").content.decode()


def test_a_theme_cookie_of_nonsense_is_ignored(client: Client) -> None:
    client.cookies["etlportal_theme"] = '"><script>'
    assert '<html lang="en">' in client.get("/account/login/").content.decode()


# Cost and completeness


def test_the_frame_costs_few_queries(client_as: Clients) -> None:
    client = client_as("viewer")
    client.get(PAGE)
    with CaptureQueriesContext(connection) as captured:
        client.get(PAGE)
    # session, user, preferences, the two of permissions, groups
    assert len(captured) <= 6, [query["sql"][:90] for query in captured]


def test_the_scripts_have_every_word_that_they_say(client_as: Clients) -> None:
    from pathlib import Path

    scripts = Path(__file__).resolve().parents[2] / "static" / "js"
    said = {word for path in scripts.glob("*.js") for word in re.findall(r'\bsay\("(\w+)"', path.read_text())}
    assert said <= words().keys()
    assert '<script id="words" type="application/json">' in client_as("viewer").get(PAGE).content.decode()


def test_no_answer_of_a_reader_is_kept_by_a_cache(client_as: Clients) -> None:
    for address in ("/", PAGE):
        response = client_as("viewer").get(address)
        assert "no-store" in response["Cache-Control"]
        assert "Cookie" in response["Vary"]
