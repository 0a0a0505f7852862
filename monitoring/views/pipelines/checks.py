"""Integrity checks on demand: the last results for everybody, a button for who may run them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.generic import View

from etlportal.budget import budget
from monitoring.actions.integrity import AlreadyRunning, check_integrity
from monitoring.enums import CheckState
from monitoring.policies.facts import Pipeline
from monitoring.policies.integrity import Basis, CheckResult, Report
from monitoring.selectors import pipelines
from monitoring.selectors.integrity import LastChecks, check_subject, last_checks
from monitoring.selectors.snapshot import Current, current
from monitoring.sight import may
from monitoring.trail import address_of
from monitoring.views.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.wording import detail_text
from monitoring.wording.pipelines import check_answer, check_title, looked_at_note

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
            return PipelineChecks.as_view()(_as_get(request), entity=entity)
        return HttpResponseRedirect(reverse("monitoring:pipeline", args=(subject.name,)) + "#pipeline-checks")


def _as_get(request: HttpRequest) -> HttpRequest:
    """The same request, asking for the block as it now is."""
    request.method = "GET"
    return request
