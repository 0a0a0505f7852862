"""Builders of the facts that rules judge and pages show: healthy by default, any field changeable.

All times are relative to NOW, so that a call always returns the same facts. `ago(hours=2)` is a
time before NOW. A healthy pipeline ran 5 minutes ago for 30 s and has no backlog.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.rules.alerts import preflight_verdicts, worst_first
from monitoring.rules.enums import ExecutionStatus, ProblemCode, RunStatus
from monitoring.rules.error_text import execution_errors, run_errors
from monitoring.rules.facts import (
    ConnectionReading,
    ControlRow,
    Count,
    Execution,
    History,
    Pipeline,
    PipelineReading,
    Preflight,
    Problem,
    Run,
    Snapshot,
    SourceReading,
    TargetReading,
    Terms,
    Thresholds,
    Watermark,
)
from monitoring.rules.overview import judged, overview
from monitoring.rules.preflight import ObjectReading, Rights, preflight

NOW = datetime(2024, 5, 15, 12, 0, 0, tzinfo=UTC)
W = Watermark(NOW - timedelta(minutes=10), 1000)
"""The default watermark of control rows."""

CONTROL_TABLES = (
    "ctl.etl_control",
    "audit.etl_run",
    "audit.etl_run_entity",
    "audit.connection_login_events",
)
RIGHTS = Rights(
    procedures=(("audit.sp_capture_connection_snapshot", True), ("audit.sp_connection_audit_cleanup", True)),
    sees_sessions=True,
    sessions_permissions=("VIEW SERVER STATE",),
    login="etl_monitor",
    user="etl_monitor",
)
UNIQUE_ERROR = (
    "IntegrityError: ('23000', \"[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of UNIQUE KEY "
    "constraint 'UQ_DIM_CLIENTE_original'. Cannot insert duplicate key in object 'dim.DIM_CLIENTE'. The duplicate key "
    'value is (4711). (2627) (SQLExecDirectW)")'
)


def ago(**parts: float) -> datetime:
    """Return the time so long before NOW: `ago(hours=2, minutes=5)`."""
    return NOW - timedelta(**parts)


def ahead(**parts: float) -> datetime:
    """Return the time so long after NOW."""
    return NOW + timedelta(**parts)


def problem(code: ProblemCode = ProblemCode.TIMEOUT, **changes: Any) -> Problem:
    """Return a reason why something could not be read."""
    return Problem(**{"code": code, "detail": "Query timeout expired", "sqlstate": "HYT00", "native": 0, **changes})


def control_row(entity_name: str = "dim_cliente", **changes: Any) -> ControlRow:
    """Return a control row of an active pipeline that was loaded up to W."""
    defaults: dict[str, Any] = {
        "entity_name": entity_name,
        "source_table": "core.customers",
        "target_table": "dim.DIM_CLIENTE",
        "source_pk_column": "customer_id",
        "watermark": W,
        "cutoff_minutes": 2,
        "batch_size": 1000,
        "is_active": True,
        "last_run_id": 100,
        "last_status": "success",
        "last_success_at": ago(minutes=5),
        "created_at": ago(days=90),
        "updated_at": ago(minutes=5),
    }
    return ControlRow(**{**defaults, **changes})


def execution(run_id: int = 100, entity_name: str = "dim_cliente", **changes: Any) -> Execution:
    """Return a run entity: a success that ended 5 minutes before NOW after 30 s and moved 300 rows.

    `status` may be given alone: a running one has no finish and no counts, a failed one an error.
    """
    status = ExecutionStatus(changes.get("status", ExecutionStatus.SUCCESS))
    running, failed = status is ExecutionStatus.RUNNING, status is ExecutionStatus.FAILED
    defaults: dict[str, Any] = {
        "run_entity_id": run_id * 10,
        "run_id": run_id,
        "entity_name": entity_name,
        "status": status,
        "status_text": status.value,
        "started_at": ago(minutes=1) if running else ago(minutes=5, seconds=30),
        "finished_at": None if running else ago(minutes=5),
        "extracted": 0 if running else 300,
        "upserted": 0 if running or failed else 300,
        "soft_deleted": 0,
        "watermark_from": Watermark(W.updated_at - timedelta(minutes=5), 700),
        "watermark_to": None if running else W,
        "error_message": UNIQUE_ERROR if failed else "",
    }
    values = {**defaults, **changes}
    if "error" not in values:
        error, with_logins = execution_errors(values["error_message"], failed=status is ExecutionStatus.FAILED)
        values |= {"error": error, "error_with_logins": with_logins}
    return Execution(**values)


def executions(
    count: int, *, every: timedelta = timedelta(minutes=10), newest: int = 100, **changes: Any
) -> tuple[Execution, ...]:
    """Return `count` finished executions, newest first, one per `every`, each with `changes`."""
    return tuple(
        execution(
            newest - number,
            **{
                "started_at": ago(minutes=5, seconds=30) - number * every,
                "finished_at": ago(minutes=5) - number * every,
                **changes,
            },
        )
        for number in range(count)
    )


def run(run_id: int = 100, **changes: Any) -> Run:
    """Return a run of one pipeline that succeeded 5 minutes before NOW."""
    status = RunStatus(changes.get("status", RunStatus.SUCCESS))
    running = status is RunStatus.RUNNING
    defaults: dict[str, Any] = {
        "run_id": run_id,
        "status": status,
        "status_text": status.value,
        "started_by": "svc_etl",
        "started_at": ago(minutes=1) if running else ago(minutes=5, seconds=31),
        "finished_at": None if running else ago(minutes=5),
        "entities_requested": "dim_cliente",
        "entities_succeeded": int(status is RunStatus.SUCCESS),
        "entities_failed": int(status is RunStatus.FAILED),
        "error_message": UNIQUE_ERROR if status is RunStatus.FAILED else "",
        "executions": (),
    }
    values = {**defaults, **changes}
    if "error" not in values:
        values |= dict(zip(("error", "error_with_logins"), run_errors(values["error_message"]), strict=True))
    return Run(**values)


def source(**changes: Any) -> SourceReading:
    """Return the reading of a source of 1,000 rows of which none waits."""
    defaults: dict[str, Any] = {
        "exists": True,
        "total": 1000,
        "newest_at": W.updated_at,
        "eligible": Count(0),
        "cooling": Count(0),
        "oldest_eligible_at": None,
        "oldest_pending_at": None,
        "has_watermark_index": True,
    }
    return SourceReading(**{**defaults, **changes})


def pending_source(
    eligible: int | Count = 50, *, oldest: timedelta = timedelta(minutes=30), **changes: Any
) -> SourceReading:
    """Return the reading of a source in which `eligible` rows wait, the oldest for so long."""
    since = NOW - oldest
    waiting = eligible if isinstance(eligible, Count) else Count(eligible)
    return source(**{"eligible": waiting, "oldest_eligible_at": since, "oldest_pending_at": since, **changes})


def unread_source(reason: Problem | None = None, *, exists: bool | None = None) -> SourceReading:
    """Return the reading of a source that could not be read."""
    return SourceReading(exists=exists, problem=reason or problem())


def target(**changes: Any) -> TargetReading:
    """Return the reading of a target of 990 rows that is as new as its source."""
    defaults: dict[str, Any] = {"exists": True, "total": 990, "newest_at": W.updated_at, "is_load_time": False}
    return TargetReading(**{**defaults, **changes})


def unread_target(reason: Problem | None = None, *, exists: bool | None = None) -> TargetReading:
    """Return the reading of a target that could not be read."""
    return TargetReading(exists=exists, problem=reason or problem())


def history(count: int = 12, **changes: Any) -> History:
    """Return the history of a pipeline that succeeded `count` times, every 10 minutes, in 30 s each."""
    recent = changes.get("recent", executions(count))
    defaults: dict[str, Any] = {
        "recent": recent,
        "durations": (30.0,) * count,
        "volumes": (300,) * count,
        "gaps": (600.0,) * max(0, count - 1),
        "executions_7d": count,
        "failures_7d": 0,
        "failing_since": None,
        "eligible_samples": eligible_samples(0, 0, 0, 0),
        "coverage_median_7d": 99.0,
        "arrival_per_second": 0.1,
        "newest_runner_session_at": ago(minutes=5),
        "login_samples_at": (ago(minutes=5), ago(minutes=6)),
    }
    return History(**{**defaults, **changes})


def eligible_samples(
    *eligible: int, every: timedelta = timedelta(minutes=10), watermark: Watermark | None = W
) -> tuple[tuple[datetime, int, Watermark | None], ...]:
    """Return one sample per count, newest first, the newest 30 s before NOW."""
    return tuple((ago(seconds=30) - number * every, count, watermark) for number, count in enumerate(eligible))


def pipeline(entity_name: str = "dim_cliente", **changes: Any) -> Pipeline:
    """Return a judged pipeline, healthy unless `changes` says otherwise.

    Takes the parts of a PipelineReading and what `judged` takes (control, source, target, newest, history, ...);
    everything else follows from it, as in the collector.
    """
    parts: dict[str, Any] = {
        "mapping_valid": True,
        "source": source(),
        "target": target(),
        "newest": execution(entity_name=entity_name),
        "history": history(),
        "now": NOW,
        "thresholds": Thresholds(),
        **changes,
    }
    read = PipelineReading(
        control=parts.pop("control", control_row(entity_name)),
        **{name: parts.pop(name) for name in ("mapping_valid", "source", "target")},
    )
    return judged(read, **parts)


def failed_pipeline(entity_name: str = "dim_equipe", **changes: Any) -> Pipeline:
    """Return a pipeline whose newest execution failed, for the third time in a row."""
    failures = executions(3, entity_name=entity_name, status=ExecutionStatus.FAILED, error_message=UNIQUE_ERROR)
    past = history(recent=failures, failing_since=failures[-1].finished_at, failures_7d=3, executions_7d=5)
    return pipeline(entity_name, **{"newest": failures[0], "history": past, **changes})


def late_pipeline(entity_name: str = "fact_vendas", **changes: Any) -> Pipeline:
    """Return a pipeline whose oldest eligible row waits for 3 h 12 min."""
    waiting = pending_source(5200, oldest=timedelta(hours=3, minutes=12))
    return pipeline(entity_name, **{"source": waiting, **changes})


def running_pipeline(entity_name: str = "dim_produto", **changes: Any) -> Pipeline:
    """Return a pipeline that runs since a minute."""
    newest = execution(101, entity_name, status=ExecutionStatus.RUNNING)
    return pipeline(entity_name, **{"newest": newest, **changes})


def missing_pipeline(entity_name: str = "dim_fantasma", **changes: Any) -> Pipeline:
    """Return a pipeline whose target does not exist; it never ran."""
    control = control_row(entity_name, target_table="dim.DIM_FANTASMA", last_run_id=None, last_status=None,
                          last_success_at=None)  # fmt: skip
    parts = {"control": control, "target": TargetReading(exists=False), "newest": None, "history": History()}
    return pipeline(entity_name, **{**parts, **changes})


def unread_pipeline(entity_name: str = "dim_regiao", **changes: Any) -> Pipeline:
    """Return a pipeline of which nothing could be read but its control row."""
    return pipeline(entity_name, **{"source": unread_source(), "target": unread_target(), **changes})


def inactive_pipeline(entity_name: str = "dim_desconto", **changes: Any) -> Pipeline:
    """Return a healthy pipeline that is switched off."""
    return pipeline(entity_name, **{"control": control_row(entity_name, is_active=False), **changes})


def connection(alias: str = "dw", **changes: Any) -> ConnectionReading:
    """Return the reading of a database that answers."""
    database = {"dw": "DW_ECOMMERCE", "oltp": "ECOMMERCE_OLTP"}[alias]
    defaults: dict[str, Any] = {
        "alias": alias,
        "reachable": True,
        "latency_ms": 1.5,
        "server": "sql.example",
        "database": database,
        "driver": "ODBC Driver 18 for SQL Server",
        "connection_string": f"DRIVER={{ODBC Driver 18 for SQL Server}};SERVER=sql.example,1433;DATABASE={database}",
        "clock_skew_seconds": 0.2,
    }
    return ConnectionReading(**{**defaults, **changes})


def terms(**changes: Any) -> Terms:
    """Return how a SQL Server elsewhere is talked to: encrypted, verified, reading as by default."""
    return Terms(**{"host": "sql.example", "encrypted": True, "certificate_verified": True, **changes})


def unreachable(alias: str = "dw", **changes: Any) -> ConnectionReading:
    """Return the reading of a database that does not answer."""
    reason = problem(ProblemCode.UNREACHABLE, detail="Login timeout expired", sqlstate="08001")
    return connection(
        alias, **{"reachable": False, "latency_ms": None, "clock_skew_seconds": None, "problem": reason, **changes}
    )


def preflight_facts(pipelines: tuple[Pipeline, ...] | None = None, /, **changes: Any) -> dict[str, Any]:
    """Return findings of which every check passes, over `pipelines` (one healthy one by default)."""
    judged_ones = (pipeline(),) if pipelines is None else pipelines
    defaults: dict[str, Any] = {
        "checked_at": NOW,
        "dw": connection("dw"),
        "oltp": connection("oltp"),
        "schemas": tuple(ObjectReading(name=name, exists=True) for name in ("ctl", "audit")),
        "tables": tuple(
            ObjectReading(name=name, exists=True, missing_columns=(), selectable=True, missing_indexes=())
            for name in CONTROL_TABLES
        ),
        "pipelines": judged_ones,
        "rights": RIGHTS,
        "required": (),
    }
    return {**defaults, **changes}


def passed_preflight(*pipelines: Pipeline, **changes: Any) -> Preflight:
    """Return the pre-flight of these pipelines with everything else in order."""
    return preflight(**preflight_facts(pipelines or None, **changes))


def snapshot(*pipelines: Pipeline, **changes: Any) -> Snapshot:
    """Return a snapshot of these pipelines (one healthy one by default), judged as the collector does.

    `dw=` and `oltp=` replace the connection readings; other names are the Snapshot's own fields.
    """
    shown = pipelines or (pipeline(),)
    dw, oltp = changes.pop("dw", connection("dw")), changes.pop("oltp", connection("oltp"))
    checks = changes.pop("preflight", None) or passed_preflight(*shown, dw=dw, oltp=oltp)
    last = run(executions=(execution(),))
    defaults: dict[str, Any] = {
        "sampled_at": NOW,
        "embedded": True,
        "connections": (dw, oltp),
        "preflight": checks,
        "pipelines": shown,
        "overview": overview(
            shown,
            day={"success": 130, "failed": 4, "partial": 2},
            week={"success": 900, "failed": 30, "partial": 20},
            throughputs=[(300, 30.0), (600, 30.0)],
            last_run=last,
        ),
        "verdicts": worst_first(
            [verdict for each in shown for verdict in each.verdicts] + list(preflight_verdicts(checks, {}))
        ),
        "recent_runs": (last,),
    }
    return Snapshot(**{**defaults, **changes})


def healthy_snapshot() -> Snapshot:
    """Return a snapshot of three healthy pipelines, one of them running."""
    return snapshot(
        pipeline("dim_cliente"),
        pipeline("fact_vendas"),
        running_pipeline(),
        running=(run(101, status=RunStatus.RUNNING, executions=(execution(101, status=ExecutionStatus.RUNNING),)),),
    )


def troubled_snapshot() -> Snapshot:
    """Return a snapshot with one pipeline of every kind of trouble among healthy ones."""
    return snapshot(
        pipeline("dim_cliente"),
        running_pipeline(),
        failed_pipeline(),
        late_pipeline(),
        missing_pipeline(),
        unread_pipeline(),
        inactive_pipeline(),
    )


def unreachable_snapshot() -> Snapshot:
    """Return a snapshot of a dead DW: the last reading of an hour ago, and why there is none newer."""
    down = unreachable("dw")
    return snapshot(dw=down, stale_since=ago(hours=1), problem=down.problem)
