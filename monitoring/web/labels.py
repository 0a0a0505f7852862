"""A word for every member of every vocabulary. Lazy: importing needs no language."""

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

LABELS: dict[type[StrEnum], dict[Any, Any]] = {
    PipelineStatus: {
        PipelineStatus.UNKNOWN: pgettext_lazy("pipeline status", "Unknown"),
        PipelineStatus.STRUCTURE_MISSING: pgettext_lazy("pipeline status", "Missing tables"),
        PipelineStatus.RUNNING: pgettext_lazy("pipeline status", "Running"),
        PipelineStatus.FAILED: pgettext_lazy("pipeline status", "Failed"),
        PipelineStatus.OK: pgettext_lazy("pipeline status", "OK"),
        PipelineStatus.NEVER_RUN: pgettext_lazy("pipeline status", "Never run"),
    },
    RunStatus: {
        RunStatus.RUNNING: pgettext_lazy("run status", "Running"),
        RunStatus.SUCCESS: pgettext_lazy("run status", "Success"),
        RunStatus.FAILED: pgettext_lazy("run status", "Failed"),
        RunStatus.PARTIAL: pgettext_lazy("run status", "Partial"),
        RunStatus.UNKNOWN: pgettext_lazy("run status", "Unknown"),
    },
    ExecutionStatus: {
        ExecutionStatus.RUNNING: pgettext_lazy("run status", "Running"),
        ExecutionStatus.SUCCESS: pgettext_lazy("run status", "Success"),
        ExecutionStatus.FAILED: pgettext_lazy("run status", "Failed"),
        ExecutionStatus.UNKNOWN: pgettext_lazy("run status", "Unknown"),
    },
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


def inactive() -> str:
    return str(pgettext_lazy("pipeline", "inactive"))
