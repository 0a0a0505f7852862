"""The blocks made of the snapshot: what the pipeline is, its lag ruler, its verdicts, source against target."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.generic import View

from monitoring.access import DECIDE, may
from monitoring.collector.snapshot import Current, current
from monitoring.models import PipelineSettings
from monitoring.pipelines import history
from monitoring.pipelines import queries as pipelines
from monitoring.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.pipelines.checks import PipelineChecks, checks_of
from monitoring.pipelines.source_rows import PipelineSample
from monitoring.pipelines.tables import PipelinesTable
from monitoring.pipelines.texts import MARK_MEANINGS, MARK_SHAPES, MARKS, STATES, ZONES, timeline_sentence, tone
from monitoring.rules.enums import Severity
from monitoring.rules.facts import Pipeline, Verdict
from monitoring.rules.freshness_timeline import ZoneCode
from monitoring.summary import tables as matrix
from monitoring.summary.tables import STRUCTURES, matrix_row, structure_of
from monitoring.web import export, readings
from monitoring.web.alert_texts import verdict_label, verdict_next, verdict_text
from monitoring.web.blocks import Block, Page
from monitoring.web.filters import MatrixForm, filters
from monitoring.web.formats import duration
from monitoring.web.parts import sign_of
from monitoring.web.preflight import OPENING
from monitoring.web.problems import problem_text
from monitoring.web.unmask import unmasked_until


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


class PipelineTimeline(PipelineBlock):
    name = "pipeline-ruler"
    template_name = "monitoring/pipelines/_ruler.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        timeline = pipelines.timeline_of(pipeline, current.snapshot)
        problem = readings.blind(current.snapshot)[0] or pipeline.source.problem
        return {
            "timeline": timeline,
            "state": STATES[timeline.state],
            "tone": tone(timeline),
            "sentence": timeline_sentence(timeline, pipeline),
            "marks": [
                {
                    "mark": mark,
                    "label": MARKS[mark.code],
                    "meaning": MARK_MEANINGS[mark.code],
                    "shape": MARK_SHAPES[mark.code],
                    "top": 6 + 18 * mark.lane,  # pixels
                }
                for mark in timeline.marks
            ],
            "ticks": [(tick, duration(tick.age_seconds)) for tick in timeline.ticks],
            "zones": [{"zone": zone, "label": ZONES[zone.code]} for zone in timeline.zones],
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
            "running": pipeline.newest is not None and pipeline.newest.running,
        }


WORST_FIRST = "-severity"


class PipelinesList(Block):
    name = "pipelines-list"
    same_for_all = True
    template_name = "monitoring/pipelines/_list.html"

    def context(self, current: Current) -> Context:
        form, table, total = pipelines_table(self.request, current)
        table.caption = gettext("Table of the pipelines")
        return {
            **filters(self.request, form, gettext("Filter the pipelines"), reverse("monitoring:pipelines")),
            "empty": current.snapshot is None,
            "table": table,
            "total": total,
            "exports": export.links(self.request, "monitoring:pipelines-export"),
        }


class PipelinesPage(Page):
    name = "pipelines"
    template_name = "monitoring/pipelines.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, PipelinesList)

    def context(self, current: Current) -> Context:
        return {"names": pipelines.names(current)}


def pipelines_table(request: HttpRequest, current: Current) -> tuple[MatrixForm, PipelinesTable, int]:
    """Return the form with what was asked, the table of the rows that match, and how many there are in all."""
    snapshot = current.snapshot
    rows = matrix.matrix(snapshot) if snapshot else []
    timelines = {each.name: pipelines.timeline_of(each, snapshot) for each in snapshot.pipelines} if snapshot else {}
    form = MatrixForm(request.GET, sortable=PipelinesTable.sortable())
    table = PipelinesTable(form.apply(rows), timelines, order_by=form.values.get("sort") or WORST_FIRST)
    return form, table, len(rows)


class PipelinesExport(export.TableExport):
    file_name = "pipeline-health"

    def get_table(self, current: Current) -> PipelinesTable:
        return pipelines_table(self.request, current)[1]


class FindPipeline(View):
    """The selector: a name, or a part of one, leads to its page; what fits several leads to their list."""

    def get(self, request: HttpRequest) -> HttpResponse:
        text = request.GET.get("name", "").strip()
        if not text:
            return HttpResponseRedirect(reverse("monitoring:pipelines"))
        state = current()
        # Any control row, also one added a minute ago: its page reads it live.
        if len(text) <= pipelines.MAX_NAME and (found := pipelines.subject(state, text)) and found.control:
            return HttpResponseRedirect(reverse("monitoring:pipeline", args=(found.name,)))
        alike = [name for name in pipelines.names(state) if text.casefold() in name.casefold()]
        if len(alike) == 1:
            return HttpResponseRedirect(reverse("monitoring:pipeline", args=(alike[0],)))
        return HttpResponseRedirect(f"{reverse('monitoring:pipelines')}?{urlencode({'q': text[:200]})}")


BLOCKS: tuple[type[Block], ...] = (
    PipelineHead,
    PipelineTimeline,
    PipelineVerdicts,
    PipelineComparison,
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
        """Add what is not in the snapshot: the integrity checks, and until when personal data is shown."""
        subject = subject_or_404(self.request, state, self.kwargs["entity"])
        report = checks_of(self.request, subject.name)
        until = unmasked_until(self.request, subject.name, state.now)
        return f"{super().version(state)} {report.finished_at} {report.running_by(state.now)} {until}"
