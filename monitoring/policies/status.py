"""The status of a pipeline: the first that holds (METRICS, "Per pipeline")."""

from __future__ import annotations

from monitoring.enums import ExecutionStatus, PipelineStatus, RunStatus
from monitoring.policies.facts import ControlRow, Execution, SourceReading, TargetReading

_OF_EXECUTION = {
    ExecutionStatus.RUNNING: PipelineStatus.RUNNING,
    ExecutionStatus.FAILED: PipelineStatus.FAILED,
    ExecutionStatus.SUCCESS: PipelineStatus.OK,
    ExecutionStatus.UNKNOWN: PipelineStatus.UNKNOWN,
}
_OF_LAST_STATUS = {
    RunStatus.FAILED: PipelineStatus.FAILED,
    RunStatus.PARTIAL: PipelineStatus.FAILED,
    RunStatus.SUCCESS: PipelineStatus.OK,
    # Only the runner's dying words: the contract does not know `running` here, nor anything else.
    RunStatus.RUNNING: PipelineStatus.UNKNOWN,
    RunStatus.UNKNOWN: PipelineStatus.UNKNOWN,
}


def pipeline_status(
    control: ControlRow,
    mapping_valid: bool,
    source: SourceReading,
    target: TargetReading,
    newest: Execution | None,
    *,
    newest_read: bool = True,
) -> PipelineStatus:
    """Return the status of a pipeline.

    `newest` is its newest run entity, None when none is left. `newest_read` False says that the
    audit tables could not be read, so that no execution does not mean "never run".
    A name that is invalid needs no reading to be known as missing; otherwise one table that could
    not be looked up makes the whole unknown, whatever is known of the other.
    """
    if not mapping_valid:
        return PipelineStatus.STRUCTURE_MISSING
    if source.exists is None or target.exists is None:
        return PipelineStatus.UNKNOWN
    if not (source.exists and target.exists):
        return PipelineStatus.STRUCTURE_MISSING
    return _by_execution(control, newest, newest_read)


def _by_execution(control: ControlRow, newest: Execution | None, newest_read: bool) -> PipelineStatus:
    if newest is not None:
        return _OF_EXECUTION[newest.status]
    if not newest_read:
        return PipelineStatus.UNKNOWN
    if not (control.last_status or "").strip():
        return PipelineStatus.NEVER_RUN
    return _OF_LAST_STATUS[RunStatus.parse(control.last_status)]


def structure_ready(mapping_valid: bool, source: SourceReading, target: TargetReading) -> bool | None:
    """Return whether both tables are there; None when that could not be found out."""
    if not mapping_valid or source.exists is False or target.exists is False:
        return False
    if source.exists is None or target.exists is None:
        return None
    return True
