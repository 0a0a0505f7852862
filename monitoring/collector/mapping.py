"""From a control row and the catalogs to what can be asked about it, or why nothing can."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from monitoring.collector.store import Decisions
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ControlRow, Problem, SourceReading, TargetReading
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

Known = Catalog | Problem
"""What a database has, or why that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one control row as they parse; None where the text is no name."""

    source: TableName | None
    key: str | None
    target: TableName | None

    @property
    def valid(self) -> bool:
        return self.source is not None and self.key is not None and self.target is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is known of a pipeline before its tables are asked, and the questions for them.

    A probe is None where asking makes no sense; its reading says why.
    """

    control: ControlRow
    decided: Decisions
    names: Names
    source: SourceReading
    target: TargetReading
    source_probe: SourceProbe | None = None
    target_probe: TargetProbe | None = None


class CannotAsk(Exception):
    """The table is there, but what the figures are made of is not."""

    def __init__(self, code: ProblemCode, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(code=code, detail=detail)


def names_of(control: ControlRow) -> Names:
    """Return the names of a control row, parsed."""
    return Names(
        source=_table(control.source_table),
        key=_column(control.source_pk_column),
        target=_table(control.target_table),
    )


def wanted_sources(names: Iterable[Names], decided: Iterable[Decisions]) -> set[TableName]:
    """Return every table of `oltp` that the pipelines read: sources and the tables joined to them."""
    sources = [(each.source, own) for each, own in zip(names, decided, strict=True) if each.source is not None]
    joined = (join.table for source, own in sources for join in joins_of(source, own.watermark_column))
    return {source for source, _ in sources} | set(joined)


def wanted_targets(names: Iterable[Names]) -> set[TableName]:
    """Return every table of `dw` that the pipelines write."""
    return {each.target for each in names if each.target is not None}


def planned(control: ControlRow, decided: Decisions, oltp: Known, dw: Known, broken: Problem | None = None) -> Plan:
    """Return what can be asked about one pipeline. `broken`: its control row itself cannot be used."""
    names = names_of(control)
    source, source_probe = _source(control, decided, names, oltp)
    target, target_probe = _target(decided, names, dw)
    if broken is not None:
        source, source_probe = replace(source, problem=broken), None
    return Plan(
        control=control,
        decided=decided,
        names=names,
        source=source,
        target=target,
        source_probe=source_probe,
        target_probe=target_probe,
    )


def _source(
    control: ControlRow, decided: Decisions, names: Names, oltp: Known
) -> tuple[SourceReading, SourceProbe | None]:
    if names.source is None:
        return SourceReading(exists=False, problem=_invalid(control.source_table)), None
    if isinstance(oltp, Problem):
        return SourceReading(problem=oltp), None
    table = oltp.find(names.source)
    if table is None:
        return SourceReading(exists=_exists(oltp, names.source), problem=_missing(oltp, names.source)), None
    try:
        if names.key is None:
            raise CannotAsk(ProblemCode.NAME_INVALID, control.source_pk_column[:200])
        chain, key = _chain(table, decided, oltp), _key(table, names.key)
    except CannotAsk as reason:
        return SourceReading(exists=True, problem=reason.problem), None
    reading = SourceReading(exists=True, has_watermark_index=_indexed(chain, key))
    probe = SourceProbe(chain=chain, key=key, watermark=control.watermark, cutoff_minutes=control.cutoff_minutes)
    return reading, probe


def _chain(source: Table, decided: Decisions, oltp: Catalog) -> tuple[Linked, ...]:
    column = decided.watermark_column or UPDATED_AT
    parsed = _column(column)
    if parsed is None:
        raise CannotAsk(ProblemCode.NAME_INVALID, column[:200])
    chain = [Linked(table=_readable(source), ts=_moment(source, parsed))]
    for join in joins_of(source.name, decided.watermark_column):
        table = oltp.find(join.table)
        if table is None:
            problem = _missing(oltp, join.table)
            raise CannotAsk(problem.code, problem.detail)
        own = _present(_readable(table), join.column)
        before = _present(chain[-1].table, join.to_column)
        chain.append(Linked(table=table, ts=_moment(table, UPDATED_AT), column=own.name, to_column=before.name))
    return tuple(chain)


def _target(decided: Decisions, names: Names, dw: Known) -> tuple[TargetReading, TargetProbe | None]:
    if names.target is None:
        return TargetReading(exists=False, problem=Problem(code=ProblemCode.NAME_INVALID)), None
    if isinstance(dw, Problem):
        return TargetReading(problem=dw), None
    table = dw.find(names.target)
    if table is None:
        return TargetReading(exists=_exists(dw, names.target), problem=_missing(dw, names.target)), None
    try:
        _readable(table)
    except CannotAsk as reason:
        return TargetReading(exists=True, problem=reason.problem), None
    column = _update_column(table, decided.target_column)
    load_time = decided.target_is_load_time
    if load_time is None:
        load_time = column is not None and column.name.casefold() in LOAD_TIME_COLUMNS
    reading = TargetReading(exists=True, is_load_time=load_time)
    # A load time tells nothing about latency: its newest is not asked for.
    asked = column if column is not None and column.is_moment and not load_time else None
    return reading, TargetProbe(table=table, update_column=asked)


def _update_column(table: Table, configured: str) -> Column | None:
    for name in (configured,) if configured else TARGET_COLUMNS:
        parsed = _column(name)
        column = table.column(parsed) if parsed is not None else None
        if column is not None:
            return column
    return None


def _indexed(chain: tuple[Linked, ...], key: str) -> bool:
    """Whether every walk over the chain's tables has its index: (ts, key) of the source, ts of the others."""
    first, *others = chain
    return first.table.indexed_by(first.ts.name, key) and all(each.table.indexed_by(each.ts.name) for each in others)


def _readable(table: Table) -> Table:
    if not table.readable:
        raise CannotAsk(ProblemCode.PERMISSION_DENIED, f"SELECT {table.name}")
    return table


def _present(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise CannotAsk(ProblemCode.COLUMN_MISSING, f"{table.name}.{name}"[:300])
    return column


def _moment(table: Table, name: str) -> Column:
    column = _present(table, name)
    if not column.is_moment:
        raise CannotAsk(ProblemCode.OTHER, f"{table.name}.{name}: {column.declared} is not a date and time")
    return column


def _key(table: Table, name: str) -> str:
    column = _present(table, name)
    if not column.is_number:
        raise CannotAsk(ProblemCode.OTHER, f"{table.name}.{name}: {column.declared} is not a number")
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


def _invalid(text: str) -> Problem:
    return Problem(code=ProblemCode.NAME_INVALID, detail=text[:200])


def _missing(catalog: Catalog, name: TableName) -> Problem:
    """Why there is no such table: it is not there, or it is a synonym that leads nowhere."""
    return catalog.refused.get(name) or Problem(code=ProblemCode.OBJECT_MISSING, detail=str(name)[:300])


def _exists(catalog: Catalog, name: TableName) -> bool | None:
    """False, or None where the database behind a synonym did not say."""
    problem = catalog.refused.get(name)
    return None if problem and problem.code not in (ProblemCode.OBJECT_MISSING, ProblemCode.REMOTE_SYNONYM) else False
