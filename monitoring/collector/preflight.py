"""What was found out about the databases, as the pre-flight's policy wants to have it."""

from __future__ import annotations

from collections.abc import Iterable

from monitoring.collector.reading import CONTRACT_TABLES, DW, OLTP, Looked
from monitoring.enums import ProblemCode
from monitoring.policies.facts import Pipeline, Problem
from monitoring.policies.preflight_facts import PipelineFacts, PreflightFacts, SchemaFacts, TableFacts
from monitoring.warehouse.catalog import Catalog
from monitoring.warehouse.names import parse_table

SCHEMAS = ("ctl", "audit")


def preflight_facts(looked: Looked, pipelines: Iterable[Pipeline], required: tuple[str, ...]) -> PreflightFacts:
    """Return the findings of one look. `pipelines` are judged from this look alone."""
    structure = looked.structure
    dw = structure.catalogs[DW]
    return PreflightFacts(
        checked_at=structure.checked_at,
        dw=structure.connections[DW],
        oltp=structure.connections[OLTP],
        schemas=tuple(_schema(name, dw) for name in SCHEMAS),
        tables=tuple(_table(name, columns, dw) for name, columns in CONTRACT_TABLES.items()),
        pipelines=None if looked.control is None else tuple(_pipeline(each) for each in pipelines),
        pipelines_problem=looked.problem,
        required=required,
    )


def _schema(name: str, dw: Catalog | Problem) -> SchemaFacts:
    if isinstance(dw, Problem):
        return SchemaFacts(name=name, exists=None, problem=dw)
    exists = name in dw.schemas
    return SchemaFacts(name=name, exists=exists, problem=None if exists else _missing(name))


def _table(name: str, columns: frozenset[str], dw: Catalog | Problem) -> TableFacts:
    if isinstance(dw, Problem):
        return TableFacts(name=name, exists=None, problem=dw)
    table = dw.find(parse_table(name))
    if table is None:
        return TableFacts(name=name, exists=False, problem=_missing(name))
    lacking = tuple(sorted(column for column in columns if table.column(column) is None))
    problem = None
    if lacking:
        problem = Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{name}: {', '.join(lacking)}"[:500])
    elif not table.readable:
        problem = Problem(code=ProblemCode.PERMISSION_DENIED, detail=f"SELECT {name}")
    return TableFacts(name=name, exists=True, missing_columns=lacking, selectable=table.readable, problem=problem)


def _missing(name: str) -> Problem:
    return Problem(code=ProblemCode.OBJECT_MISSING, detail=name)


def _pipeline(pipeline: Pipeline) -> PipelineFacts:
    return PipelineFacts(
        control=pipeline.control,
        mapping_valid=pipeline.mapping_valid,
        source=pipeline.source,
        target=pipeline.target,
    )
