"""docs/monitoring: dashboard, alert rules and document name exactly the metrics that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.db import OperationalError

from etlportal import breaker, logs
from monitoring.collector.loop import Collector
from tests import factories
from tests.support.metrics import TOKEN, Samples, scraped
from tests.support.warehouse import Warehouse

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
README = (FOLDER / "README.md").read_text("utf-8")
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    *(pytest.param(rule["expr"], id=name) for name, rule in ALERTS.items()),
    *(
        pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in PANELS
        for target in panel["targets"]
    ),
]
NAME = re.compile(r"\b(?:etlportal|process)_[a-z_]+")
SELECTOR = re.compile(r"\b((?:etlportal|process)_[a-z_]+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
OF_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds."""


@pytest.fixture
def found(warehouse: Warehouse, snapshot_stored: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> Samples:
    """Everything that can be told: of a healthy portal, after a tick, a page and a database that did not answer."""
    monkeypatch.setattr(settings, "METRICS_TOKEN", TOKEN)
    Collector("one").turn()
    for alias in ("dw", "oltp"):
        breaker.failed(alias, OperationalError("gone"))
    snapshot_stored(factories.healthy_snapshot())
    client.get("/healthz")
    return scraped(client)


def parts(expression: str) -> Iterator[tuple[str, str, str, str]]:
    """Return (metric, label, operator, value) of each condition."""
    for name, conditions in SELECTOR.findall(expression):
        for label, operator, value in MATCHER.findall(conditions):
            yield name, label, operator, value


def test_every_metric_that_is_asked_for_exists(found: Samples) -> None:
    asked = {name for query in QUERIES for name in NAME.findall(query.values[0])}
    assert asked - found.names() == set()
    assert len(asked) > 20


@pytest.mark.parametrize("expression", QUERIES)
def test_every_condition_can_hold(found: Samples, expression: str) -> None:
    """Its labels exist, and what it is equal to is a value that the label has."""
    for name, label, operator, value in parts(expression):
        if label in OF_PROMETHEUS or "$" in value:
            continue
        values = {labels.get(label) for each, labels, _ in found.all if each == name}
        assert None not in values, (name, label)
        wanted = value.split("|") if operator == "=~" else [value] if operator == "=" else []
        free = {"status"} if name == "etlportal_requests_total" else set()  # made when they happen
        assert label in free or set(wanted) <= values, (name, label, value)


def test_the_document_names_every_metric_and_no_other(found: Samples) -> None:
    told = {
        re.sub(r"_(bucket|sum|count)$", "", name) if "duration_seconds_" in name else name
        for name in found.names()
        if name.startswith("etlportal_")
    }
    named = set(re.findall(r"^\| `(etlportal_\w+)` \|", README, re.MULTILINE))
    assert named == told


def test_the_document_names_every_field_of_the_log() -> None:
    fields = {
        field for cells in re.findall(r"^\| (`.*?) \|", README, re.MULTILINE) for field in re.findall(r"`(\w+)`", cells)
    }
    ours = {"time", "level", "logger", "process", "pid", "message", "request", "tick", "page", "status", "exception"}
    ours |= {"alias", "seconds", "ok", "sql", *logs.AccessFormatter.ATOMS, *logs.AccessFormatter.NUMBERS}
    assert ours <= fields


def test_each_alert_says_how_bad_it_is_and_what_it_means() -> None:
    assert len(ALERTS) == sum(len(group["rules"]) for group in RULES["groups"])
    for name, rule in ALERTS.items():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, name
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert set(rule["annotations"]) == {"summary", "description"}, name
        assert re.fullmatch(r"Etl[A-Za-z]+", name)
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m")), name
        for opening, closing in ("()", "{}", "[]"):
            assert rule["expr"].count(opening) == rule["expr"].count(closing), name


def test_what_every_server_says_alike_is_alerted_once() -> None:
    """An alert over the sample has no label of the server that told it."""
    for name, rule in ALERTS.items():
        if "up{" not in rule["expr"] and "absent" not in rule["expr"]:
            assert re.match(r"(max|min|sum|time\(\) - max|histogram_quantile)\b", rule["expr"]), name


def test_promtool_agrees() -> None:
    """Prometheus' own program, where it is installed (Debian: prometheus). `.ci/run` installs it: no skip there."""
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("REQUIRE_PROMTOOL") == "1":
            pytest.fail("promtool is not installed (Debian: prometheus)")
        pytest.skip("promtool is not installed")
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        done = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_in_the_rules_test_exists() -> None:
    text = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text("utf-8"))
    tested = {each["alertname"] for test in text["tests"] for each in test["alert_rule_test"]}
    assert tested <= set(ALERTS)
    assert len(tested) > 10


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert DASHBOARD["title"] == "ETL Portal"
    assert DASHBOARD["schemaVersion"] >= 36
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", DASHBOARD["uid"])
    assert "id" not in DASHBOARD, "Grafana gives one"
    assert {each["name"]: each["type"] for each in DASHBOARD["templating"]["list"]} == {
        "datasource": "datasource",
        "pipeline": "query",
    }
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in PANELS:
        assert panel["type"] in {"stat", "table", "timeseries", "state-timeline"}
        assert panel["title"] and panel["targets"] and panel["fieldConfig"]["defaults"]["unit"]
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, "no data source of ours"
        assert panel["fieldConfig"]["defaults"].get("custom", {}).get("spanNulls") in {None, False}, "a gap is a gap"


def test_no_panel_lies_over_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
