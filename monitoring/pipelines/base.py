"""What the blocks of one pipeline share: which pipeline it is, and what to say when it was not sampled."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext

from monitoring.collector.snapshot import Current
from monitoring.pipelines import queries as pipelines
from monitoring.rules.facts import Pipeline
from monitoring.web.blocks import Block

Context = dict[str, Any]


def subject_of(request: HttpRequest, current: Current, name: str) -> pipelines.Subject | None:
    """Return the pipeline of this request, looked up once and shared by its blocks."""
    found: dict[str, pipelines.Subject | None] = request.__dict__.setdefault("_pipelines", {})
    if name not in found:
        found[name] = pipelines.subject(current, name)
    return found[name]


def subject_or_404(request: HttpRequest, current: Current, name: str) -> pipelines.Subject:
    """Return the pipeline of this request. Raises Http404 when there is no such control row."""
    found = subject_of(request, current, name)
    if found is None:
        raise Http404(gettext("There is no pipeline “%(name)s” in ctl.etl_control.") % {"name": name[:100]})
    return found


class PipelineBlock(Block):
    """A block about one pipeline. Where the collector has not sampled it, the block says so."""

    same_for_all = True

    def replacement(self, state: Current) -> HttpResponse | None:
        subject_or_404(self.request, state, self.kwargs["entity"])
        return None

    def context(self, current: Current) -> Context:
        subject = subject_or_404(self.request, current, self.kwargs["entity"])
        context: Context = {"subject": subject, "pipeline": subject.pipeline, "entity": subject.name}
        if subject.pipeline is None:
            self.keep_seconds = 0  # what was read live changes without a new version
            return {**context, **self.unsampled(current, subject)}
        return {**context, **self.filled(current, subject.pipeline)}

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        """Return the variables of a pipeline that the snapshot has."""
        raise NotImplementedError

    def unsampled(self, current: Current, subject: pipelines.Subject) -> Context:
        """Return the variables of one that it has not."""
        return {}
