"""Read both databases once: control rows, structure, copies of runs, probes.

Three statements on `dw` (control, runs, targets) and one on `oltp` (sources). The structure (connections, catalogs,
sessions) is read once a minute, and at once when a control row names a new table or a database recovered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeVar

from django.conf import settings
from django.utils import timezone

from etlportal.budget import budget
from monitoring.collector.copies import copy_runs
from monitoring.collector.memory import Memory, Structure
from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, PipelineSettings
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ConnectionReading, ControlRow, PipelineReading, Problem, SourceReading, TargetReading
from monitoring.warehouse.audit import ControlReading, read_control, session_samples
from monitoring.warehouse.catalog import Catalog, Column, Table, read_catalog
from monitoring.warehouse.errors import CONNECTION_CODES
from monitoring.warehouse.names import InvalidName, TableName, parse_column, parse_table
from monitoring.warehouse.permissions import read_rights
from monitoring.warehouse.probes import (
    LOAD_TIME_COLUMNS,
    TARGET_COLUMNS,
    UPDATED_AT,
    Linked,
    SourceProbe,
    TargetProbe,
    joins_of,
    probe_sources,
    probe_targets,
)
from monitoring.warehouse.reader import ReadFailed, connection_reading, failed_reading, release

DW, OLTP = "dw", "oltp"
DEFAULTS = PipelineSettings()

READ_SECONDS = 40.0
"""Time limit for both databases together. Must be less than lease.HANGS_SECONDS."""
CONTROL_SECONDS = 20.0
"""A DW that does not answer leaves time for OLTP, also within the doctor's shorter limit."""
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
Parsed = TypeVar("Parsed")
Reading = TypeVar("Reading", SourceReading, TargetReading)


@dataclass(slots=True)
class WarehouseReading:
    """`problem`: why the control or audit tables could not be read. `down`: databases that do not answer, and why.

    `control` None: the dictionaries by pipeline are empty.
    """

    now: datetime
    structure: Structure
    control: ControlReading | None = None
    problem: Problem | None = None
    copied: bool = False
    pipelines: dict[str, PipelineReading] = field(default_factory=dict)
    source_probes: dict[str, SourceProbe] = field(default_factory=dict)
    target_probes: dict[str, TargetProbe] = field(default_factory=dict)
    down: dict[str, Problem] = field(default_factory=dict)


def read_warehouse(
    memory: Memory,
    configured: Mapping[str, PipelineSettings],
    between: Callable[[], None] = lambda: None,
    *,
    copying: bool = True,
) -> WarehouseReading:
    """Read everything once. Never raises for database failures. `between` is called between the parts.

    `copying` False: nothing is written.
    """
    with budget(READ_SECONDS):
        release(DW, OLTP)
        with budget(CONTROL_SECONDS):
            found = _tried(read_control, DW)
        control, problem = (None, found) if isinstance(found, Problem) else (found, None)
        controls = control.rows if control is not None else tuple(each.control for each in memory.previous.values())
        between()
        structure = _structure(memory, controls, configured, problem)
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
                reading.problem = _tried(copy_runs, memory, control.max_run_id, control.now)
                reading.copied = reading.problem is None
            _plan(reading, control, configured)
            between()
            _probe(memory, reading, between)
        release(DW, OLTP)
        return reading


def _tried(read: Callable[..., Answer], *arguments: object) -> Answer | Problem:
    try:
        return read(*arguments)
    except ReadFailed as failure:
        return failure.problem


def _why(connection: ConnectionReading) -> Problem:
    return connection.problem or Problem(code=ProblemCode.UNREACHABLE)


def _structure(
    memory: Memory,
    controls: tuple[ControlRow, ...],
    configured: Mapping[str, PipelineSettings],
    dw_problem: Problem | None,
) -> Structure:
    wanted = wanted_tables(controls, configured)
    wanted[DW] |= {parse_table(name) for name in CONTRACT_TABLES}
    known = memory.structure
    if known is not None:
        recent = time.monotonic() - known.at < STRUCTURE_SECONDS
        reachable = all(each.reachable for each in known.connections.values())
        if dw_problem is None and recent and reachable and known.covers(wanted):
            return known
        if not known.covers(wanted):
            memory.retry_failing_probes()  # a mapping changed, perhaps the one that failed
    oltp = connection_reading(OLTP)
    if dw_problem is not None and dw_problem.code in CONNECTION_CODES:
        dw = failed_reading(DW, dw_problem)
    else:
        dw = connection_reading(DW)
    runner_at, sampled_at = _runner_sessions(dw)
    memory.structure = Structure(
        at=time.monotonic(),
        connections={DW: dw, OLTP: oltp},
        catalogs={
            each.alias: _tried(read_catalog, each.alias, wanted[each.alias]) if each.reachable else _why(each)
            for each in (dw, oltp)
        },
        wanted=wanted,
        checked_at=timezone.now(),
        runner_at=runner_at,
        sessions_sampled_at=sampled_at,
        rights=_tried(read_rights, DW) if dw.reachable else None,
    )
    return memory.structure


def _runner_sessions(dw: ConnectionReading) -> tuple[datetime | None, tuple[datetime, ...]]:
    """Return the newest session of the runner and the sample times of sessions, newest first.

    Without any session of the runner no samples are returned, because its program may have another name than the
    configured one.
    """
    events = _tried(session_samples, DW, SESSION_EVENTS) if dw.reachable else []
    if isinstance(events, Problem):
        return None, ()  # the pre-flight reports that the table cannot be read
    programs = tuple(name.lower() for name in settings.RUNNER_PROGRAMS)
    runners = [when for when, program in events if program.lower().startswith(programs)]
    if not runners:
        return None, ()
    times = sorted({when.replace(microsecond=0) for when, _ in events}, reverse=True)
    return max(runners), tuple(times[:SESSION_SAMPLES])


def _plan(reading: WarehouseReading, control: ControlReading, configured: Mapping[str, PipelineSettings]) -> None:
    catalogs = reading.structure.catalogs
    for row in control.rows:
        name = row.entity_name
        own, broken = configured.get(name, DEFAULTS), control.broken.get(name)
        reading.pipelines[name], source, target = planned(row, own, catalogs[OLTP], catalogs[DW], broken)
        if source is not None:
            reading.source_probes[name] = source
        if target is not None:
            reading.target_probes[name] = target


def _probe(memory: Memory, reading: WarehouseReading, between: Callable[[], None]) -> None:
    # With a dead database there are no probes: the readings hold the catalog's problem.
    unchanged = {name for name in reading.target_probes if not _newest_is_cheap(memory, name, reading)}
    due: dict[str, TargetProbe] = {
        name: (table, None if name in unchanged else column) for name, (table, column) in reading.target_probes.items()
    }
    targets = _answers(memory, DW, due, reading, probe_targets)
    between()
    sources = _answers(
        memory,
        OLTP,
        reading.source_probes,
        reading,
        lambda alias, probes, alone: probe_sources(alias, probes, settings.PENDING_CAP, alone),
    )
    for name, known in reading.pipelines.items():
        source, target = sources.get(name), targets.get(name)
        if isinstance(source, SourceReading):
            exists, indexed = known.source.exists, known.source.has_watermark_index
            source = replace(source, exists=exists, has_watermark_index=indexed)
        else:
            source = _unread(known.source, source, reading.down.get(OLTP))
        if isinstance(target, TargetReading):
            newest_at = memory.previous[name].target.newest_at if name in unchanged else target.newest_at
            target = replace(known.target, total=target.total, newest_at=newest_at)
        else:
            target = _unread(known.target, target, reading.down.get(DW))
        reading.pipelines[name] = replace(known, source=source, target=target)


def _unread(known: Reading, problem: Problem | None, down: Problem | None) -> Reading:
    """Return the reading of a table without an answer. `problem` None: it was not probed."""
    if problem is None:
        return known
    return replace(known, problem=problem) if down is None else type(known)(problem=down)


def _newest_is_cheap(memory: Memory, name: str, reading: WarehouseReading) -> bool:
    """A big target without an index on the column is scanned once per run, because only runs change it."""
    table, column = reading.target_probes[name]
    previous = memory.previous.get(name)
    if column is None or previous is None or previous.control != reading.pipelines[name].control:
        return True
    before = previous.target
    if before.problem is not None or before.newest_at is None or (before.total or 0) < BIG_TARGET_ROWS:
        return True
    return table.indexed_by(column.name) or name in memory.changed


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


class CannotRead(Exception):
    """The figures of a table cannot be read. `exists` None: could not be found out."""

    def __init__(self, problem: Problem, *, exists: bool | None = True) -> None:
        super().__init__(problem.code)
        self.problem, self.exists = problem, exists


def wanted_tables(
    controls: Iterable[ControlRow], configured: Mapping[str, PipelineSettings]
) -> dict[str, set[TableName]]:
    """Return the tables of all pipelines by alias. Sources include the tables joined to them."""
    wanted: dict[str, set[TableName]] = {DW: set(), OLTP: set()}
    for control in controls:
        own = configured.get(control.entity_name, DEFAULTS)
        if (source := _parsed(parse_table, control.source_table)) is not None:
            wanted[OLTP] |= {source, *(table for table, _ in joins_of(source, own.watermark_expression.strip()))}
        if (target := _parsed(parse_table, control.target_table)) is not None:
            wanted[DW].add(target)
    return wanted


def planned(
    control: ControlRow,
    own: PipelineSettings,
    oltp: Catalog | Problem,
    dw: Catalog | Problem,
    broken: Problem | None = None,
) -> tuple[PipelineReading, SourceProbe | None, TargetProbe | None]:
    """Return what the catalogs tell, and the probes. A probe is None where the reading gives the problem.

    `broken`: why the control row cannot be used.
    """
    names = (
        _parsed(parse_table, control.source_table),
        _parsed(parse_column, control.source_pk_column),
        _parsed(parse_table, control.target_table),
    )
    source, source_probe = _source(control, own, oltp)
    target, target_probe = _target(control, own, dw)
    if broken is not None:
        source, source_probe = replace(source, problem=broken), None
    reading = PipelineReading(control=control, mapping_valid=None not in names, source=source, target=target)
    return reading, source_probe, target_probe


def _source(
    control: ControlRow, own: PipelineSettings, oltp: Catalog | Problem
) -> tuple[SourceReading, SourceProbe | None]:
    table = None
    try:
        table = _found(control.source_table, oltp)
        key = _name(control.source_pk_column)
        probe = SourceProbe(
            chain=_chain(table, own, oltp),
            key=_typed(table, key, "is_number", "a number").name,
            watermark=control.watermark,
            cutoff_minutes=control.cutoff_minutes,
        )
    except CannotRead as reason:
        return SourceReading(exists=reason.exists if table is None else True, problem=reason.problem), None
    indexed = all(each.indexed_by(*columns) for each, columns in needed_indexes(probe))
    return SourceReading(exists=True, has_watermark_index=indexed), probe


def _found(text: str, catalog: Catalog | Problem) -> Table:
    name = _parsed(parse_table, text)
    if name is None:
        raise CannotRead(Problem(code=ProblemCode.NAME_INVALID, detail=text[:200]), exists=False)
    if isinstance(catalog, Problem):
        raise CannotRead(catalog, exists=None)
    table = catalog.find(name)
    if table is None:
        raise CannotRead(_missing(catalog, name), exists=_exists(catalog, name))
    return table


def needed_indexes(probe: SourceProbe) -> list[tuple[Table, tuple[str, ...]]]:
    """Return (table, first columns): (ts, key) for the source, ts for each joined table."""
    first, *others = probe.chain
    return [(first.table, (first.ts.name, probe.key)), *((each.table, (each.ts.name,)) for each in others)]


def _chain(source: Table, own: PipelineSettings, oltp: Catalog | Problem) -> tuple[Linked, ...]:
    configured = own.watermark_expression.strip()
    column = _name(configured or UPDATED_AT)
    chain = [Linked(table=_readable(source), ts=_typed(source, column, "is_moment", "a date and time"))]
    for name, on in joins_of(source.name, configured):
        table = _found(str(name), oltp)
        _present(_readable(table), on)
        _present(chain[-1].table, on)
        chain.append(Linked(table=table, ts=_typed(table, UPDATED_AT, "is_moment", "a date and time"), on=on))
    return tuple(chain)


def _target(
    control: ControlRow, own: PipelineSettings, dw: Catalog | Problem
) -> tuple[TargetReading, TargetProbe | None]:
    try:
        table = _readable(_found(control.target_table, dw))
    except CannotRead as reason:
        return TargetReading(exists=reason.exists, problem=reason.problem), None
    column = _update_column(table, own.target_updated_column.strip())
    load_time = own.target_updated_is_load_time
    if load_time is None:
        load_time = column is not None and column.name.casefold() in LOAD_TIME_COLUMNS
    # A load time says nothing about latency, so the newest one is not read.
    read = column if column is not None and column.is_moment and not load_time else None
    return TargetReading(exists=True, is_load_time=load_time), (table, read)


def _update_column(table: Table, configured: str) -> Column | None:
    for name in (configured,) if configured else TARGET_COLUMNS:
        parsed = _parsed(parse_column, name)
        column = table.column(parsed) if parsed is not None else None
        if column is not None:
            return column
    return None


def _readable(table: Table) -> Table:
    if not table.readable:
        raise CannotRead(Problem(code=ProblemCode.PERMISSION_DENIED, detail=f"SELECT {table.name}"))
    return table


def _present(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise CannotRead(Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{table.name}.{name}"[:300]))
    return column


def _typed(table: Table, name: str, check: Literal["is_moment", "is_number"], kind: str) -> Column:
    column = _present(table, name)
    if not getattr(column, check):
        detail = f"{table.name}.{name}: {column.declared} is not {kind}"
        raise CannotRead(Problem(code=ProblemCode.OTHER, detail=detail))
    return column


def _name(text: str) -> str:
    name = _parsed(parse_column, text)
    if name is None:
        raise CannotRead(Problem(code=ProblemCode.NAME_INVALID, detail=text[:200]))
    return name


def _parsed(parse: Callable[[str], Parsed], text: str) -> Parsed | None:
    try:
        return parse(text)
    except InvalidName:
        return None


def _missing(catalog: Catalog, name: TableName) -> Problem:
    """Return why the table is missing: it does not exist, or its synonym does not resolve."""
    return catalog.refused.get(name) or Problem(code=ProblemCode.OBJECT_MISSING, detail=str(name)[:300])


def _exists(catalog: Catalog, name: TableName) -> bool | None:
    """Return False, or None if the database behind a synonym could not be read."""
    problem = catalog.refused.get(name)
    return None if problem and problem.code not in (ProblemCode.OBJECT_MISSING, ProblemCode.REMOTE_SYNONYM) else False
