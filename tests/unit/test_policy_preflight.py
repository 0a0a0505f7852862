"""Every check of METRICS' pre-flight, and the three readiness answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitoring.rules.alerts import preflight_verdicts
from monitoring.rules.enums import CheckState, ProblemCode, Severity
from monitoring.rules.facts import Check, Preflight
from monitoring.rules.preflight import ObjectReading, Rights, collector_check, is_local, preflight
from tests import factories as make

PASSED, WARNING, FAILED, UNKNOWN = CheckState.PASSED, CheckState.WARNING, CheckState.FAILED, CheckState.UNKNOWN


def found(*pipelines, **changes) -> Preflight:
    return preflight(**make.preflight_facts(pipelines or None, **changes))


def state(checks: Preflight, code: str, entity_name: str = "") -> CheckState:
    return one(checks, code, entity_name).state


def one(checks: Preflight, code: str, entity_name: str = "") -> Check:
    (check,) = [each for each in checks.checks if (each.code, each.entity_name) == (code, entity_name)]
    return check


def ready(checks: Preflight) -> tuple[bool | None, ...]:
    return checks.ready_for_monitoring, checks.ready_for_first_run, checks.ready_for_all_active


def test_all_is_well():
    checks = found(required=("dim_cliente",))
    assert checks.failed == ()
    assert ready(checks) == (True, True, True)
    codes = {check.code for check in checks.checks}
    assert codes == {
        "dw.connection", "dw.clock", "oltp.connection", "oltp.clock", "dw.schema.ctl", "dw.schema.audit",
        *(f"dw.table.{name}" for name in make.CONTROL_TABLES),
        *(f"dw.permission.{name}" for name in make.CONTROL_TABLES),
        *(f"dw.index.{name}" for name in make.CONTROL_TABLES),
        "dw.execute.audit.sp_capture_connection_snapshot", "dw.execute.audit.sp_connection_audit_cleanup",
        "dw.sessions", "pipelines.active", "pipeline.active", "pipeline.mapping", "pipeline.source", "pipeline.target",
        "pipeline.source_permission", "pipeline.target_permission", "pipeline.index", "pipeline.ready",
        "required.ready", "required.active",
    }  # fmt: skip


@pytest.mark.parametrize("alias", ["dw", "oltp"])
def test_a_database_that_does_not_answer(alias):
    checks = found(**{alias: make.unreachable(alias)})
    assert state(checks, f"{alias}.connection") is FAILED
    assert state(checks, f"{alias}.clock") is UNKNOWN
    assert one(checks, f"{alias}.connection").problem.code is ProblemCode.UNREACHABLE
    assert checks.ready_for_monitoring is False


@pytest.mark.parametrize(
    ("skew", "expected"),
    [(0.0, PASSED), (30.0, PASSED), (-30.0, PASSED), (30.1, WARNING), (-31.0, WARNING), (None, UNKNOWN)],
)
def test_the_clocks_difference(skew, expected):
    checks = found(dw=make.connection("dw", clock_skew_seconds=skew))
    assert state(checks, "dw.clock") is expected
    assert checks.ready_for_monitoring is True


@pytest.mark.parametrize(("exists", "expected", "monitoring"), [(False, FAILED, False), (None, UNKNOWN, None)])
def test_a_schema_that_is_missing_or_unread(exists, expected, monitoring):
    checks = found(schemas=(ObjectReading(name="ctl", exists=exists), ObjectReading(name="audit", exists=True)))
    assert state(checks, "dw.schema.ctl") is expected
    assert checks.ready_for_monitoring is monitoring


@pytest.mark.parametrize(
    ("facts", "table", "permission", "monitoring"),
    [
        ({"exists": True, "missing_columns": (), "selectable": True}, PASSED, PASSED, True),
        ({"exists": True, "missing_columns": ("status", "run_id"), "selectable": True}, FAILED, PASSED, False),
        ({"exists": True, "missing_columns": None, "selectable": True}, UNKNOWN, PASSED, None),
        ({"exists": True, "missing_columns": (), "selectable": False}, PASSED, FAILED, False),
        ({"exists": True, "missing_columns": (), "selectable": None}, PASSED, UNKNOWN, None),
        ({"exists": False}, FAILED, UNKNOWN, False),
        ({"exists": None}, UNKNOWN, UNKNOWN, None),
    ],
)
def test_a_control_table(facts, table, permission, monitoring):
    checks = found(tables=(ObjectReading(name="audit.etl_run", **facts),))
    assert state(checks, "dw.table.audit.etl_run") is table
    assert state(checks, "dw.permission.audit.etl_run") is permission
    assert checks.ready_for_monitoring is monitoring


@pytest.mark.parametrize(("missing", "expected"), [((), PASSED), (("run_id, entity_name",), WARNING)])
def test_an_index_of_the_contract_that_is_missing_only_warns(missing, expected):
    table = ObjectReading(
        name="audit.etl_run_entity", exists=True, missing_columns=(), selectable=True, missing_indexes=missing
    )
    checks = found(tables=(table,))
    assert one(checks, "dw.index.audit.etl_run_entity").values["columns"] == "; ".join(missing)
    assert state(checks, "dw.index.audit.etl_run_entity") is expected
    assert checks.ready_for_monitoring is True


def test_what_the_login_lacks_for_the_snapshot_only_warns():
    rights = Rights(
        procedures=(("audit.a", True), ("audit.b", False)),
        sees_sessions=False,
        sessions_permissions=("VIEW SERVER STATE",),
    )
    checks = found(rights=rights)
    states = [state(checks, code) for code in ("dw.execute.audit.a", "dw.execute.audit.b", "dw.sessions")]
    assert states == [PASSED, WARNING, WARNING]
    assert checks.ready_for_monitoring is True
    assert preflight_verdicts(checks, {}) == ()
    assert state(found(rights=replace(rights, sees_sessions=True)), "dw.sessions") is PASSED
    unread = one(found(rights=make.problem()), "dw.sessions")
    assert (unread.state, unread.problem) == (UNKNOWN, make.problem())


def test_missing_columns_are_named():
    table = ObjectReading(name="audit.etl_run", exists=True, missing_columns=("status", "run_id"), selectable=True)
    assert one(found(tables=(table,)), "dw.table.audit.etl_run").values["missing"] == "status, run_id"


READY, BROKEN, UNREAD = make.pipeline("a"), make.missing_pipeline("b"), make.unread_pipeline("c")
OFF = make.inactive_pipeline("d")


@pytest.mark.parametrize(
    ("pipelines", "one_active", "first_run", "all_active"),
    [
        ((READY,), PASSED, True, True),
        ((READY, BROKEN), PASSED, True, False),
        ((READY, UNREAD), PASSED, True, None),
        ((READY, OFF), PASSED, True, True),
        ((BROKEN,), PASSED, False, False),
        ((BROKEN, UNREAD), PASSED, None, False),
        ((UNREAD,), PASSED, None, None),
        ((OFF,), FAILED, False, False),
    ],
)
def test_readiness(pipelines, one_active, first_run, all_active):
    checks = found(*pipelines)
    assert state(checks, "pipelines.active") is one_active
    assert (checks.ready_for_first_run, checks.ready_for_all_active) == (first_run, all_active)


def test_no_pipelines_at_all():
    checks = preflight(**make.preflight_facts(()))
    assert state(checks, "pipelines.active") is FAILED
    assert ready(checks) == (True, False, False)


def test_an_unread_control_table():
    checks = found(pipelines=None, pipelines_problem=make.problem(), required=("dim_cliente",))
    assert state(checks, "pipelines.active") is UNKNOWN
    assert state(checks, "required.ready", "dim_cliente") is UNKNOWN
    assert state(checks, "required.active", "dim_cliente") is UNKNOWN
    assert ready(checks) == (True, None, None)


def test_a_missing_target_fails_once_and_asks_for_nothing_more():
    checks = found(BROKEN)
    assert state(checks, "pipeline.target", "b") is FAILED
    assert state(checks, "pipeline.ready", "b") is FAILED
    assert "pipeline.target_permission" not in {check.code for check in checks.checks}


def test_an_invalid_name():
    reading = make.unread_source(make.problem(ProblemCode.NAME_INVALID))
    checks = found(make.pipeline("a", mapping_valid=False, source=reading))
    assert state(checks, "pipeline.mapping", "a") is FAILED
    assert state(checks, "pipeline.source", "a") is UNKNOWN
    assert state(checks, "pipeline.ready", "a") is FAILED


def test_a_denied_source():
    denied = make.unread_source(make.problem(ProblemCode.PERMISSION_DENIED), exists=True)
    checks = found(make.pipeline("a", source=denied))
    assert state(checks, "pipeline.source_permission", "a") is FAILED
    assert state(checks, "pipeline.target_permission", "a") is PASSED
    slow = make.unread_source(make.problem(ProblemCode.TIMEOUT), exists=True)
    assert state(found(make.pipeline("a", source=slow)), "pipeline.source_permission", "a") is UNKNOWN


@pytest.mark.parametrize(("index", "expected"), [(True, PASSED), (False, WARNING), (None, UNKNOWN)])
def test_the_index_of_the_source(index, expected):
    checks = found(make.pipeline("a", source=make.source(has_watermark_index=index)))
    assert state(checks, "pipeline.index", "a") is expected
    assert checks.ready_for_all_active is True


def test_an_inactive_pipeline_only_warns():
    off = make.missing_pipeline("b", control=make.control_row("b", is_active=False))
    checks = found(READY, off)
    assert state(checks, "pipeline.target", "b") is WARNING
    assert state(checks, "pipeline.active", "b") is PASSED
    assert FAILED not in {check.state for check in checks.checks}
    assert "pipeline.ready" not in {check.code for check in checks.checks if check.entity_name == "b"}


@pytest.mark.parametrize(
    ("pipelines", "is_ready", "active"),
    [((READY,), PASSED, PASSED), ((replace(OFF, control=make.control_row("a", is_active=False)),), PASSED, FAILED)],
)
def test_required_pipelines(pipelines, is_ready, active):
    checks = found(*pipelines, required=("a",))
    assert (state(checks, "required.ready", "a"), state(checks, "required.active", "a")) == (is_ready, active)


def test_a_required_pipeline_that_control_does_not_list():
    checks = found(READY, required=("fact_vendas",))
    assert state(checks, "required.ready", "fact_vendas") is FAILED
    assert state(checks, "required.active", "fact_vendas") is FAILED
    assert one(checks, "required.active", "fact_vendas").values == {"listed": 0}


@pytest.mark.parametrize(("age", "expected"), [(0.0, PASSED), (60.0, PASSED), (60.1, FAILED), (None, FAILED)])
def test_the_collectors_age(age, expected):
    assert collector_check(age).state is expected


def test_failed_checks_come_worst_first():
    checks = found(BROKEN, UNREAD, make.pipeline("a", source=make.source(has_watermark_index=False)))
    states = [check.state for check in checks.failed]
    assert states == sorted(states, key=[FAILED, UNKNOWN, WARNING].index)
    assert set(states) == {FAILED, UNKNOWN, WARNING}


class TestVerdicts:
    @pytest.mark.parametrize(
        ("samples", "severity", "told"),
        [(0, Severity.WARNING, 0), (2, Severity.WARNING, 2), (3, Severity.CRITICAL, 3), (99, Severity.CRITICAL, 3)],
    )
    def test_unreachable_for_three_samples_is_critical(self, samples, severity, told):
        checks = found(oltp=make.unreachable("oltp"))
        (verdict,) = preflight_verdicts(checks, {"oltp": samples, "dw": 99})
        assert (verdict.severity, verdict.values["samples"]) == (severity, told)
        assert (verdict.values["check"], verdict.values["problem"]) == ("oltp.connection", "unreachable")

    def test_a_failed_check_is_a_warning_however_often(self):
        checks = found(schemas=(ObjectReading(name="ctl", exists=False),))
        (verdict,) = preflight_verdicts(checks, {"dw": 99, "oltp": 99})
        assert verdict.severity is Severity.WARNING

    def test_structure_warnings_and_unknown_checks_are_told_elsewhere(self):
        checks = found(READY, BROKEN, UNREAD, make.pipeline("e", source=make.source(has_watermark_index=False)))
        assert preflight_verdicts(checks, {}) == ()

    def test_a_required_pipeline_names_itself(self):
        (verdict, _) = preflight_verdicts(found(READY, required=("fact_vendas",)), {})
        assert verdict.entity_name == "fact_vendas"

    def test_it_repeats_nothing_that_changes_at_each_tick(self):
        quick, slow = (found(dw=make.unreachable("dw", latency_ms=ms)) for ms in (1.0, 2.0))
        assert preflight_verdicts(quick, {}) == preflight_verdicts(slow, {})


def test_fresh_figures_without_a_collector_are_a_warning() -> None:
    """An open page takes a sample once a minute, which would hide that no collector runs."""
    assert collector_check(5, collecting=False).state is CheckState.WARNING
    assert collector_check(500, collecting=False).state is CheckState.FAILED
    assert collector_check(5, collecting=True).state is CheckState.PASSED


# How we connect


def traffic(**changes):
    return found(dw=make.connection("dw", terms=make.terms(**changes)))


@pytest.mark.parametrize(
    ("encrypted", "verified", "expected"),
    [(True, True, PASSED), (True, False, WARNING), (False, True, WARNING), (False, False, WARNING)],
)
def test_encryption_off_or_a_trusted_certificate_is_a_warning(encrypted, verified, expected):
    checks = traffic(encrypted=encrypted, certificate_verified=verified)
    assert state(checks, "server.encryption") is expected
    assert checks.ready_for_monitoring is True


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "(local)", ".", ".\\SQLEXPRESS", "tcp:LOCALHOST,1444"]
)
def test_this_machine_may_trust_itself(host):
    assert is_local(host)
    assert state(traffic(host=host, encrypted=False, certificate_verified=False), "server.encryption") is PASSED


@pytest.mark.parametrize(
    "host", ["sql.example", "localhost.example", "10.0.0.1", "128.0.0.1", "127.0.0.1.example", "::2"]
)
def test_another_machine_may_not(host):
    assert not is_local(host)


def test_both_databases_share_one_check_and_the_embedded_one_has_none():
    both = found(**{alias: make.connection(alias, terms=make.terms()) for alias in ("dw", "oltp")})
    assert [check.code for check in both.checks].count("server.encryption") == 1
    assert "server.encryption" not in {check.code for check in found().checks}


def test_snapshots_that_the_database_does_not_allow():
    for isolation, expected in (("snapshot", PASSED), ("read-uncommitted", WARNING)):
        assert state(traffic(isolation=isolation, isolation_wanted="snapshot"), "dw.isolation") is expected
    dead = found(oltp=make.unreachable("oltp", terms=make.terms(isolation_wanted="snapshot")))
    assert state(dead, "oltp.isolation") is UNKNOWN
    assert one(dead, "oltp.isolation").problem.code is ProblemCode.UNREACHABLE
    assert "dw.isolation" not in {check.code for check in traffic(isolation="read-uncommitted").checks}


def test_the_connection_tells_how_it_reads():
    checks = traffic(intent="ReadOnly", isolation="snapshot")
    values = one(checks, "dw.connection").values
    assert (values["intent"], values["isolation"]) == ("ReadOnly", "snapshot")
