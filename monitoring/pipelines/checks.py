"""The integrity checks of a pipeline: run on demand, one user at a time, and the last result shown to all users."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

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
from monitoring.access import CHECK, may
from monitoring.collector.snapshot import Current, current
from monitoring.models import IntegrityReport
from monitoring.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.pipelines.queries import Subject, settings_of
from monitoring.pipelines.texts import CHECKS, check_answer, looked_at_note
from monitoring.rules.enums import CheckState, TrailAction
from monitoring.rules.facts import ControlRow, Pipeline
from monitoring.rules.integrity import CheckResult
from monitoring.warehouse.integrity import run_checks
from monitoring.web.activity import address_of, record
from monitoring.web.problems import detail_text

LEASE = timedelta(seconds=60)
"""Longer than the checks take. If their process dies, the lease blocks other users for this long."""

SECONDS = 30.0
"""Time budget of a request that runs the checks. They stop earlier themselves (TOTAL_SECONDS)."""


class AlreadyRunning(Exception):
    """Another user is running the checks of this pipeline."""


def checks_of(request: HttpRequest, name: str) -> IntegrityReport:
    """Return the last checks of the pipeline, an empty row if there are none. One statement per request."""
    found: dict[str, IntegrityReport] = request.__dict__.setdefault("_checks", {})
    if name not in found:
        found[name] = IntegrityReport.objects.filter(pk=name).first() or IntegrityReport(entity_name=name)
    return found[name]


def results_of(report: IntegrityReport) -> tuple[CheckResult, ...] | None:
    """Return the stored results, or None if there are none or another version of the portal stored them."""
    if report.finished_at is None:
        return None
    try:
        return msgspec.convert(report.results, tuple[CheckResult, ...])
    except msgspec.ValidationError:
        return None


def count(results: tuple[CheckResult, ...], state: CheckState) -> int:
    """Return how many results are in `state`. Those that do not apply are not counted."""
    return sum(result.state is state and result.applies for result in results)


def check_integrity(
    control: ControlRow, pipeline: Pipeline | None = None, *, by: str, now: datetime, address: str = ""
) -> IntegrityReport:
    """Run all checks outside of any transaction and store their results. Raises AlreadyRunning."""
    name = control.entity_name
    claim(name, by=by, now=now)
    started = time.perf_counter()
    try:
        results = run_checks(
            control,
            settings_of(name),
            source_total=pipeline.source.total if pipeline else None,
            target_total=pipeline.target.total if pipeline else None,
        )
    except BaseException:
        IntegrityReport.objects.filter(pk=name).update(lease_until=None, lease_by="")
        raise
    seconds = time.perf_counter() - started
    with transaction.atomic():
        report = IntegrityReport.objects.get(pk=name)
        report.results = msgspec.to_builtins(results)
        report.finished_at, report.finished_by = now + timedelta(seconds=seconds), by
        report.milliseconds = round(seconds * 1000, 1)
        report.lease_until, report.lease_by = None, ""
        report.save()
        record(
            action=TrailAction.CHECKED,
            by=by,
            now=report.finished_at,
            address=address,
            object=name,
            failed=count(results, CheckState.FAILED),
            milliseconds=report.milliseconds,
        )
    return report


def claim(name: str, *, by: str, now: datetime) -> None:
    """Take the lease of a pipeline's checks by a conditional UPDATE. Raises AlreadyRunning."""
    with transaction.atomic():
        IntegrityReport.objects.get_or_create(pk=name)
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        if not IntegrityReport.objects.filter(free, pk=name).update(lease_until=now + LEASE, lease_by=by):
            raise AlreadyRunning


class PipelineChecks(PipelineBlock):
    name = "pipeline-checks"
    same_for_all = False  # it has a form
    template_name = "monitoring/pipelines/_checks.html"

    def of_subject(self, current: Current, subject: Subject) -> Context:
        report = checks_of(self.request, subject.name)
        results = results_of(report)
        states = (CheckState.FAILED, CheckState.WARNING, CheckState.UNKNOWN, CheckState.PASSED)
        return {
            "report": report if results is not None else None,
            "running_by": report.running_by(current.now),
            "items": [
                {
                    "result": result,
                    "title": CHECKS[result.code][0],
                    "asks": CHECKS[result.code][1],
                    "answer": check_answer(result),
                    "note": looked_at_note(result),
                    "detail": detail_text(result.problem) if result.problem else "",
                }
                for result in results or ()
            ],
            "summary": [(state, number) for state in states if (number := count(results or (), state))],
            "may_run": may(self.request.user, CHECK),
        }


class RunChecks(PermissionRequiredMixin, View):
    permission_required = (CHECK,)
    raise_exception = True
    http_method_names = ("post",)

    def post(self, request: HttpRequest, entity: str) -> HttpResponse:
        subject = subject_or_404(current(), entity)
        if subject.control is None:
            messages.error(request, gettext("Nothing was checked: the control row could not be read."))
        else:
            by, address = request.user.get_username(), address_of(request)
            try:
                with budget(SECONDS, anew=True):
                    check_integrity(subject.control, subject.pipeline, by=by, now=timezone.now(), address=address)
            except AlreadyRunning:
                if not request.htmx:  # type: ignore[attr-defined]
                    text = gettext("Another user is running these checks. Wait for the result.")
                    messages.warning(request, text)
        if request.htmx:  # type: ignore[attr-defined]
            return PipelineChecks.as_answer(request, entity=entity)
        return HttpResponseRedirect(reverse("monitoring:pipeline", args=(subject.name,)) + "#pipeline-checks")
