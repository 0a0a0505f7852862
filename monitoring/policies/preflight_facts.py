"""What the pre-flight is judged from: the raw findings, as the collector hands them over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.policies.facts import ConnectionReading, ControlRow, Problem, SourceReading, TargetReading


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
