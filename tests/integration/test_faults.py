"""Every page under every fault: it answers in time, shows the last sample, the problem and the remedy, and recovers.

The faults are the driver's own errors (tests/support/faults.py), raised where the driver raises them.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from etlportal import breaker, budget
from etlportal.budget import OutOfTime
from monitoring.models import CollectorState, ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, RunCopy
from monitoring.rules.enums import ProblemCode as Code
from monitoring.rules.facts import Snapshot
from monitoring.warehouse.errors import CONNECTION_CODES
from monitoring.web.middleware import PAGE_SECONDS
from monitoring.web.problems import code_text
from tests.integration.test_every_page import PAGES
from tests.support.collecting import Watcher, in_real_time
from tests.support.faults import ASKING, CONNECTING, FAULTS, NASTY, Fault, struck
from tests.support.warehouse import Warehouse

Clients = Callable[[str], Client]
PAGES_OF_THE_PORTAL = ("/", "/pipelines/", "/pipelines/dim_cliente/", "/runs/", "/runs/1/", "/runs/2/", "/connections/")
ON_DEMAND = ("connections-activity", "connections-facets", "connections-events", "pipeline-sample", "run-facts")
WATCHED = (EtlControl, EtlRun, EtlRunEntity, ConnectionLoginEvent)
COPIED, OLD = 2, 1
"""The run that the portal has a copy of, and the one that only the warehouse has."""


@pytest.fixture
def watched(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    """Two pipelines, a run that was copied and one that was not, a login event: sampled once, all well."""
    monkeypatch.setitem(connections.settings["dw"], "PASSWORD", NASTY)
    monkeypatch.setitem(connections.settings["oltp"], "PASSWORD", NASTY)
    in_real_time(warehouse).control("dim_cliente")
    warehouse.control("dim_produto")
    for minutes in (30, 10):
        warehouse.execution("dim_cliente", entity_started_at=warehouse.now - timedelta(minutes=minutes))
    warehouse.login_event()
    watcher = Watcher()
    watcher.tick()
    RunCopy.objects.filter(pk=OLD).delete()
    assert RunCopy.objects.filter(pk=COPIED).exists()
    return watcher


def few() -> list[str]:
    """An address of each kind: the portal's pages, a block that reads on demand, a list and a row of the admin."""
    return [
        *PAGES_OF_THE_PORTAL,
        reverse("monitoring:pipeline-sample", args=["dim_cliente"]),
        reverse("admin:monitoring_etlrun_changelist"),
        reverse("admin:monitoring_etlcontrol_change", args=["dim_cliente"]),
    ]


def addresses() -> list[str]:
    """Every page, the blocks that read on demand, and the admin: each list, a row of each watched table."""
    arguments = {"monitoring:run": [COPIED], "monitoring:pipeline": ["dim_cliente"]}
    # A failure's page is made of copies alone, and none failed here.
    pages = [name for name in PAGES if name != "monitoring:failure-group"]
    found = [reverse(name, args=arguments.get(name)) for name in [*pages, "monitoring:preferences"]]
    found += [reverse("monitoring:run", args=[OLD]), reverse("admin:index")]
    for name in ON_DEMAND:
        args = {"pipeline-sample": ["dim_cliente"], "run-facts": [COPIED]}.get(name)
        found.append(reverse(f"monitoring:{name}", args=args))
    for model in (each for each in admin.site._registry if each._meta.app_label == "monitoring"):
        found.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
    keys = {EtlControl: "dim_cliente", EtlRun: OLD, EtlRunEntity: 1, ConnectionLoginEvent: 1}
    return found + [reverse(f"admin:monitoring_{m._meta.model_name}_change", args=[keys[m]]) for m in WATCHED]


def asks_the_dw(url: str) -> bool:
    """Whether the address shows what only the DW can tell now."""
    own = [f"/admin/monitoring/{model._meta.model_name}/" for model in WATCHED]
    return url == reverse("monitoring:run", args=[OLD]) or url.startswith(tuple(own))


def what(code: Code, language: str) -> str:
    with translation.override(language):
        return html.escape(code_text(code).what)


def to_do(code: Code, language: str) -> str:
    with translation.override(language):
        return html.escape(code_text(code).to_do)


def open_all(client: Client, language: str, urls: list[str]) -> dict[str, str]:
    """The HTML of the addresses. Each answers 200, and holds neither a password nor a traceback."""
    seen = {}
    for url in urls:
        answer = client.get(url, headers={"Accept-Language": language})
        text = answer.content.decode()
        assert answer.status_code == 200, url
        assert "Traceback" not in text, url
        for secret in (NASTY, html.escape(NASTY), NASTY.replace("}", "}}")):
            assert secret not in text, url
        seen[url] = text
    return seen


def age_of_the_sample() -> str:
    """The shell of every page has the time of the last sample."""
    ticked_at = CollectorState.objects.get().ticked_at
    assert ticked_at is not None
    return f"{ticked_at:%Y-%m-%dT%H:%M:%S}"


def problems(snapshot: Snapshot) -> set[Code]:
    found = [snapshot.problem, *(each.problem for each in snapshot.connections)]
    for pipeline in snapshot.pipelines:
        found += [pipeline.source.problem, pipeline.target.problem]
    return {problem.code for problem in found if problem is not None}


@contextmanager
def ten_seconds_later(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The breaker's clock, moved on."""
    now = breaker.clock()
    with monkeypatch.context() as patch:
        patch.setattr(breaker, "clock", lambda: now + breaker.PROBE_SECONDS + 1)
        yield


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_page_under_a_fault_and_after_it(
    watched: Watcher,
    client_as: Clients,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = client_as("admin")
    with struck(fault):
        ticked = [watched.look_over().snapshot() for _ in range(2)]
        assert fault.code in problems(ticked[-1])
        # Where only the words differ from another fault's, an address of each kind will do.
        every = addresses() if fault in ASKING or fault in CONNECTING[:2] else few()
        for language, urls in (("en", every), ("pt-br", few())):
            seen = open_all(client, language, urls)
            assert [url for url in PAGES_OF_THE_PORTAL if age_of_the_sample() not in seen[url]] == []
            told = [url for url, text in seen.items() if what(fault.code, language) in text]
            if fault in CONNECTING and "dw" in fault.aliases:
                missing = [url for url in seen if asks_the_dw(url) and url not in told]
                assert missing == []
            pages = {reverse(name) for name in PAGES if name.split(":")[1] in {"summary", "pipelines", "runs"}}
            assert pages & set(told)
            assert to_do(fault.code, language) in "".join(seen.values())
            assert fault.args[0] in "".join(seen.values()), "the SQLSTATE is shown"
    for _ in range(2):
        recovered = watched.look_over().snapshot()
    assert problems(recovered) == set()
    assert recovered.stale_since is None
    # The newest sample has an answer, so pages connect at once.
    _forget_what_was_read()
    seen = open_all(client, "en", few())
    assert [url for url, text in seen.items() if what(fault.code, "en") in text] == []
    assert NASTY not in caplog.text


@pytest.mark.parametrize("fault", ASKING, ids=lambda fault: fault.name)
def test_the_other_pipeline_is_not_touched(watched: Watcher, fault: Fault) -> None:
    """One table's fault is one pipeline's problem; what lies beyond one table keeps the last figures."""
    before = watched.memory.previous["dim_produto"]
    with struck(fault):
        snapshot = watched.look_over().snapshot()
    other = snapshot.pipeline("dim_produto")
    assert other is not None
    assert (other.source.total, other.target.total) == (before.source.total, before.target.total)
    if fault.code not in CONNECTION_CODES and fault.statement != "[audit]":
        assert other.source.problem is other.target.problem is None
        assert snapshot.stale_since is None


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a server which never answers was waited for, by a clock of the test's own."""
    seconds: list[float] = []
    monkeypatch.setattr(budget, "clock", lambda: sum(seconds))
    return seconds


NEVER = Fault("never answers", ("HYT00", "[HYT00] Login timeout expired (0) (SQLDriverConnect)"), Code.UNREACHABLE)


@pytest.fixture
def silent(waited: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Both databases accept and say nothing: connecting takes all the time that there is."""

    def never(wrapper: Any, *_: Any) -> Any:
        found = budget.current()
        assert found is not None, "nobody limits how long this waits"
        waited.append(found.left())
        raise OutOfTime

    with struck(NEVER), pytest.MonkeyPatch.context() as patch:
        for alias in ("dw", "oltp"):
            patch.setattr(connections[alias], "get_new_connection", never)
        yield waited


def test_a_page_waits_within_its_budget_and_the_next_ones_not_at_all(
    watched: Watcher, client_as: Clients, silent: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, url = client_as("admin"), reverse("monitoring:connections")
    CollectorState.objects.update(ticked_at=timezone.now() - timedelta(minutes=5))  # no newer sample
    assert what(Code.UNREACHABLE, "en") in client.get(url).content.decode()
    assert 0 < sum(silent) <= PAGE_SECONDS
    silent.clear()
    for again in (url, reverse("admin:monitoring_etlrun_changelist"), reverse("monitoring:run", args=[OLD])):
        text = client.get(again, {"window": "7d"}).content.decode()
        assert what(Code.UNREACHABLE, "en") in text
        assert "tries again every ten seconds" in text
    assert silent == []
    with ten_seconds_later(monkeypatch):
        client.get(reverse("admin:monitoring_etlrun_changelist"))
        assert 0 < sum(silent) <= PAGE_SECONDS
        client.get(reverse("admin:monitoring_etlcontrol_changelist"))
    assert len(silent) == 1, "one attempt is let through"


def test_what_the_collector_saw_is_believed_at_once(watched: Watcher, client_as: Clients, waited: list[float]) -> None:
    fault = CONNECTING[0]
    with struck(fault):
        watched.look_over().tick()
        breaker.forget()  # another process than the one that ticks
    with struck(Fault("a driver that would wait", ("HYT00", "[HYT00] never (0)"), Code.TIMEOUT), takes=_not_asked):
        text = client_as("admin").get(reverse("monitoring:connections")).content.decode()
    assert what(Code.UNREACHABLE, "en") in text
    assert age_of_the_sample() in text


def _not_asked() -> float:
    raise AssertionError("the page asked a database that the collector just saw dead")


@pytest.mark.parametrize(
    "name", ["connections-events-export", "connections-facets-export", "pipeline-sample-export", "run-entities-export"]
)
def test_a_file_that_cannot_be_read_is_no_empty_file(watched: Watcher, client_as: Clients, name: str) -> None:
    kwargs: dict[str, Any] = {"kind": "csv"}
    kwargs |= {"pipeline-sample-export": {"entity": "dim_cliente"}, "run-entities-export": {"run_id": OLD}}.get(
        name, {}
    )
    url = reverse(f"monitoring:{name}", kwargs=kwargs)
    assert client_as("admin").get(url)["Content-Type"].startswith("text/csv")
    _forget_what_was_read()
    with struck(CONNECTING[5]):
        answer = client_as("admin").get(url)
    assert answer.status_code == 503
    assert what(Code.LOGIN_FAILED, "en") in answer.content.decode()


def test_the_integrity_checks_answer_in_words(watched: Watcher, client_as: Clients) -> None:
    url = reverse("monitoring:pipeline-checks-run", args=["dim_cliente"])
    with struck(CONNECTING[0]):
        answer = client_as("admin").post(url, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "Login timeout expired" in answer.content.decode()


def test_capturing_a_snapshot_answers_in_words(watched: Watcher, client_as: Clients) -> None:
    with struck(CONNECTING[0]):
        answer = client_as("admin").post(reverse("monitoring:connections-capture"), follow=True)
    assert answer.status_code == 200
    assert what(Code.UNREACHABLE, "en") in answer.content.decode()


def test_before_anything_was_sampled(warehouse: Warehouse, client_as: Clients) -> None:
    """The server is off at the start: every page says so, and nothing was ever sampled."""
    client = client_as("admin")
    with struck(CONNECTING[0]):
        for name in ("summary", "pipelines", "runs", "connections"):
            assert client.get(reverse(f"monitoring:{name}")).status_code == 200
        Watcher().tick()
        text = client.get(reverse("monitoring:summary")).content.decode()
    assert what(Code.UNREACHABLE, "en") in text


def _forget_what_was_read() -> None:
    from django.core.cache import caches

    for each in caches.all(initialized_only=True):
        each.clear()
