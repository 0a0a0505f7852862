"""What the doctor's exit code says, and the checks of the portal's own things."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitoring.rules.doctor import CheckGroup, PortalFacts, Readiness, group_of, portal_checks, readiness
from monitoring.rules.enums import CheckState
from monitoring.rules.facts import Check, Preflight
from monitoring.rules.preflight import SchemaFacts, TableFacts, preflight
from monitoring.web import check_texts as web_check_texts
from monitoring.web.check_texts import PORTAL_LABELS
from tests import factories as make

PASSED, WARNING, FAILED, UNKNOWN = CheckState.PASSED, CheckState.WARNING, CheckState.FAILED, CheckState.UNKNOWN
GOOD = PortalFacts(
    database="SQLite: portal.sqlite3",
    pending=0,
    data_folder="/data",
    collector_read=True,
    collector_age_seconds=3.0,
    collecting=True,
    driver_problem="",
    drivers="pyodbc 5: ODBC Driver 18 for SQL Server",
)


def found(*pipelines: Any, **changes: Any) -> Preflight:
    return preflight(make.preflight_facts(pipelines or None, **changes))


def with_own(**changes: Any) -> Preflight:
    checks = found()
    return replace(checks, checks=(*checks.checks, *portal_checks(replace(GOOD, **changes))))


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
        (found(schemas=(SchemaFacts(name="ctl", exists=None),)), Readiness.NOT_READY),
        (found(tables=(TableFacts(name="audit.etl_run", exists=False),)), Readiness.NOT_READY),
        (with_own(), Readiness.READY),
        (with_own(pending=3), Readiness.NOT_READY),
        (with_own(database_problem=make.problem(), pending=None), Readiness.NOT_READY),
        (with_own(data_folder_writable=False), Readiness.NOT_READY),
        (with_own(driver_problem="install libodbc2"), Readiness.NOT_READY),
        (with_own(driver_problem=None), Readiness.READY),
        (with_own(collector_age_seconds=None), Readiness.WARNINGS),
        (with_own(collector_age_seconds=900.0), Readiness.WARNINGS),
        (with_own(collector_read=False), Readiness.WARNINGS),
        (with_own(settings_messages=(("security.W001", "text", "hint", False),)), Readiness.WARNINGS),
        (with_own(settings_messages=(("models.E001", "text", "hint", True),)), Readiness.NOT_READY),
    ],
)
def test_what_it_adds_up_to(checks: Preflight, expected: Readiness) -> None:
    assert readiness(checks) is expected


def test_the_exit_codes() -> None:
    assert [each.exit_code for each in (Readiness.READY, Readiness.WARNINGS, Readiness.NOT_READY)] == [0, 1, 2]


def test_every_check_has_its_heading() -> None:
    checks = with_own().checks + found(required=("dim_cliente",)).checks
    groups = {check.code.split(".")[0]: group_of(check) for check in checks}
    assert groups.pop("pipeline") == groups.pop("pipelines") == groups.pop("required") == CheckGroup.PIPELINES
    assert groups.pop("odbc") is CheckGroup.CONNECTIONS
    assert groups.pop("portal") is groups.pop("collector") is CheckGroup.PORTAL
    assert group_of(Check(code="oltp.clock", state=PASSED)) is CheckGroup.CONNECTIONS
    assert group_of(Check(code="dw.execute.audit.x", state=PASSED)) is CheckGroup.TABLES
    assert set(groups) == {"dw", "oltp"}


def test_each_of_the_portals_checks_has_a_name_and_says_what_to_do() -> None:
    messages = (("security.W001", "the text", "the hint", False),)
    bad = replace(
        GOOD, driver_problem="line", pending=2, data_folder_writable=False, collecting=False, settings_messages=messages
    )
    broken = [*portal_checks(bad), *portal_checks(replace(GOOD, database_problem=make.problem(), pending=None))]
    codes = set()
    for check in (*portal_checks(GOOD), *broken):
        codes.add(check.code)
        words = web_check_texts.check_text(check)
        assert words.label != check.code and "%(" not in words.label
        assert bool(words.to_do) is (check.state is not PASSED), check
    for key in PORTAL_LABELS:
        assert any(code == key or (key.endswith(".") and code.startswith(key)) for code in codes), key
    details = {check.code: web_check_texts.check_text(check).detail for check in portal_checks(bad)}
    assert details["odbc.driver"] == "line"
    assert details["portal.migrated"] == "2 migrations have not been applied."
    assert details["portal.settings.security.W001"] == "the text"
    assert web_check_texts.check_text(portal_checks(bad)[-1]).to_do == "the hint"
