"""The doctor's exit code, and the checks of the portal itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import checks as django_checks

from monitoring.management.commands import doctor
from monitoring.management.commands.doctor import portal_checks
from monitoring.rules.enums import CheckState
from monitoring.rules.facts import Check, Preflight
from monitoring.rules.preflight import CheckGroup, ObjectReading, Readiness, group_of, preflight, readiness
from monitoring.web import check_texts as web_check_texts
from monitoring.web.check_texts import PORTAL_LABELS
from tests import factories as make

PASSED, WARNING, FAILED, UNKNOWN = CheckState.PASSED, CheckState.WARNING, CheckState.FAILED, CheckState.UNKNOWN
GOOD = {"pending": 0, "collector_age_seconds": 3.0, "collecting": True}


@pytest.fixture(autouse=True)
def _a_server(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.EMBEDDED = False
    drivers = SimpleNamespace(version="5", drivers=lambda: ["ODBC Driver 18 for SQL Server", "SQLite3"])
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: drivers)
    monkeypatch.setattr(doctor, "driver_manager_problem", lambda: None)
    monkeypatch.setattr(doctor.checks, "run_checks", lambda **_: [])


def found(*pipelines: Any, **changes: Any) -> Preflight:
    return preflight(**make.preflight_facts(pipelines or None, **changes))


def with_own(**changes: Any) -> Preflight:
    checks = found()
    return replace(checks, checks=(*checks.checks, *portal_checks(**{**GOOD, **changes})))


def and_then(*checks: Check) -> Preflight:
    before = with_own()
    return replace(before, checks=(*before.checks, *checks))


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        (found(required=("dim_cliente",)), Readiness.READY),
        (found(dw=make.connection("dw", clock_skew_seconds=40.0)), Readiness.WARNINGS),
        (found(make.pipeline("a"), make.missing_pipeline("b")), Readiness.WARNINGS),
        (found(make.pipeline("a"), make.unread_pipeline("b")), Readiness.WARNINGS),
        (found(make.missing_pipeline("b"), required=("b",)), Readiness.NOT_READY),
        (found(make.inactive_pipeline("b")), Readiness.NOT_READY),
        (found(required=("not_there",)), Readiness.NOT_READY),
        (found(dw=make.unreachable("dw")), Readiness.NOT_READY),
        (found(schemas=(ObjectReading(name="ctl", exists=None),)), Readiness.NOT_READY),
        (found(tables=(ObjectReading(name="audit.etl_run", exists=False),)), Readiness.NOT_READY),
        (with_own(), Readiness.READY),
        (with_own(pending=3), Readiness.NOT_READY),
        (with_own(problem=make.problem()), Readiness.NOT_READY),
        (and_then(Check(code="portal.data_folder", state=FAILED)), Readiness.NOT_READY),
        (and_then(Check(code="odbc.driver", state=FAILED)), Readiness.NOT_READY),
        (with_own(collector_age_seconds=None), Readiness.WARNINGS),
        (with_own(collector_age_seconds=900.0), Readiness.WARNINGS),
        (and_then(Check(code="collector.age", state=UNKNOWN)), Readiness.WARNINGS),
        (and_then(Check(code="portal.settings.security.W001", state=WARNING)), Readiness.WARNINGS),
        (and_then(Check(code="portal.settings.models.E001", state=FAILED)), Readiness.NOT_READY),
    ],
)
def test_what_it_adds_up_to(checks: Preflight, expected: Readiness) -> None:
    assert readiness(checks) is expected


def test_the_exit_codes() -> None:
    assert [each.exit_code for each in (Readiness.READY, Readiness.WARNINGS, Readiness.NOT_READY)] == [0, 1, 2]


def test_every_check_has_its_heading() -> None:
    checks = (*with_own().checks, *found(required=("dim_cliente",)).checks, *doctor.driver_checks())
    groups = {check.code.split(".")[0]: group_of(check) for check in checks}
    assert groups.pop("pipeline") == groups.pop("pipelines") == groups.pop("required") == CheckGroup.PIPELINES
    assert groups.pop("odbc") is CheckGroup.CONNECTIONS
    assert groups.pop("portal") is groups.pop("collector") is CheckGroup.PORTAL
    assert group_of(Check(code="oltp.clock", state=PASSED)) is CheckGroup.CONNECTIONS
    assert group_of(Check(code="dw.execute.audit.x", state=PASSED)) is CheckGroup.TABLES
    assert set(groups) == {"dw", "oltp"}


def test_what_fails_without_a_database() -> None:
    states = {check.code: check.state for check in portal_checks(problem=make.problem())}
    assert states == {"portal.database": FAILED, "portal.migrated": UNKNOWN, "collector.age": UNKNOWN}


def test_the_driver(settings: Any) -> None:
    (check,) = doctor.driver_checks()
    assert (check.state, (check.values or {})["found"]) == (PASSED, "pyodbc 5: ODBC Driver 18 for SQL Server")
    settings.EMBEDDED = True
    assert doctor.driver_checks() == []


def test_djangos_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [
        django_checks.Warning("the text", hint="the hint", id="security.W001"),
        django_checks.Error("broken", id="models.E001"),
        django_checks.Info("nothing", id="x.I001"),
        django_checks.Error("reported as portal.data_folder", id="etlportal.E001"),
    ]
    monkeypatch.setattr(doctor.checks, "run_checks", lambda **_: messages)
    found = doctor.settings_checks(database_ready=True)
    assert [(check.code, check.state) for check in found] == [
        ("portal.settings.security.W001", WARNING),
        ("portal.settings.models.E001", FAILED),
    ]
    words = web_check_texts.check_text(found[0])
    assert (words.detail, words.to_do) == ("the text", "the hint")


def test_each_of_the_portals_checks_has_a_name_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    good = [*portal_checks(**GOOD), *doctor.driver_checks(), doctor.folder_check()]
    good += doctor.settings_checks(database_ready=False)
    settings.DATA_DIR = tmp_path / "missing"
    monkeypatch.setattr(doctor, "driver_manager_problem", lambda: "line")
    message = django_checks.Warning("the text", hint="the hint", id="security.W001")
    monkeypatch.setattr(doctor.checks, "run_checks", lambda **_: [message])
    bad = [*portal_checks(pending=2, collector_age_seconds=3.0, collecting=False), *doctor.driver_checks()]
    bad += [doctor.folder_check(), *doctor.settings_checks(database_ready=False)]
    bad += portal_checks(problem=make.problem())
    codes = set()
    for check in (*good, *bad):
        codes.add(check.code)
        words = web_check_texts.check_text(check)
        assert words.label != check.code and "%(" not in words.label
        assert bool(words.to_do) is (check.state is not PASSED), check
    for key in PORTAL_LABELS:
        assert any(code == key or (key.endswith(".") and code.startswith(key)) for code in codes), key
    details = {check.code: web_check_texts.check_text(check).detail for check in bad[:6]}
    assert details["odbc.driver"] == "line"
    assert details["portal.migrated"] == "2 migrations have not been applied."
    assert details["portal.settings.security.W001"] == "the text"
