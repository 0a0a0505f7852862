"""Derives from a control row and the catalogs what can be read of a pipeline, or why nothing can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from monitoring.models import PipelineSettings
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ControlRow, PipelineReading, Problem, SourceReading, TargetReading
from monitoring.warehouse.catalog import Catalog, Column, Table
from monitoring.warehouse.names import InvalidName, TableName, parse_column, parse_table
from monitoring.warehouse.probes import (
    LOAD_TIME_COLUMNS,
    TARGET_COLUMNS,
    UPDATED_AT,
    Linked,
    SourceProbe,
    TargetProbe,
    joins_of,
)

DW, OLTP = "dw", "oltp"
DEFAULTS = PipelineSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The readable tables of a pipeline and their probes. A probe is None where `reading` gives the problem."""

    reading: PipelineReading
    source_probe: SourceProbe | None = None
    target_probe: TargetProbe | None = None


class CannotRead(Exception):
    """The table exists, but its figures cannot be read."""

    def __init__(self, code: ProblemCode, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(code=code, detail=detail)


def wanted_tables(
    controls: Iterable[ControlRow], configured: Mapping[str, PipelineSettings]
) -> dict[str, set[TableName]]:
    """Return the tables of all pipelines by alias. Sources include the tables joined to them."""
    wanted: dict[str, set[TableName]] = {DW: set(), OLTP: set()}
    for control in controls:
        own = configured.get(control.entity_name, DEFAULTS)
        if (source := _table(control.source_table)) is not None:
            wanted[OLTP] |= {source, *(table for table, _ in joins_of(source, own.watermark_expression.strip()))}
        if (target := _table(control.target_table)) is not None:
            wanted[DW].add(target)
    return wanted


def planned(
    control: ControlRow,
    own: PipelineSettings,
    oltp: Catalog | Problem,
    dw: Catalog | Problem,
    broken: Problem | None = None,
) -> Plan:
    """`broken`: why the control row cannot be used."""
    names = (_table(control.source_table), _column(control.source_pk_column), _table(control.target_table))
    source, source_probe = _source(control, own, oltp)
    target, target_probe = _target(control, own, dw)
    if broken is not None:
        source, source_probe = replace(source, problem=broken), None
    reading = PipelineReading(control=control, mapping_valid=None not in names, source=source, target=target)
    return Plan(reading=reading, source_probe=source_probe, target_probe=target_probe)


def _source(
    control: ControlRow, own: PipelineSettings, oltp: Catalog | Problem
) -> tuple[SourceReading, SourceProbe | None]:
    name = _table(control.source_table)
    if name is None:
        problem = Problem(code=ProblemCode.NAME_INVALID, detail=control.source_table[:200])
        return SourceReading(exists=False, problem=problem), None
    if isinstance(oltp, Problem):
        return SourceReading(problem=oltp), None
    table = oltp.find(name)
    if table is None:
        return SourceReading(exists=_exists(oltp, name), problem=_missing(oltp, name)), None
    try:
        key = _column(control.source_pk_column)
        if key is None:
            raise CannotRead(ProblemCode.NAME_INVALID, control.source_pk_column[:200])
        chain, key = _chain(table, own, oltp), _key(table, key)
    except CannotRead as reason:
        return SourceReading(exists=True, problem=reason.problem), None
    reading = SourceReading(exists=True, has_watermark_index=_indexed(chain, key))
    probe = SourceProbe(chain=chain, key=key, watermark=control.watermark, cutoff_minutes=control.cutoff_minutes)
    return reading, probe


def _chain(source: Table, own: PipelineSettings, oltp: Catalog) -> tuple[Linked, ...]:
    column = own.watermark_expression.strip() or UPDATED_AT
    parsed = _column(column)
    if parsed is None:
        raise CannotRead(ProblemCode.NAME_INVALID, column[:200])
    chain = [Linked(table=_readable(source), ts=_moment(source, parsed))]
    for name, on in joins_of(source.name, own.watermark_expression.strip()):
        table = oltp.find(name)
        if table is None:
            problem = _missing(oltp, name)
            raise CannotRead(problem.code, problem.detail)
        _present(_readable(table), on)
        _present(chain[-1].table, on)
        chain.append(Linked(table=table, ts=_moment(table, UPDATED_AT), on=on))
    return tuple(chain)


def _target(
    control: ControlRow, own: PipelineSettings, dw: Catalog | Problem
) -> tuple[TargetReading, TargetProbe | None]:
    name = _table(control.target_table)
    if name is None:
        return TargetReading(exists=False, problem=Problem(code=ProblemCode.NAME_INVALID)), None
    if isinstance(dw, Problem):
        return TargetReading(problem=dw), None
    table = dw.find(name)
    if table is None:
        return TargetReading(exists=_exists(dw, name), problem=_missing(dw, name)), None
    try:
        _readable(table)
    except CannotRead as reason:
        return TargetReading(exists=True, problem=reason.problem), None
    column = _update_column(table, own.target_updated_column.strip())
    load_time = own.target_updated_is_load_time
    if load_time is None:
        load_time = column is not None and column.name.casefold() in LOAD_TIME_COLUMNS
    # A load time says nothing about latency, so the newest one is not read.
    read = column if column is not None and column.is_moment and not load_time else None
    return TargetReading(exists=True, is_load_time=load_time), (table, read)


def _update_column(table: Table, configured: str) -> Column | None:
    for name in (configured,) if configured else TARGET_COLUMNS:
        parsed = _column(name)
        column = table.column(parsed) if parsed is not None else None
        if column is not None:
            return column
    return None


def _indexed(chain: tuple[Linked, ...], key: str) -> bool:
    """Return whether each table has an index: (ts, key) for the source, ts for the others."""
    first, *others = chain
    return first.table.indexed_by(first.ts.name, key) and all(each.table.indexed_by(each.ts.name) for each in others)


def _readable(table: Table) -> Table:
    if not table.readable:
        raise CannotRead(ProblemCode.PERMISSION_DENIED, f"SELECT {table.name}")
    return table


def _present(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise CannotRead(ProblemCode.COLUMN_MISSING, f"{table.name}.{name}"[:300])
    return column


def _moment(table: Table, name: str) -> Column:
    column = _present(table, name)
    if not column.is_moment:
        raise CannotRead(ProblemCode.OTHER, f"{table.name}.{name}: {column.declared} is not a date and time")
    return column


def _key(table: Table, name: str) -> str:
    column = _present(table, name)
    if not column.is_number:
        raise CannotRead(ProblemCode.OTHER, f"{table.name}.{name}: {column.declared} is not a number")
    return column.name


def _table(text: str) -> TableName | None:
    try:
        return parse_table(text)
    except InvalidName:
        return None


def _column(text: str) -> str | None:
    try:
        return parse_column(text)
    except InvalidName:
        return None


def _missing(catalog: Catalog, name: TableName) -> Problem:
    """Return why the table is missing: it does not exist, or its synonym does not resolve."""
    return catalog.refused.get(name) or Problem(code=ProblemCode.OBJECT_MISSING, detail=str(name)[:300])


def _exists(catalog: Catalog, name: TableName) -> bool | None:
    """Return False, or None if the database behind a synonym could not be read."""
    problem = catalog.refused.get(name)
    return None if problem and problem.code not in (ProblemCode.OBJECT_MISSING, ProblemCode.REMOTE_SYNONYM) else False
