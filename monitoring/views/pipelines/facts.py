"""The blocks made of the snapshot: what the pipeline is, its lag ruler, its verdicts, source against target."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import View

from monitoring.access import DECIDE
from monitoring.enums import Severity
from monitoring.models import PipelineSettings
from monitoring.policies.facts import Pipeline, Verdict
from monitoring.policies.ruler import ZoneCode
from monitoring.selectors import pipelines, readings
from monitoring.selectors.matrix import matrix_row, structure_of
from monitoring.selectors.run_lines import execution_line
from monitoring.selectors.snapshot import Current, current
from monitoring.sight import may
from monitoring.tables.matrix import STRUCTURES
from monitoring.templatetags.ruler import tone
from monitoring.templatetags.signs import sign_of
from monitoring.views.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.wording import problem_text, verdict_label, verdict_next, verdict_text
from monitoring.wording.pipelines import MARK_MEANINGS, MARKS, STATES, ZONES, ruler_sentence


class PipelineHead(PipelineBlock):
    """What the pipeline is and how it stands; of one that was just added, its control row read live."""

    name = "pipeline-head"
    template_name = "monitoring/pipelines/_head.html"
    rights = (DECIDE,)

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        return {
            "control": pipeline.control,
            "structure": STRUCTURES[structure_of(pipeline)],
            "unread": readings.blind(current.snapshot),
            "settings_url": settings_url(self.request, pipeline.name),
            "words": None,
        }

    def unsampled(self, current: Current, subject: pipelines.Subject) -> Context:
        return {
            "control": subject.control,
            "structure": None,
            "unread": (None, None),
            "settings_url": settings_url(self.request, subject.name),
            "words": problem_text(subject.problem) if subject.problem else None,
        }


def settings_url(request: HttpRequest, name: str) -> str:
    """Return where this user may change the pipeline's settings; empty where they may not."""
    return reverse("monitoring:pipeline-settings", args=(name,)) if may(request.user, DECIDE) else ""


class PipelineSettingsLink(PermissionRequiredMixin, View):
    """Leads to the pipeline's settings in the admin: those that it has, or new ones."""

    permission_required = (DECIDE,)
    raise_exception = True

    def get(self, request: HttpRequest, entity: str) -> HttpResponse:
        subject = subject_or_404(request, current(), entity)
        if PipelineSettings.objects.filter(pk=subject.name).exists():
            # As the admin itself writes keys in addresses.
            return HttpResponseRedirect(
                reverse("admin:monitoring_pipelinesettings_change", args=(quote(subject.name),))
            )
        query = urlencode({"entity_name": subject.name})
        return HttpResponseRedirect(f"{reverse('admin:monitoring_pipelinesettings_add')}?{query}")


class PipelineRuler(PipelineBlock):
    name = "pipeline-ruler"
    template_name = "monitoring/pipelines/_ruler.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        ruler = pipelines.ruler_of(pipeline, current.snapshot)
        source, control = pipeline.source, pipeline.control
        problem = readings.blind(current.snapshot)[0] or source.problem
        return {
            "ruler": ruler,
            "state": STATES[ruler.state],
            "tone": tone(ruler),
            "sentence": ruler_sentence(ruler, source.eligible, source.cooling, control.cutoff_minutes),
            "marks": [
                {"mark": mark, "label": MARKS[mark.code], "meaning": MARK_MEANINGS[mark.code]} for mark in ruler.marks
            ],
            "zones": [{"zone": zone, "label": ZONES[zone.code]} for zone in ruler.zones],
            "legend": [(code, word) for code, word in ZONES.items() if code is not ZoneCode.UNKNOWN],
            "words": problem_text(problem) if problem else None,
        }


class PipelineVerdicts(PipelineBlock):
    """What the rules say, with what they concluded it from."""

    name = "pipeline-verdicts"
    template_name = "monitoring/pipelines/_verdicts.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        worst_first = sorted(pipeline.verdicts, key=lambda verdict: -verdict.severity.rank)
        return {
            "items": [_told(verdict) for verdict in worst_first],
            "unknown": pipeline.severity is Severity.UNKNOWN,
        }


def _told(verdict: Verdict) -> Context:
    return {
        "verdict": verdict,
        "id": f"verdict-{verdict.rule}",
        "tone": sign_of(verdict.severity).tone,
        "evidence": [(name, value) for name, value in (verdict.values or {}).items() if value is not None],
        "label": verdict_label(verdict),
        "why": verdict_text(verdict),
        "next": verdict_next(verdict),
    }


class PipelineComparison(PipelineBlock):
    """Source against target, and how the rows between them move. What is of an earlier reading is marked so."""

    name = "pipeline-comparison"
    template_name = "monitoring/pipelines/_comparison.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        row = matrix_row(pipeline, current.snapshot)
        source, target = readings.blind(current.snapshot)
        return {
            "row": row,
            "read_at": current.figures_at,
            "source_unread": source,
            "target_unread": target,
            "figures": pipeline.figures,
            "thresholds": pipeline.thresholds,
            "running": pipeline.newest is not None and execution_line(pipeline.newest).running,
        }
