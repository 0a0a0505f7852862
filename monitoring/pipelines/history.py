"""The blocks made of the history in `default`: trends, the last execution, failures, executions."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from monitoring.access import CONNECTIONS, may
from monitoring.collector.snapshot import Current
from monitoring.models.executions import execution_of
from monitoring.pipelines import queries as pipeline_history
from monitoring.pipelines import trends as pipeline_trends
from monitoring.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.pipelines.charts import trend_charts, trend_rows
from monitoring.pipelines.forms import ExecutionsForm
from monitoring.pipelines.queries import Subject
from monitoring.pipelines.tables import PipelineExecutionsTable
from monitoring.pipelines.trends import TrendsTable
from monitoring.rules.facts import Execution, Pipeline
from monitoring.web import export, keyset, readings
from monitoring.web.audit_links import around_failed
from monitoring.web.failure_groups import in_short
from monitoring.web.failure_texts import advice_for as failure_text
from monitoring.web.filters import RANGE_LABELS, filters
from monitoring.web.tables import moved_text


class PipelineTrends(PipelineBlock):
    """The figures over time with their usual band. The window is part of the page's address."""

    name = "pipeline-trends"
    template_name = "monitoring/pipelines/_trends.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        asked = self.request.GET.get("window", "")
        window = window_of(self.request)
        now = current.snapshot.sampled_at
        found = pipeline_trends.trends(pipeline, window, now)
        charts = trend_charts(found.executions, found.samples, now)
        return {
            "window": window,
            "windows": [(key, label, self._url(pipeline.name, key)) for key, label in RANGE_LABELS.items()],
            "unknown_window": asked[:20] if asked and asked != window else "",
            "charts": charts,
            "exports": export.links(self.request, "monitoring:pipeline-trends-export", entity=pipeline.name),
        }

    def _url(self, name: str, window: str) -> str:
        query = self.request.GET.copy()
        query["window"] = window
        return f"{reverse('monitoring:pipeline', args=(name,))}?{query.urlencode()}"


def window_of(request: HttpRequest) -> str:
    """Return the window that the address asks for, the default for one that there is not."""
    asked = request.GET.get("window", "")
    return asked if asked in pipeline_trends.WINDOWS else pipeline_trends.DEFAULT_WINDOW


class PipelineTrendsExport(export.TableExport):
    """The points of all trends in the page's window, roll-ups with their lowest and highest values."""

    def get_table(self, current: Current) -> TrendsTable:
        subject = subject_or_404(self.request, current, self.kwargs["entity"])
        pipeline, window = subject.pipeline, window_of(self.request)
        self.file_name = f"trends-{window}-{subject.name}"
        if pipeline is None or current.snapshot is None:
            return TrendsTable([])
        found = pipeline_trends.trends(pipeline, window, current.snapshot.sampled_at)
        return TrendsTable(trend_rows(found.executions, found.samples))


class PipelineLast(PipelineBlock):
    """The audit of the last execution: everything that its row says, and what follows from it."""

    name = "pipeline-last"
    template_name = "monitoring/pipelines/_last.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        newest = pipeline.newest
        if newest is None:
            return {"execution": None}
        return {
            "execution": newest,
            "moved": moved_text(newest),
            "failure": failure_text(newest.shown_error) if newest.shown_error else None,
            "error": newest.shown_error,
            "extracted": readings.rows_of(newest, newest.extracted),
            "upserted": readings.rows_of(newest, newest.upserted),
            "soft_deleted": readings.rows_of(newest, newest.soft_deleted),
            "usual": pipeline.figures.usual_duration,
            "unread": readings.blind(current.snapshot)[1],
            "control_agrees": None
            if newest.watermark_to is None
            else newest.watermark_to == pipeline.control.watermark,
        }


class PipelineFailures(PipelineBlock):
    """The newest failures, each with what it means and what to do."""

    name = "pipeline-failures"
    rights = (CONNECTIONS,)
    template_name = "monitoring/pipelines/_failures.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        found, more = pipeline_history.failures(
            pipeline.name, current.snapshot.sampled_at, logins=may(self.request.user, CONNECTIONS)
        )
        here = reverse("monitoring:pipeline", args=(pipeline.name,))
        around = around_failed(self.request)
        return {
            "failures": [
                {
                    "line": line,
                    "id": f"failure-{line.run_entity_id}",
                    "words": failure_text(line.shown_error),
                    "moved": moved_text(line),
                    "connections_url": around(line) if around else "",
                }
                for line in found
                if line.shown_error is not None
            ],
            "more": more,
            "all_url": f"{here}?x-status=failed#pipeline-executions",
        }


class PipelineFailureGroups(PipelineBlock):
    """What fails in this pipeline, grouped."""

    name = "pipeline-failure-groups"
    template_name = "monitoring/pipelines/_failure_groups.html"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        return self._context(current, pipeline.name)

    def unsampled(self, current: Current, subject: Subject) -> Context:
        return self._context(current, subject.name)

    def _context(self, current: Current, name: str) -> Context:
        url = f"{reverse('monitoring:failures')}?{urlencode({'pipeline': name})}"
        return in_short(current, self.request.user, url, pipeline=name)


class PipelineExecutions(PipelineBlock):
    """The pipeline's executions, newest first, a page by key."""

    name = "pipeline-executions"
    rights = (CONNECTIONS,)
    template_name = "monitoring/pipelines/_executions.html"
    PREFIX = "x"

    def filled(self, current: Current, pipeline: Pipeline) -> Context:
        request, here = self.request, reverse("monitoring:pipeline", args=(pipeline.name,))
        form = executions_form(request)
        found = pipeline_history.executions(pipeline.name, form.statuses)
        after, before = request.GET.get("x-after", ""), request.GET.get("x-before", "")
        try:
            page = keyset.page(found, field="run_id", descending=True, after=after, before=before, size=15)
        except keyset.BadCursor:
            form.add_error(None, gettext("This address names no place in the list: it starts again."))
            page = keyset.page(found, field="run_id", descending=True, size=15)
        table = PipelineExecutionsTable(_lines(page.rows, request.user))
        table.caption = gettext("Table of the executions")
        table.around = around_failed(request)
        query = request.GET.copy()
        for name in ("x-after", "x-before"):
            query.pop(name, None)
        addresses = {}
        for name, changes in (
            ("first", {}),
            ("next", {"x-after": page.after}),
            ("previous", {"x-before": page.before}),
        ):
            changed = query.copy()
            changed.update(changes)
            addresses[name] = f"{here}?{changed.urlencode()}"
        return {
            **filters(request, form, gettext("Filter the executions"), here),
            **addresses,
            "table": table,
            "page": page,
            "exports": export.links(request, "monitoring:pipeline-executions-export", entity=pipeline.name),
        }


def executions_form(request: HttpRequest) -> ExecutionsForm:
    """Return what the address asks of the executions."""
    return ExecutionsForm(request.GET, prefix=PipelineExecutions.PREFIX, sortable=frozenset())


class PipelineExecutionsExport(export.TableExport):
    def get_table(self, current: Current) -> PipelineExecutionsTable:
        subject = subject_or_404(self.request, current, self.kwargs["entity"])
        self.file_name = f"executions-{subject.name}"
        found = pipeline_history.executions(subject.name, executions_form(self.request).statuses)
        copies = found.order_by("-run_id", "-run_entity_id")[: export.ROWS_TO_READ]
        return PipelineExecutionsTable(_lines(copies, self.request.user))


def _lines(copies: Any, reader: Any) -> list[Execution]:
    logins = may(reader, CONNECTIONS)
    return [execution_of(copy, logins=logins) for copy in copies]
