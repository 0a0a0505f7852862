"""The state of a failure: new, recurring or gone, and in which pipelines it is unresolved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from monitoring.rules.enums import FailureState

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
    """Return the state of a failure. `last_runs`: per pipeline the newest run that failed with it.

    UNKNOWN if the newest runs could not be read (`standings` None).
    """
    if standings is None:
        return FailureState.UNKNOWN
    if last_runs and all(_over(standings.get(name), run_id) for name, run_id in last_runs.items()):
        return FailureState.GONE
    return FailureState.NEW if now - first_seen <= NEW_FOR else FailureState.RECURRING


def unresolved_in(fingerprint: str, names: Mapping[str, int], standings: Mapping[str, Standing]) -> tuple[str, ...]:
    """Return the pipelines that still fail with it."""
    return tuple(sorted(name for name in names if name in standings and standings[name].fails_with == fingerprint))


def _over(standing: Standing | None, last_run_id: int) -> bool:
    return standing is not None and standing.success_run_id is not None and standing.success_run_id > last_run_id
