"""Users see the same: every figure, export, permission and cost equals the records in recorded/*.json.

For each world of worlds.py: each page as a viewer gets it, what the other roles get otherwise, each file, the
answers per role, and the statements of each page and tick. `UPDATE_RECORDED=1 pytest tests/characterisation` records
again; look at the difference of the files before committing it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.characterisation import figures, worlds
from tests.characterisation.recorded import check
from tests.conftest import ROLES

Clients = Callable[[str], Client]
REFERENCE = "viewer"
PAGES = (
    "/", "/pipelines/", "/pipelines/dim_cliente/", "/pipelines/dim_produto/", "/pipelines/fact_vendas/",
    "/runs/", "/runs/{run}/", "/runs/{running}/", "/runs/failures/", "/runs/failures/{group}/", "/connections/",
)  # fmt: skip
ASKED = (
    "/?q=dim&show=active&sort=-name", "/?trend=7d", "/pipelines/?sort=-name", "/pipelines/dim_produto/?window=30d",
    "/runs/?status=failed",
)  # fmt: skip
"""Filters and parameters of pages, tested in one world."""
WITH_FILES = ("failing", "dw_down", "limited")
WITH_ROLES = ("healthy",)
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')
POSTED = ("connections-capture", "pipeline-checks-run", "pipeline-unmask", "failure-unmask")
pytestmark = pytest.mark.failing_block


@pytest.mark.parametrize("name", worlds.WORLDS)
def test_users_see_what_was_recorded(name: str, client_as: Clients) -> None:
    with worlds.world(name) as world:
        clients = {role: _unaudited(client_as(role)) for role in ROLES}
        known = _known(world, clients[REFERENCE])
        pages, statements = _pages(world, clients, known, PAGES + ASKED if name == "failing" else PAGES)
        files = _files(clients, known) if name in WITH_FILES else {}
        roles = _roles(clients, known) if name in WITH_ROLES else None
    found = {name: {"pages": pages, "files": files}, f"{name}.statements": {"ticks": world.ticks, "pages": statements}}
    check(found if roles is None else {**found, f"{name}.roles": roles})


def _unaudited(client: Client) -> Client:
    """Leave out what tests/conftest.py asks of every answer: it takes longer than the rest of this test."""
    client.request = partial(Client.request.__wrapped__, client)  # type: ignore[attr-defined, method-assign]
    return client


def _known(world: worlds.World, client: Client) -> dict[str, Any]:
    """The parameters of addresses."""
    groups = figures.fingerprints(client.get("/runs/failures/").content.decode())
    return {
        "entity": "dim_produto",
        "run": world.runs["partial"],
        "run_id": world.runs["partial"],
        "running": world.runs["running"],
        "group": (groups or ["0" * 16])[0],
        "fingerprint": (groups or ["0" * 16])[0],
    }


def _pages(
    world: worlds.World, clients: dict[str, Client], known: dict[str, Any], templates: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures of each page, and its statements when the same user asks again."""
    pages, statements = {}, {}
    for template in templates:
        url = template.format_map(known)
        pages[template] = _by_role({role: client.get(url) for role, client in clients.items()})
        statements[template] = world.statements(partial(clients["admin"].get, url))
    return pages, statements


def _by_role(answers: dict[str, HttpResponse]) -> dict[str, Any]:
    """Return the reference's figures, and those of other roles that are others."""
    reference = _page(answers[REFERENCE])
    found = {REFERENCE: reference}
    seen = {_main(answers[REFERENCE]): {}}
    for role in ROLES:
        html = _main(answers[role])
        if html not in seen:
            seen[html] = _otherwise(reference, _page(answers[role]))
        if seen[html]:
            found[f"{role}, where it differs"] = seen[html]
    return found


def _page(answer: HttpResponse) -> figures.Figures:
    return {"status": answer.status_code, **figures.of_page(answer.content.decode())}


def _main(answer: HttpResponse) -> str:
    """A page's main part without its form tokens: equal ones are read once."""
    return f"{answer.status_code} " + TOKEN.sub("", answer.content.decode().partition("<main")[2])


def _otherwise(reference: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return what is another value than the reference's (None: it is not there), of texts by section."""
    found = {}
    for name in dict.fromkeys([*reference, *other]):
        one, two = reference.get(name), other.get(name)
        if one != two:
            found[name] = _otherwise(one, two) if name == "text" and one and two else two
    return found


def _files(clients: dict[str, Client], known: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of each file as an auditor gets them, and as a viewer does where that differs."""
    found = {}
    for name in sorted(name for name, each in worlds.ADDRESSES.items() if "kind" in each.pattern.converters):
        csv, xlsx = (_address(name, {**known, "kind": kind}) for kind in ("csv", "xlsx"))
        shown = name.removeprefix("monitoring:")
        found[f"{shown} as csv"] = _file(clients["auditor"], csv)
        found[f"{shown} as xlsx"] = _file(clients["auditor"], xlsx)
        if (other := _file(clients[REFERENCE], csv)) != found[f"{shown} as csv"]:
            found[f"{shown} as csv, {REFERENCE}"] = other
    return found


def _file(client: Client, url: str) -> Any:
    answer = client.get(url)
    if answer.status_code != 200:
        return answer.status_code
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    header, *rows = figures.of_file(content)
    return {"columns": header, "rows": [" | ".join(row) for row in rows]}


def _address(name: str, known: dict[str, Any]) -> str:
    names = worlds.ADDRESSES[name].pattern.converters
    return reverse(name, kwargs={key: known[key] for key in names})


def _roles(clients: dict[str, Client], known: dict[str, Any]) -> dict[str, Any]:
    """Return the status of each address per role, and of the forms that only some may send."""
    asked = {
        name.removeprefix("monitoring:"): _address(name, {**known, "kind": "csv"}) for name in sorted(worlds.ADDRESSES)
    }
    asked |= {address: address for address in worlds.admin_addresses()}
    found = {name: _status(clients, "get", url) for name, url in asked.items()}
    return found | {f"{name} (POST)": _status(clients, "post", asked[name]) for name in POSTED}


def _status(clients: dict[str, Client], method: str, url: str) -> str:
    return ", ".join(f"{role} {getattr(client, method)(url).status_code}" for role, client in clients.items())
