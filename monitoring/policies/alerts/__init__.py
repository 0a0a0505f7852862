"""The alert rules of METRICS, "Alerts and reasoning": facts and thresholds -> verdicts.

Each rule is a function `Facts -> Verdict` and always answers: fine (severity OK), silent (OK, but
it lacked history and says so in `values["reason"]`), not to be judged (UNKNOWN), warning, critical.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitoring.enums import Severity
from monitoring.policies.alerts import rows, runs, usual
from monitoring.policies.alerts.facts import Facts
from monitoring.policies.alerts.preflight import preflight_verdicts
from monitoring.policies.alerts.structure import structure
from monitoring.policies.executions import merged
from monitoring.policies.facts import History, Pipeline, Thresholds, Verdict

RULES = (
    structure,
    runs.failed,
    rows.late_watermark,
    runs.no_recent_run,
    runs.recurrent_failure,
    runs.stuck_run,
    rows.stalled_watermark,
    usual.volume,
    usual.duration,
    rows.silent_no_op,
    usual.coverage_drop,
)
"""In the order in which verdicts of the same severity are shown."""


def judge(pipeline: Pipeline, history: History, thresholds: Thresholds, now: datetime) -> tuple[Verdict, ...]:
    """Return every rule's answer for one pipeline, in the order of RULES; none when it is inactive.

    `pipeline` carries the readings and figures; its own `verdicts` are not looked at.
    """
    if not pipeline.control.is_active:
        return ()
    facts = Facts(
        pipeline=pipeline,
        history=history,
        thresholds=thresholds,
        now=now,
        executions=merged(pipeline.newest, history),
    )
    return tuple(rule(facts) for rule in RULES)


def pipeline_verdicts(
    pipeline: Pipeline, history: History, thresholds: Thresholds, now: datetime
) -> tuple[Verdict, ...]:
    """Return the open verdicts of one pipeline, worst first: what is wrong or cannot be judged."""
    return open_verdicts(judge(pipeline, history, thresholds, now))


def open_verdicts(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return those above OK, worst first; within a severity the longest standing first."""
    return tuple(sorted((each for each in verdicts if each.severity is not Severity.OK), key=worst_first))


def worst_first(verdict: Verdict) -> tuple[int, bool, float, str, str]:
    """Sort key: worst severity, then oldest `since` (none last), then pipeline and rule."""
    since = verdict.since.timestamp() if verdict.since else 0.0
    return -verdict.severity.rank, verdict.since is None, since, verdict.entity_name, verdict.rule


__all__ = ["RULES", "Facts", "judge", "open_verdicts", "pipeline_verdicts", "preflight_verdicts", "worst_first"]
