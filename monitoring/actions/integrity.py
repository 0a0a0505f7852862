"""Run the integrity checks of one pipeline: one person at a time, the result for everybody."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import Q

from monitoring.actions.trail import record
from monitoring.enums import CheckState, TrailAction
from monitoring.models import IntegrityReport
from monitoring.policies.integrity import Report
from monitoring.selectors.integrity import report_of
from monitoring.warehouse.integrity.checks import Subject, run_checks

LEASE = timedelta(seconds=60)
"""Longer than the checks may take; a process that died in between blocks nobody for longer."""


class AlreadyRunning(Exception):
    """Somebody else is running the checks of this pipeline."""


def check_integrity(*, subject: Subject, by: str, now: datetime, address: str = "") -> Report:
    """Run all checks and store their results. Raises AlreadyRunning.

    The statements run outside any transaction: only the claim and the result touch `default`.
    """
    _claim(subject.entity_name, by=by, now=now)
    started = time.perf_counter()
    try:
        results = run_checks(subject)
    except BaseException:
        IntegrityReport.objects.filter(pk=subject.entity_name).update(lease_until=None, lease_by="")
        raise
    seconds = time.perf_counter() - started
    report = Report(
        entity_name=subject.entity_name,
        finished_at=now + timedelta(seconds=seconds),
        by=by,
        milliseconds=round(seconds * 1000, 1),
        results=results,
    )
    return _store(report, address)


def _claim(name: str, *, by: str, now: datetime) -> None:
    """Take the lease by a conditional UPDATE and its row count: two who press at once cannot both have it."""
    with transaction.atomic():
        IntegrityReport.objects.get_or_create(pk=name)
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        if not IntegrityReport.objects.filter(free, pk=name).update(lease_until=now + LEASE, lease_by=by):
            raise AlreadyRunning


@transaction.atomic
def _store(report: Report, address: str) -> Report:
    row = IntegrityReport.objects.get(pk=report.entity_name)
    row.results = msgspec.to_builtins(report.results)
    row.finished_at, row.finished_by, row.milliseconds = report.finished_at, report.by, report.milliseconds
    row.lease_until, row.lease_by = None, ""
    row.save()
    record(
        action=TrailAction.CHECKED,
        by=report.by,
        now=report.finished_at,
        address=address,
        object=report.entity_name,
        failed=report.count(CheckState.FAILED),
        milliseconds=report.milliseconds,
    )
    # What is shown from now on is what was stored, not what was meant to be.
    return report_of(row) or report
