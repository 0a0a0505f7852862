"""Runs of a window, and what is connected more often around those that failed: made once for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.connections.queries import LONG_FRESH_SECONDS, PROBLEM_SECONDS, Activity
from monitoring.models import RunCopy, RunEntityCopy
from monitoring.models.executions import listed_runs
from monitoring.rules import audit as cooccurrence
from monitoring.rules.audit import Factor
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Problem, Run
from monitoring.warehouse.login_events import factors_in
from monitoring.warehouse.reader import ReadFailed
from monitoring.web.cache import cached_once

MOST_RUNS = 25
MOST_STARTS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """`found` None: too few windows to say anything, or the failures or the events are not known (`problem`)."""

    failures: int = 0
    controls: int = 0
    found: tuple[Factor, ...] | None = None
    known: bool = True
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRuns:
    """The newest runs that started in a window, and how many there were."""

    lines: tuple[Run, ...] = ()
    total: int = 0


def factors(activity: Activity) -> Factors:
    """Return the factors of the window: one statement on `dw` where there are failures enough, two on `default`."""
    if not activity.failures_known or activity.bounds is None:
        return Factors(known=False, problem=activity.problem)
    return cached_once(
        f"connections:factors:{activity.window.name}",
        lambda: _factors(activity),
        fresh=lambda found: PROBLEM_SECONDS if found.problem else LONG_FRESH_SECONDS,
    )


def _factors(activity: Activity) -> Factors:
    since, until = _ends(activity)
    entities = RunEntityCopy.objects.filter(started_at__gte=since, started_at__lt=until).order_by("-started_at")
    starts = entities.values_list("started_at", flat=True)
    failed = list(starts.filter(status__iexact=ExecutionStatus.FAILED.value)[:MOST_STARTS])
    others = starts.filter(status__iexact=ExecutionStatus.SUCCESS.value)[:MOST_STARTS]
    around, otherwise = cooccurrence.windows(failed, others)
    if len(around) < cooccurrence.LEAST_FAILURES or len(otherwise) < cooccurrence.LEAST_CONTROLS:
        return Factors(failures=len(around), controls=len(otherwise))
    try:
        sampled = factors_in([*around, *otherwise])
    except ReadFailed as failure:
        return Factors(problem=failure.problem)
    failures, controls, found = cooccurrence.factors(sampled[: len(around)], sampled[len(around) :])
    return Factors(failures=failures, controls=controls, found=found)


def window_runs(activity: Activity) -> WindowRuns:
    """Return the window's runs, from the portal's copy: two statements on `default`."""
    if activity.bounds is None:
        return WindowRuns()
    return cached_once(
        f"connections:runs:{activity.window.name}", lambda: _runs(activity), fresh=lambda _: LONG_FRESH_SECONDS / 3
    )


def _runs(activity: Activity) -> WindowRuns:
    since, until = _ends(activity)
    runs = RunCopy.objects.filter(started_at__gte=since, started_at__lt=until).order_by("-started_at", "-run_id")
    # Only readers of the connection audit get here: they may see logins.
    lines = listed_runs(runs[:MOST_RUNS], logins=True)
    return WindowRuns(lines=lines, total=len(lines) if len(lines) < MOST_RUNS else runs.count())


def _ends(activity: Activity) -> tuple[datetime, datetime]:
    bounds = activity.bounds
    if bounds is None:
        raise ValueError("a window that could not be read has no ends")
    return activity.cut or bounds.since, bounds.until or bounds.now + timedelta(minutes=1)
