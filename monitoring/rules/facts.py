"""The values that were read, the conclusions of the rules, and the snapshot that holds both."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from monitoring.rules.enums import (
    RUN_FINISHED,
    CheckState,
    ErrorClass,
    ExecutionStatus,
    PipelineStatus,
    ProblemCode,
    RunStatus,
    Severity,
    Structure,
    WatermarkState,
)
from monitoring.rules.error_text import ErrorText

NEVER_LOADED_YEAR = 1900
"""A watermark in this year was never moved (CONTRACT: default 1900-01-01)."""

Values = dict[str, str | int | float | None]
"""The values that the text of an alert or a check contains: base units, ISO times and names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why something could not be read. `detail` is the driver's text without secrets, cut at 500.

    `seen_at`: the time of the attempt, where it was not repeated.
    """

    code: ProblemCode
    detail: str = ""
    sqlstate: str = ""
    native: int | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class Watermark:
    """The tuple that orders a source: (updated_at, key)."""

    updated_at: datetime
    id: int

    @property
    def never_loaded(self) -> bool:
        return self.updated_at.year <= NEVER_LOADED_YEAR


@dataclass(frozen=True, slots=True)
class Count:
    """Rows counted up to a cap. `capped`: there are at least `value`, shown as "100,000+"."""

    value: int
    capped: bool = False

    @property
    def empty(self) -> bool:
        return self.value <= 0 and not self.capped


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRow:
    entity_name: str
    source_table: str
    target_table: str
    source_pk_column: str
    watermark: Watermark
    cutoff_minutes: int
    batch_size: int
    is_active: bool
    last_run_id: int | None = None
    last_status: str | None = None
    last_success_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What runs and executions have in common.

    `error_message` is unmasked, set only between warehouse and copy and never shown. `error` is masked for every user,
    `error_with_logins` for users with permission to see logins (None: the same).
    """

    run_id: int
    status_text: str
    started_at: datetime
    finished_at: datetime | None
    error_message: str = ""
    error: ErrorText | None = None
    error_with_logins: ErrorText | None = None

    @property
    def shown_error(self) -> ErrorText | None:
        return self.error_with_logins or self.error

    @property
    def error_text(self) -> str:
        return self.shown_error.text if self.shown_error else ""

    @property
    def seconds(self) -> float | None:
        if self.finished_at is None or self.finished_at < self.started_at:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(Recorded):
    """One run entity. Counts are 0 while it runs: the runner writes them at the end (CONTRACT 1)."""

    run_entity_id: int
    entity_name: str
    status: ExecutionStatus
    extracted: int
    upserted: int
    soft_deleted: int
    watermark_from: Watermark | None = None
    watermark_to: Watermark | None = None

    @property
    def error_class(self) -> ErrorClass | None:
        return self.shown_error.error_class if self.shown_error else None

    @property
    def running(self) -> bool:
        return self.status is ExecutionStatus.RUNNING

    @property
    def ended_at(self) -> datetime:
        """The finish, or the start where the runner wrote no finish."""
        return self.finished_at or self.started_at

    @property
    def throughput(self) -> float | None:
        """Upserted rows per second, over at least 1 s, of a success; else None."""
        if self.status is not ExecutionStatus.SUCCESS or self.seconds is None or self.upserted < 0:
            return None
        return self.upserted / max(1.0, self.seconds)

    def watermark_moved(self) -> bool | None:
        """Return whether this execution moved the pipeline's watermark; None when that cannot be known.

        A success wrote its last batch to the control row: it moved when watermark_to is past
        watermark_from. A failure leaves the control row alone, so its watermark_to is only the last
        batch committed (CONTRACT, "How the runner writes" 1): it did not move.
        """
        if self.status is ExecutionStatus.FAILED:
            return False
        start, end = self.watermark_from, self.watermark_to
        return None if self.status is not ExecutionStatus.SUCCESS or start is None or end is None else end > start


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Recorded):
    """One run, with its executions when they were read too."""

    status: RunStatus
    started_by: str
    entities_requested: str
    entities_succeeded: int
    entities_failed: int
    executions: tuple[Execution, ...] = ()

    @property
    def running(self) -> bool:
        return self.status is RunStatus.RUNNING

    @property
    def requested(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.entities_requested.split(",") if name.strip())

    @property
    def succeeded_count(self) -> int | None:
        """None until the run has finished: the runner writes the counts then (CONTRACT)."""
        return self.entities_succeeded if self.status in RUN_FINISHED else None

    @property
    def failed_count(self) -> int | None:
        return self.entities_failed if self.status in RUN_FINISHED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReading:
    """What was read of the source table. `exists` None: could not be found out."""

    exists: bool | None = None
    total: int | None = None
    newest_at: datetime | None = None
    eligible: Count | None = None
    cooling: Count | None = None
    oldest_eligible_at: datetime | None = None
    oldest_pending_at: datetime | None = None
    has_watermark_index: bool | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetReading:
    """What was read of the target table. `newest_at`: max of its update column; `is_load_time` as METRICS."""

    exists: bool | None = None
    total: int | None = None
    newest_at: datetime | None = None
    is_load_time: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineReading:
    """What one tick read of a pipeline. `mapping_valid`: the names in its control row parse."""

    control: ControlRow
    mapping_valid: bool
    source: SourceReading
    target: TargetReading

    @property
    def name(self) -> str:
        return self.control.entity_name

    @property
    def structure_ready(self) -> bool | None:
        """Whether both tables exist; None where that could not be found out."""
        if not self.mapping_valid or self.source.exists is False or self.target.exists is False:
            return False
        return None if self.source.exists is None or self.target.exists is None else True


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Recent executions and samples of one pipeline. Durations in seconds; empty and None: not enough data."""

    recent: tuple[Execution, ...] = ()  # the newest 30 finished or running ones, newest first
    durations: tuple[float, ...] = ()  # of the last 30 successes, newest first
    volumes: tuple[int, ...] = ()  # extracted by the last 30 successes, newest first
    taken: tuple[tuple[datetime, int], ...] = ()  # (finish, extracted) of recent successes, newest first
    gaps: tuple[float, ...] = ()  # seconds between finishes of the last finished runs
    executions_7d: int = 0  # finished ones
    failures_7d: int = 0
    failing_since: datetime | None = None  # the first failure of the present unbroken streak
    eligible_samples: tuple[tuple[datetime, int, Watermark | None], ...] = ()  # (when, eligible, W), newest first
    coverage_median_7d: float | None = None
    arrival_per_second: float | None = None  # rows becoming eligible, last hour
    newest_runner_session_at: datetime | None = None  # newest login event of the runner's program
    open: tuple[Execution, ...] = ()  # running ones, however old: killed runners never finish theirs
    login_samples_at: tuple[datetime, ...] = ()  # when sessions were last sampled, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The limits of METRICS' alert table, each changeable per pipeline."""

    late_warning_minutes: int = 120
    late_critical_minutes: int = 360
    no_run_warning_hours: int = 24
    no_run_critical_hours: int = 72
    failure_warning_percent: int = 30
    failure_critical_percent: int = 50
    failure_minimum: int = 3
    coverage_warning_points: int = 5
    coverage_critical_points: int = 20
    stuck_factor: float = 3.0  # times the 95th percentile of the usual duration
    stuck_floor_minutes: int = 30
    stalled_runs: int = 3
    deviations: float = 3.5  # robust ones, for volume and duration
    deviation_history: int = 10  # successes needed before volume and duration are judged
    volume_floor_rows: int = 100  # a smaller deviation is never unusual
    duration_floor_seconds: int = 60

    def lateness(self, lag_seconds: float) -> Severity:
        if lag_seconds > self.late_critical_minutes * 60:
            return Severity.CRITICAL
        return Severity.WARNING if lag_seconds > self.late_warning_minutes * 60 else Severity.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The derived figures of one pipeline (METRICS, "Per pipeline"). Seconds, rows, percent."""

    coverage_percent: float | None = None
    latency_seconds: float | None = None
    served_lag_seconds: float | None = None
    duration_seconds: float | None = None
    throughput: float | None = None
    usual_duration: tuple[float, float, float] | None = None  # 10th percentile, median, 90th
    drain_seconds: float | None = None
    drains_never: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One alert: what one rule found wrong."""

    rule: str
    severity: Severity
    entity_name: str = ""
    since: datetime | None = None
    values: Values = field(default_factory=dict)
    evidence: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, bool, float, str, str]:
        """Sort key: worst severity, then oldest `since` (none last), then pipeline and rule."""
        since = self.since.timestamp() if self.since else 0.0
        return -self.severity.rank, self.since is None, since, self.entity_name, self.rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline(PipelineReading):
    """One pipeline as it is stored in the snapshot: what was read, and what the rules conclude from it."""

    status: PipelineStatus
    newest: Execution | None
    figures: Figures
    watermark_state: WatermarkState
    verdicts: tuple[Verdict, ...] = ()  # only those that are open (severity above OK)
    thresholds: Thresholds = Thresholds()
    owner: str = ""
    required: bool = False

    @property
    def structure(self) -> Structure:
        if not self.mapping_valid:
            return Structure.NAME_INVALID
        source, target = self.source.exists, self.target.exists
        if source is False:
            return Structure.BOTH_MISSING if target is False else Structure.SOURCE_MISSING
        if target is False:
            return Structure.TARGET_MISSING
        return Structure.COMPLETE if source and target else Structure.UNKNOWN

    @property
    def severity(self) -> Severity:
        """The worst open verdict; an unreadable pipeline is UNKNOWN, never OK."""
        worst = max((verdict.severity for verdict in self.verdicts), key=lambda s: s.rank, default=Severity.OK)
        if self.status is PipelineStatus.UNKNOWN and worst is Severity.OK:
            return Severity.UNKNOWN
        return worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The options of a connection to SQL Server: requested and granted. The embedded warehouse has none.

    `host`: the server's name in the settings. `isolation`: the session's isolation level, empty without a session.
    `isolation_wanted`: empty unless the settings ask for another one than the default.
    """

    host: str
    encrypted: bool
    certificate_verified: bool
    intent: str = ""
    isolation: str = ""
    isolation_wanted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReading:
    """Whether one watched database answers. `clock_skew_seconds`: its UTC clock minus ours."""

    alias: str
    reachable: bool
    latency_ms: float | None = None
    server: str = ""
    database: str = ""
    driver: str = ""
    connection_string: str = ""  # password removed
    clock_skew_seconds: float | None = None
    problem: Problem | None = None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One pre-flight check. `code` is dotted: "dw.connection", "dw.table.audit.etl_run",
    "pipeline.source" (with entity_name), "required.ready" ..."""

    code: str
    state: CheckState
    entity_name: str = ""
    values: Values = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """All checks and what they add up to. None: could not be concluded."""

    checked_at: datetime
    checks: tuple[Check, ...]
    ready_for_monitoring: bool | None
    ready_for_first_run: bool | None
    ready_for_all_active: bool | None

    @property
    def failed(self) -> tuple[Check, ...]:
        order = (CheckState.FAILED, CheckState.UNKNOWN, CheckState.WARNING)
        bad = [check for check in self.checks if check.state is not CheckState.PASSED]
        return tuple(sorted(bad, key=lambda check: order.index(check.state)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The figures over all pipelines (METRICS, "Overview"). None: unknown or no value."""

    active: int | None = None
    pipelines: int | None = None
    success_rate_24h: float | None = None
    success_rate_7d: float | None = None
    finished_24h: int | None = None
    finished_7d: int | None = None
    failed_24h: int | None = None
    partial_24h: int | None = None
    last_run: Run | None = None
    coverage_percent: float | None = None
    eligible_total: Count | None = None
    cooling_total: Count | None = None
    mean_latency_seconds: float | None = None
    worst_lag_seconds: float | None = None
    worst_lag_entity: str = ""
    mean_throughput_24h: float | None = None
    by_status: tuple[tuple[PipelineStatus, int], ...] = ()
    sla_percent: float | None = None
    unread: tuple[str, ...] = ()  # pipelines left out of a sum because they could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one tick read and concluded: everything that the live pages need.

    `sampled_at` is the warehouse's clock, or this machine's when it is unreachable. The part of a database that could
    not be read holds the last good reading, and `stale_since` is its time.
    """

    sampled_at: datetime
    embedded: bool
    connections: tuple[ConnectionReading, ...]
    preflight: Preflight
    pipelines: tuple[Pipeline, ...]
    overview: Overview
    verdicts: tuple[Verdict, ...] = ()  # every open one, worst first, pipelines' and the portal's own
    running: tuple[Run, ...] = ()
    recent_runs: tuple[Run, ...] = ()  # newest 30 with their executions, newest first
    stale_since: datetime | None = None
    problem: Problem | None = None  # why the audit tables could not be read in this tick

    def pipeline(self, name: str) -> Pipeline | None:
        return next((pipeline for pipeline in self.pipelines if pipeline.name == name), None)
