"""The status of a pipeline, the state of its watermark (METRICS, "Per pipeline"), and the state of a failure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from monitoring.rules.enums import ExecutionStatus, FailureState, PipelineStatus, RunStatus, WatermarkState
from monitoring.rules.facts import ControlRow, Execution, History, PipelineReading, SourceReading, Watermark
from monitoring.rules.figures import MINIMUM_GAPS, finished, merged, newest_finish, percentile, seconds_between, usable

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
}
"""The contract has no other; only a runner that was killed leaves `running` there."""


def pipeline_status(reading: PipelineReading, newest: Execution | None, *, newest_read: bool = True) -> PipelineStatus:
    """Return the status of a pipeline. `newest` is its newest execution, or None.

    `newest_read` False: the audit tables could not be read, so that no execution does not mean "never run". An
    invalid name is missing without a reading; otherwise one table that could not be read makes the status unknown.
    """
    if not reading.mapping_valid:
        return PipelineStatus.STRUCTURE_MISSING
    if reading.source.exists is None or reading.target.exists is None:
        return PipelineStatus.UNKNOWN
    if not reading.structure_ready:
        return PipelineStatus.STRUCTURE_MISSING
    if newest is not None:
        return _OF_EXECUTION[newest.status]
    if not newest_read:
        return PipelineStatus.UNKNOWN
    last_status = (reading.control.last_status or "").strip()
    known = _OF_LAST_STATUS.get(RunStatus.parse(last_status), PipelineStatus.UNKNOWN)
    return known if last_status else PipelineStatus.NEVER_RUN


WINDOW_RUNS = 10
MINIMUM_RUNS = 3
STOPPED_FLOOR_SECONDS = 600
STOPPED_FACTOR = 2

EligibleSample = tuple[datetime, int, Watermark | None]


def watermark_state(
    control: ControlRow, source: SourceReading, newest: Execution | None, history: History, now: datetime
) -> WatermarkState:
    """Return the state of the watermark W, the first that applies:

    unknown (the pending rows could not be read), not enough history (fewer than 3 finished runs), rewound (W went
    back, and rows were eligible ever since), stopped, current (no row was eligible at some sample since the third
    newest finished run began), stalled (W unchanged over those runs), falling behind, draining.

    METRICS names current first. But a pipeline that was current before it was rewound or stopped is not current.
    """
    if source.eligible is None:
        return WatermarkState.UNKNOWN
    ended = finished(merged(newest, history))[:WINDOW_RUNS]
    if len(ended) < MINIMUM_RUNS:
        return WatermarkState.NOT_ENOUGH_HISTORY
    samples = samples_until(control, source, history, now)
    if _rewound(ended, samples):
        return WatermarkState.REWOUND
    if _stopped(ended, samples, history, now):
        return WatermarkState.STOPPED
    return _progress(control, source, ended, samples)


def _progress(
    control: ControlRow, source: SourceReading, ended: tuple[Execution, ...], samples: list[EligibleSample]
) -> WatermarkState:
    recent = [sample for sample in samples if sample[0] >= ended[MINIMUM_RUNS - 1].started_at]
    if any(eligible <= 0 for _, eligible, _ in recent):
        return WatermarkState.CURRENT
    newest = ended[:MINIMUM_RUNS]
    if unchanged_since(control, newest, recent) is not None and eligible_throughout(control, source, newest, recent):
        return WatermarkState.STALLED
    window = [sample for sample in samples if sample[0] >= ended[-1].started_at]
    return _direction(window, capped=source.eligible is not None and source.eligible.capped)


def unchanged_since(
    control: ControlRow, ended: tuple[Execution, ...], samples: list[EligibleSample]
) -> datetime | None:
    """Return the start of the oldest of these finished runs if W did not move over them, else None.

    All runs must have begun with today's W. Where a run did not write it, all samples of that time must show it.
    """
    begun = [execution.watermark_from for execution in ended]
    known = [watermark for watermark in begun if watermark is not None]
    if any(watermark != control.watermark for watermark in known):
        return None
    if len(known) < len(begun):
        seen = [watermark for _, _, watermark in samples]
        if len(seen) < len(ended) or any(watermark != control.watermark for watermark in seen):
            return None
    return ended[-1].started_at


def eligible_throughout(
    control: ControlRow, source: SourceReading, ended: tuple[Execution, ...], samples: list[EligibleSample]
) -> bool | None:
    """Return whether rows were eligible during all of these finished runs (newest first).

    True when the oldest eligible row was due when the oldest run began, or when between the starts of each two runs
    a sample counted eligible rows. False when one sample counted none. None: too few samples.
    """
    first = ended[-1].started_at
    seen = [sample for sample in samples if sample[0] >= first]
    if any(eligible <= 0 for _, eligible, _ in seen):
        return False
    cutoff = timedelta(minutes=max(0, control.cutoff_minutes))
    if source.oldest_eligible_at is not None and source.oldest_eligible_at <= first - cutoff:
        return True
    starts = [execution.started_at for execution in reversed(ended)]
    covered = {bisect_right(starts, when) for when, _, _ in seen}
    return True if len(covered) == len(starts) else None


def samples_until(control: ControlRow, source: SourceReading, history: History, now: datetime) -> list[EligibleSample]:
    past = [sample for sample in history.eligible_samples if sample[0] < now]
    if source.eligible is None:
        return past
    return [(now, source.eligible.value, control.watermark), *past]


def _rewound(ended: tuple[Execution, ...], samples: list[EligibleSample]) -> bool:
    """Return whether W went back within these runs, and rows were eligible in every sample since."""
    since = ended[-1].started_at
    seen = [(when, watermark) for when, _, watermark in samples if watermark is not None and when >= since]
    seen += [(run.started_at, run.watermark_from) for run in ended if run.watermark_from is not None]
    seen.sort(key=lambda pair: pair[0])
    back = [later[0] for earlier, later in pairwise(seen) if later[1] < earlier[1]]
    return bool(back) and not any(eligible <= 0 for when, eligible, _ in samples if when >= back[-1])


def _stopped(ended: tuple[Execution, ...], samples: list[EligibleSample], history: History, now: datetime) -> bool:
    """Return whether two samples have eligible rows and no run finished for much longer than usual."""
    ninetieth = percentile(usable(history.gaps), 90, MINIMUM_GAPS)
    finish = newest_finish(ended)
    waiting = [eligible > 0 for _, eligible, _ in samples[:2]]
    if ninetieth is None or finish is None or waiting != [True, True]:
        return False
    return seconds_between(finish, now) > max(STOPPED_FACTOR * ninetieth, STOPPED_FLOOR_SECONDS)


def _direction(window: list[EligibleSample], *, capped: bool) -> WatermarkState:
    """Return draining if the eligible rows ever decreased, falling behind if not but W moved. Newest sample first."""
    marks = [(when, watermark) for when, _, watermark in window if watermark is not None]
    if len(window) < 2 or len(marks) < 2:
        return WatermarkState.UNKNOWN
    if capped:
        # Both counts may be "100,000+", so compare the distance between W and the clock instead.
        (last, newest), (first, oldest) = marks[0], marks[-1]
        shrank = last - newest.updated_at < first - oldest.updated_at
    else:
        shrank = any(later[1] < earlier[1] for later, earlier in pairwise(window))
    if shrank:
        return WatermarkState.DRAINING
    return WatermarkState.FALLING_BEHIND if marks[0][1] > marks[-1][1] else WatermarkState.UNKNOWN


NEW_FOR = timedelta(hours=24)
GONE_AFTER = 3
"""Successes of each of its pipelines since it was last seen: a deadlock may not occur in one or two by chance."""


class Standing(NamedTuple):
    """Of a pipeline: the fingerprint of its newest finished execution ("": a success), and the run of its GONE_AFTER-th
    newest success (None: it has had fewer)."""

    fails_with: str = ""
    success_run_id: int | None = None


def state_of(
    first_seen: datetime, last_runs: Mapping[str, int], standings: Mapping[str, Standing] | None, now: datetime
) -> FailureState:
    """`last_runs`: newest failed run per pipeline. UNKNOWN if the newest runs could not be read (`standings` None)."""
    if standings is None:
        return FailureState.UNKNOWN
    successes = {name: standing.success_run_id for name, standing in standings.items()}
    if last_runs and all((successes.get(name) or -1) > run_id for name, run_id in last_runs.items()):
        return FailureState.GONE
    return FailureState.NEW if now - first_seen <= NEW_FOR else FailureState.RECURRING


def unresolved_in(fingerprint: str, names: Mapping[str, int], standings: Mapping[str, Standing]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if name in standings and standings[name].fails_with == fingerprint))
