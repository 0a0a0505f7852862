"""One pipeline from its readings: status, figures, watermark state and open verdicts together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitoring.policies.alerts import pipeline_verdicts
from monitoring.policies.facts import (
    ControlRow,
    Execution,
    History,
    Pipeline,
    SourceReading,
    TargetReading,
    Thresholds,
)
from monitoring.policies.figures import figures
from monitoring.policies.status import pipeline_status
from monitoring.policies.watermark import watermark_state

NO_THRESHOLDS_CHANGED = Thresholds()


def judged(
    control: ControlRow,
    *,
    mapping_valid: bool,
    source: SourceReading,
    target: TargetReading,
    newest: Execution | None,
    history: History,
    now: datetime,
    thresholds: Thresholds = NO_THRESHOLDS_CHANGED,
    owner: str = "",
    required: bool = False,
    newest_read: bool = True,
) -> Pipeline:
    """Return the pipeline with everything that follows from its readings.

    `newest_read` False: the audit tables could not be read (see pipeline_status).
    """
    pipeline = Pipeline(
        control=control,
        status=pipeline_status(control, mapping_valid, source, target, newest, newest_read=newest_read),
        mapping_valid=mapping_valid,
        source=source,
        target=target,
        newest=newest,
        figures=figures(source=source, target=target, newest=newest, history=history, now=now),
        watermark_state=watermark_state(control, source, newest, history, now),
        thresholds=thresholds,
        owner=owner,
        required=required,
    )
    return replace(pipeline, verdicts=pipeline_verdicts(pipeline, history, thresholds, now))
