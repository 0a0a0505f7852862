"""What was found out about the databases, as the pre-flight's policy wants to have it."""

from __future__ import annotations

from collections.abc import Iterable

from monitoring.collector.reading import CONTRACT_TABLES, DW, OLTP, Looked
from monitoring.enums import ProblemCode
from monitoring.policies.facts import Pipeline, Problem
from monitoring.policies.preflight_facts import PipelineFacts, PreflightFacts, SchemaFacts, TableFacts
from monitoring.warehouse.catalog import Catalog, Table
from monitoring.warehouse.names import parse_table

SCHEMAS = ("ctl", "audit")


CONTRACT_INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    "audit.etl_run": (("started_at",),),
    "audit.etl_run_entity": (("run_id", "entity_name"),),
    "audit.connection_login_events": (("event_time_utc",),),
}
"""What the portal seeks by in the tables that grow, besides their primary keys."""


def preflight_facts(
    looked: Looked, pipelines: Iterable[Pipeline | PipelineFacts], required: tuple[str, ...]
) -> PreflightFacts:
    """Return the findings of one look. `pipelines` are judged from this look alone."""
    structure = looked.structure
    dw = structure.catalogs[DW]
    return PreflightFacts(
        checked_at=structure.checked_at,
        dw=structure.connections[DW],
        oltp=structure.connections[OLTP],
        schemas=tuple(_schema(name, dw) for name in SCHEMAS),
        tables=tuple(_table(name, columns, dw) for name, columns in CONTRACT_TABLES.items()),
        rights=structure.rights,
        pipelines=None if looked.control is None else tuple(_pipeline(each) for each in pipelines),
        pipelines_problem=looked.problem,
        required=required,
    )


def pipeline_facts(looked: Looked) -> list[PipelineFacts]:
    """Return what this look found of each pipeline, without a judgement on its runs."""
    return [
        PipelineFacts(
            control=plan.control,
            mapping_valid=plan.names.valid,
            source=looked.sources[name],
            target=looked.targets[name],
        )
        for name, plan in looked.plans.items()
    ]


def missing_indexes(table: Table) -> tuple[tuple[str, ...], ...]:
    """Return the contract's indexes that a control or audit table lacks. A view has none of its own."""
    if table.is_view:
        return ()
    wanted = CONTRACT_INDEXES.get(str(table.name).casefold(), ())
    return tuple(columns for columns in wanted if not table.indexed_by(*columns))


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
    indexes = None
    if name in CONTRACT_INDEXES and not lacking:
        indexes = tuple(", ".join(columns) for columns in missing_indexes(table))
    return TableFacts(
        name=name,
        exists=True,
        missing_columns=lacking,
        selectable=table.readable,
        missing_indexes=indexes,
        problem=problem,
    )


def _missing(name: str) -> Problem:
    return Problem(code=ProblemCode.OBJECT_MISSING, detail=name)


def _pipeline(pipeline: Pipeline | PipelineFacts) -> PipelineFacts:
    return PipelineFacts(
        control=pipeline.control,
        mapping_valid=pipeline.mapping_valid,
        source=pipeline.source,
        target=pipeline.target,
    )
