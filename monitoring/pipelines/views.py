from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.generic import View

from monitoring.access import CONNECTIONS, DECIDE, may
from monitoring.collector.snapshot import Current, current
from monitoring.models import PipelineSettings
from monitoring.models.executions import listed_executions
from monitoring.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.pipelines.checks import PipelineChecks, checks_of
from monitoring.pipelines.queries import MAX_NAME, Subject, executions, failures, names, subject, timeline_of
from monitoring.pipelines.source_rows import PipelineSample
from monitoring.pipelines.tables import ExecutionsForm, PipelineExecutionsTable, PipelinesTable, TrendsTable, trend_rows
from monitoring.pipelines.texts import MARKS, STATES, ZONES, timeline_sentence, tone
from monitoring.pipelines.trends import chart, trends
from monitoring.rules.enums import Severity
from monitoring.rules.facts import Pipeline, Snapshot
from monitoring.rules.figures import RANGES
from monitoring.rules.freshness_timeline import ZoneCode
from monitoring.web import export, keyset, readings
from monitoring.web.activity import unmasked_until
from monitoring.web.alert_texts import verdict_label, verdict_next, verdict_text
from monitoring.web.blocks import Block, Page
from monitoring.web.failure_groups import in_short
from monitoring.web.filters import MatrixForm, filters, range_choice
from monitoring.web.formats import duration
from monitoring.web.labels import label
from monitoring.web.links import around_failed
from monitoring.web.parts import sign_of
from monitoring.web.preflight import OPENING
from monitoring.web.problems import advice_for, problem_text
from monitoring.web.readings import PipelineReadings
from monitoring.web.tables import moved_text


class PipelineHead(PipelineBlock):
    name = "pipeline-head"
    template_name = "monitoring/pipelines/_head.html"
    rights = (DECIDE,)

    def of_subject(self, current: Current, subject: Subject) -> Context:
        snapshot, pipeline, may_decide = current.snapshot, subject.pipeline, may(self.request.user, DECIDE)
        return {
            "control": subject.control,
            "structure": label(pipeline.structure) if pipeline else None,
            "unread": readings.blind(snapshot) if snapshot and pipeline else (None, None),
            "settings_url": reverse("monitoring:pipeline-settings", args=(subject.name,)) if may_decide else "",
            "words": problem_text(subject.problem) if subject.problem else None,
        }


class PipelineSettingsLink(PermissionRequiredMixin, View):
    permission_required = (DECIDE,)
    raise_exception = True

    def get(self, request: HttpRequest, entity: str) -> HttpResponse:
        subject = subject_or_404(current(), entity)
        if PipelineSettings.objects.filter(pk=subject.name).exists():
            return redirect("admin:monitoring_pipelinesettings_change", quote(subject.name))
        query = urlencode({"entity_name": subject.name})
        return redirect(f"{reverse('admin:monitoring_pipelinesettings_add')}?{query}")


class PipelineTimeline(PipelineBlock):
    name = "pipeline-ruler"
    template_name = "monitoring/pipelines/_ruler.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        timeline = timeline_of(pipeline, snapshot)
        problem = readings.blind(snapshot)[0] or pipeline.source.problem
        return {
            "timeline": timeline,
            "state": STATES[timeline.state],
            "tone": tone(timeline),
            "sentence": timeline_sentence(timeline, pipeline),
            "spoken": timeline_sentence(timeline, pipeline, spoken=True),
            "marks": [
                {
                    "mark": mark,
                    "label": word,
                    "meaning": meaning,
                    "shape": shape,
                    "top": 6 + 18 * mark.lane,  # pixels
                }
                for mark in timeline.marks
                for word, meaning, shape in [MARKS[mark.code]]
            ],
            "ticks": [(tick, duration(tick.age_seconds)) for tick in timeline.ticks],
            "zones": [{"zone": zone, "label": ZONES[zone.code]} for zone in timeline.zones],
            "legend": [(code, word) for code, word in ZONES.items() if code is not ZoneCode.UNKNOWN],
            "words": problem_text(problem) if problem else None,
        }


class PipelineVerdicts(PipelineBlock):
    name = "pipeline-verdicts"
    template_name = "monitoring/pipelines/_verdicts.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        worst_first = sorted(pipeline.verdicts, key=lambda verdict: -verdict.severity.rank)
        return {
            "items": [
                {
                    "verdict": verdict,
                    "id": f"verdict-{verdict.rule}",
                    "tone": sign_of(verdict.severity).tone,
                    "evidence": [(name, value) for name, value in verdict.values.items() if value is not None],
                    "label": verdict_label(verdict),
                    "why": verdict_text(verdict),
                    "next": verdict_next(verdict),
                }
                for verdict in worst_first
            ],
            "unknown": pipeline.severity is Severity.UNKNOWN,
        }


class PipelineComparison(PipelineBlock):
    name = "pipeline-comparison"
    template_name = "monitoring/pipelines/_comparison.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        return {
            "row": PipelineReadings(pipeline, snapshot),
            "read_at": snapshot.stale_since or snapshot.sampled_at,
        }


class PipelineTrends(PipelineBlock):
    name = "pipeline-trends"
    template_name = "monitoring/pipelines/_trends.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        choice = range_choice(self.request, "window", reverse("monitoring:pipeline", args=(pipeline.name,)))
        window, now = choice["window"], snapshot.sampled_at
        return {
            **choice,
            "charts": [chart(trend, now - RANGES[window], now) for trend in trends(pipeline, window, now)],
            "exports": export.links(self.request, "monitoring:pipeline-trends-export", entity=pipeline.name),
        }


class PipelineTrendsExport(export.TableExport):
    def get_table(self, current: Current) -> TrendsTable:
        subject = subject_or_404(current, self.kwargs["entity"])
        window = range_choice(self.request, "window", "")["window"]
        self.file_name = f"trends-{window}-{subject.name}"
        if subject.pipeline is None or current.snapshot is None:
            return TrendsTable([])
        return TrendsTable(trend_rows(trends(subject.pipeline, window, current.snapshot.sampled_at)))


class PipelineLast(PipelineBlock):
    name = "pipeline-last"
    template_name = "monitoring/pipelines/_last.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        last = pipeline.newest
        if last is None:
            return {"execution": None}
        return {
            "execution": last,
            "moved": moved_text(last),
            "failure": advice_for(last.shown_error) if last.shown_error else None,
            "error": last.shown_error,
            "extracted": readings.rows_of(last, last.extracted),
            "upserted": readings.rows_of(last, last.upserted),
            "soft_deleted": readings.rows_of(last, last.soft_deleted),
            "unread": readings.blind(snapshot)[1],
            "control_agrees": last.watermark_to == pipeline.control.watermark if last.watermark_to else None,
        }


class PipelineFailures(PipelineBlock):
    name = "pipeline-failures"
    rights = (CONNECTIONS,)
    template_name = "monitoring/pipelines/_failures.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        logins = may(self.request.user, CONNECTIONS)
        found, more = failures(pipeline.name, snapshot.sampled_at, logins=logins)
        around = around_failed(self.request)
        here = reverse("monitoring:pipeline", args=(pipeline.name,))
        return {
            "failures": [
                {
                    "line": execution,
                    "id": f"failure-{execution.run_entity_id}",
                    "words": advice_for(execution.shown_error),
                    "moved": moved_text(execution),
                    "connections_url": around(execution) if around else "",
                }
                for execution in found
                if execution.shown_error is not None
            ],
            "more": more,
            "all_url": f"{here}?x-status=failed#pipeline-executions",
        }


class PipelineFailureGroups(PipelineBlock):
    name = "pipeline-failure-groups"
    template_name = "monitoring/pipelines/_failure_groups.html"

    def of_subject(self, current: Current, subject: Subject) -> Context:
        url = f"{reverse('monitoring:failures')}?{urlencode({'pipeline': subject.name})}"
        return in_short(current, self.request.user, url, pipeline=subject.name)


class PipelineExecutions(PipelineBlock):
    name = "pipeline-executions"
    rights = (CONNECTIONS,)
    template_name = "monitoring/pipelines/_executions.html"

    def filled(self, snapshot: Snapshot, pipeline: Pipeline) -> Context:
        request, here = self.request, reverse("monitoring:pipeline", args=(pipeline.name,))
        form = ExecutionsForm(request.GET)
        found = executions(pipeline.name, form.statuses)
        listed = keyset.listed(request, here, found, field="run_id", descending=True, size=15, prefix="x-")
        if listed["lost"]:
            form.add_error(None, gettext("That page no longer exists. Showing the first page."))
        table = PipelineExecutionsTable(listed_executions(listed["page"].rows, logins=may(request.user, CONNECTIONS)))
        table.around = around_failed(request)
        return {
            **filters(request, form, gettext("Filter the executions"), here),
            **listed,
            "table": table,
            "exports": export.links(request, "monitoring:pipeline-executions-export", entity=pipeline.name),
        }


class PipelineExecutionsExport(export.TableExport):
    def get_table(self, current: Current) -> PipelineExecutionsTable:
        subject = subject_or_404(current, self.kwargs["entity"])
        self.file_name = f"executions-{subject.name}"
        found = executions(subject.name, ExecutionsForm(self.request.GET).statuses)
        copies = found.order_by("-run_id", "-run_entity_id")[: export.ROWS_TO_READ]
        return PipelineExecutionsTable(listed_executions(copies, logins=may(self.request.user, CONNECTIONS)))


class PipelinesList(Block):
    name = "pipelines-list"
    same_for_all = True
    template_name = "monitoring/pipelines/_list.html"

    def context(self, current: Current) -> Context:
        form, table, total = pipelines_table(self.request, current)
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
        return {"names": names(current)}


def pipelines_table(request: HttpRequest, current: Current) -> tuple[MatrixForm, PipelinesTable, int]:
    """Return the form, the table of the pipelines that match it, and the number of all pipelines."""
    snapshot = current.snapshot
    rows = readings.pipeline_readings(snapshot)
    timelines = {each.name: timeline_of(each, snapshot) for each in snapshot.pipelines} if snapshot else {}
    form = MatrixForm(request.GET, sortable=PipelinesTable.sortable())
    table = PipelinesTable(form.apply(rows), timelines, order_by=form.values.get("sort") or "-severity")
    return form, table, len(rows)


class FindPipeline(View):
    """Redirect from a name, or a part of one, to the pipeline's page. Several matches lead to the filtered list."""

    def get(self, request: HttpRequest) -> HttpResponse:
        text = request.GET.get("name", "").strip()
        if not text:
            return redirect("monitoring:pipelines")
        state = current()
        # This also finds a control row that was not sampled yet.
        if len(text) <= MAX_NAME and (found := subject(state, text)) and found.control:
            return redirect("monitoring:pipeline", found.name)
        alike = [name for name in names(state) if text.casefold() in name.casefold()]
        if len(alike) == 1:
            return redirect("monitoring:pipeline", alike[0])
        return redirect(f"{reverse('monitoring:pipelines')}?{urlencode({'q': text[:200]})}")


BLOCKS: tuple[type[Block], ...] = (
    PipelineHead,
    PipelineTimeline,
    PipelineVerdicts,
    PipelineComparison,
    PipelineTrends,
    PipelineLast,
    PipelineFailures,
    PipelineFailureGroups,
    PipelineExecutions,
    PipelineChecks,
    PipelineSample,
)


class PipelinePage(Page):
    name = "pipeline"
    template_name = "monitoring/pipeline.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)

    def context(self, current: Current) -> Context:
        return {"subject": subject_or_404(current, self.kwargs["entity"]), "names": names(current)}

    def version(self, state: Current) -> str:
        """Add what the snapshot lacks: the integrity checks, and until when personal data is shown."""
        name = subject_or_404(state, self.kwargs["entity"]).name
        report, until = checks_of(self.request, name), unmasked_until(self.request, name, state.now)
        return f"{super().version(state)} {report.finished_at} {report.running_by(state.now)} {until}"
