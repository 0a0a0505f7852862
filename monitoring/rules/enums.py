"""Enums; their UI texts are in web/labels.py. An unknown text parses to UNKNOWN, never to OK."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self


class _Parsed(StrEnum):
    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return the member that `text` names (case and outer blanks ignored), else UNKNOWN."""
        try:
            return cls((text or "").strip().lower())
        except ValueError:
            return cls("unknown")


class RunStatus(_Parsed):
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, executions: Iterable[ExecutionStatus]) -> RunStatus:
        """Return the status of a run of executions with these (CONTRACT, 3)."""
        found = set(executions)
        if ExecutionStatus.RUNNING in found:
            return cls.RUNNING
        if ExecutionStatus.UNKNOWN in found or not found:
            return cls.UNKNOWN
        if len(found) == 2:
            return cls.PARTIAL
        return cls.SUCCESS if ExecutionStatus.SUCCESS in found else cls.FAILED


class ExecutionStatus(_Parsed):
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"


class PipelineStatus(StrEnum):
    """The status of a pipeline, in the order of METRICS: the first that holds."""

    UNKNOWN = "unknown"
    STRUCTURE_MISSING = "structure_missing"
    RUNNING = "running"
    FAILED = "failed"
    OK = "ok"
    NEVER_RUN = "never_run"


class Structure(StrEnum):
    """Whether the two tables of a pipeline exist. A missing one is worse than one that could not be read."""

    COMPLETE = "complete"
    SOURCE_MISSING = "source_missing"
    TARGET_MISSING = "target_missing"
    BOTH_MISSING = "both_missing"
    NAME_INVALID = "name_invalid"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """The severity of an alert. UNKNOWN is worse than OK."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for OK up to 3 for CRITICAL; sorts the worst last."""
        return list(type(self)).index(self)


class WatermarkState(StrEnum):
    CURRENT = "current"
    REWOUND = "rewound"
    STOPPED = "stopped"
    STALLED = "stalled"
    FALLING_BEHIND = "falling_behind"
    DRAINING = "draining"
    NOT_ENOUGH_HISTORY = "not_enough_history"
    UNKNOWN = "unknown"


class Rule(StrEnum):
    FAILED = "failed"
    LATE_WATERMARK = "late_watermark"
    NO_RECENT_RUN = "no_recent_run"
    RECURRENT_FAILURE = "recurrent_failure"
    STUCK_RUN = "stuck_run"
    STALLED_WATERMARK = "stalled_watermark"
    UNUSUAL_VOLUME = "unusual_volume"
    UNUSUAL_DURATION = "unusual_duration"
    SILENT_NO_OP = "silent_no_op"
    COVERAGE_DROP = "coverage_drop"
    STRUCTURE = "structure"
    PREFLIGHT = "preflight"


class ProblemCode(StrEnum):
    """Why something could not be read, from the driver's SQLSTATE and native number."""

    DRIVER_MISSING = "driver_missing"
    UNREACHABLE = "unreachable"
    LOGIN_FAILED = "login_failed"
    LOGIN_BLOCKED = "login_blocked"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105 # nosec B105 - a code
    CERTIFICATE = "certificate"
    ENCRYPTION = "encryption"
    DATABASE_UNAVAILABLE = "database_unavailable"
    DATABASE_RESTORING = "database_restoring"
    SERVER_BUSY = "server_busy"
    PERMISSION_DENIED = "permission_denied"
    STATE_DENIED = "state_denied"
    OBJECT_MISSING = "object_missing"
    COLUMN_MISSING = "column_missing"
    TIMEOUT = "timeout"
    LOCKED = "locked"
    DEADLOCK = "deadlock"
    NAME_INVALID = "name_invalid"
    REMOTE_SYNONYM = "remote_synonym"
    NOT_READ = "not_read"
    OTHER = "other"


class CheckState(StrEnum):
    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


class SentenceCode(StrEnum):
    NOTHING_SAMPLED = "nothing_sampled"
    STALE = "stale"
    UNREACHABLE = "unreachable"
    NOT_READ = "not_read"
    NO_PIPELINES = "no_pipelines"
    NONE_ACTIVE = "none_active"
    ATTENTION = "attention"
    UNKNOWN = "unknown"
    PREFLIGHT = "preflight"
    ALL_WELL = "all_well"


class ErrorClass(StrEnum):
    UNIQUE = "unique"
    FOREIGN_KEY = "foreign_key"
    CHECK = "check"
    NOT_NULL = "not_null"
    TRUNCATION = "truncation"
    CONVERSION = "conversion"
    DEADLOCK = "deadlock"
    LOCK_TIMEOUT = "lock_timeout"
    TIMEOUT = "timeout"
    PERMISSION = "permission"
    LOGIN = "login"
    NETWORK = "network"
    MISSING_OBJECT = "missing_object"
    MISSING_COLUMN = "missing_column"
    SPACE = "space"
    LOG_FULL = "log_full"
    DRIVER = "driver"
    MISSING_DIMENSION_ROW = "missing_dimension_row"
    CONFIGURATION = "configuration"
    OTHER = "other"


class AuditQuestion(StrEnum):
    NEW_IDENTITY = "new_identity"
    UNENCRYPTED = "unencrypted"
    UNUSUAL_HOUR = "unusual_hour"
    SHARED_LOGIN = "shared_login"
    LONG_SESSION = "long_session"


class FailureState(StrEnum):
    NEW = "new"
    RECURRING = "recurring"
    GONE = "gone"
    UNKNOWN = "unknown"


class TrailAction(StrEnum):
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 # nosec B105 - an action's name
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    SECOND_FACTOR_USED = "second_factor_used"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    SESSION_ENDED = "session_ended"
    USER_CHANGED = "user_changed"
    ROLE_CHANGED = "role_changed"
    SETTING_CHANGED = "setting_changed"
    UNMASKED = "unmasked"
    EXPORTED = "exported"
    CAPTURED = "captured"
    CHECKED = "checked"


class TrailOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Group(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


FINISHED = frozenset({ExecutionStatus.SUCCESS, ExecutionStatus.FAILED})
RUN_FINISHED = frozenset({RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.PARTIAL})


class Grain(StrEnum):
    RAW = "raw"
    HOUR = "hour"
    DAY = "day"
