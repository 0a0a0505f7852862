"""The last integrity checks of a pipeline, as everybody sees them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.generic import View

from etlportal.budget import budget
from monitoring.access import may
from monitoring.collector.snapshot import Current, current
from monitoring.models import IntegrityReport
from monitoring.pipelines import queries as pipelines
from monitoring.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.pipelines.queries import Decisions
from monitoring.pipelines.texts import check_answer, check_title, looked_at_note
from monitoring.rules.enums import CheckState, TrailAction
from monitoring.rules.facts import ControlRow, Pipeline
from monitoring.rules.integrity import Basis, CheckResult, Report
from monitoring.warehouse.integrity.checks import Subject, run_checks
from monitoring.web.activity import address_of, record
from monitoring.web.problems import detail_text


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


SECONDS = 30.0
"""How long the checks that somebody asked for may wait; they give up earlier themselves."""
RUN_CHECKS = "monitoring.run_checks"


def checks_of(request: HttpRequest, current: Current, name: str) -> LastChecks:
    """Return the pipeline's last checks, read once per request."""
    found: dict[str, LastChecks] = request.__dict__.setdefault("_checks", {})
    if name not in found:
        found[name] = last_checks(name, current.now)
    return found[name]


class PipelineChecks(PipelineBlock):
    """The last checks: what each found, its evidence, cost and age."""

    name = "pipeline-checks"
    same_for_all = False  # it has a form
    template_name = "monitoring/pipelines/_checks.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        return self._context(current, pipeline.name)

    def unsampled(self, current: Current, subject: pipelines.Subject) -> Context:
        return self._context(current, subject.name)

    def _context(self, current: Current, name: str) -> Context:
        last = checks_of(self.request, current, name)
        report = last.report  # decoded here, once
        return {
            "last": last,
            "report": report,
            "items": [_item(result) for result in report.results] if report else [],
            "summary": _summary(report) if report else [],
            "may_run": may(self.request.user, RUN_CHECKS),
        }


def _item(result: CheckResult) -> dict[str, Any]:
    title, asks = check_title(result.code)
    return {
        "result": result,
        "title": title,
        "asks": asks,
        "answer": check_answer(result),
        "note": looked_at_note(result),
        "applies": result.basis is not Basis.NOT_APPLICABLE,
        "asked": result.milliseconds > 0,
        "detail": detail_text(result.problem) if result.problem else "",
    }


def _summary(report: Report) -> list[tuple[CheckState, int]]:
    states = (CheckState.FAILED, CheckState.WARNING, CheckState.UNKNOWN, CheckState.PASSED)
    return [(state, count) for state in states if (count := report.count(state))]


class RunChecks(PermissionRequiredMixin, View):
    """Run the checks of one pipeline now: POST, for operator and admin."""

    permission_required = (RUN_CHECKS,)
    raise_exception = True
    http_method_names = ("post",)

    def post(self, request: HttpRequest, entity: str) -> HttpResponse:
        """Answer htmx with the block, anything else with the page."""
        state = current()
        subject = subject_or_404(request, state, entity)
        if subject.control is None:
            messages.error(request, gettext("Nothing was checked: the control row could not be read."))
        else:
            decided = pipelines.decisions(subject.name)
            asked = check_subject(subject.control, decided, subject.pipeline)
            try:
                by, address = request.user.get_username(), address_of(request)
                with budget(SECONDS, anew=True):
                    check_integrity(subject=asked, by=by, now=timezone.now(), address=address)
            except AlreadyRunning:
                if not request.htmx:  # type: ignore[attr-defined]
                    messages.warning(request, gettext("Somebody else is running these checks: wait for their result."))
        if request.htmx:  # type: ignore[attr-defined]
            return PipelineChecks.as_answer(request, entity=entity)
        return HttpResponseRedirect(reverse("monitoring:pipeline", args=(subject.name,)) + "#pipeline-checks")
