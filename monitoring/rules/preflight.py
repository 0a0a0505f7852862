"""The pre-flight checks of METRICS, the readiness that follows, and the doctor's conclusion."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import (
    Check,
    ConnectionReading,
    PipelineReading,
    Preflight,
    Problem,
    SourceReading,
    TargetReading,
    Values,
)

CLOCK_WARNING_SECONDS = 30
"""A database clock that differs by more makes the ages on the pages wrong."""
COLLECTOR_STALE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReading:
    """A schema, or a control or audit table, of `dw`. None means that it could not be found out.

    `missing_columns`, `missing_indexes`: what the contract has and the table lacks; each index as "column, column".
    `missing_indexes` None: no check. `selectable`: whether the portal's login may SELECT from it.
    """

    name: str
    exists: bool | None
    missing_columns: tuple[str, ...] | None = None
    selectable: bool | None = None
    missing_indexes: tuple[str, ...] | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rights of the portal's login on `dw`, besides reading tables.

    `procedures`: each with whether it may be executed. `sessions_permissions`: what this server requires for seeing
    the sessions of others. `edition`: SERVERPROPERTY('EngineEdition').
    """

    procedures: tuple[tuple[str, bool], ...]
    sees_sessions: bool
    sessions_permissions: tuple[str, ...]
    login: str = ""
    user: str = ""
    edition: int | None = None


def preflight(
    *,
    checked_at: datetime,
    dw: ConnectionReading,
    oltp: ConnectionReading,
    schemas: Sequence[ObjectReading],
    tables: Sequence[ObjectReading],
    rights: Rights | Problem | None,
    pipelines: Sequence[PipelineReading] | None,
    pipelines_problem: Problem | None = None,
    required: Sequence[str] = (),
) -> Preflight:
    """Return every check of METRICS' pre-flight, in its order, and the three readiness answers.

    An answer is None when it cannot be concluded. `rights` None: not applicable, or `dw` does not answer.
    `pipelines` None: the control table could not be read. The check of the collector is added by its readers.
    """
    portal = [
        *_connection(dw),
        *_connection(oltp),
        *(_check(f"dw.schema.{each.name}", each.exists, {"name": each.name}, each.problem) for each in schemas),
        *(check for table in tables for check in _table(table)),
    ]
    checks = [
        *portal,
        *(_table_indexes(table) for table in tables if table.missing_indexes is not None),
        *_traffic(dw, oltp),
        *_rights(rights),
        _check("pipelines.active", None, problem=pipelines_problem) if pipelines is None else active_check(pipelines),
        *(check for pipeline in pipelines or () for check in _pipeline(pipeline)),
        *(check for name in required for check in _required(name, pipelines, pipelines_problem)),
    ]
    ready = None if pipelines is None else [each.structure_ready for each in pipelines if each.control.is_active]
    essential = [ANSWERS[check.state] for check in portal if not check.code.endswith(".clock")]
    return Preflight(
        checked_at=checked_at,
        checks=tuple(checks),
        ready_for_monitoring=all_of(essential),
        ready_for_first_run=None if ready is None else any_of(ready),
        ready_for_all_active=None if ready is None else all_of(ready or [False]),
    )


# The clock's warning is not essential, and no other essential check warns.
ANSWERS = {CheckState.PASSED: True, CheckState.WARNING: True, CheckState.FAILED: False, CheckState.UNKNOWN: None}


def collector_check(age_seconds: float | None, *, collecting: bool = True) -> Check:
    """`age_seconds` None: it never ran. Fresh figures without a collector come from a page's sample: a warning."""
    if age_seconds is None:
        return Check(code="collector.age", state=CheckState.FAILED, values={"seconds": None})
    fresh = CheckState.PASSED if collecting else CheckState.WARNING
    state = fresh if age_seconds <= COLLECTOR_STALE_SECONDS else CheckState.FAILED
    return Check(code="collector.age", state=state, values={"limit_seconds": COLLECTOR_STALE_SECONDS})


def _check(
    code: str,
    passed: bool | None,
    values: Values | None = None,
    problem: Problem | None = None,
    *,
    entity_name: str = "",
    worst: CheckState = CheckState.FAILED,
) -> Check:
    """`passed` None: unknown. `worst`: the state of a check that did not pass. `problem`: why it did not."""
    state = CheckState.PASSED if passed else CheckState.UNKNOWN if passed is None else worst
    problem = None if passed else problem
    return Check(code=code, state=state, entity_name=entity_name, values=values or {}, problem=problem)


def _connection(reading: ConnectionReading) -> list[Check]:
    skew = reading.clock_skew_seconds
    values: Values = {
        "database_alias": reading.alias,
        "latency_ms": reading.latency_ms,
        "server": reading.server,
        "database": reading.database,
        "driver": reading.driver,
        "connection_string": reading.connection_string,
        "intent": reading.terms.intent if reading.terms else "",
        "isolation": reading.terms.isolation if reading.terms else "",
        "clock_skew_seconds": skew,
    }
    near = abs(skew) <= CLOCK_WARNING_SECONDS if reading.reachable and skew is not None else None
    return [
        _check(f"{reading.alias}.connection", reading.reachable, values, reading.problem),
        _check(
            f"{reading.alias}.clock",
            near,
            {"seconds": skew, "limit_seconds": CLOCK_WARNING_SECONDS},
            reading.problem if near is None else None,
            worst=CheckState.WARNING,
        ),
    ]


def _table(table: ObjectReading) -> list[Check]:
    complete = table.exists
    if table.exists:
        complete = None if table.missing_columns is None else not table.missing_columns
    values: Values = {
        "name": table.name,
        "exists": None if table.exists is None else int(table.exists),
        "missing": ", ".join(table.missing_columns or ()),
    }
    selectable = None if table.exists is False else table.selectable
    return [
        _check(f"dw.table.{table.name}", complete, values, table.problem),
        _check(f"dw.permission.{table.name}", selectable, {"name": table.name}, table.problem),
    ]


def _table_indexes(table: ObjectReading) -> Check:
    """Return a warning at most: without the index everything works, but reads the whole table."""
    missing = table.missing_indexes or ()
    values: Values = {"name": table.name, "columns": "; ".join(missing)}
    return _check(f"dw.index.{table.name}", not missing, values, worst=CheckState.WARNING)


LOCAL_NAMES = frozenset({"localhost", "(local)", "(localdb)", ".", ""})


def is_local(host: str) -> bool:
    name = host.strip().lower().removeprefix("tcp:").removeprefix("lpc:")
    name = name.split("\\", maxsplit=1)[0].split(",", maxsplit=1)[0].strip("[] ")
    if name in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _traffic(*readings: ConnectionReading) -> list[Check]:
    """Return checks of encryption (shared by both databases) and isolation. None for the embedded warehouse."""
    known = [(each, each.terms) for each in readings if each.terms is not None]
    checks = []
    for _, terms in known[:1]:
        safe = (terms.encrypted and terms.certificate_verified) or is_local(terms.host)
        values: Values = {"encrypted": int(terms.encrypted), "verified": int(terms.certificate_verified)}
        checks.append(_check("server.encryption", safe, values, worst=CheckState.WARNING))
    for reading, terms in known:
        if terms.isolation_wanted:
            # A warning at most: a database that refuses the level is read uncommitted, as by default.
            passed = terms.isolation == terms.isolation_wanted if reading.reachable else None
            problem = None if reading.reachable else reading.problem
            values = {"isolation": terms.isolation}
            checks.append(_check(f"{reading.alias}.isolation", passed, values, problem, worst=CheckState.WARNING))
    return checks


def _rights(rights: Rights | Problem | None) -> list[Check]:
    """Return warnings at most: only the snapshot of the sessions needs these rights."""
    if rights is None:
        return []
    if isinstance(rights, Problem):
        return [_check("dw.sessions", None, problem=rights)]
    checks = [
        _check(f"dw.execute.{name}", allowed, {"name": name}, worst=CheckState.WARNING)
        for name, allowed in rights.procedures
    ]
    values: Values = {"permission": ", ".join(rights.sessions_permissions)}
    return [*checks, _check("dw.sessions", rights.sees_sessions, values, worst=CheckState.WARNING)]


def active_check(pipelines: Collection[PipelineReading]) -> Check:
    active = sum(pipeline.control.is_active for pipeline in pipelines)
    return _check("pipelines.active", active > 0, {"active": active, "pipelines": len(pipelines)})


def _pipeline(pipeline: PipelineReading) -> list[Check]:
    control, source = pipeline.control, pipeline.source
    # A failure of an inactive pipeline is a warning, because nothing runs it.
    worst = CheckState.FAILED if control.is_active else CheckState.WARNING

    def check(what: str, passed: bool | None, values: Values, problem: Problem | None = None) -> Check:
        return _check(f"pipeline.{what}", passed, values, problem, entity_name=control.entity_name, worst=worst)

    # An inactive pipeline is a decision, not a fault. Only a required one must be active.
    checks = [
        check("active", True, {"active": int(control.is_active)}),
        check("mapping", pipeline.mapping_valid, {"source": control.source_table, "target": control.target_table}),
    ]
    sides: tuple[tuple[str, str, SourceReading | TargetReading], ...] = (
        ("source", control.source_table, source),
        ("target", control.target_table, pipeline.target),
    )
    for side, table, reading in sides:
        checks.append(check(side, reading.exists, {"table": table}, reading.problem))
        if reading.exists:
            checks.append(check(f"{side}_permission", _selectable(reading), {"table": table}, reading.problem))
    if source.exists:
        # A warning at most: without the index everything works, but counting pending rows reads the whole table.
        index = _check(
            "pipeline.index",
            source.has_watermark_index,
            {"table": control.source_table, "key": control.source_pk_column},
            source.problem if source.has_watermark_index is None else None,
            entity_name=control.entity_name,
            worst=CheckState.WARNING,
        )
        checks.append(index)
    if control.is_active:
        checks.append(check("ready", pipeline.structure_ready, {}))
    return checks


def _selectable(reading: SourceReading | TargetReading) -> bool | None:
    if reading.problem is not None and reading.problem.code is ProblemCode.PERMISSION_DENIED:
        return False
    return True if reading.problem is None else None


def _required(name: str, pipelines: Sequence[PipelineReading] | None, problem: Problem | None) -> list[Check]:
    if pipelines is None:
        return [_check(f"required.{what}", None, problem=problem, entity_name=name) for what in ("ready", "active")]
    found = next((each for each in pipelines if each.name == name), None)
    values: Values = {"listed": int(found is not None)}
    return [
        _check("required.ready", found.structure_ready if found else False, values, entity_name=name),
        _check("required.active", found.control.is_active if found else False, values, entity_name=name),
    ]


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Three-valued "all": one False decides, then one None."""
    known = list(answers)
    if False in known:
        return False
    return None if None in known else True


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Three-valued "any": one True decides, then one None."""
    known = list(answers)
    if True in known:
        return True
    return None if None in known else False


class CheckGroup(StrEnum):
    CONNECTIONS = "connections"
    TABLES = "tables"
    PIPELINES = "pipelines"
    PORTAL = "portal"


class Readiness(StrEnum):
    """The doctor's conclusion, in the order of its exit codes: 0, 1, 2."""

    READY = "ready"
    WARNINGS = "warnings"
    NOT_READY = "not_ready"

    @property
    def exit_code(self) -> int:
        return list(type(self)).index(self)


def group_of(check: Check) -> CheckGroup:
    if check.code.endswith((".connection", ".clock", ".isolation")) or check.code.startswith(("odbc.", "server.")):
        return CheckGroup.CONNECTIONS
    if check.code.startswith(("portal.", "collector.")):
        return CheckGroup.PORTAL
    if check.entity_name or check.code.startswith("pipelines."):
        return CheckGroup.PIPELINES
    return CheckGroup.TABLES


def readiness(preflight: Preflight) -> Readiness:
    """Return NOT_READY where something that the portal needs failed or could not be checked.

    A pipeline without its table is a warning, unless the pipeline is required or the last active one. So is every
    other check that did not pass, also an unknown one.
    """
    needed = [check.state for check in preflight.checks if not check.code.startswith("pipeline.")]
    if preflight.ready_for_monitoring is not True or CheckState.FAILED in needed:
        return Readiness.NOT_READY
    states = {check.state for check in preflight.checks}
    return Readiness.READY if states == {CheckState.PASSED} else Readiness.WARNINGS
