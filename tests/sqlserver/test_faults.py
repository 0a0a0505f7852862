"""The portal with a faulty connection or a faulty server.

Faults that Babelfish cannot show are tested by injection only (tests/integration/test_faults.py): locks that block a
reader, a locked login, a database in restore, VIEW SERVER STATE.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client

from etlportal import breaker
from etlportal.budget import Budget, budget
from monitoring.rules.enums import ProblemCode as Code
from monitoring.rules.facts import Snapshot
from monitoring.web import middleware
from monitoring.web.middleware import PAGE_SECONDS
from tests.support.collecting import Watcher
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.skipif(not os.environ.get("TEST_SQLSERVER_HOST"), reason="TEST_SQLSERVER_HOST is not set")

SCALE = float(os.environ.get("TEST_SQLSERVER_PATIENCE") or 1)
"""The factor for all time limits on a slow server."""
LIMIT = 3.0 * SCALE
"""Seconds within which a page answers."""
BUDGET = PAGE_SECONDS * SCALE
WAITED = BUDGET + 0.2 * SCALE
"""Seconds that a page waited for the server at most: the budget, and what it takes to notice its end."""
ALIASES = ("dw", "oltp")
ON_DEMAND = (
    *("/connections/", "/pipelines/dim_cliente/blocks/pipeline-sample/"),
    *("/admin/monitoring/etlrun/", "/runs/999999/"),
)
PAGES = ("/", "/pipelines/", "/pipelines/dim_cliente/", "/runs/", *ON_DEMAND, "/admin/monitoring/etlcontrol/")


@dataclass
class Line:
    """The portal behind a proxy. `before`: as it was; `measured`: seconds of every page and tick."""

    proxy: TcpProxy
    client: Client
    watcher: Watcher
    before: Snapshot
    measured: list[tuple[str, float]]
    budgets: list[Budget]

    def waited(self) -> float:
        """Seconds that the last page waited for the server."""
        return BUDGET - self.budgets[-1].left()

    def tick(self) -> Snapshot:
        began = time.perf_counter()
        snapshot = self.watcher.look_over().snapshot()
        self.measured.append(("tick", time.perf_counter() - began))
        return snapshot

    def pages(self, *, but: int = 404) -> dict[str, str]:
        """Open every page; return their text by address."""
        texts = {}
        for url in PAGES:
            cache.clear()
            began = time.perf_counter()
            answer = self.client.get(url)
            took = time.perf_counter() - began
            self.measured.append((url, took))
            assert answer.status_code in {200, but if "999999" in url else 200}, url
            assert took < LIMIT, (url, took)
            assert self.waited() < WAITED, url
            texts[url] = answer.content.decode()
        return texts

    def recovers(self) -> None:
        """Within two ticks everything is as it was."""
        self.tick()
        snapshot = self.tick()
        assert problems(snapshot) == set()
        assert snapshot.stale_since is None
        assert [url for url, text in self.pages().items() if "does not answer" in text] == []


def problems(snapshot: Snapshot) -> set[Code]:
    found = [snapshot.problem, *(each.problem for each in snapshot.connections)]
    return {problem.code for problem in found if problem is not None}


def of_pipelines(snapshot: Snapshot) -> dict[str, set[Code]]:
    """By pipeline. The warehouse has some whose names lead nowhere: compare with `Line.before`."""
    return {
        each.name: {problem.code for problem in (each.source.problem, each.target.problem) if problem is not None}
        for each in snapshot.pipelines
    }


def totals(snapshot: Snapshot) -> dict[str, bool]:
    """Whether the rows of each target are known."""
    return {each.name: each.target.total is not None for each in snapshot.pipelines}


@pytest.fixture
def line(portal: Any, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[Line]:
    """Both databases through a proxy, statements limited to 3 s."""
    address = portal.server.address
    with TcpProxy(address.host, int(address.port)) as proxy, django_db_blocker.unblock(), pointed(port=str(proxy.port)):
        watcher = Watcher()
        made = Line(proxy, portal.client("admin"), watcher, watcher.look_over().snapshot(), [], [])
        monkeypatch.setattr(middleware, "budget", partial(_counted, made.budgets))
        assert problems(made.before) == set()
        made.pages()
        yield made
    slowest = sorted(made.measured, key=lambda pair: -pair[1])[:3]
    logging.getLogger(__name__).info("slowest: %s", [(what, round(seconds, 2)) for what, seconds in slowest])


@contextmanager
def _counted(seen: list[Budget], *args: Any, **kwargs: Any) -> Iterator[Budget]:
    with budget(*args, **kwargs) as made:
        seen.append(made)
        yield made


@contextmanager
def pointed(aliases: tuple[str, ...] = ALIASES, *, port: str = "", **changes: str) -> Iterator[None]:
    """Connect to another address, or as another login, inside the block."""
    before = {alias: dict(connections.settings[alias]) for alias in aliases}
    for alias in aliases:
        options = {**before[alias]["OPTIONS"], "query_timeout": int(3 * SCALE)}
        new = {**before[alias], "OPTIONS": options, **changes, **({"HOST": "127.0.0.1", "PORT": port} if port else {})}
        _use(alias, new)
    try:
        yield
    finally:
        for alias in aliases:
            _use(alias, before[alias])
        breaker.forget()


def _use(alias: str, config: dict[str, Any]) -> None:
    connections[alias].close()
    connections.settings[alias].update(config)
    with suppress(AttributeError):
        del connections[alias]


def test_off_and_back(line: Line) -> None:
    line.proxy.off()
    for _ in range(2):
        snapshot = line.tick()
        assert problems(snapshot) == {Code.UNREACHABLE}
        assert snapshot.stale_since is not None
        assert "does not answer" in line.pages(but=200)["/"]
    line.proxy.listen()
    line.recovers()


def test_off_at_the_start(line: Line) -> None:
    line.proxy.off()
    line.watcher.fresh()
    assert problems(line.tick()) == {Code.UNREACHABLE}
    line.pages(but=200)
    line.proxy.listen()
    line.recovers()


def test_killed_while_pages_load(line: Line) -> None:
    line.proxy.cutting = True
    line.pages(but=200)
    line.proxy.cutting = False
    line.recovers()


calm = pytest.mark.skipif(SCALE > 1, reason="it judges how long everybody waits: not on a slow server")


@calm
def test_accepts_and_never_answers(line: Line) -> None:
    """Open connections stop answering, then new ones get no answer."""
    line.proxy.frozen = True
    breaker.forget()
    line.pages(but=200)
    began = time.perf_counter()
    assert problems(line.tick()) & {Code.UNREACHABLE, Code.TIMEOUT}
    assert time.perf_counter() - began < 45, "less than the collector's lease"
    line.proxy.frozen = False
    line.proxy.cut()
    line.recovers()


@calm
def test_200_ms_on_each_packet(line: Line) -> None:
    line.proxy.delay = 0.2
    snapshot = line.tick()
    assert problems(snapshot) == set()
    line.pages()
    line.proxy.cut()  # also with nothing but new connections
    line.pages(but=200)
    line.proxy.delay = 0.0
    line.recovers()


@calm
def test_a_statement_over_its_time(line: Line) -> None:
    line.proxy.delay = 4.0
    assert problems(line.tick()) & {Code.TIMEOUT, Code.UNREACHABLE}
    line.pages(but=200)
    line.proxy.delay = 0.0
    line.proxy.cut()
    line.recovers()


def test_a_wrong_password(line: Line) -> None:
    with pointed(PASSWORD="not;the}password"):
        assert problems(line.tick()) == {Code.LOGIN_FAILED}
        text = "".join(line.pages(but=200).values())
        assert "the user or the password is wrong" in text
        assert "not;the}password" not in text
    line.recovers()


def test_the_oltp_is_gone_and_the_dw_is_not(line: Line) -> None:
    with pointed(("oltp",), NAME="etlportal_no_such_database"):
        snapshot = line.tick()
        assert {each.alias: each.reachable for each in snapshot.connections} == {"dw": True, "oltp": False}
        assert problems(snapshot) == {Code.DATABASE_UNAVAILABLE}
        assert totals(snapshot) == totals(line.before)
        assert "the database cannot be opened" in line.pages()["/"]
    line.recovers()


@contextmanager
def broken(portal: Any, database: str, breaks: str, mends: str) -> Iterator[None]:
    portal.server.execute(database, breaks)
    try:
        yield
    finally:
        portal.server.execute(database, mends)


def test_a_table_renamed_between_two_ticks(line: Line, portal: Any) -> None:
    from tests.sqlserver.server import OLTP

    with broken(
        portal,
        OLTP,
        "EXEC sp_rename 'core.regions', 'gone', 'OBJECT'",
        "EXEC sp_rename 'core.gone', 'regions', 'OBJECT'",
    ):
        # Without looking the structure over again: as it is between two looks.
        snapshot = line.watcher.snapshot()
        found = of_pipelines(snapshot)
        assert found["dim_regiao"] & {Code.OBJECT_MISSING, Code.OTHER}
        assert found == of_pipelines(line.before) | {"dim_regiao": found["dim_regiao"]}
        assert of_pipelines(line.tick())["dim_regiao"] == {Code.OBJECT_MISSING}
        line.pages()
    line.recovers()
    assert of_pipelines(line.tick()) == of_pipelines(line.before)


def test_a_schema_that_may_not_be_read(line: Line, portal: Any) -> None:
    from tests.sqlserver.server import DW, LOGIN

    right = f"SELECT ON SCHEMA::dim {{}} [{LOGIN}]"
    with broken(portal, DW, "REVOKE " + right.format("FROM"), "GRANT " + right.format("TO")):
        before, found = of_pipelines(line.before), of_pipelines(line.tick())
        hit = {each.name for each in line.before.pipelines if each.control.target_table.lower().startswith("dim.")}
        assert hit
        assert all(found[name] - before[name] for name in hit)
        assert all(found[name] == before[name] for name in found.keys() - hit)
        line.pages()
    line.recovers()
    assert of_pipelines(line.tick()) == of_pipelines(line.before)


def test_ready_says_no(line: Line, portal: Any) -> None:
    line.proxy.off()
    began = time.perf_counter()
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert time.perf_counter() - began < LIMIT
    line.proxy.listen()
