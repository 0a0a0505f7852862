"""Reads both databases once: control rows, structure, copies of runs, probes. Judges nothing.

In steady state three statements on `dw` (control, runs, targets) and one on `oltp` (sources). What
the databases look like (connections, catalogs, sessions) is looked over once a minute, and at once
when a control row names a table that nobody asked about or when a database came back.
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
from monitoring.collector.login_history import rights_of, runner_sessions
from monitoring.collector.mapping import Plan, names_of, planned, wanted_sources, wanted_targets
from monitoring.collector.memory import Guilty, Memory, Structure
from monitoring.collector.store import Decisions
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ConnectionReading, ControlRow, Problem, SourceReading, TargetReading
from monitoring.warehouse.audit import ControlReading, read_control
from monitoring.warehouse.catalog import Catalog, read_catalog
from monitoring.warehouse.errors import CONNECTION_CODES
from monitoring.warehouse.names import TableName, parse_table
from monitoring.warehouse.probes import SourceProbe, probe_sources, probe_targets
from monitoring.warehouse.reader import ReadFailed, connection_reading, failed_reading, release

DW, OLTP = "dw", "oltp"
LOOK_SECONDS = 40.0
"""How long one look may wait for both databases together: less than hanging is (heartbeat.HANGS_SECONDS)."""
STRUCTURE_SECONDS = 60.0
RETRY_SECONDS = 60.0
BIG_TARGET_ROWS = 200_000
"""A target beyond this, whose update column has no index, is asked for its newest row only after a run."""

CONTRACT_TABLES = {
    str(parse_table(model._meta.db_table)): frozenset(str(column.column) for column in model._meta.concrete_fields)
    for model in (EtlControl, EtlRun, EtlRunEntity, ConnectionLoginEvent)
}
"""The four tables the portal itself lives on, with the contract's columns."""

PASSING = frozenset({ProblemCode.LOCKED, ProblemCode.DEADLOCK, ProblemCode.NOT_READ})
"""Problems of a moment, nobody's fault: the next tick asks again together with the others."""

Answer = TypeVar("Answer")
Probe = TypeVar("Probe")


@dataclass(slots=True)
class Looked:
    """What one look at the warehouse found. `problem`: why control or audit tables could not be read.

    `control` None: then `plans` is empty. `sources` and `targets` hold what this look read, with
    the reason beside what could not be read.
    """

    now: datetime
    structure: Structure
    control: ControlReading | None = None
    problem: Problem | None = None
    copied: bool = False
    plans: dict[str, Plan] = field(default_factory=dict)
    sources: dict[str, SourceReading] = field(default_factory=dict)
    targets: dict[str, TargetReading] = field(default_factory=dict)
    down: dict[str, Problem] = field(default_factory=dict)


def look(
    memory: Memory,
    decided: Mapping[str, Decisions],
    between: Callable[[], None],
    *,
    copying: bool = True,
    dead: Mapping[str, Problem] = MappingProxyType({}),
) -> Looked:
    """Read everything once. Never raises for what the databases do; `between` is called between the parts.

    `copying` False: the runs are not copied, nothing is written. `dead`: databases that were just seen
    not to answer, and why; they are not tried again.
    """
    with budget(LOOK_SECONDS):
        return _look(memory, decided, between, copying, dead)


def _look(
    memory: Memory,
    decided: Mapping[str, Decisions],
    between: Callable[[], None],
    copying: bool,
    dead: Mapping[str, Problem],
) -> Looked:
    alive = [alias for alias in (DW, OLTP) if alias not in dead]
    release(*alive)
    control, problem = (None, dead[DW]) if DW in dead else _control()
    controls = control.rows if control is not None else tuple(each.control for each in memory.previous.values())
    between()
    structure = _structure(memory, controls, decided, problem, dead.get(OLTP))
    looked = Looked(
        now=control.now if control is not None else timezone.now(),
        structure=structure,
        control=control,
        problem=problem or (control.audit_problem if control is not None else None),
        down={alias: _why(each) for alias, each in structure.connections.items() if not each.reachable},
    )
    between()
    if control is not None:
        if copying:
            _copy(memory, control, looked)
        looked.plans = {row.entity_name: _plan(row, control, structure, decided) for row in control.rows}
        between()
        _targets(memory, looked)
        between()
        _sources(memory, looked)
    release(*alive)
    return looked


def _control() -> tuple[ControlReading | None, Problem | None]:
    try:
        return read_control(DW), None
    except ReadFailed as failure:
        return None, failure.problem


def _why(connection: ConnectionReading) -> Problem:
    return connection.problem or Problem(code=ProblemCode.UNREACHABLE)


def _plan(row: ControlRow, control: ControlReading, structure: Structure, decided: Mapping[str, Decisions]) -> Plan:
    return planned(
        row,
        decided.get(row.entity_name, Decisions()),
        structure.catalogs[OLTP],
        structure.catalogs[DW],
        control.broken.get(row.entity_name),
    )


def _copy(memory: Memory, control: ControlReading, looked: Looked) -> None:
    if control.audit_problem is not None:
        return
    try:
        copy_runs(memory, control.max_run_id, control.now, time.monotonic())
        looked.copied = True
    except ReadFailed as failure:
        looked.problem = failure.problem


def _structure(
    memory: Memory,
    controls: tuple[ControlRow, ...],
    decided: Mapping[str, Decisions],
    dw_problem: Problem | None,
    oltp_problem: Problem | None,
) -> Structure:
    """Return what the databases look like, looked over again when that is due. Kept in the memory."""
    names = [names_of(row) for row in controls]
    own = [decided.get(row.entity_name, Decisions()) for row in controls]
    wanted: dict[str, set[TableName]] = {
        DW: wanted_targets(names) | {parse_table(name) for name in CONTRACT_TABLES},
        OLTP: wanted_sources(names, own),
    }
    known = memory.structure
    if known is not None and dw_problem is None and _still_good(known, wanted):
        return known
    if known is not None and not all(known.covers(alias, each) for alias, each in wanted.items()):
        for guilty in memory.guilty.values():
            guilty.retry_at = 0.0  # a mapping changed: perhaps theirs
    connections = {OLTP: failed_reading(OLTP, oltp_problem) if oltp_problem else connection_reading(OLTP)}
    if dw_problem is not None and dw_problem.code in CONNECTION_CODES:
        connections[DW] = failed_reading(DW, dw_problem)
    else:
        connections[DW] = connection_reading(DW)
    structure = Structure(
        at=time.monotonic(),
        connections={DW: connections[DW], OLTP: connections[OLTP]},
        catalogs={alias: _catalog(connections[alias], wanted[alias]) for alias in (DW, OLTP)},
        asked={alias: frozenset(names) for alias, names in wanted.items()},
        checked_at=timezone.now(),
        sessions=runner_sessions(connections[DW]),
        rights=rights_of(connections[DW]),
    )
    memory.structure = structure
    return structure


def _still_good(known: Structure, wanted: Mapping[str, set[TableName]]) -> bool:
    return (
        time.monotonic() - known.at < STRUCTURE_SECONDS
        and all(each.reachable for each in known.connections.values())
        and all(known.covers(alias, names) for alias, names in wanted.items())
    )


def _catalog(connection: ConnectionReading, wanted: set[TableName]) -> Catalog | Problem:
    if not connection.reachable:
        return _why(connection)
    try:
        return read_catalog(connection.alias, wanted)
    except ReadFailed as failure:
        return failure.problem


def _targets(memory: Memory, looked: Looked) -> None:
    # With a dead database no plan has a probe: the catalog's problem stands in its place.
    probes = {name: plan.target_probe for name, plan in looked.plans.items() if plan.target_probe is not None}
    unchanged: set[str] = set()
    for name, probe in list(probes.items()):
        if not _newest_is_cheap(memory, name, looked.plans[name]):
            probes[name] = replace(probe, update_column=None)
            unchanged.add(name)
    answers = _answered(memory, DW, probes, looked, probe_targets)
    for name, plan in looked.plans.items():
        answer = answers.get(name)
        if isinstance(answer, TargetReading):
            previous = memory.previous[name].target.newest_at if name in unchanged else answer.newest_at
            looked.targets[name] = replace(plan.target, total=answer.total, newest_at=previous)
        elif answer is not None and DW in looked.down:
            looked.targets[name] = TargetReading(problem=looked.down[DW], is_load_time=plan.target.is_load_time)
        elif answer is not None:
            looked.targets[name] = replace(plan.target, problem=answer)
        else:
            looked.targets[name] = plan.target


def _newest_is_cheap(memory: Memory, name: str, plan: Plan) -> bool:
    """Whether the newest update time may be asked for in this tick.

    A target changes only while its pipeline runs: without an index on the column, a big one is
    walked once after each run and not in every tick.
    """
    probe, previous = plan.target_probe, memory.previous.get(name)
    if probe is None or probe.update_column is None or previous is None or previous.control != plan.control:
        return True
    before = previous.target
    if before.problem is not None or before.newest_at is None or (before.total or 0) < BIG_TARGET_ROWS:
        return True
    return probe.table.indexed_by(probe.update_column.name) or name in memory.changed


def _sources(memory: Memory, looked: Looked) -> None:
    probes = {name: plan.source_probe for name, plan in looked.plans.items() if plan.source_probe is not None}
    answers = _answered(memory, OLTP, probes, looked, _ask_sources)
    for name, plan in looked.plans.items():
        answer = answers.get(name)
        if isinstance(answer, SourceReading):
            known = plan.source  # from the catalog
            looked.sources[name] = replace(
                answer, exists=known.exists, has_watermark_index=known.has_watermark_index, problem=known.problem
            )
        elif answer is not None and OLTP in looked.down:
            looked.sources[name] = SourceReading(problem=looked.down[OLTP])
        elif answer is not None:
            looked.sources[name] = replace(plan.source, problem=answer)
        else:
            looked.sources[name] = plan.source


def _ask_sources(
    alias: str, probes: Mapping[str, SourceProbe], alone: frozenset[str]
) -> dict[str, SourceReading | Problem]:
    return probe_sources(alias, probes, settings.PENDING_CAP, alone)


def _answered(
    memory: Memory,
    alias: str,
    probes: Mapping[str, Probe],
    looked: Looked,
    ask: Callable[[str, Mapping[str, Probe], frozenset[str]], dict[str, Answer | Problem]],
) -> dict[str, Answer | Problem]:
    """Ask all that may be asked now; remember the guilty, so that the next tick asks the others together."""
    at = time.monotonic()
    guilty = {name: memory.guilty[alias, name] for name in probes if (alias, name) in memory.guilty}
    answers: dict[str, Answer | Problem] = {name: each.problem for name, each in guilty.items() if each.retry_at > at}
    asked = {name: probe for name, probe in probes.items() if name not in answers}
    if not asked:
        return answers
    try:
        found = ask(alias, asked, frozenset(guilty))
    except ReadFailed as failure:
        looked.down[alias] = failure.problem
        looked.structure.connections[alias] = failed_reading(alias, failure.problem)
        return answers | dict.fromkeys(asked, failure.problem)
    for name, answer in found.items():
        if isinstance(answer, Problem) and answer.code not in PASSING:
            memory.guilty[alias, name] = Guilty(answer, at + RETRY_SECONDS)
        else:
            memory.guilty.pop((alias, name), None)
    return answers | found
