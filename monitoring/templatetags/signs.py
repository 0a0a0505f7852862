"""What a status looks like: a sign, a tone (its colours are in static/css/tokens.css) and a word."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from monitoring import wording
from monitoring.enums import (
    CheckState,
    ExecutionStatus,
    FailureState,
    PipelineStatus,
    RunStatus,
    Severity,
    WatermarkState,
)

TONES = (
    "ok",
    "running",
    "failed",
    "partial",
    "structure",
    "never",
    "inactive",
    "unknown",
    "warning",
    "critical",
    "info",
)
"""Every tone that static/css/tokens.css defines, in both themes."""


@dataclass(frozen=True, slots=True)
class Sign:
    tone: str
    icon: str
    word: str


_OK, _RUNNING, _FAILED = ("ok", "check"), ("running", "play"), ("failed", "x")
_WARNING, _UNKNOWN = ("warning", "exclamation"), ("unknown", "question")

# By class first: members of different vocabularies with the same text are equal and hash alike.
_LOOKS: dict[type[StrEnum], dict[Any, tuple[str, str]]] = {
    PipelineStatus: {
        PipelineStatus.UNKNOWN: _UNKNOWN,
        PipelineStatus.STRUCTURE_MISSING: ("structure", "puzzle"),
        PipelineStatus.RUNNING: _RUNNING,
        PipelineStatus.FAILED: _FAILED,
        PipelineStatus.OK: _OK,
        PipelineStatus.NEVER_RUN: ("never", "circle"),
    },
    RunStatus: {
        RunStatus.RUNNING: _RUNNING,
        RunStatus.SUCCESS: _OK,
        RunStatus.FAILED: _FAILED,
        RunStatus.PARTIAL: ("partial", "circle-half"),
        RunStatus.UNKNOWN: _UNKNOWN,
    },
    ExecutionStatus: {
        ExecutionStatus.RUNNING: _RUNNING,
        ExecutionStatus.SUCCESS: _OK,
        ExecutionStatus.FAILED: _FAILED,
        ExecutionStatus.UNKNOWN: _UNKNOWN,
    },
    Severity: {
        Severity.OK: _OK,
        Severity.UNKNOWN: _UNKNOWN,
        Severity.WARNING: _WARNING,
        Severity.CRITICAL: ("critical", "exclamation-circle"),
    },
    CheckState: {
        CheckState.PASSED: _OK,
        CheckState.WARNING: _WARNING,
        CheckState.FAILED: _FAILED,
        CheckState.UNKNOWN: _UNKNOWN,
    },
    FailureState: {
        FailureState.NEW: ("warning", "exclamation"),
        FailureState.RECURRING: ("failed", "arrow-counterclockwise"),
        FailureState.GONE: _OK,
        FailureState.UNKNOWN: _UNKNOWN,
    },
    WatermarkState: {
        WatermarkState.CURRENT: _OK,
        WatermarkState.REWOUND: ("warning", "arrow-counterclockwise"),
        WatermarkState.STOPPED: ("failed", "stop"),
        WatermarkState.STALLED: ("warning", "pause"),
        WatermarkState.FALLING_BEHIND: ("warning", "arrow-down"),
        WatermarkState.DRAINING: ("running", "hourglass"),
        WatermarkState.NOT_ENOUGH_HISTORY: ("never", "hourglass"),
        WatermarkState.UNKNOWN: _UNKNOWN,
    },
}


def sign_of(value: StrEnum | str | None) -> Sign:
    """Return the sign of a member; whatever is not one (foreign text, None) is unknown, never fine."""
    look = _LOOKS.get(type(value), {}).get(value)  # type: ignore[arg-type]
    if look is None:
        return Sign(*_UNKNOWN, wording.label(PipelineStatus.UNKNOWN))
    return Sign(*look, wording.label(value))  # type: ignore[arg-type]


def inactive() -> Sign:
    """Return the sign that stands beside the status of a pipeline that is switched off."""
    return Sign("inactive", "pause", wording.inactive())
