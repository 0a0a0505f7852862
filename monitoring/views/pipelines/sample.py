"""The newest source rows: read when somebody looks at them, masked unless somebody may and asks.

The page itself carries a place for them, which fetches the rows once it is visible. A refresh keeps the rows until
the watermark moves (`data-rows` in the template, static/js/live.js).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.generic import View

from monitoring.actions.unmask import unmask
from monitoring.enums import ProblemCode
from monitoring.policies.facts import ControlRow, Pipeline, Problem
from monitoring.selectors import pipelines
from monitoring.selectors.snapshot import Current, current
from monitoring.selectors.source_rows import SourceSample, source_sample
from monitoring.sight import may
from monitoring.tables.source_rows import SourceRowsTable
from monitoring.trail import address_of
from monitoring.views.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.web import export
from monitoring.wording import problem_text

UNMASK = "monitoring.unmask"
SESSION_KEY = "unmasked"
"""{pipeline: until, ISO}: in the session of who asked, so it ends with it."""


def unmasked_until(request: HttpRequest, name: str, now: datetime) -> datetime | None:
    """Return until when this person sees personal data of the pipeline; None: masked."""
    text = request.session.get(SESSION_KEY, {}).get(name)
    if text is None or not may(request.user, UNMASK):
        return None
    until = datetime.fromisoformat(text)
    return until if until > now else None


class PipelineSample(PipelineBlock):
    name = "pipeline-sample"
    same_for_all = False  # it has a form
    template_name = "monitoring/pipelines/_sample.html"
    with_rows = False
    """Whether to read the rows, or to leave a place that asks for them once it is visible."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.with_rows = True
        return super().get(request, *args, **kwargs)

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        return self._context(current, pipeline.name)

    def unsampled(self, current: Current, subject: pipelines.Subject) -> Context:
        return self._context(current, subject.name)

    def _context(self, current: Current, name: str) -> Context:
        subject = subject_or_404(self.request, current, name)
        decided = pipelines.decisions(name)
        until = unmasked_until(self.request, name, current.now)
        context: Context = {
            "rows_key": _rows_key(subject.control, decided, until),
            "control": subject.control,
            "may_unmask": may(self.request.user, UNMASK),
            "until": until,
            "mask_again_in": round((until - current.now).total_seconds()) + 1 if until else None,
            "sample": None,
            "table": None,
            "words": None,
        }
        # "rows" is in the address of a browser without JavaScript.
        if subject.control is None or not (self.with_rows or self.request.GET.get("rows") == "1"):
            return context
        sample = source_sample(subject.control, decided, unmasked=until is not None)
        return {**context, "sample": sample, **self._rows(sample, name)}

    def _rows(self, sample: SourceSample, name: str) -> Context:
        if sample.problem is not None:
            return {"words": problem_text(sample.problem)}
        table = SourceRowsTable.of(sample)
        table.caption = gettext("Table of the newest source rows")
        return {"table": table, "exports": export.links(self.request, "monitoring:pipeline-sample-export", entity=name)}


def _rows_key(control: ControlRow | None, decided: pipelines.Decisions, until: datetime | None) -> str:
    """Return what the rows depend on. A refresh keeps the rows that the browser shows while this stays the same."""
    shown = repr((control and control.watermark, decided, until))
    return hashlib.blake2b(shown.encode(), digest_size=8).hexdigest()


class Unmask(PermissionRequiredMixin, View):
    """Show personal data to this person for ten minutes, or hide it again: POST, written down."""

    permission_required = (UNMASK,)
    raise_exception = True
    http_method_names = ("post",)

    def post(self, request: HttpRequest, entity: str) -> HttpResponse:
        """Answer htmx with the block and its rows, anything else with the page that has them."""
        subject = subject_or_404(request, current(), entity)
        granted = dict(request.session.get(SESSION_KEY, {}))
        if "again" in request.POST:
            granted.pop(subject.name, None)
        else:
            by, address = request.user.get_username(), address_of(request)
            until = unmask(entity_name=subject.name, by=by, now=timezone.now(), address=address)
            granted[subject.name] = until.isoformat()
        request.session[SESSION_KEY] = granted
        if request.htmx:  # type: ignore[attr-defined]
            request.method = "GET"
            return PipelineSample.as_view()(request, entity=entity)
        page = reverse("monitoring:pipeline", args=(subject.name,))
        return HttpResponseRedirect(f"{page}?rows=1#pipeline-sample")


class SampleExport(export.TableExport):
    """The newest source rows, always masked: a file may leave the organisation."""

    def get_table(self, current: Current) -> SourceRowsTable:
        subject = subject_or_404(self.request, current, self.kwargs["entity"])
        if subject.control is None:
            raise export.Unreadable(problem_text(subject.problem or Problem(code=ProblemCode.NOT_READ)))
        sample = source_sample(subject.control, pipelines.decisions(subject.name))
        if sample.problem is not None:
            raise export.Unreadable(problem_text(sample.problem))
        self.file_name, self.sampled_at = f"source-rows-{subject.name}", sample.read_at
        return SourceRowsTable.of(sample)
