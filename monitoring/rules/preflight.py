"""The pre-flight checks of METRICS, the readiness that follows, and the doctor's conclusion."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import (
    Check,
    ConnectionReading,
    ControlRow,
    PipelineReading,
    Preflight,
    Problem,
    SourceReading,
    TargetReading,
    Terms,
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
        *(_schema(schema) for schema in schemas),
        *(check for table in tables for check in _table(table)),
    ]
    checks = [
        *portal,
        *(_table_indexes(table) for table in tables if table.missing_indexes is not None),
        *_traffic(dw, oltp),
        *_rights(rights),
        _one_active(pipelines, pipelines_problem),
        *(check for pipeline in pipelines or () for check in _pipeline(pipeline)),
        *(check for name in required for check in _required(name, pipelines, pipelines_problem)),
    ]
    ready = None if pipelines is None else [each.structure_ready for each in pipelines if each.control.is_active]
    essential = [_ANSWERS[check.state] for check in portal if not check.code.endswith(".clock")]
    return Preflight(
        checked_at=checked_at,
        checks=tuple(checks),
        ready_for_monitoring=all_of(essential),
        ready_for_first_run=None if ready is None else any_of(ready),
        ready_for_all_active=None if ready is None else all_of(ready or [False]),
    )


# The clock's warning is not essential, and no other essential check warns.
_ANSWERS = {CheckState.PASSED: True, CheckState.WARNING: True, CheckState.FAILED: False, CheckState.UNKNOWN: None}


def collector_check(age_seconds: float | None, *, collecting: bool = True) -> Check:
    """`age_seconds` None: it never ran. Fresh figures without a collector come from a page's sample: a warning."""
    if age_seconds is None:
        return Check(code="collector.age", state=CheckState.FAILED, values={"seconds": None})
    fresh = CheckState.PASSED if collecting else CheckState.WARNING
    state = fresh if age_seconds <= COLLECTOR_STALE_SECONDS else CheckState.FAILED
    return Check(code="collector.age", state=state, values={"limit_seconds": COLLECTOR_STALE_SECONDS})


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
    if not reading.reachable or skew is None:
        clock = CheckState.UNKNOWN
    else:
        clock = CheckState.PASSED if abs(skew) <= CLOCK_WARNING_SECONDS else CheckState.WARNING
    return [
        Check(
            code=f"{reading.alias}.connection",
            state=CheckState.PASSED if reading.reachable else CheckState.FAILED,
            values=values,
            problem=None if reading.reachable else reading.problem,
        ),
        Check(
            code=f"{reading.alias}.clock",
            state=clock,
            values={"seconds": skew, "limit_seconds": CLOCK_WARNING_SECONDS},
            problem=reading.problem if clock is CheckState.UNKNOWN else None,
        ),
    ]


def _schema(schema: ObjectReading) -> Check:
    return Check(
        code=f"dw.schema.{schema.name}",
        state=_state(schema.exists),
        values={"name": schema.name},
        problem=None if schema.exists else schema.problem,
    )


def _table(table: ObjectReading) -> list[Check]:
    complete: bool | None
    if table.exists is not True:
        complete = table.exists
    else:
        complete = None if table.missing_columns is None else not table.missing_columns
    missing = ", ".join(table.missing_columns or ())
    return [
        Check(
            code=f"dw.table.{table.name}",
            state=_state(complete),
            values={"name": table.name, "exists": _as_int(table.exists), "missing": missing},
            problem=None if complete else table.problem,
        ),
        Check(
            code=f"dw.permission.{table.name}",
            state=_state(None if table.exists is False else table.selectable),
            values={"name": table.name},
            problem=None if table.selectable else table.problem,
        ),
    ]


def _table_indexes(table: ObjectReading) -> Check:
    """Return a warning at most: without the index everything works, but reads the whole table."""
    missing = table.missing_indexes or ()
    return Check(
        code=f"dw.index.{table.name}",
        state=CheckState.WARNING if missing else CheckState.PASSED,
        values={"name": table.name, "columns": "; ".join(missing)},
    )


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
    encryption = [_encryption(terms) for _, terms in known[:1]]
    return encryption + [_isolation(reading, terms) for reading, terms in known if terms.isolation_wanted]


def _encryption(terms: Terms) -> Check:
    safe = terms.encrypted and terms.certificate_verified
    return Check(
        code="server.encryption",
        state=CheckState.PASSED if safe or is_local(terms.host) else CheckState.WARNING,
        values={"encrypted": int(terms.encrypted), "verified": int(terms.certificate_verified)},
    )


def _isolation(reading: ConnectionReading, terms: Terms) -> Check:
    """Return a warning at most: a database that refuses the level is read uncommitted, as by default."""
    if not reading.reachable:
        state = CheckState.UNKNOWN
    else:
        state = CheckState.PASSED if terms.isolation == terms.isolation_wanted else CheckState.WARNING
    return Check(
        code=f"{reading.alias}.isolation",
        state=state,
        values={"isolation": terms.isolation},
        problem=None if state is not CheckState.UNKNOWN else reading.problem,
    )


def _rights(rights: Rights | Problem | None) -> list[Check]:
    """Return warnings at most: only the snapshot of the sessions needs these rights."""
    if rights is None:
        return []
    if isinstance(rights, Problem):
        return [Check(code="dw.sessions", state=CheckState.UNKNOWN, problem=rights)]
    checks = [
        Check(code=f"dw.execute.{name}", state=_passed_or_warning(allowed), values={"name": name})
        for name, allowed in rights.procedures
    ]
    values: Values = {"permission": ", ".join(rights.sessions_permissions)}
    return [*checks, Check(code="dw.sessions", state=_passed_or_warning(rights.sees_sessions), values=values)]


def _one_active(pipelines: Sequence[PipelineReading] | None, problem: Problem | None) -> Check:
    if pipelines is None:
        return Check(code="pipelines.active", state=CheckState.UNKNOWN, problem=problem)
    active = sum(pipeline.control.is_active for pipeline in pipelines)
    values: Values = {"active": active, "pipelines": len(pipelines)}
    return Check(code="pipelines.active", state=_state(active > 0), values=values)


def _pipeline(pipeline: PipelineReading) -> list[Check]:
    control = pipeline.control
    mapping: Values = {"source": control.source_table, "target": control.target_table}
    # An inactive pipeline is a decision, not a fault. Only a required one must be active.
    checks = [
        _of_pipeline(control, "active", True, {"active": int(control.is_active)}),
        _of_pipeline(control, "mapping", pipeline.mapping_valid, mapping),
        *_side(control, "source", control.source_table, pipeline.source),
        *_side(control, "target", control.target_table, pipeline.target),
    ]
    if pipeline.source.exists:
        checks.append(_index(control, pipeline.source))
    if control.is_active:
        checks.append(_of_pipeline(control, "ready", pipeline.structure_ready, {}))
    return checks


def _side(control: ControlRow, side: str, table: str, reading: SourceReading | TargetReading) -> list[Check]:
    values: Values = {"table": table}
    checks = [_of_pipeline(control, side, reading.exists, values, reading.problem)]
    if reading.exists:
        checks.append(_of_pipeline(control, f"{side}_permission", _selectable(reading), values, reading.problem))
    return checks


def _index(control: ControlRow, source: SourceReading) -> Check:
    """Return a warning at most: without the index everything works, but counting pending rows reads the whole table."""
    state = _state(source.has_watermark_index)
    return Check(
        code="pipeline.index",
        state=CheckState.WARNING if state is CheckState.FAILED else state,
        entity_name=control.entity_name,
        values={"table": control.source_table, "key": control.source_pk_column},
        problem=source.problem if state is CheckState.UNKNOWN else None,
    )


def _of_pipeline(
    control: ControlRow, what: str, passed: bool | None, values: Values, problem: Problem | None = None
) -> Check:
    """Return a check of a pipeline. A failure of an inactive one is a warning, because nothing runs it."""
    state = _state(passed)
    if state is CheckState.FAILED and not control.is_active:
        state = CheckState.WARNING
    return Check(
        code=f"pipeline.{what}",
        state=state,
        entity_name=control.entity_name,
        values=values,
        problem=None if state is CheckState.PASSED else problem,
    )


def _selectable(reading: SourceReading | TargetReading) -> bool | None:
    if reading.problem is not None and reading.problem.code is ProblemCode.PERMISSION_DENIED:
        return False
    return True if reading.problem is None else None


def _required(name: str, pipelines: Sequence[PipelineReading] | None, problem: Problem | None) -> list[Check]:
    if pipelines is None:
        return [
            Check(code=code, state=CheckState.UNKNOWN, entity_name=name, problem=problem)
            for code in ("required.ready", "required.active")
        ]
    found = next((each for each in pipelines if each.name == name), None)
    values: Values = {"listed": int(found is not None)}
    answers = {
        "required.ready": found.structure_ready if found else False,
        "required.active": found.control.is_active if found else False,
    }
    return [Check(code=code, state=_state(answer), entity_name=name, values=values) for code, answer in answers.items()]


def _state(passed: bool | None) -> CheckState:
    if passed is None:
        return CheckState.UNKNOWN
    return CheckState.PASSED if passed else CheckState.FAILED


def _passed_or_warning(passed: bool) -> CheckState:
    return CheckState.PASSED if passed else CheckState.WARNING


def _as_int(value: bool | None) -> int | None:
    return None if value is None else int(value)


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
