"""What the pre-flight is judged from: the raw findings, as the collector hands them over."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import (
    Check,
    ConnectionReading,
    ControlRow,
    Preflight,
    Problem,
    SourceReading,
    TargetReading,
    Terms,
)
from monitoring.rules.status import structure_ready


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFacts:
    """Whether a schema of `dw` is there; `exists` None: could not be found out."""

    name: str
    exists: bool | None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One control or audit table of `dw`, `name` as "schema.table".

    `missing_columns`: columns of the contract that it lacks, None when they could not be listed.
    `selectable`: whether our login may SELECT from it, None when that could not be found out.
    `missing_indexes`: the contract's indexes that it lacks, each as "column, column"; None: not asked.
    """

    name: str
    exists: bool | None
    missing_columns: tuple[str, ...] | None = None
    selectable: bool | None = None
    missing_indexes: tuple[str, ...] | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What our login may do on `dw` besides reading tables.

    `procedures`: each with whether it may be executed. `sessions_permissions`: what this server wants
    from whoever is to see the sessions of others. `edition`: SERVERPROPERTY('EngineEdition').
    """

    procedures: tuple[tuple[str, bool], ...]
    sees_sessions: bool
    sessions_permissions: tuple[str, ...]
    login: str = ""
    user: str = ""
    edition: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFacts:
    """What the pre-flight wants to know of one pipeline. `control.entity_name` names it."""

    control: ControlRow
    mapping_valid: bool
    source: SourceReading
    target: TargetReading


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightFacts:
    """Everything that was found. `pipelines` None: the control table could not be read.

    `rights` None: not applicable (the embedded warehouse), or with a dead database not asked.

    `collector_age_seconds`: since the collector's last tick ended; None when it never ran. Leave
    `collector_known` False where the tick itself makes these facts: then the page adds the check.
    """

    checked_at: datetime
    dw: ConnectionReading
    oltp: ConnectionReading
    schemas: tuple[SchemaFacts, ...] = ()
    tables: tuple[TableFacts, ...] = ()
    rights: Rights | Problem | None = None
    pipelines: tuple[PipelineFacts, ...] | None = None
    pipelines_problem: Problem | None = None
    required: tuple[str, ...] = ()
    collector_known: bool = False
    collector_age_seconds: float | None = None


def index_check(table: TableFacts) -> Check:
    """An index of the contract that lacks: all works, but what seeks by it reads the whole table."""
    missing = table.missing_indexes or ()
    return Check(
        code=f"dw.index.{table.name}",
        state=CheckState.WARNING if missing else CheckState.PASSED,
        values={"name": table.name, "columns": "; ".join(missing)},
    )


def rights_checks(rights: Rights | Problem | None) -> list[Check]:
    """Only the snapshot of the sessions needs these: without them it warns, and everything else works."""
    if rights is None:
        return []
    if isinstance(rights, Problem):
        return [Check(code="dw.sessions", state=CheckState.UNKNOWN, problem=rights)]
    return [
        *(
            Check(
                code=f"dw.execute.{name}",
                state=CheckState.PASSED if allowed else CheckState.WARNING,
                values={"name": name},
            )
            for name, allowed in rights.procedures
        ),
        Check(
            code="dw.sessions",
            state=CheckState.PASSED if rights.sees_sessions else CheckState.WARNING,
            values={"permission": ", ".join(rights.sessions_permissions)},
        ),
    ]


LOCAL_NAMES = frozenset({"localhost", "(local)", "(localdb)", ".", ""})


def is_local(host: str) -> bool:
    """Return whether a server's name, as it stands in the settings, means this machine: nobody is in between."""
    name = host.strip().lower().removeprefix("tcp:").removeprefix("lpc:")
    name = name.split("\\", maxsplit=1)[0].split(",", maxsplit=1)[0].strip("[] ")
    if name in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def traffic_checks(*readings: ConnectionReading) -> list[Check]:
    """Return the check of the encryption (one: both databases are reached the same way), and of the
    isolation of each database where it was asked for. None for the embedded warehouse."""
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
    """What a database does not allow is no fault: it is read like every other one, uncommitted."""
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


CLOCK_WARNING_SECONDS = 30
"""A database's clock further off than this is worth a look: ages on the page count from ours."""
COLLECTOR_STALE_SECONDS = 60

Values = dict[str, str | int | float | None]


def preflight(facts: PreflightFacts) -> Preflight:
    """Return every check of METRICS' pre-flight, in the order of that paragraph, and the three
    readiness answers: each None when it cannot be concluded."""
    portal = [
        *_connection(facts.dw),
        *_connection(facts.oltp),
        *(_schema(schema) for schema in facts.schemas),
        *(check for table in facts.tables for check in _table(table)),
    ]
    checks = [
        *portal,
        *(index_check(table) for table in facts.tables if table.missing_indexes is not None),
        *traffic_checks(facts.dw, facts.oltp),
        *rights_checks(facts.rights),
        _one_active(facts),
        *(check for pipeline in facts.pipelines or () for check in _pipeline(pipeline)),
        *(check for name in facts.required for check in _required(name, facts)),
    ]
    if facts.collector_known:
        checks.append(collector_check(facts.collector_age_seconds))
    active = None if facts.pipelines is None else [each for each in facts.pipelines if each.control.is_active]
    ready = None if active is None else [pipeline_ready(each) for each in active]
    essential = [check.state for check in portal if not check.code.endswith(".clock")]
    return Preflight(
        checked_at=facts.checked_at,
        checks=tuple(checks),
        ready_for_monitoring=_all_passed(essential),
        ready_for_first_run=None if ready is None else any_of(ready),
        ready_for_all_active=None if ready is None else all_of(ready or [False]),
    )


def pipeline_ready(pipeline: PipelineFacts) -> bool | None:
    """Return whether a pipeline is ready to run: active, mapping valid, source and target there."""
    if not pipeline.control.is_active:
        return False
    return structure_ready(pipeline.mapping_valid, pipeline.source, pipeline.target)


def collector_check(age_seconds: float | None, *, collecting: bool = True) -> Check:
    """Return the check of the collector: the age of its newest sample in seconds (None: it never ran),
    and whether one is at work. Fresh figures without one come from a page that was opened: a warning."""
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


def _schema(schema: SchemaFacts) -> Check:
    return Check(
        code=f"dw.schema.{schema.name}",
        state=_state(schema.exists),
        values={"name": schema.name},
        problem=None if schema.exists else schema.problem,
    )


def _table(table: TableFacts) -> list[Check]:
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


def _one_active(facts: PreflightFacts) -> Check:
    if facts.pipelines is None:
        return Check(code="pipelines.active", state=CheckState.UNKNOWN, problem=facts.pipelines_problem)
    active = sum(pipeline.control.is_active for pipeline in facts.pipelines)
    return Check(
        code="pipelines.active",
        state=_state(active > 0),
        values={"active": active, "pipelines": len(facts.pipelines)},
    )


def _pipeline(pipeline: PipelineFacts) -> list[Check]:
    control = pipeline.control
    mapping: Values = {"source": control.source_table, "target": control.target_table}
    # Switching a pipeline off is a decision, not a fault; only a required one must be on.
    checks = [
        _of_pipeline(control, "active", True, {"active": int(control.is_active)}),
        _of_pipeline(control, "mapping", pipeline.mapping_valid, mapping),
        *_side(control, "source", control.source_table, pipeline.source),
        *_side(control, "target", control.target_table, pipeline.target),
    ]
    if pipeline.source.exists:
        checks.append(_index(control, pipeline.source))
    if control.is_active:
        checks.append(_of_pipeline(control, "ready", pipeline_ready(pipeline), {}))
    return checks


def _side(control: ControlRow, side: str, table: str, reading: SourceReading | TargetReading) -> list[Check]:
    """The table's existence and, where it exists, our permission to read it."""
    values: Values = {"table": table}
    checks = [_of_pipeline(control, side, reading.exists, values, reading.problem)]
    if reading.exists:
        checks.append(_of_pipeline(control, f"{side}_permission", _selectable(reading), values, reading.problem))
    return checks


def _index(control: ControlRow, source: SourceReading) -> Check:
    """Without an index on (updated_at, key) all works, but each look at the pending rows reads the whole table."""
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
    """A pipeline's check; of an inactive one a failure is only worth a warning: nothing runs it."""
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
    """Whether our login could read the rows: denied, or something was read, or nobody knows."""
    if reading.problem is not None and reading.problem.code is ProblemCode.PERMISSION_DENIED:
        return False
    return True if reading.problem is None else None


def _required(name: str, facts: PreflightFacts) -> list[Check]:
    """The required pipelines by name: ready, active. One that control does not list is neither."""
    if facts.pipelines is None:
        return [
            Check(code=code, state=CheckState.UNKNOWN, entity_name=name, problem=facts.pipelines_problem)
            for code in ("required.ready", "required.active")
        ]
    found = next((each for each in facts.pipelines if each.control.entity_name == name), None)
    values: Values = {"listed": int(found is not None)}
    ready = structure_ready(found.mapping_valid, found.source, found.target) if found else False
    active = found.control.is_active if found else False
    return [
        Check(code="required.ready", state=_state(ready), entity_name=name, values=values),
        Check(code="required.active", state=_state(active), entity_name=name, values=values),
    ]


def _state(passed: bool | None) -> CheckState:
    if passed is None:
        return CheckState.UNKNOWN
    return CheckState.PASSED if passed else CheckState.FAILED


def _as_int(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _all_passed(states: Iterable[CheckState]) -> bool | None:
    known = list(states)
    if CheckState.FAILED in known:
        return False
    return None if CheckState.UNKNOWN in known else True


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
