"""How fast rows become eligible (METRICS: arrival rate a, rows per second over the last hour)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings

from monitoring.collector import store as past
from monitoring.collector.memory import Memory, RunFigures
from monitoring.collector.read import CONTRACT_TABLES, DW, OLTP, Looked
from monitoring.collector.store import Decisions, EligibleSample
from monitoring.rules.enums import ExecutionStatus, PipelineStatus, ProblemCode, WatermarkState
from monitoring.rules.error_text import execution_errors
from monitoring.rules.facts import (
    ControlRow,
    Count,
    Execution,
    Figures,
    History,
    Pipeline,
    Problem,
    SourceReading,
    TargetReading,
)
from monitoring.rules.overview import judged
from monitoring.rules.preflight import PipelineFacts, PreflightFacts, SchemaFacts, TableFacts
from monitoring.warehouse.catalog import Catalog, Table
from monitoring.warehouse.names import parse_table

WINDOW = timedelta(hours=1)
MINIMUM = timedelta(minutes=10)
"""A shorter look back says more about the moment than about a rate."""


def arrival_per_second(
    samples: Iterable[EligibleSample],
    taken: Iterable[tuple[datetime, int]],
    eligible: Count | None,
    now: datetime,
    cap: int,
) -> float | None:
    """Return (eligible now - eligible then + rows taken since) / seconds, never below 0.

    "Then" is the oldest sample of the last hour. A count that reached `cap` is only "at least":
    no rate. None with less than ten minutes of samples.
    """
    window = [sample for sample in samples if now - WINDOW <= sample[0] < now]
    if eligible is None or eligible.capped or not window:
        return None
    then, before, _ = min(window, key=lambda sample: sample[0])
    seconds = (now - then).total_seconds()
    if before >= cap or seconds < MINIMUM.total_seconds():
        return None
    rows = sum(extracted for finish, extracted in taken if then < finish <= now)
    return max(0.0, (eligible.value - before + rows) / seconds)


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


logger = logging.getLogger(__name__)

PAST_AGE = timedelta(minutes=10)
"""Windows move on: what the executions of a pipeline say is read again after this time, changed or not."""
RUNS_AGE = timedelta(minutes=1)
SAMPLES_WINDOW = timedelta(hours=1)
RECENT_RUNS = 30
OPEN_RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One pipeline twice: `fresh` from this look alone, `shown` with the last good values in place of
    those that a dead database kept back (their problem beside them)."""

    fresh: Pipeline
    shown: Pipeline


def judge_all(
    memory: Memory, looked: Looked, decided: Mapping[str, Decisions], previous_at: datetime | None
) -> list[Judged]:
    """Return every pipeline judged, in the order of their names. One that fails to be judged is unknown.

    `previous_at`: the time of the last good snapshot. Without control rows the last known ones are
    judged as of then: what nobody can see does not grow older.
    """
    _remember(memory, looked)
    if looked.control is not None:
        controls = looked.control.rows
    else:
        controls = tuple(each.control for each in memory.previous.values())
    now = as_of(looked, previous_at)
    still_open = past.open_executions()
    return [
        _judged(memory, looked, decided, row, still_open=still_open.get(row.entity_name, ()), now=now)
        for row in controls
    ]


def as_of(looked: Looked, previous_at: datetime | None) -> datetime:
    """Return the time that this look is judged at: now, or the last good time while nobody can see."""
    return looked.now if looked.control is not None else previous_at or looked.now


def run_figures(memory: Memory, now: datetime) -> RunFigures:
    """Return what the runs say together, read again when one changed or a minute passed."""
    known = memory.runs
    if known is not None and not memory.runs_changed and abs(now - known.at) < RUNS_AGE:
        return known
    memory.runs = RunFigures(
        at=now,
        day=past.run_counts(now - past.DAY),
        week=past.run_counts(now - past.WEEK),
        throughputs=past.throughputs(now - past.DAY),
        recent=past.newest_runs(RECENT_RUNS),
        running=past.open_runs(OPEN_RUNS),
    )
    memory.runs_changed = False
    return memory.runs


def _remember(memory: Memory, looked: Looked) -> None:
    """Bring up to date what the memory holds of `default`: executions, samples, coverage."""
    if memory.samples is None:
        memory.samples = {}
        for name, samples in past.eligible_samples(looked.now - SAMPLES_WINDOW).items():
            for when, eligible, watermark in samples:
                if watermark is not None:
                    memory.add_sample(name, when, eligible, watermark)
    hour = looked.now.replace(minute=0, second=0, microsecond=0)
    if memory.medians is None or memory.medians[0] != hour:
        memory.medians = (hour, past.coverage_medians(looked.now - past.WEEK))
    week_run_id: int | None = None
    for row in looked.control.rows if looked.control is not None else ():
        name = row.entity_name
        known = memory.past.get(name)
        if known is None or name in memory.changed or abs(looked.now - known[0]) > PAST_AGE:
            if week_run_id is None:
                week_run_id = past.first_run_since(looked.now - past.WEEK)
            memory.past[name] = (looked.now, past.execution_past(name, looked.now, week_run_id))
    memory.changed.clear()


def _judged(
    memory: Memory,
    looked: Looked,
    decided: Mapping[str, Decisions],
    row: ControlRow,
    *,
    still_open: tuple[Execution, ...],
    now: datetime,
) -> Judged:
    name = row.entity_name
    own = decided.get(name, Decisions())
    previous = memory.previous.get(name)
    source, target = _readings(looked, name)
    try:
        history = _history(memory, looked, name, source, still_open=still_open, now=now)
        plan = looked.plans.get(name)
        fresh = judged(
            row,
            mapping_valid=plan.names.valid if plan is not None else previous is not None and previous.mapping_valid,
            source=source,
            target=target,
            newest=_newest(looked, name, history, previous),
            history=history,
            now=now,
            thresholds=own.thresholds,
            owner=own.owner,
            required=own.required,
            newest_read=looked.copied,
        )
    except Exception as error:
        logger.exception("%s could not be judged", name)
        fresh = _unjudged(row, own, source, target, error)
    if looked.control is not None and source.eligible is not None:
        memory.add_sample(name, now, source.eligible.value, row.watermark)
    return Judged(fresh=fresh, shown=_shown(looked, fresh, previous))


def _readings(looked: Looked, name: str) -> tuple[SourceReading, TargetReading]:
    """What this look read; where it could not even ask, why."""
    if looked.control is None:
        problem = looked.problem or Problem(code=ProblemCode.NOT_READ)
        return SourceReading(problem=problem), TargetReading(problem=problem)
    return looked.sources[name], looked.targets[name]


def _history(
    memory: Memory,
    looked: Looked,
    name: str,
    source: SourceReading,
    *,
    still_open: tuple[Execution, ...],
    now: datetime,
) -> History:
    known = memory.past.get(name)
    executions = known[1] if known is not None else past.ExecutionPast(history=History())
    samples = tuple(reversed((memory.samples or {}).get(name, ())))
    return replace(
        executions.history,
        open=still_open,
        eligible_samples=samples,
        coverage_median_7d=memory.medians[1].get(name) if memory.medians is not None else None,
        arrival_per_second=arrival_per_second(samples, executions.taken, source.eligible, now, settings.PENDING_CAP),
        newest_runner_session_at=looked.structure.sessions.runner_at,
        login_samples_at=looked.structure.sessions.sampled_at,
    )


def _newest(looked: Looked, name: str, history: History, previous: Pipeline | None) -> Execution | None:
    """The newest run entity: of the copies, or what control's last_run_id points to if that is newer."""
    pointed = looked.control.executions.get(name) if looked.control is not None else None
    pointed = None if pointed is None else _with_errors(pointed)
    candidates = [each for each in (history.recent[0] if history.recent else None, pointed) if each is not None]
    if not candidates:
        return previous.newest if previous is not None and not looked.copied else None
    # The copy comes first: it was read later than the control row.
    return max(candidates, key=lambda each: (each.run_id, each.run_entity_id))


def _with_errors(execution: Execution) -> Execution:
    """Return an execution read from the warehouse with its errors masked, as one read from a copy has them."""
    failed = execution.status is ExecutionStatus.FAILED
    error, with_logins = execution_errors(execution.error_message, failed=failed)
    return replace(execution, error_message="", error=error, error_with_logins=with_logins)


def _unjudged(
    row: ControlRow, own: Decisions, source: SourceReading, target: TargetReading, error: Exception
) -> Pipeline:
    problem = Problem(code=ProblemCode.OTHER, detail=f"{type(error).__name__}: {error}"[:500])
    return Pipeline(
        control=row,
        status=PipelineStatus.UNKNOWN,
        mapping_valid=True,
        source=replace(source, problem=source.problem or problem),
        target=replace(target, problem=target.problem or problem),
        newest=None,
        figures=Figures(),
        watermark_state=WatermarkState.UNKNOWN,
        thresholds=own.thresholds,
        owner=own.owner,
        required=own.required,
    )


def _shown(looked: Looked, fresh: Pipeline, previous: Pipeline | None) -> Pipeline:
    """Put the last good values where a database as a whole did not answer.

    The verdict on them stays that of this look: unknown. One pipeline's own problem keeps nothing:
    its figures are unknown and say why.
    """
    if previous is None:
        return fresh
    if looked.control is None:
        return replace(
            fresh,
            source=replace(previous.source, problem=fresh.source.problem),
            target=replace(previous.target, problem=fresh.target.problem),
            newest=previous.newest,
            figures=previous.figures,
        )
    shown = fresh
    if (
        OLTP in looked.down
        and fresh.source.problem is not None
        and previous.control.source_table == (fresh.control.source_table)
    ):
        shown = replace(shown, source=replace(previous.source, problem=fresh.source.problem))
    if (
        DW in looked.down
        and fresh.target.problem is not None
        and previous.control.target_table == (fresh.control.target_table)
    ):
        shown = replace(shown, target=replace(previous.target, problem=fresh.target.problem))
    if shown is not fresh:
        kept = previous.figures
        shown = replace(
            shown,
            figures=replace(
                fresh.figures,
                coverage_percent=kept.coverage_percent,
                latency_seconds=kept.latency_seconds,
                served_lag_seconds=kept.served_lag_seconds,
                drain_seconds=kept.drain_seconds,
                drains_never=kept.drains_never,
            ),
        )
    return shown
