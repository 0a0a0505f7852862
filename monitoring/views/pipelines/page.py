"""One pipeline's page."""

from __future__ import annotations

from typing import ClassVar

from monitoring.selectors import pipelines
from monitoring.selectors.snapshot import Current
from monitoring.views.blocks import Block, Page
from monitoring.views.pipelines import facts, history
from monitoring.views.pipelines.base import Context, subject_or_404
from monitoring.views.pipelines.checks import PipelineChecks, checks_of
from monitoring.views.pipelines.sample import PipelineSample, unmasked_until
from monitoring.views.preflight import OPENING

BLOCKS: tuple[type[Block], ...] = (
    facts.PipelineHead,
    facts.PipelineRuler,
    facts.PipelineVerdicts,
    facts.PipelineComparison,
    history.PipelineTrends,
    history.PipelineLast,
    history.PipelineFailures,
    history.PipelineFailureGroups,
    history.PipelineExecutions,
    PipelineChecks,
    PipelineSample,
)


class PipelinePage(Page):
    name = "pipeline"
    template_name = "monitoring/pipeline.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)

    def context(self, current: Current) -> Context:
        subject = subject_or_404(self.request, current, self.kwargs["entity"])
        return {"subject": subject, "names": pipelines.names(current)}

    def version(self, state: Current) -> str:
        """Add what is not in the snapshot: the integrity checks, and until when this user sees personal data.

        Raises Http404 for a pipeline without a control row.
        """
        subject = subject_or_404(self.request, state, self.kwargs["entity"])
        until = unmasked_until(self.request, subject.name, state.now)
        return f"{super().version(state)} {checks_of(self.request, state, subject.name).stamp} {until}"
