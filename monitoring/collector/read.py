"""Read both databases once: control rows, structure, copies of runs, probes.

Three statements on `dw` (control, runs, targets) and one on `oltp` (sources). The structure (connections, catalogs,
sessions) is read once a minute, and at once when a control row names a new table or a database recovered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from etlportal.budget import budget
from monitoring.collector.copies import copy_runs
from monitoring.collector.memory import Memory, Structure
from monitoring.collector.plan import DEFAULTS, DW, OLTP, Plan, planned, wanted_tables
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, PipelineSettings
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ConnectionReading, ControlRow, PipelineReading, Problem, SourceReading, TargetReading
from monitoring.rules.preflight import Rights
from monitoring.warehouse.audit import ControlReading, read_control, session_samples
from monitoring.warehouse.catalog import Catalog, read_catalog
from monitoring.warehouse.errors import CONNECTION_CODES
from monitoring.warehouse.names import TableName, parse_table
from monitoring.warehouse.permissions import read_rights
from monitoring.warehouse.probes import SourceProbe, probe_sources, probe_targets
from monitoring.warehouse.reader import ReadFailed, connection_reading, failed_reading, release

READ_SECONDS = 40.0
"""Time limit for both databases together. Must be less than lease.HANGS_SECONDS."""
STRUCTURE_SECONDS = 60.0
RETRY_SECONDS = 60.0
BIG_TARGET_ROWS = 200_000
"""In a larger target without an index on its update column, the newest row is read only after a run."""

SESSION_EVENTS = 2000
SESSION_SAMPLES = 10

CONTRACT_TABLES = {
    str(parse_table(model._meta.db_table)): frozenset(str(column.column) for column in model._meta.concrete_fields)
    for model in (EtlControl, EtlRun, EtlRunEntity, ConnectionLoginEvent)
}

TRANSIENT = frozenset({ProblemCode.LOCKED, ProblemCode.DEADLOCK, ProblemCode.NOT_READ})
"""Problems not caused by the probe, so the next tick does not isolate it."""

Answer = TypeVar("Answer")
Probe = TypeVar("Probe")


@dataclass(slots=True)
class WarehouseReading:
    """`problem`: why the control or audit tables could not be read. `down`: databases that do not answer, and why.

    `control` None: `plans` and `pipelines` are empty.
    """

    now: datetime
    structure: Structure
    control: ControlReading | None = None
    problem: Problem | None = None
    copied: bool = False
    plans: dict[str, Plan] = field(default_factory=dict)
    pipelines: dict[str, PipelineReading] = field(default_factory=dict)
    down: dict[str, Problem] = field(default_factory=dict)


def read_warehouse(
    memory: Memory,
    configured: Mapping[str, PipelineSettings],
    between: Callable[[], None],
    *,
    copying: bool = True,
    dead: Mapping[str, Problem] = MappingProxyType({}),
) -> WarehouseReading:
    """Read everything once. Never raises for database failures. `between` is called between the parts.

    `copying` False: nothing is written. `dead`: unreachable databases with the reason; they are not tried.
    """
    with budget(READ_SECONDS):
        alive = [alias for alias in (DW, OLTP) if alias not in dead]
        release(*alive)
        control, problem = (None, dead[DW]) if DW in dead else _control()
        controls = control.rows if control is not None else tuple(each.control for each in memory.previous.values())
        between()
        structure = _structure(memory, controls, configured, problem, dead.get(OLTP))
        reading = WarehouseReading(
            now=control.now if control is not None else timezone.now(),
            structure=structure,
            control=control,
            problem=problem or (control.audit_problem if control is not None else None),
            down={alias: _why(each) for alias, each in structure.connections.items() if not each.reachable},
        )
        between()
        if control is not None:
            if copying and control.audit_problem is None:
                _copy(memory, control, reading)
            reading.plans = {row.entity_name: _plan(row, control, structure, configured) for row in control.rows}
            between()
            targets = _targets(memory, reading)
            between()
            sources = _sources(memory, reading)
            reading.pipelines = {
                name: replace(plan.reading, source=sources[name], target=targets[name])
                for name, plan in reading.plans.items()
            }
        release(*alive)
        return reading


def _control() -> tuple[ControlReading | None, Problem | None]:
    try:
        return read_control(DW), None
    except ReadFailed as failure:
        return None, failure.problem


def _why(connection: ConnectionReading) -> Problem:
    return connection.problem or Problem(code=ProblemCode.UNREACHABLE)


def _plan(
    row: ControlRow, control: ControlReading, structure: Structure, configured: Mapping[str, PipelineSettings]
) -> Plan:
    own, catalogs = configured.get(row.entity_name, DEFAULTS), structure.catalogs
    return planned(row, own, catalogs[OLTP], catalogs[DW], control.broken.get(row.entity_name))


def _copy(memory: Memory, control: ControlReading, reading: WarehouseReading) -> None:
    try:
        copy_runs(memory, control.max_run_id, control.now)
        reading.copied = True
    except ReadFailed as failure:
        reading.problem = failure.problem


def _structure(
    memory: Memory,
    controls: tuple[ControlRow, ...],
    configured: Mapping[str, PipelineSettings],
    dw_problem: Problem | None,
    oltp_problem: Problem | None,
) -> Structure:
    wanted = wanted_tables(controls, configured)
    wanted[DW] |= {parse_table(name) for name in CONTRACT_TABLES}
    known = memory.structure
    if known is not None and dw_problem is None and _still_good(known, wanted):
        return known
    if known is not None and not known.covers(wanted):
        memory.retry_failing_probes()  # a mapping changed, perhaps the one that failed
    oltp = failed_reading(OLTP, oltp_problem) if oltp_problem else connection_reading(OLTP)
    if dw_problem is not None and dw_problem.code in CONNECTION_CODES:
        dw = failed_reading(DW, dw_problem)
    else:
        dw = connection_reading(DW)
    runner_at, sampled_at = _runner_sessions(dw)
    memory.structure = Structure(
        at=time.monotonic(),
        connections={DW: dw, OLTP: oltp},
        catalogs={each.alias: _catalog(each, wanted[each.alias]) for each in (dw, oltp)},
        wanted=wanted,
        checked_at=timezone.now(),
        runner_at=runner_at,
        sessions_sampled_at=sampled_at,
        rights=_rights(dw),
    )
    return memory.structure


def _still_good(known: Structure, wanted: dict[str, set[TableName]]) -> bool:
    return (
        time.monotonic() - known.at < STRUCTURE_SECONDS
        and all(each.reachable for each in known.connections.values())
        and known.covers(wanted)
    )


def _catalog(connection: ConnectionReading, wanted: set[TableName]) -> Catalog | Problem:
    if not connection.reachable:
        return _why(connection)
    try:
        return read_catalog(connection.alias, wanted)
    except ReadFailed as failure:
        return failure.problem


def _rights(dw: ConnectionReading) -> Rights | Problem | None:
    if not dw.reachable:
        return None
    try:
        return read_rights(dw.alias)
    except ReadFailed as failure:
        return failure.problem


def _runner_sessions(dw: ConnectionReading) -> tuple[datetime | None, tuple[datetime, ...]]:
    """Return the newest session of the runner and the sample times of sessions, newest first.

    Without any session of the runner no samples are returned, because its program may have another name than the
    configured one.
    """
    try:
        events = session_samples(dw.alias, SESSION_EVENTS) if dw.reachable else []
    except ReadFailed:
        events = []  # the pre-flight reports that the table cannot be read
    programs = tuple(name.lower() for name in settings.RUNNER_PROGRAMS)
    runners = [when for when, program in events if program.lower().startswith(programs)]
    if not runners:
        return None, ()
    times = sorted({when.replace(microsecond=0) for when, _ in events}, reverse=True)
    return max(runners), tuple(times[:SESSION_SAMPLES])


def _targets(memory: Memory, reading: WarehouseReading) -> dict[str, TargetReading]:
    # With a dead database no plan has a probe: its reading holds the catalog's problem.
    probes = {name: plan.target_probe for name, plan in reading.plans.items() if plan.target_probe is not None}
    unchanged = {name for name in probes if not _newest_is_cheap(memory, name, reading.plans[name])}
    probes |= {name: (probes[name][0], None) for name in unchanged}
    answers = _answers(memory, DW, probes, reading, probe_targets)
    found: dict[str, TargetReading] = {}
    for name, plan in reading.plans.items():
        known, answer = plan.reading.target, answers.get(name)
        if isinstance(answer, TargetReading):
            newest_at = memory.previous[name].target.newest_at if name in unchanged else answer.newest_at
            found[name] = replace(known, total=answer.total, newest_at=newest_at)
        elif answer is not None and DW in reading.down:
            found[name] = TargetReading(problem=reading.down[DW], is_load_time=known.is_load_time)
        else:
            found[name] = known if answer is None else replace(known, problem=answer)
    return found


def _newest_is_cheap(memory: Memory, name: str, plan: Plan) -> bool:
    """A big target without an index on the column is scanned once per run, because only runs change it."""
    table, column = plan.target_probe or (None, None)
    previous = memory.previous.get(name)
    if table is None or column is None or previous is None or previous.control != plan.reading.control:
        return True
    before = previous.target
    if before.problem is not None or before.newest_at is None or (before.total or 0) < BIG_TARGET_ROWS:
        return True
    return table.indexed_by(column.name) or name in memory.changed


def _sources(memory: Memory, reading: WarehouseReading) -> dict[str, SourceReading]:
    probes = {name: plan.source_probe for name, plan in reading.plans.items() if plan.source_probe is not None}
    answers = _answers(memory, OLTP, probes, reading, _probe_sources)
    found: dict[str, SourceReading] = {}
    for name, plan in reading.plans.items():
        known, answer = plan.reading.source, answers.get(name)
        if isinstance(answer, SourceReading):
            found[name] = replace(answer, exists=known.exists, has_watermark_index=known.has_watermark_index)
        elif answer is not None and OLTP in reading.down:
            found[name] = SourceReading(problem=reading.down[OLTP])
        else:
            found[name] = known if answer is None else replace(known, problem=answer)
    return found


def _probe_sources(
    alias: str, probes: Mapping[str, SourceProbe], alone: frozenset[str]
) -> dict[str, SourceReading | Problem]:
    return probe_sources(alias, probes, settings.PENDING_CAP, alone)


def _answers(
    memory: Memory,
    alias: str,
    probes: Mapping[str, Probe],
    reading: WarehouseReading,
    send: Callable[[str, Mapping[str, Probe], frozenset[str]], dict[str, Answer | Problem]],
) -> dict[str, Answer | Problem]:
    """Send all due probes. Failing ones are remembered and sent separately from the others next time."""
    at = time.monotonic()
    known = memory.failing_probes
    failing = {name: known[alias, name] for name in probes if (alias, name) in known}
    answers: dict[str, Answer | Problem] = {
        name: problem for name, (problem, retry_at) in failing.items() if retry_at > at
    }
    due = {name: probe for name, probe in probes.items() if name not in answers}
    if not due:
        return answers
    try:
        found = send(alias, due, frozenset(failing))
    except ReadFailed as failure:
        reading.down[alias] = failure.problem
        reading.structure.connections[alias] = failed_reading(alias, failure.problem)
        return answers | dict.fromkeys(due, failure.problem)
    for name, answer in found.items():
        if isinstance(answer, Problem) and answer.code not in TRANSIENT:
            known[alias, name] = (answer, at + RETRY_SECONDS)
        else:
            known.pop((alias, name), None)
    return answers | found
