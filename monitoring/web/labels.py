"""The label of every member of every enum, and the definition of every figure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from monitoring.rules.enums import (
    AuditQuestion,
    CheckState,
    ErrorClass,
    ExecutionStatus,
    FailureState,
    Group,
    PipelineStatus,
    ProblemCode,
    Rule,
    RunStatus,
    SentenceCode,
    Severity,
    Structure,
    TrailAction,
    TrailOutcome,
    WatermarkState,
)

_RUN_STATUS: dict[Any, Any] = {
    RunStatus.RUNNING: pgettext_lazy("run status", "Running"),
    RunStatus.SUCCESS: pgettext_lazy("run status", "Success"),
    RunStatus.FAILED: pgettext_lazy("run status", "Failed"),
    RunStatus.PARTIAL: pgettext_lazy("run status", "Partial"),
    RunStatus.UNKNOWN: pgettext_lazy("run status", "Unknown"),
}
LABELS: dict[type[StrEnum], dict[Any, Any]] = {
    PipelineStatus: {
        PipelineStatus.UNKNOWN: pgettext_lazy("pipeline status", "Unknown"),
        PipelineStatus.STRUCTURE_MISSING: pgettext_lazy("pipeline status", "Missing tables"),
        PipelineStatus.RUNNING: pgettext_lazy("pipeline status", "Running"),
        PipelineStatus.FAILED: pgettext_lazy("pipeline status", "Failed"),
        PipelineStatus.OK: pgettext_lazy("pipeline status", "OK"),
        PipelineStatus.NEVER_RUN: pgettext_lazy("pipeline status", "Never run"),
    },
    RunStatus: _RUN_STATUS,
    ExecutionStatus: {status: _RUN_STATUS[RunStatus(status)] for status in ExecutionStatus},
    Severity: {
        Severity.OK: pgettext_lazy("severity", "OK"),
        Severity.UNKNOWN: pgettext_lazy("severity", "Unknown"),
        Severity.WARNING: pgettext_lazy("severity", "Warning"),
        Severity.CRITICAL: pgettext_lazy("severity", "Critical"),
    },
    WatermarkState: {
        WatermarkState.CURRENT: pgettext_lazy("watermark state", "Up to date"),
        WatermarkState.REWOUND: pgettext_lazy("watermark state", "Moved back"),
        WatermarkState.STOPPED: pgettext_lazy("watermark state", "No recent run"),
        WatermarkState.STALLED: pgettext_lazy("watermark state", "Stalled"),
        WatermarkState.FALLING_BEHIND: pgettext_lazy("watermark state", "Falling behind"),
        WatermarkState.DRAINING: pgettext_lazy("watermark state", "Catching up"),
        WatermarkState.NOT_ENOUGH_HISTORY: pgettext_lazy("watermark state", "Not enough history"),
        WatermarkState.UNKNOWN: pgettext_lazy("watermark state", "Unknown"),
    },
    Rule: {
        Rule.FAILED: pgettext_lazy("rule", "Failed"),
        Rule.LATE_WATERMARK: pgettext_lazy("rule", "Late"),
        Rule.NO_RECENT_RUN: pgettext_lazy("rule", "No recent run"),
        Rule.RECURRENT_FAILURE: pgettext_lazy("rule", "Recurrent failure"),
        Rule.STUCK_RUN: pgettext_lazy("rule", "Stuck run"),
        Rule.STALLED_WATERMARK: pgettext_lazy("rule", "Stalled watermark"),
        Rule.UNUSUAL_VOLUME: pgettext_lazy("rule", "Unusual volume"),
        Rule.UNUSUAL_DURATION: pgettext_lazy("rule", "Unusual duration"),
        Rule.SILENT_NO_OP: pgettext_lazy("rule", "Success without effect"),
        Rule.COVERAGE_DROP: pgettext_lazy("rule", "Coverage dropped"),
        Rule.STRUCTURE: pgettext_lazy("rule", "Missing tables"),
        Rule.PREFLIGHT: pgettext_lazy("rule", "Pre-flight"),
    },
    AuditQuestion: {
        AuditQuestion.NEW_IDENTITY: _("Never seen in the 30 days before"),
        AuditQuestion.UNENCRYPTED: _("Unencrypted, from another host"),
        AuditQuestion.UNUSUAL_HOUR: _("Outside its usual hours"),
        AuditQuestion.SHARED_LOGIN: _("The runner's or the portal's login, another program"),
        AuditQuestion.LONG_SESSION: _("Open for days"),
    },
    CheckState: {
        CheckState.PASSED: pgettext_lazy("check", "Passed"),
        CheckState.WARNING: pgettext_lazy("check", "Warning"),
        CheckState.FAILED: pgettext_lazy("check", "Failed"),
        CheckState.UNKNOWN: pgettext_lazy("check", "Unknown"),
    },
    ProblemCode: {
        ProblemCode.DRIVER_MISSING: _("driver missing"),
        ProblemCode.UNREACHABLE: _("server unreachable"),
        ProblemCode.LOGIN_FAILED: _("login failed"),
        ProblemCode.LOGIN_BLOCKED: _("login blocked"),
        ProblemCode.PASSWORD_EXPIRED: _("password expired"),
        ProblemCode.ENCRYPTION: _("no encryption agreed"),
        ProblemCode.DATABASE_RESTORING: _("database in restore"),
        ProblemCode.SERVER_BUSY: _("server busy"),
        ProblemCode.STATE_DENIED: _("server state denied"),
        ProblemCode.CERTIFICATE: _("certificate not trusted"),
        ProblemCode.DATABASE_UNAVAILABLE: _("database unavailable"),
        ProblemCode.PERMISSION_DENIED: _("permission denied"),
        ProblemCode.OBJECT_MISSING: _("object missing"),
        ProblemCode.COLUMN_MISSING: _("column missing"),
        ProblemCode.TIMEOUT: _("time-out"),
        ProblemCode.LOCKED: _("locked"),
        ProblemCode.DEADLOCK: _("deadlock"),
        ProblemCode.NAME_INVALID: _("invalid name"),
        ProblemCode.REMOTE_SYNONYM: _("on another server"),
        ProblemCode.NOT_READ: _("not read"),
        ProblemCode.OTHER: _("other error"),
    },
    ErrorClass: {
        ErrorClass.UNIQUE: pgettext_lazy("failure", "Duplicate key"),
        ErrorClass.FOREIGN_KEY: pgettext_lazy("failure", "Foreign key"),
        ErrorClass.CHECK: pgettext_lazy("failure", "Check constraint"),
        ErrorClass.NOT_NULL: pgettext_lazy("failure", "Missing value"),
        ErrorClass.TRUNCATION: pgettext_lazy("failure", "Value too long"),
        ErrorClass.CONVERSION: pgettext_lazy("failure", "Conversion"),
        ErrorClass.DEADLOCK: pgettext_lazy("failure", "Deadlock"),
        ErrorClass.LOCK_TIMEOUT: pgettext_lazy("failure", "Lock time-out"),
        ErrorClass.TIMEOUT: pgettext_lazy("failure", "Time-out"),
        ErrorClass.PERMISSION: pgettext_lazy("failure", "Permission"),
        ErrorClass.LOGIN: pgettext_lazy("failure", "Login"),
        ErrorClass.NETWORK: pgettext_lazy("failure", "Network"),
        ErrorClass.MISSING_OBJECT: pgettext_lazy("failure", "Missing object"),
        ErrorClass.MISSING_COLUMN: pgettext_lazy("failure", "Missing column"),
        ErrorClass.SPACE: pgettext_lazy("failure", "Out of space"),
        ErrorClass.LOG_FULL: pgettext_lazy("failure", "Transaction log full"),
        ErrorClass.DRIVER: pgettext_lazy("failure", "Driver"),
        ErrorClass.MISSING_DIMENSION_ROW: pgettext_lazy("failure", "Missing dimension row"),
        ErrorClass.CONFIGURATION: pgettext_lazy("failure", "Configuration"),
        ErrorClass.OTHER: pgettext_lazy("failure", "Other"),
    },
    FailureState: {
        FailureState.NEW: pgettext_lazy("failure", "New"),
        FailureState.RECURRING: pgettext_lazy("failure", "Recurring"),
        FailureState.GONE: pgettext_lazy("failure", "Resolved"),
        FailureState.UNKNOWN: pgettext_lazy("failure", "Unknown"),
    },
    Structure: {
        Structure.COMPLETE: pgettext_lazy("structure", "Complete"),
        Structure.SOURCE_MISSING: pgettext_lazy("structure", "Source missing"),
        Structure.TARGET_MISSING: pgettext_lazy("structure", "Target missing"),
        Structure.BOTH_MISSING: pgettext_lazy("structure", "Source and target missing"),
        Structure.NAME_INVALID: pgettext_lazy("structure", "Name not valid"),
        Structure.UNKNOWN: pgettext_lazy("structure", "Unknown"),
    },
    SentenceCode: {
        SentenceCode.NOTHING_SAMPLED: pgettext_lazy("verdict", "No sample yet"),
        SentenceCode.STALE: pgettext_lazy("verdict", "Figures are out of date"),
        SentenceCode.UNREACHABLE: pgettext_lazy("verdict", "Warehouse unreachable"),
        SentenceCode.NOT_READ: pgettext_lazy("verdict", "Audit tables not read"),
        SentenceCode.NO_PIPELINES: pgettext_lazy("verdict", "No pipelines"),
        SentenceCode.NONE_ACTIVE: pgettext_lazy("verdict", "No active pipeline"),
        SentenceCode.ATTENTION: pgettext_lazy("verdict", "Needs attention"),
        SentenceCode.UNKNOWN: pgettext_lazy("verdict", "Cannot be evaluated"),
        SentenceCode.PREFLIGHT: pgettext_lazy("verdict", "Pre-flight failed"),
        SentenceCode.ALL_WELL: pgettext_lazy("verdict", "All well"),
    },
    TrailAction: {
        TrailAction.SIGNED_IN: pgettext_lazy("trail", "Signed in"),
        TrailAction.SIGN_IN_FAILED: pgettext_lazy("trail", "Sign-in failed"),
        TrailAction.SIGNED_OUT: pgettext_lazy("trail", "Signed out"),
        TrailAction.PASSWORD_CHANGED: pgettext_lazy("trail", "Password changed"),
        TrailAction.SECOND_FACTOR_ADDED: pgettext_lazy("trail", "Second factor added"),
        TrailAction.SECOND_FACTOR_REMOVED: pgettext_lazy("trail", "Second factor removed"),
        TrailAction.SECOND_FACTOR_USED: pgettext_lazy("trail", "Second factor used"),
        TrailAction.SECOND_FACTOR_FAILED: pgettext_lazy("trail", "Second factor failed"),
        TrailAction.SESSION_ENDED: pgettext_lazy("trail", "Session ended"),
        TrailAction.USER_CHANGED: pgettext_lazy("trail", "User or group changed"),
        TrailAction.ROLE_CHANGED: pgettext_lazy("trail", "Role changed"),
        TrailAction.SETTING_CHANGED: pgettext_lazy("trail", "Setting changed"),
        TrailAction.UNMASKED: pgettext_lazy("trail", "Personal data shown"),
        TrailAction.EXPORTED: pgettext_lazy("trail", "Exported"),
        TrailAction.CAPTURED: pgettext_lazy("trail", "Connections captured"),
        TrailAction.CHECKED: pgettext_lazy("trail", "Integrity checked"),
    },
    TrailOutcome: {
        TrailOutcome.DONE: pgettext_lazy("trail outcome", "Done"),
        TrailOutcome.REFUSED: pgettext_lazy("trail outcome", "Refused"),
        TrailOutcome.FAILED: pgettext_lazy("trail outcome", "Failed"),
    },
    Group: {
        Group.VIEWER: _("viewer"),
        Group.OPERATOR: _("operator"),
        Group.AUDITOR: _("auditor"),
        Group.ADMIN: _("administrator"),
    },
}


def label(member: StrEnum) -> str:
    """Return the word in the active language. Raises KeyError for an enum without words."""
    return str(LABELS[type(member)][member])


HELP: dict[str, Any] = {
    # Per pipeline.
    "status": _(
        "The first that applies: unknown (its structure could not be read); missing tables (source or target "
        "missing, or an invalid name); running, failed or OK (its latest execution); without executions, the "
        "status in the control row; otherwise never run. An inactive pipeline keeps its status."
    ),
    "active": _("is_active in ctl.etl_control. An inactive pipeline is shown but not evaluated."),
    "structure": _("Whether the source and the target table exist."),
    "source_total": _("Rows in the source, from the engine's own metadata; an exact count only on demand."),
    "target_total": _("Rows in the target, from the engine's own metadata; an exact count only on demand."),
    "coverage": _("Rows in the target / rows in the source. No value while the source is empty."),
    "pending": _("Source rows after the watermark: eligible and cooling ones. Counted up to a cap."),
    "eligible": _("Pending rows older than the cutoff: the next run loads them."),
    "cooling": _("Pending rows younger than the cutoff: left for a later run. Normal, never an alert."),
    "latency": _(
        "Latest update in the source minus latest update in the target, never below 0. No value if the target"
        " stores the load time instead."
    ),
    "served_lag": _(
        "How long the oldest eligible row has been waiting; 0 if there is none. A pipeline is late when this "
        "exceeds its limit."
    ),
    "last_execution": _("Start, finish, status and counts of the latest execution of this pipeline."),
    "extracted": _("Rows that the latest execution read from the source. Written only when it finishes."),
    "upserted": _("Rows that the latest execution inserted or updated in the target. Written only when it finishes."),
    "soft_deleted": _("Rows that the latest execution marked as deleted. Written only when it finishes."),
    "duration": _("Finish minus start of the latest execution; while it runs, the time since its start."),
    "throughput": _("Rows upserted / duration (at least 1 second) of a success, in rows per second."),
    "watermark": _("The last (updated_at, key) loaded from the source. 1900-01-01: never loaded."),
    "watermark_state": _("What the watermark does, from the samples and the last 10 finished runs."),
    "drain": _(
        "Eligible rows / (speed of the last 5 successes - rows becoming eligible in the last hour), plus the wait for "
        "the expected next start. “Never at this rate” when rows arrive as fast as they are loaded."
    ),
    "usual_band": _("The median and the 10th to 90th percentile of its own history; needs 5 executions."),
    "failure_group": _(
        "Failures with the same class, error number, constraint, table and column. If the message names none "
        "of them: failures with the same words, ignoring numbers, quoted values, dates and names of temporary"
        " objects."
    ),
    "failure_state": _(
        "Resolved: each of its pipelines has had 3 successes since. New: first seen within the last 24 hours."
        " Recurring: all others. Unknown: the latest runs could not be read."
    ),
    "failure_unresolved": _("The latest finished execution of one of its pipelines still fails with it."),
    "last_error": _("The message of the latest execution, if it failed."),
    # Overview.
    "active_pipelines": _("Pipelines with is_active = 1, and how many there are in all."),
    "success_rate_24h": _(
        "Successful / finished runs that started in the last 24 hours. Running runs are left out; partial "
        "runs do not count as successful."
    ),
    "failed_24h": _("Runs of the last 24 hours in which every pipeline failed. Partial runs are counted separately."),
    "last_run": _("Status, age and starter of the latest run."),
    "coverage_overall": _("Sum of target rows / sum of source rows, over the pipelines that have both."),
    "pending_total": _(
        "Sum of the eligible rows, with the cooling rows shown separately. Pipelines that could not be read are named."
    ),
    "mean_latency": _("Mean of the latencies of the active pipelines that have one."),
    "mean_throughput_24h": _("Mean rows per second of the successes of the last 24 hours that moved rows."),
    # Charts.
    "chart_runs_by_status": _("Runs per day of the last 14 days, stacked by status."),
    "chart_volume": _("Rows extracted and upserted per pipeline in the last 14 days."),
    "chart_timeline": _(
        "One bar per execution of the latest runs, from start to finish. Bars of running executions are open."
    ),
    # Connection audit.
    "audit_events": _("Samples of open sessions: one session seen by ten snapshots is ten events."),
    "audit_sessions": _("Sessions, identified by number and login time. Each is counted once."),
    "audit_new_identity": _(
        "A login, host, address, program, authentication or encryption that was sampled in the window but not"
        " in the 30 days before it. Unknown if the portal's records do not go back 30 days."
    ),
    "audit_unencrypted": _(
        "Sessions with an unencrypted connection from another host: neither from the address of the server "
        "nor from a host with its name."
    ),
    "audit_unusual_hour": _(
        "A login seen at an hour of the week when it was not seen in the 30 days before the window, nor in "
        "the hours next to it. Only for logins seen on at least 14 of those days."
    ),
    "audit_shared_login": _("A login of the runner or the portal, used by a different program."),
    "audit_long_session": _("A session that had been open for more than 3 days when it was last sampled."),
    "audit_lift": _(
        "How many times more often it was sampled within 5 minutes of the start of a failed execution than "
        "within 5 minutes of the start of a successful one. A coincidence in time, not necessarily the cause."
    ),
    # Pre-flight.
    "ready_for_monitoring": _("Both databases answer, and the control and audit tables are there and readable."),
    "ready_for_first_run": _("At least one active pipeline has a valid mapping, a source and a target."),
    "ready_for_all_active": _("Every active pipeline has a valid mapping, a source and a target."),
    "age": _("How long ago the collector took these figures."),
    "failed_logins": _("Not collected: the connection table holds samples of open sessions, not failed logins."),
}
"""The definition of each figure (METRICS), shown wherever the figure is."""
