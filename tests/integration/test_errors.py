"""Error pages: in the portal's look, in both languages, and with every database down."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError, ProgrammingError, connections
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import clear_url_caches, path
from django.utils.functional import SimpleLazyObject

from etlportal import urls as portal
from monitoring.web import errors

Clients = Callable[[str], Client]

FAULTS: dict[str, Exception] = {
    "bad": SuspiciousOperation("x"),
    "forbidden": PermissionDenied("secret reason"),
    "missing": Http404("secret reason"),
    "broken": RuntimeError("secret reason"),
    "wrong-query": ProgrammingError("secret reason"),
    "down": OperationalError("could not connect to secret.example"),
    "gone": InterfaceError("connection already closed"),
}


def _view(fault: Exception) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        raise fault

    view.login_required = False  # type: ignore[attr-defined]
    return view


def _lazy_view(request: HttpRequest) -> HttpResponse:
    """A lazy value that a template evaluates raises, each time it is evaluated."""

    def make() -> str:
        raise OperationalError("server closed the connection")

    return HttpResponse(str(SimpleLazyObject(make)))


_lazy_view.login_required = False  # type: ignore[attr-defined]

urlpatterns = [
    path("fault/lazy/", _lazy_view),
    *portal.urlpatterns,
    *(path(f"fault/{name}/", _view(fault)) for name, fault in FAULTS.items()),
]
handler400, handler403, handler404, handler500 = (
    portal.handler400,
    portal.handler403,
    portal.handler404,
    portal.handler500,
)


@pytest.fixture
def faults(settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def test_a_database_that_dies_under_a_lazy_object_is_told(db: None, faults: Client) -> None:
    assert faults.get("/fault/lazy/").status_code == 503


@contextmanager
def every_database_down() -> Iterator[list[str]]:
    """Every statement on any database fails, as when the servers are gone. Gives what was asked."""
    asked: list[str] = []

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        raise OperationalError("could not connect to server secret.example")

    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(connections[alias].execute_wrapper(refuse))
        yield asked


@pytest.fixture
def dead() -> Iterator[list[str]]:
    with every_database_down() as asked:
        yield asked


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "status", "title"),
    [
        ("bad", 400, "This address is not valid"),
        ("forbidden", 403, "Your role has no access to this page"),
        ("missing", 404, "Page not found"),
        ("broken", 500, "Portal error"),
        ("wrong-query", 500, "Portal error"),
        ("down", 503, "The portal&#x27;s own database does not answer"),
        ("gone", 503, "The portal&#x27;s own database does not answer"),
    ],
)
def test_each_fault_has_its_page(faults: Client, dead: list[str], name: str, status: int, title: str) -> None:
    response = faults.get(f"/fault/{name}/")
    html = response.content.decode()
    assert response.status_code == status
    assert f'<h1 class="error__title">{title}' in html
    assert "secret" not in html
    assert "Traceback" not in html
    assert dead == [], "an error page asks no database"
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", FAULTS)
def test_in_the_readers_language(faults: Client, name: str) -> None:
    response = faults.get(f"/fault/{name}/", headers={"Accept-Language": "pt-BR"})
    assert '<html lang="pt-br"' in response.content.decode()
    assert response["Content-Language"] == "pt-br"


PAGES = [page for page in vars(errors).values() if isinstance(page, errors.ErrorPage)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.title))
def test_a_page_needs_neither_session_nor_user(page: errors.ErrorPage) -> None:
    """A bare request: no middleware ran. Nothing here may be looked up."""
    response = errors.answer(RequestFactory().get("/x", headers={"Accept-Language": "en"}), page)
    assert response.status_code == page.status
    html = response.content.decode()
    assert str(page.status) in html
    assert f'class="error tone-{"failed" if page.status >= 500 else "warning"}"' in html


@pytest.mark.django_db
def test_a_host_that_is_not_ours(client: Client) -> None:
    response = client.get("/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "This address is not valid" in response.content.decode()


@pytest.mark.parametrize("address", ["/", "/preferences/", "/admin/", "/account/login/", "/no/such/page"])
def test_a_signed_in_reader_is_told_when_the_portals_database_is_down(client_as: Clients, address: str) -> None:
    client = client_as("viewer")
    with every_database_down():
        response = client.get(address)
    html = response.content.decode()
    assert response.status_code == 503
    assert response["Retry-After"]
    assert "own database does not answer" in html
    assert "secret" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["dw", "oltp"])
@pytest.mark.parametrize("fails", ["connecting", "executing", "fetching"])
def test_a_dead_warehouse_is_not_taken_for_the_portals_own_database(
    faults: Client, monkeypatch: pytest.MonkeyPatch, alias: str, fails: str
) -> None:
    def refuse(*_: Any) -> Any:
        raise sqlite3.OperationalError("could not connect to server secret.example")

    def view(request: HttpRequest) -> HttpResponse:
        connection = connections.create_connection(alias)
        if fails == "connecting":
            monkeypatch.setattr(connection, "get_new_connection", refuse)
        with connection.cursor() as cursor:
            if fails == "executing":
                connection.connection.set_progress_handler(lambda: 1, 1)
            cursor.execute("SELECT 1 UNION SELECT 2")
            if fails == "fetching":
                connection.connection.set_progress_handler(lambda: 1, 1)
            cursor.fetchall()
        return HttpResponse()

    view.login_required = False  # type: ignore[attr-defined]
    monkeypatch.setattr(sys.modules[__name__], "urlpatterns", [*urlpatterns, path("reads/", view)])
    clear_url_caches()
    response = faults.get("/reads/")
    assert response.status_code == 503
    assert "The warehouse does not answer" in response.content.decode()
    assert "secret" not in response.content.decode()


@pytest.mark.django_db
def test_the_sign_in_page_opens_without_any_database(dead: list[str], client: Client) -> None:
    assert client.get("/account/login/").status_code == 200


@pytest.mark.django_db
def test_signing_in_while_the_database_is_down_says_so(dead: list[str]) -> None:
    client = Client(raise_request_exception=False)
    response = client.post("/account/login/", {"login": "viewer", "password": "demo"})
    assert response.status_code == 503
    assert "own database does not answer" in response.content.decode()


@pytest.mark.django_db
def test_a_form_without_its_token() -> None:
    response = Client(enforce_csrf_checks=True).post("/account/login/", {"login": "x", "password": "y"})
    assert response.status_code == 403
    assert "The form has expired" in response.content.decode()


def test_a_role_that_may_not_is_told_so(client_as: Clients) -> None:
    response = client_as("viewer").get("/connections/")
    assert response.status_code == 403
    assert "Your role has no access to this page" in response.content.decode()


@pytest.mark.django_db
def test_unknown_addresses_tell_nobody_what_exists(client: Client) -> None:
    assert client.get("/no/such/page").status_code == 404


def test_a_wrong_query_is_not_blamed_on_the_database(faults: Client, users: dict[str, User]) -> None:
    assert faults.get("/fault/wrong-query/").status_code == 500
