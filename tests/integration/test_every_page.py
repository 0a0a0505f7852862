"""Properties of every page and block, found through the URL configuration, so that new pages are included."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.models import RunCopy, RunEntityCopy, scope
from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.web.blocks import Block
from monitoring.web.cache import cache
from tests import factories
from tests.conftest import ROLES
from tests.support import htmx
from tests.support.addresses import ADDRESSES, BLOCKS, PAGES
from tests.support.html import audit
from tests.support.queries import counted, queries
from tests.support.warehouse import Warehouse

OPEN = {"monitoring:healthz", "monitoring:readyz", "monitoring:metrics"}
"""Addresses that need no sign-in."""

Clients = Callable[[str], Client]

FINGERPRINT = "0123456789abcdef"
ARGUMENTS = {"run_id": 100, "entity": "dim_cliente", "kind": "csv", "fingerprint": FINGERPRINT}
"""The parameters of addresses."""
NONSENSE = (
    "sort=nothing",
    "sort=-",
    "sort=name;DROP TABLE ctl.etl_control",
    "page=0",
    "page=-1",
    "page=999999999999999999999",
    "page=x",
    "q=%27%3B%20DROP%20TABLE%20ctl.etl_control%3B--",
    "q=" + "x" * 5000,
    "q=%00",
    "q=%F0%9F%92%A9%25_%5B",
    "status=nonsense",
    "status=ok&status=ok&status=%3Cscript%3E",
    "status[]=1&[]=&=&&&",
    "run_id=-5&run_id=1e9&hours=-1&days=NaN&limit=100000000",
    "from=2026-99-99&to=yesterday",
)


def url_of(name: str) -> str:
    """Return the address of that name, its parameters filled in."""
    return reverse(name, kwargs={key: ARGUMENTS[key] for key in ADDRESSES[name].pattern.converters})


@pytest.fixture(autouse=True)
def _some_history(db: None) -> None:
    """The run and the pipeline that the addresses name."""
    run = RunCopy.objects.create(
        run_id=100,
        entities_requested="dim_cliente",
        started_by="svc_etl",
        started_at=factories.NOW,
        finished_at=factories.NOW,
        status=RunStatus.SUCCESS,
        entities_succeeded=1,
        entities_failed=0,
    )
    RunEntityCopy.objects.create(
        run_entity_id=1000,
        run=run,
        entity_name="dim_cliente",
        started_at=factories.NOW,
        finished_at=factories.NOW,
        status=ExecutionStatus.SUCCESS,
        extracted=1,
        upserted=1,
        soft_deleted=0,
    )
    RunEntityCopy.objects.create(
        run_entity_id=990,
        run=run,
        entity_name="dim_cliente",
        started_at=factories.NOW - timedelta(hours=1),
        finished_at=factories.NOW - timedelta(hours=1),
        status=ExecutionStatus.FAILED,
        extracted=0,
        upserted=0,
        soft_deleted=0,
        error_message=factories.UNIQUE_ERROR,
        error_class="unique",
        fingerprint=FINGERPRINT,
    )


def calm() -> Any:
    return factories.healthy_snapshot()


def _many(number: int) -> Any:
    names = ["dim_cliente", *(f"dim_{position:03d}" for position in range(1, number))]
    return factories.snapshot(*map(factories.pipeline, names))


def test_the_addresses_are_found() -> None:
    assert "monitoring:summary" in PAGES
    assert len(BLOCKS) >= 8


@pytest.mark.parametrize("name", sorted(ADDRESSES.keys() - OPEN))
def test_nobody_gets_nothing_but_the_sign_in_page(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    snapshot_stored(calm())
    for method in ("get", "post"):
        answer = getattr(client_as(""), method)(url_of(name))
        assert answer.status_code == 302, method
        assert answer["Location"].startswith("/account/login/")


@pytest.mark.parametrize("name", sorted(ADDRESSES))
def test_each_role_gets_an_answer(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    snapshot_stored(calm())
    allowed = {200, 403, 405} if name in PAGES + BLOCKS else {200, 302, 400, 403, 404, 405, 503}
    answers = {role: client_as(role).get(url_of(name)).status_code for role in ROLES}
    assert set(answers.values()) <= allowed, answers
    if name in PAGES:
        assert answers["admin"] == 200


@pytest.mark.parametrize("name", PAGES)
def test_a_page_before_the_first_sample(client_as: Clients, name: str) -> None:
    answer = client_as("admin").get(url_of(name))
    assert answer.status_code in ({200, 404} if ADDRESSES[name].pattern.converters else {200})


@pytest.mark.parametrize("language", ["en", "pt-br"])
@pytest.mark.parametrize(
    "state", [factories.healthy_snapshot, factories.troubled_snapshot, factories.unreachable_snapshot]
)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_each_state_and_language(
    client_as: Clients, snapshot_stored: Any, name: str, state: Callable[[], Any], language: str
) -> None:
    snapshot_stored(state())
    answer = client_as("admin").get(url_of(name), headers={"Accept-Language": language})
    assert f'<html lang="{language}"' in answer.content.decode()
    assert "Accept-Language" in answer["Vary"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_nobody_elses_business(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    snapshot_stored(calm())
    answer = client_as("admin").get(url_of(name))
    assert "private" in answer["Cache-Control"]
    assert {"HX-Request", "Cookie"} <= {part.strip() for part in answer["Vary"].split(",")}


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_a_page_has_one_root_of_its_name(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    snapshot_stored(calm())
    blocks = htmx.blocks(client_as("admin").get(url_of(name)).content.decode())
    assert blocks
    for block, node in blocks.items():
        roots = [child for child in node.children if not isinstance(child, str) or child.strip()]
        assert len(roots) == 1, block
        assert isinstance(roots[0], htmx.Node)
        assert roots[0].attrs.get("id") == block


@pytest.mark.parametrize("name", PAGES)
def test_a_block_alone_is_the_block_in_its_page(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    """At its own address, and asked for by htmx."""
    snapshot_stored(calm())
    client, url = client_as("admin"), url_of(name)
    page = client.get(url)
    for block, node in htmx.blocks(page.content.decode()).items():
        answer, swapped = htmx.swap(client, page, url, block)
        assert list(htmx.blocks(answer.content.decode())) == [block]
        htmx.assert_same(swapped, page.content.decode())
        if f"monitoring:{block}" in ADDRESSES:
            alone = client.get(url_of(f"monitoring:{block}")).content.decode()
            assert htmx.blocks(alone)[block].attrs["name"] == node.attrs["name"]
            assert audit(alone) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_refresh_is_a_reload(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    """Nothing changed: 204. Something did: all blocks, and the page is then as a fresh load."""
    snapshot_stored(calm())
    client, url = client_as("admin"), url_of(name)
    page = client.get(url)
    again = htmx.refresh(client, page, url)
    assert (again.status_code, again.content) == (204, b"")

    snapshot_stored(factories.troubled_snapshot())
    answer = htmx.assert_refresh_equals_reload(client, page, url)
    assert answer["X-Live"] != htmx.version(page)
    assert htmx.blocks(answer.content.decode()).keys() == htmx.blocks(page.content.decode()).keys()
    assert htmx.refresh(client, page, url, answer["X-Live"]).status_code == 204


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_the_warehouse_nothing_and_the_same_at_50_pipelines(
    client_as: Clients, snapshot_stored: Any, warehouse: Warehouse, name: str
) -> None:
    client, url = client_as("admin"), url_of(name)
    costs = []
    for number in (1, 50):
        snapshot_stored(_many(number))
        client.get(url)  # what a process remembers is not what a page costs
        with counted() as seen:
            assert client.get(url).status_code == 200
        costs.append(seen.counts())
    assert costs[0] == costs[1]
    if name == "monitoring:summary":
        assert (costs[0]["dw"], costs[0]["oltp"]) == (0, 0)


@pytest.mark.parametrize("name", PAGES)
def test_an_unchanged_refresh_costs_next_to_nothing(
    client_as: Clients, snapshot_stored: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the version that the page has: the session, the user, the snapshot's version; no block is rendered, nor is
    what the page is about looked up. A pipeline's checks are another statement, the audit what it cost before."""
    snapshot_stored(calm())
    client, url = client_as("admin"), url_of(name)
    page = client.get(url)
    rendered: list[Block] = []
    original = Block.render

    def render(block: Block, *args: Any, **options: Any) -> Any:
        rendered.append(block)
        return original(block, *args, **options)

    monkeypatch.setattr(Block, "render", render)
    more = {"monitoring:pipeline": 1}  # its checks
    with queries(default=3 + more.get(name, 0), dw=0, oltp=0):
        answer = htmx.refresh(client, page, url)
    assert (answer.status_code, answer.content, rendered) == (204, b"", [])
    assert sum(len(f"{key}: {value}") + 2 for key, value in answer.headers.items()) < 2500


@pytest.mark.parametrize("name", PAGES)
def test_nonsense_in_the_address_gets_a_clear_answer(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    snapshot_stored(calm())
    client, url = client_as("admin"), url_of(name)
    for query in NONSENSE:
        answer = client.get(f"{url}?{query}")
        assert answer.status_code in {200, 400}, query
        assert "<script>" not in answer.content.decode(), query


@pytest.mark.parametrize("name", PAGES)
def test_a_page_changes_nothing_on_get(client_as: Clients, snapshot_stored: Any, name: str) -> None:
    snapshot_stored(calm())
    client = client_as("admin")
    with counted() as seen:
        client.get(url_of(name))
    # On PostgreSQL a comment with the request's id stands before the statement.
    reads = re.compile(r"(/\*.*?\*/|[(\s])*(SELECT|WITH)\b", re.IGNORECASE)
    writes = [sql for sql in seen.of("default") if not reads.match(sql)]
    assert writes == []


def test_an_address_that_does_not_exist_says_so(client_as: Clients) -> None:
    for role, status in (("viewer", 404), ("", 404)):
        answer = client_as(role).get("/no-such-page")
        assert answer.status_code == status
        assert answer["Content-Type"].startswith("text/html")


def test_what_is_rendered_once_is_the_same_for_every_role(
    client_as: Clients, snapshot_stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cached block equals the block that the user's own request would render, also on another page and with other
    parameters."""
    made: dict[str, str] = {}
    met = set()

    def as_before(key: str, make: Callable[[], str], **_: Any) -> str:
        html, key = make(), f"{key}{scope.reader_scope().stamp}"
        tokens = re.findall(r'name="csrfmiddlewaretoken" value="([^"]*)"', html)
        assert not tokens, f"{key} caches the CSRF token of {role}"
        if key in made:
            met.add(key.split(":")[1])
            assert made[key] == html, f"{key} is another for {role}"
        made[key] = html
        return html

    monkeypatch.setattr("monitoring.web.blocks.cached_once", as_before)
    snapshot_stored(factories.troubled_snapshot())
    for role in ROLES:
        for name in PAGES:
            client_as(role).get(url_of(name))
            client_as(role).get(
                f"{url_of(name)}?q=a&sort=name&status=failed&window=7d&trend=coverage&f-q=b&x-status=ok"
            )
    assert {"pipeline-head", "pipelines-list", "run-facts", "connections-events", "summary-matrix"} <= met


def test_who_comes_while_a_block_is_rendered_keeps_what_they_have(client_as: Clients, snapshot_stored: Any) -> None:
    """A refresh does not wait for the rendering of another one: it gets 204 without new dates, and asks again."""
    snapshot_stored(calm())
    client, url = client_as("viewer"), url_of("monitoring:summary")
    page = client.get(url)
    snapshot_stored(factories.troubled_snapshot())
    add = cache.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "add", lambda key, *rest: not key.startswith("block:") and add(key, *rest))
        answer = htmx.refresh(client, page, url)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "X-Live" not in answer
    assert "X-Ticked-At" not in answer
    assert "X-Clock" in answer
    assert htmx.assert_refresh_equals_reload(client, page, url).status_code == 200
