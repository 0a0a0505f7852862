"""The pre-flight: one line when everything passes, otherwise the failures and remedies, and the whole list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from monitoring.rules.enums import CheckState
from monitoring.rules.facts import Check
from monitoring.rules.preflight import ObjectReading, collector_check, preflight
from monitoring.web.preflight import new_failures, with_check
from tests import factories
from tests.support import htmx
from tests.support.htmx import Node

Clients = Callable[[str], Client]


def _snapshot(*pipelines: Any, **facts: Any) -> Any:
    shown = pipelines or (factories.pipeline(),)
    return factories.snapshot(*shown, preflight=preflight(**factories.preflight_facts(shown, **facts)))


@pytest.fixture
def block(client_as: Clients, snapshot_stored: Any) -> Callable[[Any], Node]:
    def load(snapshot: Any) -> Node:
        snapshot_stored(snapshot)
        return htmx.blocks(client_as("viewer").get("/").content.decode())["preflight"]

    return load


def test_green_is_one_line_with_its_age_and_the_whole_list_in_reach(block: Any) -> None:
    snapshot = _snapshot(required=("dim_cliente",))
    shown = block(snapshot)
    number = len(snapshot.preflight.checks) + 1  # and the collector's own age
    assert f"{number} checks passed" in shown.text
    assert shown.find_all("time")
    assert shown.find(id="preflight-all").tag == "details"
    assert "open" not in shown.find(id="preflight-all").attrs
    for label in (
        "DW connection",
        "OLTP connection",
        "Schema ctl",
        "Table audit.etl_run_entity",
        "Index on",
        "Collector",
    ):
        assert label in shown.text, label


def test_the_readiness_lines_and_the_required_pipelines_by_name(block: Any) -> None:
    shown = block(_snapshot(factories.pipeline(), factories.missing_pipeline(), required=("dim_cliente", "dim_nada")))
    assert "Ready for monitoring: yes" in shown.text
    assert "Ready for the first run: yes" in shown.text
    assert "Ready for all active: no" in shown.text
    required = [item for item in shown.find_all("li") if item.text.startswith("Required:")]
    assert ["dim_cliente" in item.text for item in required] == [True, False]
    assert required[0].text.split() == ["Required:", "dim_cliente", "Passed", "ready", "Passed", "active"]
    assert required[1].text.split() == ["Required:", "dim_nada", "Failed", "ready", "Failed", "active"]


def test_what_could_not_be_concluded_is_unknown_not_no(block: Any) -> None:
    down = factories.unreachable("dw")
    shown = block(_snapshot(dw=down, pipelines=None, pipelines_problem=down.problem, schemas=(), tables=()))
    assert "Ready for monitoring: no" in shown.text
    assert "Ready for the first run: unknown" in shown.text


def test_a_failed_check_says_what_to_do_and_shows_its_connection_without_password(block: Any) -> None:
    down = factories.unreachable("dw", connection_string="DRIVER={x};SERVER=y;UID=etl;PWD=***")
    shown = block(_snapshot(dw=down))
    assert "did not pass" in shown.text
    failed = shown.find_all("ul")[1].find_all("li")[0].text
    for word in ("DW connection", "The server does not answer.", "ETL_SQL_SERVER", "Login timeout expired", "PWD=***"):
        assert word in failed, word


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"schemas": (ObjectReading(name="ctl", exists=False),)}, "Create the schema"),
        ({"tables": (ObjectReading(name="audit.etl_run", exists=False),)}, "It does not exist."),
        (
            {
                "tables": (
                    ObjectReading(name="audit.etl_run", exists=True, missing_columns=("status",), selectable=True),
                )
            },
            "Missing columns: status",
        ),
        (
            {"tables": (ObjectReading(name="audit.etl_run", exists=True, missing_columns=(), selectable=False),)},
            "GRANT SELECT",
        ),
        ({"required": ("dim_nada",)}, "REQUIRED_PIPELINES"),
    ],
)
def test_each_failure_has_its_remedy(block: Any, facts: dict[str, Any], said: str) -> None:
    assert said in block(_snapshot(**facts)).text


def test_not_ready_is_not_told_twice() -> None:
    failed = _snapshot(factories.missing_pipeline()).preflight.failed
    codes = [check.code for check in new_failures(failed)]
    assert "pipeline.target" in codes
    assert "pipeline.ready" not in codes
    assert "pipeline.ready" in [check.code for check in failed]
    alone = Check(code="pipeline.ready", state=CheckState.FAILED, entity_name="other")
    assert alone in new_failures(with_check(_snapshot(factories.missing_pipeline()), alone).failed)


def test_what_a_dead_database_keeps_from_being_found_out_is_not_told_again() -> None:
    down = factories.unreachable("dw")
    facts = factories.preflight_facts(
        (),
        dw=down,
        pipelines=None,
        pipelines_problem=down.problem,
        schemas=(ObjectReading(name="ctl", exists=None, problem=down.problem),),
        required=("dim_cliente",),
    )
    failed = preflight(**facts).failed
    assert [check.code for check in new_failures(failed)] == ["dw.connection"]
    assert len(failed) > 4


def test_a_required_pipeline_that_is_not_listed_is_told_once() -> None:
    failed = _snapshot(required=("dim_nada",)).preflight.failed
    assert [check.code for check in new_failures(failed)] == ["required.ready"]
    off = factories.inactive_pipeline("dim_cliente")
    failed = _snapshot(off, required=("dim_cliente",)).preflight.failed
    assert [check.code for check in new_failures(failed)] == [
        "pipelines.active",
        "required.active",
    ]


def test_the_collectors_age_takes_the_place_of_an_older_one() -> None:
    checks = preflight(**factories.preflight_facts(None))
    checks = replace(checks, checks=(*checks.checks, collector_check(5)))
    shown = with_check(factories.snapshot(preflight=checks), collector_check(500))
    found = [check for check in shown.checks if check.code == "collector.age"]
    assert [check.state for check in found] == [CheckState.FAILED]


def test_many_failures_are_counted(block: Any) -> None:
    shown = block(_snapshot(*(factories.missing_pipeline(f"dim_{number:02d}") for number in range(30))))
    assert len(shown.find_all("ul")[1].find_all("li")) == 8
    assert "52 more are in the list of all checks." in shown.text


def test_every_pipeline_has_its_checks(block: Any) -> None:
    shown = block(_snapshot(factories.pipeline("a"), factories.pipeline("b")))
    heads = [head.text for head in shown.find_all("h4")]
    assert heads == ["a", "b"]
