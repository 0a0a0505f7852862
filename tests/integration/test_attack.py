"""Generated requests: no address, header or cookie causes a 5xx, an echo of markup or an injected header.

This is a small fixed sample. `make attack REQUESTS=10000` sends that many to each page and form, and a tenth to each
block and export. ATTACK_SECONDS limits each test; ATTACK_LOG names a file for the number of requests.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitoring.models import CollectorState, RunCopy, RunEntityCopy
from monitoring.rules.error_text import FINGERPRINT_VERSION, parse
from monitoring.web.blocks import PREFIX
from monitoring.web.preflight import OPENING
from tests.factories import troubled_snapshot
from tests.support.addresses import ADDRESSES, PAGES
from tests.support.warehouse import Warehouse

REQUESTS = int(os.environ.get("ATTACK_REQUESTS", "6"))
LARGE = "ATTACK_REQUESTS" in os.environ
SECONDS = float(os.environ.get("ATTACK_SECONDS", "inf"))
PARTS = max(REQUESTS // 10, min(REQUESTS, 6))
"""To a block or a file: each is also in its page, or made of the same rows by the same filters."""
READ = 10 if LARGE else 1
"""Every so many answers are read tag by tag, which takes as long as making them; all are searched for what was sent."""

MARK = "<x-attack a='\">"
"""Markup that no response may contain unescaped."""

PARAMETERS = (
    *("q", "search", "sort", "page", "per_page", "status", "state", "show", "kind", "class", "pipeline", "entity"),
    *("window", "from", "to", "since", "until", "after", "before", "older", "newer", "run", "rows", "facet", "by"),
    *("login_name", "host_name", "program_name", "database_name", "client_net_address", "encrypt_option"),
    *("auth_scheme", "started_by", "active", "action", "outcome", "encrypted", "session_status", "period", "o", "p"),
    *("e", "_popup", "_to_field", "all", "next", "lang", "theme", "format", "name", "entity_name", "id", "days"),
)
NASTY = (
    *(MARK, "' OR '1'='1", "'; DROP TABLE ctl.etl_control; --", '") UNION SELECT NULL--', "1 WAITFOR DELAY '0:0:5'"),
    *("../../etc/passwd", "..%2f..%2f", "\x00", "\r\nSet-Cookie: a=b", "{{7*7}}", "${7*7}", "%", "_", "[a-z]", "\\"),
    *("-1", "0", "1e309", "NaN", "9223372036854775807", "9223372036854775808", "٣", "１２", "0x10", "1_000"),
    *("2026-02-30", "0001-01-01", "9999-12-31T23:59:59", "2026-03-10T12:00:00+99:00", "-262144-01-01"),
    *("😀" * 50, "ﷺ" * 100, "a" * 3000, "\u202e\u0000\ufeff", "\ud800", "K".lower(), "ıİ", "="),
)
VALUES = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=40),
    st.integers(-(2**70), 2**70).map(str),
    st.datetimes().map(lambda when: when.isoformat()),
    st.text("0123456789abcdefABCDEF-_=.:,;<>'\"&%", max_size=60),
)
NAMES = st.one_of(st.sampled_from(PARAMETERS), st.text(max_size=12))
QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=6)
HEADERS = st.dictionaries(
    st.sampled_from(
        (
            *("HTTP_HX_REQUEST", "HTTP_HX_TARGET", "HTTP_HX_CURRENT_URL", "HTTP_X_LIVE", "HTTP_X_LIVE_ETAGS"),
            *("HTTP_ACCEPT_LANGUAGE", "HTTP_ACCEPT_ENCODING", "HTTP_REFERER", "HTTP_X_FORWARDED_FOR"),
            *("HTTP_X_FORWARDED_PROTO", "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_USER_AGENT", "HTTP_RANGE"),
        )
    ),
    VALUES.map(lambda text: text.replace("\r", "").replace("\n", "").encode("utf-8", "replace").decode("latin-1")),
    max_size=3,
)
SEGMENTS = st.one_of(st.sampled_from(("dim_cliente", "100", "csv", *NASTY)), st.text(min_size=1, max_size=30))


ERROR = "IntegrityError: ('23000', \"[23000] Violation of UNIQUE KEY constraint 'UQ_x'. (2627)\")"
FAILURE = parse(ERROR).fingerprint
USUAL = {"run_id": "100", "entity": "dim_cliente", "kind": "csv", "fingerprint": FAILURE}


@pytest.fixture
def reader(users: dict[str, Any], snapshot_stored: Any, warehouse: Warehouse) -> Client:
    """A user with all permissions, and a warehouse with failures."""
    snapshot_stored(troubled_snapshot())
    CollectorState.objects.update(fingerprint_version=FINGERPRINT_VERSION)
    now = timezone.now()
    run = RunCopy.objects.create(
        run_id=100, entities_requested="dim_cliente", started_by="svc", started_at=now, finished_at=now,
        status="failed", entities_succeeded=0, entities_failed=1, error_message="x",
    )  # fmt: skip
    RunEntityCopy.objects.create(
        run_entity_id=1000, run=run, entity_name="dim_cliente", started_at=now, finished_at=now, status="failed",
        extracted=1, upserted=0, soft_deleted=0, error_message=ERROR, fingerprint=FAILURE,
    )  # fmt: skip
    warehouse.control()
    warehouse.execution()
    warehouse.login_event()
    users["admin"].is_superuser = True
    users["admin"].save()
    client = Attacker(raise_request_exception=False)
    client.force_login(users["admin"], backend="monitoring.accounts.UserBackend")
    return client


class Attacker(Client):
    """A client whose answers the harness reads now and then only (READ)."""

    sent = 0

    def request(self, **environ: Any) -> Any:
        Attacker.sent += 1
        answer = Client.request if Attacker.sent % READ == 0 else Client.request.__wrapped__  # type: ignore[attr-defined]
        return answer(self, **environ)


@pytest.fixture(autouse=True)
def time_left(request: pytest.FixtureRequest) -> Iterator[Callable[[], bool]]:
    """`time_left()`: whether to go on. At the end, say how many requests were sent (with ATTACK_REQUESTS)."""
    began, sent = time.monotonic(), Attacker.sent
    yield lambda: time.monotonic() - began < SECONDS
    if LARGE:
        spent = time.monotonic() - began
        with Path(os.environ.get("ATTACK_LOG", os.devnull)).open("a", encoding="utf-8") as log:
            log.write(f"{Attacker.sent - sent:6} requests, {spent:5.0f} s  {request.node.name}\n")


def the_attack(test: Any, requests: int = REQUESTS) -> Any:
    """Settings of every attack: as many as asked for, always the same ones in `make test`."""
    return settings(
        max_examples=requests,
        deadline=None,
        derandomize=not LARGE,
        database=None,
        phases=[phase for phase in Phase if not (LARGE and phase is Phase.explain)],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )(test)


def harmless(response: Any, address: str) -> None:
    """Assert that the response is an intended one and does not contain the payload."""
    # 503: a database does not answer (none does so here), or too many files at once.
    assert response.status_code < 500 or response.status_code == 503, address
    assert "Set-Cookie: a=b" not in str(response.headers), address
    location = response.get("Location", "")
    assert not location.startswith(("//", "http", "javascript:", "\\")), f"{address} leads to {location}"
    # Not closed here: the test client has done so. A second time would end the request outside of it, and with the
    # request the connections: every later request of the test would find no warehouse.
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if response.get("Content-Type", "").startswith("text/html"):
        text = body.decode()
        assert MARK not in text, address
        assert "Traceback (most recent call last)" not in text, address


def addresses(prefix: str = "monitoring:") -> list[str]:
    return sorted(name for name in ADDRESSES if name.startswith(prefix))


def ways(name: str) -> st.SearchStrategy[dict[str, str]]:
    """The headers by which an address answers as a whole, as a refresh of all its blocks, or (mostly: it is the same
    code for a tenth of the time) with one block, as a filter or a sort asks for it."""
    view = getattr(ADDRESSES[name].callback, "view_class", None)
    blocks = [each.name for each in getattr(view, "blocks", ()) if each not in OPENING]
    single = [{"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": f"{PREFIX}{block}"} for block in blocks]
    return st.sampled_from([{}, {"HTTP_X_LIVE": "x", "HTTP_X_LIVE_ETAGS": ""}, *single * 3])


@pytest.mark.failing_block
@pytest.mark.parametrize("name", addresses())
def test_no_request_breaks_an_address(name: str, reader: Client, time_left: Callable[[], bool]) -> None:
    pattern = ADDRESSES[name].pattern
    route = str(pattern)
    keys = list(pattern.converters)

    @partial(the_attack, requests=REQUESTS if name in PAGES else PARTS)
    @given(
        query=QUERIES, headers=HEADERS, way=ways(name), parts=st.tuples(*[SEGMENTS for _ in keys]), plain=st.booleans()
    )
    def attack(
        query: list[tuple[str, str]],
        headers: dict[str, str],
        way: dict[str, str],
        parts: tuple[str, ...],
        plain: bool,
    ) -> None:
        if not time_left():
            return
        path = route
        for key, part in zip(keys, parts, strict=True):
            value = USUAL[key] if plain else quote(part, safe="", errors="replace")
            path = path.replace(next(p for p in _placeholders(path) if p.rstrip(">").endswith(key)), value)
        encoded = urlencode([(k.encode("utf-8", "replace"), v.encode("utf-8", "replace")) for k, v in query])
        address = f"/{path}?{encoded}"
        harmless(reader.get(address, **{**headers, **way}), address)

    attack()


@pytest.mark.parametrize("name", PAGES)
def test_the_attacked_pages_are_there(name: str, reader: Client) -> None:
    """The attacked address returns the page, not a 404."""
    route = str(ADDRESSES[name].pattern)
    for placeholder in _placeholders(route):
        route = route.replace(placeholder, USUAL[placeholder.strip("<>").split(":")[1]])
    assert reader.get(f"/{route}").status_code == 200, route


def test_the_warehouse_answers_throughout_the_attack(reader: Client) -> None:
    for _again in range(3):
        for address in ("/runs/runs.csv", "/admin/monitoring/etlrun/export.csv", "/connections/events.csv"):
            response = reader.get(address)
            harmless(response, address)
            assert response.status_code == 200, address


ADMIN = ("etlcontrol", "etlrun", "etlrunentity", "connectionloginevent", "trailentry", "pipelinesample", "runcopy")


@pytest.mark.parametrize("table", ADMIN)
def test_no_request_breaks_an_admin_list(table: str, reader: Client, time_left: Callable[[], bool]) -> None:
    @the_attack
    @given(query=QUERIES, key=SEGMENTS)
    def attack(query: list[tuple[str, str]], key: str) -> None:
        if not time_left():
            return
        encoded = urlencode([(k.encode("utf-8", "replace"), v.encode("utf-8", "replace")) for k, v in query])
        for address in (
            f"/admin/monitoring/{table}/?{encoded}",
            f"/admin/monitoring/{table}/{quote(key, safe='', errors='replace')}/change/?{encoded}",
        ):
            harmless(reader.get(address), address)

    attack()


@pytest.mark.parametrize(
    "address", ["/account/login/", "/preferences/set/", "/preferences/", "/connections/capture/", "/account/logout/"]
)
def test_no_form_breaks(address: str, reader: Client, time_left: Callable[[], bool]) -> None:
    """Any POST data, also with a `next` to another site."""

    @the_attack
    @given(fields=QUERIES, next_=st.sampled_from(("", "https://evil.example/", "//evil.example", "/\\evil.example")))
    def attack(fields: list[tuple[str, str]], next_: str) -> None:
        if not time_left():
            return
        client = Attacker(raise_request_exception=False) if "login" in address else reader
        data = {k.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for k, v in fields}
        harmless(client.post(address, {**data, "next": next_}), address)

    attack()


PATHS = (
    "/%2e%2e/%2e%2e/etc/passwd", "/static/../manage.py", "/static/%2e%2e/etlportal/settings.py",
    "/static/..%2f..%2fmanage.py", "/runs/%00/", "/runs/999999999999999999999999/", "/pipelines/..%2f..%2f/",
    "/admin//", "/.env", "/.git/config", "/var/portal.sqlite3", "/%ff%fe", "/pipelines/%EF%BF%BF/", "/\\evil.example",
    "/connections/events.exe", "/runs/100/executions.%2e%2e", "/" + "a" * 8000,
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out(path: str, reader: Client) -> None:
    response = reader.get(path)
    assert response.status_code in {301, 302, 400, 404}, path
    harmless(response, path)


def test_two_slashes_are_no_other_host(reader: Client) -> None:
    for path in ("//evil.example", "//evil.example/%2f.."):
        harmless(reader.get("/", PATH_INFO=path), path)


def _placeholders(route: str) -> list[str]:
    return [f"<{part.split('>')[0]}>" for part in route.split("<")[1:]]
