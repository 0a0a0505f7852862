"""The snapshot as the reader may see it: their pipelines, theirs alone in every figure; without personal data."""

from __future__ import annotations

from monitoring.policies.facts import Overview, Snapshot
from monitoring.policies.overview import overview
from monitoring.policies.scope import pipelines_within, runs_within, within, without_logins
from monitoring.scope import Sight
from monitoring.selectors import history

RECENT_RUNS = 30
OPEN_RUNS = 50
"""As many runs as a snapshot holds (collector/judging.py)."""


def seen(snapshot: Snapshot, sight: Sight) -> Snapshot:
    """Return what `sight` leaves of the snapshot. A limit to pipelines costs seven statements on `default`.

    Called inside a request of that sight: what is read here is narrowed by it.
    """
    if sight.pipelines is not None:
        snapshot = _narrowed(snapshot, sight.pipelines)
    return snapshot if sight.personal else without_logins(snapshot)


def _narrowed(snapshot: Snapshot, names: frozenset[str]) -> Snapshot:
    recent = runs_within(history.newest_runs(RECENT_RUNS), names)
    figures = Overview()
    if snapshot.overview.pipelines is not None:
        # Without control rows the figures are those of the last good sample (collector/judging.py).
        until = snapshot.stale_since if snapshot.problem is not None and snapshot.stale_since else snapshot.sampled_at
        figures = overview(
            pipelines_within(snapshot, names),
            day=history.run_counts(until - history.DAY),
            week=history.run_counts(until - history.WEEK),
            throughputs=history.throughputs(until - history.DAY),
            last_run=recent[0] if recent else None,
        )
    return within(snapshot, names, overview=figures, recent=recent, running=history.open_runs(OPEN_RUNS))
