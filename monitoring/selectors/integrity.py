"""The last integrity checks of a pipeline, as everybody sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from monitoring.models import IntegrityReport
from monitoring.policies.facts import ControlRow, Pipeline
from monitoring.policies.integrity import CheckResult, Report
from monitoring.selectors.pipelines import Decisions
from monitoring.warehouse.integrity.checks import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChecks:
    """`row` None: never checked. `running_by`: who is running the checks, at most until `running_until`."""

    row: IntegrityReport | None = None
    running_by: str = ""
    running_until: datetime | None = None

    @property
    def report(self) -> Report | None:
        """What the last checks found. None: never checked, or by a version that stored it otherwise."""
        return report_of(self.row) if self.row else None

    @property
    def stamp(self) -> str:
        """What changes when anything about the checks does. Asked in each refresh: nothing is decoded for it."""
        finished = self.row.finished_at if self.row else None
        return f"{finished.isoformat() if finished else ''}{self.running_by}"


def last_checks(name: str, now: datetime) -> LastChecks:
    """Return the pipeline's last checks. One statement."""
    row = IntegrityReport.objects.filter(pk=name).first()
    if row is None:
        return LastChecks()
    running = row.lease_until is not None and row.lease_until > now
    return LastChecks(
        row=row,
        running_by=row.lease_by if running else "",
        running_until=row.lease_until if running else None,
    )


def report_of(row: IntegrityReport) -> Report | None:
    """Return the stored results as facts; None where there are none, or where another version stored them."""
    if row.finished_at is None:
        return None
    try:
        results = msgspec.convert(row.results, tuple[CheckResult, ...])
    except msgspec.ValidationError:
        return None
    return Report(
        entity_name=row.entity_name,
        finished_at=row.finished_at,
        by=row.finished_by,
        milliseconds=row.milliseconds or 0.0,
        results=results,
    )


def check_subject(control: ControlRow, decided: Decisions, pipeline: Pipeline | None) -> Subject:
    """Return what the checks need to know of the pipeline."""
    return Subject(
        entity_name=control.entity_name,
        source_table=control.source_table,
        target_table=control.target_table,
        source_key=control.source_pk_column,
        watermark=control.watermark,
        updated_column=decided.updated_column,
        target_updated_column=decided.target_updated_column,
        status_words=decided.status_words,
        source_total=pipeline.source.total if pipeline else None,
        target_total=pipeline.target.total if pipeline else None,
    )
