"""/metrics: access, cost, and no samples for unknown values."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from etlportal import breaker, gunicorn_settings, metrics
from monitoring.collector import loop
from monitoring.collector import snapshot as selectors
from monitoring.collector.lease import LeaseLost
from monitoring.collector.loop import Collector
from monitoring.rules.enums import PipelineStatus, Severity
from monitoring.rules.facts import Count, Snapshot
from monitoring.web.health import FIGURES
from tests import factories
from tests.support.metrics import TOKEN, Samples, scraped
from tests.support.queries import queries
from tests.support.warehouse import Warehouse

Clients = Callable[[str], Client]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "METRICS_TOKEN", TOKEN)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "METRICS_TOKEN", "")


# --- For whom.


@pytest.mark.parametrize("header", [None, f"Bearer {TOKEN}", "Bearer "])
def test_without_a_token_set_there_is_no_such_address(
    client: Client, closed: None, snapshot_stored: Any, header: str | None
) -> None:
    headers = {"Authorization": header} if header else {}
    for answer in (client.get("/metrics", headers=headers), client.post("/metrics", headers=headers)):
        assert answer.status_code == 404
        assert b"etlportal_" not in answer.content


@pytest.mark.parametrize(
    "header",
    [None, "", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
def test_nobody_else_gets_a_figure(client_as: Clients, snapshot_stored: Any, header: str | None) -> None:
    snapshot_stored(factories.healthy_snapshot())
    headers = {"Authorization": header} if header is not None else {}
    for role in ("", "admin"):
        answer = client_as(role).get("/metrics", headers=headers)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert b"etlportal_" not in answer.content


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "])
def test_who_has_the_token_does(header: str) -> None:
    assert metrics.allowed(header, TOKEN)
    assert not metrics.allowed(header, "")


def test_the_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(metrics.hmac, "compare_digest", lambda a, b: bool(asked.append((a, b))))
    assert not metrics.allowed(f"Bearer {TOKEN}", TOKEN)
    assert asked == [(TOKEN.encode(), TOKEN.encode())]


def test_only_to_be_read_and_never_kept(client: Client, snapshot_stored: Any) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert Client(enforce_csrf_checks=True).post("/metrics", headers=headers).status_code == 405
    assert "no-store" in client.get("/metrics", headers=headers)["Cache-Control"]
    assert client.head("/metrics", headers=headers).status_code == 200


# --- At what cost.


def test_the_warehouse_is_not_asked_and_no_user_looked_up(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.healthy_snapshot())
    client = client_as("viewer")
    with queries(dw=0, oltp=0, default=range(1, 3)):
        scraped(client)
    with queries(dw=0, oltp=0, default=1):
        scraped(client)


def test_who_sees_some_pipelines_only_changes_nothing_here(client_as: Clients, snapshot_stored: Any) -> None:
    """A machine asks, whatever cookie comes along."""
    snapshot_stored(factories.healthy_snapshot())
    assert scraped(client_as("viewer")).of("etlportal_pipeline_status") == scraped(Client()).of(
        "etlportal_pipeline_status"
    )


# --- Of the pipelines.


def one(snapshot: Snapshot) -> Any:
    return snapshot.pipelines[0]


def test_a_pipelines_figures_are_the_snapshots(snapshot_stored: Any) -> None:
    snapshot = factories.healthy_snapshot()
    snapshot_stored(snapshot)
    found = scraped()
    assert snapshot.pipelines
    for pipeline in snapshot.pipelines:
        name, figures = pipeline.name, pipeline.figures
        expected = {
            "eligible_rows": pipeline.source.eligible.value,
            "cooling_rows": pipeline.source.cooling.value,
            "coverage_ratio": figures.coverage_percent / 100,
            "served_lag_seconds": figures.served_lag_seconds,
            "last_success_timestamp_seconds": pipeline.control.last_success_at.timestamp(),
            "last_duration_seconds": figures.duration_seconds,
        }
        assert set(expected) == set(FIGURES)
        for figure, value in expected.items():
            assert found(f"etlportal_pipeline_{figure}", pipeline=name) == pytest.approx(value), figure
            assert found("etlportal_pipeline_figure_known", pipeline=name, figure=figure) == 1
        assert found("etlportal_pipeline_active", pipeline=name) == pipeline.control.is_active


def test_exactly_one_status_and_severity_holds(snapshot_stored: Any) -> None:
    snapshot = factories.troubled_snapshot()
    snapshot_stored(snapshot)
    found = scraped()
    for pipeline in snapshot.pipelines:
        assert len(found.of("etlportal_pipeline_status", pipeline=pipeline.name)) == len(PipelineStatus)
        assert sum(found.of("etlportal_pipeline_status", pipeline=pipeline.name)) == 1
        assert found("etlportal_pipeline_status", pipeline=pipeline.name, status=pipeline.status) == 1
        assert sum(found.of("etlportal_pipeline_severity", pipeline=pipeline.name)) == 1
        assert found("etlportal_pipeline_severity", pipeline=pipeline.name, severity=pipeline.severity) == 1
    severities = {verdict.severity for verdict in snapshot.verdicts}
    assert severities
    for severity in severities:
        expected = sum(1 for each in snapshot.verdicts if each.severity is severity)
        assert sum(found.of("etlportal_open_verdicts", severity=severity)) == expected


def test_a_count_up_to_a_cap_says_so(snapshot_stored: Any) -> None:
    pipeline = factories.pipeline(source=factories.pending_source(eligible=Count(100_000, capped=True)))
    snapshot_stored(factories.snapshot(pipeline))
    found = scraped()
    assert found("etlportal_pipeline_eligible_rows", pipeline=pipeline.name) == 100_000
    assert found("etlportal_pipeline_rows_capped", pipeline=pipeline.name, figure="eligible_rows") == 1
    assert found("etlportal_pipeline_rows_capped", pipeline=pipeline.name, figure="cooling_rows") == 0


def assert_unknown(found: Samples, name: str, figures: Any = tuple(FIGURES)) -> None:
    for figure in figures:
        assert found(f"etlportal_pipeline_{figure}", pipeline=name) is None, figure
        assert found("etlportal_pipeline_figure_known", pipeline=name, figure=figure) == 0, figure


@pytest.mark.parametrize(
    ("make", "unknown"),
    [
        (factories.unread_pipeline, ("eligible_rows", "cooling_rows", "coverage_ratio", "served_lag_seconds")),
        (factories.missing_pipeline, ("coverage_ratio",)),
    ],
)
def test_what_could_not_be_read_of_a_pipeline_has_no_sample(snapshot_stored: Any, make: Any, unknown: Any) -> None:
    pipeline = make()
    snapshot_stored(factories.snapshot(pipeline))
    found = scraped()
    assert found("etlportal_pipeline_status", pipeline=pipeline.name, status="ok") == 0
    assert_unknown(found, pipeline.name, unknown)


def test_while_a_database_is_away_its_last_known_values_are_not_told(snapshot_stored: Any) -> None:
    """The page shows them, dated. A graph would go on as if nothing had happened."""
    healthy = factories.healthy_snapshot()
    away = [replace(each, reachable=each.alias != "oltp") for each in healthy.connections]
    snapshot_stored(replace(healthy, connections=tuple(away), stale_since=healthy.sampled_at - timedelta(minutes=9)))
    found = scraped()
    name = one(healthy).name
    assert_unknown(found, name, ("eligible_rows", "cooling_rows", "coverage_ratio", "served_lag_seconds"))
    assert found("etlportal_pipeline_last_duration_seconds", pipeline=name) is not None
    assert found("etlportal_database_state", alias="oltp", state="down") == 1
    assert found("etlportal_database_state", alias="dw", state="up") == 1
    assert found("etlportal_database_round_trip_seconds", alias="oltp") is None
    age, behind = found("etlportal_sample_age_seconds"), found("etlportal_snapshot_age_seconds")
    assert age is not None and behind is not None
    assert behind - age == pytest.approx(540)


def test_without_the_warehouse_nothing_of_a_pipeline_is_known(snapshot_stored: Any) -> None:
    healthy = factories.healthy_snapshot()
    away = [replace(each, reachable=each.alias != "dw") for each in healthy.connections]
    snapshot_stored(replace(healthy, connections=tuple(away), problem=factories.problem()))
    assert_unknown(scraped(), one(healthy).name)


def test_a_source_whose_values_are_the_last_known_counts_as_unread(snapshot_stored: Any) -> None:
    """Its database answered at the tick's begin and was gone later: the problem stands beside the kept values."""
    kept = factories.pipeline()
    source = replace(kept.source, problem=factories.problem())
    snapshot_stored(factories.snapshot(replace(kept, source=source)))
    assert_unknown(scraped(), kept.name, ("eligible_rows", "cooling_rows", "coverage_ratio", "served_lag_seconds"))


def test_an_old_sample_proves_nothing(snapshot_stored: Any) -> None:
    healthy = factories.healthy_snapshot()
    snapshot_stored(healthy, timezone.now() - timedelta(minutes=5))
    found = scraped()
    for pipeline in healthy.pipelines:
        assert found("etlportal_pipeline_status", pipeline=pipeline.name, status="unknown") == 1
        assert sum(found.of("etlportal_pipeline_status", pipeline=pipeline.name)) == 1
        assert found("etlportal_pipeline_severity", pipeline=pipeline.name, severity=Severity.UNKNOWN) == 1
        assert found("etlportal_pipeline_active", pipeline=pipeline.name) is None
        assert_unknown(found, pipeline.name)
    for alias in ("dw", "oltp"):
        assert found("etlportal_database_state", alias=alias, state="unknown") == 1
    assert found.of("etlportal_open_verdicts") == []
    assert found("etlportal_sample_known") == 0
    assert 299 < (found("etlportal_sample_age_seconds") or 0) < 330


@pytest.mark.django_db
def test_before_the_first_sample_it_says_that_there_is_none() -> None:
    found = scraped()
    assert found("etlportal_own_database_up") == 1
    assert found("etlportal_sample_known") == 0
    assert found("etlportal_sample_age_seconds") is None
    assert found.of("etlportal_pipeline_status") == []


def test_without_its_own_database_it_still_tells_of_itself(
    snapshot_stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr("monitoring.web.health.current", fail)
    found = scraped()
    assert found("etlportal_own_database_up") == 0
    assert found("etlportal_sample_known") == 0
    assert found("etlportal_sample_age_seconds") is None
    assert found.of("etlportal_requests_total")


def test_another_releases_snapshot_is_no_error(snapshot_stored: Any) -> None:
    state = snapshot_stored(factories.healthy_snapshot())
    state.payload = b"{}"
    state.save()
    selectors._decoded.cache_clear()
    assert scraped()("etlportal_sample_known") == 0


def test_what_the_newest_tick_left_is_told(snapshot_stored: Any) -> None:
    ticked_at = timezone.now() - timedelta(seconds=20)
    snapshot_stored(factories.healthy_snapshot(), ticked_at)
    found = scraped()
    assert found("etlportal_sample_timestamp_seconds") == pytest.approx(ticked_at.timestamp(), abs=0.01)
    assert found("etlportal_sample_age_seconds") == found("etlportal_snapshot_age_seconds")
    assert found("etlportal_collector_last_tick_duration_seconds") == 0.012
    assert found("etlportal_collector_active") == 1


def test_a_name_that_means_something_to_the_format_is_escaped(snapshot_stored: Any) -> None:
    name = 'a"b\\c\nd{e="f"} é'
    snapshot_stored(factories.snapshot(factories.pipeline(name)))
    assert scraped()("etlportal_pipeline_status", pipeline=name, status="ok") == 1


# --- Of the process.


def change(name: str, act: Callable[[], Any], **labels: str) -> float:
    before = sum(Samples(metrics.exposition().decode()).of(name, **labels))
    act()
    return sum(Samples(metrics.exposition().decode()).of(name, **labels)) - before


def test_requests_are_counted_by_page_method_and_class(client_as: Clients, snapshot_stored: Any) -> None:
    snapshot_stored(factories.healthy_snapshot())
    client = client_as("viewer")
    page = {"page": "monitoring:pipeline"}
    address = f"/pipelines/{one(factories.healthy_snapshot()).name}/"
    assert change("etlportal_requests_total", lambda: client.get(address), method="GET", status="2xx", **page) == 1
    assert change("etlportal_request_duration_seconds_count", lambda: client.get(address), **page) == 1
    assert change("etlportal_requests_total", lambda: client.get("/pipelines/nobody/"), status="4xx", **page) == 1


def test_no_visitor_makes_a_label(client: Client, snapshot_stored: Any) -> None:
    def visit() -> None:
        for number in range(5):
            client.get(f"/nowhere-{number}/")
            client.generic(f"BREW{number}", "/healthz")

    assert change("etlportal_requests_total", visit, page="none", status="4xx") == 5
    found = Samples(metrics.exposition().decode())
    assert {labels["method"] for name, labels, _ in found.all if name == "etlportal_requests_total"} <= {
        *metrics.METHODS,
        "other",
    }


@pytest.mark.django_db
def test_statements_are_counted_by_alias_and_outcome(warehouse: Warehouse) -> None:
    from django.db import connections

    def ask(alias: str, sql: str) -> None:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql)

    def fail() -> None:
        with pytest.raises(Exception, match="nowhere"):
            ask("oltp", "SELECT x FROM nowhere")

    assert change("etlportal_statements_total", lambda: ask("dw", "SELECT 1"), alias="dw", outcome="ok") == 1
    assert change("etlportal_statement_duration_seconds_count", lambda: ask("dw", "SELECT 1"), alias="dw") == 1
    assert change("etlportal_statements_total", fail, alias="oltp", outcome="failed") == 1
    settings_before = settings.SLOW_STATEMENT_SECONDS
    settings.SLOW_STATEMENT_SECONDS = 1e-9
    try:
        assert change("etlportal_slow_statements_total", lambda: ask("dw", "SELECT 1"), alias="dw") == 1
    finally:
        settings.SLOW_STATEMENT_SECONDS = settings_before


def test_a_tick_is_counted_by_its_outcome(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert change("etlportal_ticks_total", Collector("one").turn, outcome="sampled") == 1
    assert change("etlportal_tick_duration_seconds_count", Collector("one").turn) == 1
    assert change("etlportal_ticks_total", Collector("another").turn) == 0, "who stands by does not tick"
    monkeypatch.setattr(loop, "claim_lease", lambda **_: True)
    for error, outcome in ((LeaseLost("x"), "lease_lost"), (OperationalError(), "own_database_failed")):
        monkeypatch.setattr(loop, "tick", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        assert change("etlportal_ticks_total", Collector("one").turn, outcome=outcome) == 1
    monkeypatch.setattr(loop, "tick", lambda *_, **__: 1 / 0)
    assert change("etlportal_ticks_total", Collector("one").turn, outcome="failed") == 1


def test_a_pages_own_sample_is_a_tick_too(warehouse: Warehouse) -> None:
    assert change("etlportal_ticks_total", loop.take_one_sample, outcome="sampled") == 1


def test_the_breaker_is_told() -> None:
    def value() -> float | None:
        return Samples(metrics.exposition().decode())("etlportal_breaker_open", alias="oltp")

    breaker.failed("oltp", OperationalError("gone"))
    assert value() == 1
    breaker.answered("oltp")
    assert value() == 0


def test_one_process_tells_its_memory_too() -> None:
    assert (Samples(metrics.exposition().decode())("process_resident_memory_bytes") or 0) > 1_000_000


# --- Of several processes.

WORKERS = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etlportal.settings")
from etlportal import metrics
for number in range(2):
    pid = os.fork()
    if pid == 0:
        # What a worker does: it imports nothing anew, but its files are its own.
        metrics.answered("monitoring:summary", "GET", 200, 0.01)
        metrics.BREAKER_OPEN.labels("dw").set(number)
        os._exit(0)
    os.waitpid(pid, 0)
    from types import SimpleNamespace
    if os.environ.get("GONE"):
        from etlportal import gunicorn_settings
        gunicorn_settings.child_exit(None, SimpleNamespace(pid=pid))
print(metrics.exposition().decode())
"""


def workers(folder: Path, **variables: str) -> Samples:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), **variables}
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return Samples(done.stdout)


def test_the_workers_are_added_up(tmp_path: Path) -> None:
    found = workers(tmp_path)
    assert found("etlportal_requests_total", page="monitoring:summary", method="GET", status="2xx") == 2
    assert found("etlportal_request_duration_seconds_count", page="monitoring:summary") == 2
    assert found("etlportal_breaker_open", alias="dw") == 1, "one of them is enough"


def test_what_a_dead_worker_counted_stays_and_its_state_goes(tmp_path: Path) -> None:
    found = workers(tmp_path, GONE="1")
    assert found("etlportal_requests_total", page="monitoring:summary", method="GET", status="2xx") == 2
    assert found("etlportal_breaker_open", alias="dw") is None


def test_the_workers_folder_is_made_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    gunicorn_settings.on_starting(SimpleNamespace())
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    gunicorn_settings.on_exit(SimpleNamespace())
    assert not folder.exists()
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")


def test_one_that_the_environment_names_is_emptied_and_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    (tmp_path / "counter_1.db").write_bytes(b"old")
    (tmp_path / "other").write_bytes(b"somebody's")
    gunicorn_settings.on_starting(SimpleNamespace())
    gunicorn_settings.on_exit(SimpleNamespace())
    assert [each.name for each in tmp_path.iterdir()] == ["other"]


# --- Of the collector.


@pytest.fixture
def server() -> Iterator[str]:
    made = metrics.serve("127.0.0.1", 0, TOKEN)
    assert made is not None
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()


def asked(address: str, token: str | None) -> tuple[int, str]:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_collector_answers_who_has_the_token(server: str) -> None:
    status, text = asked(f"{server}/metrics", TOKEN)
    assert status == 200
    assert "etlportal_ticks_total" in Samples(text).names()
    for address, token, expected in (("/metrics", None, 401), ("/metrics", "x" * 20, 401), ("/", TOKEN, 404)):
        status, text = asked(f"{server}{address}", token)
        assert status == expected
        assert "etlportal_" not in text


@pytest.mark.parametrize(("port", "served"), [(0, []), (9108, [("127.0.0.1", 9108, TOKEN)])])
def test_the_command_serves_them_where_a_port_is_set(
    monkeypatch: pytest.MonkeyPatch, port: int, served: list[Any]
) -> None:
    found: list[Any] = []
    monkeypatch.setattr(settings, "COLLECTOR_METRICS_PORT", port)
    monkeypatch.setattr(metrics, "serve", lambda *arguments: found.append(arguments))
    monkeypatch.setattr(Collector, "run", lambda _: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("etlportal.logs._role", "web")
    call_command("collect")
    assert found == served


def test_a_port_that_is_taken_is_no_reason_not_to_collect(server: str, caplog: pytest.LogCaptureFixture) -> None:
    assert metrics.serve("127.0.0.1", int(server.rpartition(":")[2]), TOKEN) is None
    assert "metrics are not served" in caplog.text
