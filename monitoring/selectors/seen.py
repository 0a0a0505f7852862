"""The snapshot narrowed to a reader: only their pipelines, in every figure, and without logins."""

from __future__ import annotations

from monitoring.policies.facts import Overview, Snapshot
from monitoring.policies.overview import overview
from monitoring.policies.scope import pipelines_within, runs_within, within, without_logins
from monitoring.scope import ReaderScope
from monitoring.selectors import history

RECENT_RUNS = 30
OPEN_RUNS = 50
"""As many runs as a snapshot holds (collector/judging.py)."""


def seen(snapshot: Snapshot, scope: ReaderScope) -> Snapshot:
    """Return the snapshot narrowed to the scope. A limit to pipelines costs seven statements on `default`.

    Call it inside that scope: the copies that it reads are narrowed by it.
    """
    if scope.pipelines is not None:
        snapshot = _narrowed(snapshot, scope.pipelines)
    return snapshot if scope.logins else without_logins(snapshot)


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
