"""The newest source rows of a pipeline, masked, read at most once in a few seconds for all viewers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from monitoring.enums import ProblemCode
from monitoring.policies.cells import Cell, cell
from monitoring.policies.facts import ControlRow, Problem
from monitoring.rules.masking import Kind, kind_of, mask
from monitoring.selectors.pipelines import Decisions
from monitoring.selectors.shared import cached_once
from monitoring.warehouse.describe import SourceRows, newest_rows
from monitoring.warehouse.names import InvalidName, parse_table
from monitoring.warehouse.probes import UPDATED_AT
from monitoring.warehouse.reader import ReadFailed

KEPT_SECONDS = 15
"""How long one reading serves everybody (of this process)."""

PROBLEM_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleColumn:
    name: str
    personal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSample:
    """The newest rows, newest first, as cells. `problem`: why there are none to show.

    `cut_columns`: how many columns were left out. `masked`: personal columns are hidden.
    """

    columns: tuple[SampleColumn, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    ordered_by: tuple[str, ...] = ()
    cut_columns: int = 0
    masked: bool = True
    read_at: datetime
    milliseconds: float = 0.0
    problem: Problem | None = None

    @property
    def personal(self) -> tuple[str, ...]:
        """The names of the columns with personal data."""
        return tuple(column.name for column in self.columns if column.personal)


def source_sample(control: ControlRow, decided: Decisions, *, unmasked: bool = False) -> SourceSample:
    """Return the newest rows of the pipeline's source. Two statements on oltp, or none from memory.

    Only masked rows are ever kept: an unmasked reading goes to the one who asked, and nowhere else.
    """
    if unmasked:
        return _read(control, decided, unmasked=True)
    return cached_once(_key(control, decided), lambda: _read(control, decided, unmasked=False), fresh=_kept_for)


def _kept_for(sample: SourceSample) -> float:
    return PROBLEM_SECONDS if sample.problem else KEPT_SECONDS


def _key(control: ControlRow, decided: Decisions) -> str:
    """Everything that the reading depends on: another table, key or mask is another reading."""
    parts = (
        control.entity_name,
        control.source_table,
        control.source_pk_column,
        decided.updated_column,
        *decided.masked_columns,
    )
    return "source-rows-" + "-".join(part.encode("utf-8", "surrogatepass").hex() for part in parts)


def _read(control: ControlRow, decided: Decisions, *, unmasked: bool) -> SourceSample:
    try:
        table = parse_table(control.source_table)
        found = newest_rows(table, control.source_pk_column, decided.updated_column or UPDATED_AT)
    except InvalidName as error:
        return _failed(Problem(code=ProblemCode.NAME_INVALID, detail=error.text))
    except ReadFailed as failure:
        return _failed(failure.problem)
    kinds = [kind_of(name, f"{table} {found.base}", decided.masked_columns) for name in found.columns]
    return _shown(found, kinds, unmasked=unmasked)


def _failed(problem: Problem) -> SourceSample:
    return SourceSample(read_at=timezone.now(), problem=problem)


def _shown(found: SourceRows, kinds: list[Kind | None], *, unmasked: bool) -> SourceSample:
    return SourceSample(
        columns=tuple(
            SampleColumn(name=name, personal=kind is not None) for name, kind in zip(found.columns, kinds, strict=True)
        ),
        rows=tuple(tuple(_cells(row, kinds, unmasked=unmasked)) for row in found.rows),
        ordered_by=found.ordered_by,
        cut_columns=found.columns_in_all - len(found.columns),
        masked=not unmasked,
        read_at=found.read_at,
        milliseconds=found.milliseconds,
    )


def _cells(row: Iterable[object], kinds: Iterable[Kind | None], *, unmasked: bool) -> Iterable[Cell]:
    for value, kind in zip(row, kinds, strict=True):
        if kind is None or unmasked or value is None:
            yield cell(value)
        else:
            shown = cell(mask(value, kind))
            yield Cell(shown.text, masked=True, cut=shown.cut)
