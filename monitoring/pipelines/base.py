from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.utils.translation import gettext

from monitoring.collector.snapshot import Current
from monitoring.pipelines import queries
from monitoring.pipelines.queries import Subject
from monitoring.rules.facts import Pipeline, Snapshot
from monitoring.web.blocks import Block

Context = dict[str, Any]


def subject_or_404(current: Current, name: str) -> Subject:
    """Return the pipeline. Raises Http404 if it has no control row."""
    subject = queries.subject(current, name)
    if subject is None:
        raise Http404(gettext("There is no pipeline “%(name)s” in ctl.etl_control.") % {"name": name[:100]})
    return subject


class PipelineBlock(Block):
    same_for_all = True

    def replacement(self, state: Current) -> HttpResponse | None:
        subject_or_404(state, self.kwargs["entity"])
        return None

    def context(self, current: Current) -> Context:
        subject = subject_or_404(current, self.kwargs["entity"])
        if subject.pipeline is None:
            self.keep_seconds = 0  # a control row that was read live changes without a new version
        return {
            "subject": subject,
            "pipeline": subject.pipeline,
            "entity": subject.name,
            **self.of_subject(current, subject),
        }

    def of_subject(self, current: Current, subject: Subject) -> Context:
        """Return the template variables of a pipeline, sampled or not."""
        if current.snapshot is None or subject.pipeline is None:
            return {}
        return self.filled(current.snapshot, subject.pipeline)

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        """Return the template variables of a sampled pipeline."""
        raise NotImplementedError
