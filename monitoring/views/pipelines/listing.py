"""All pipelines on one page, each with its lag ruler; and the selector's answer."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.generic import View

from monitoring.filters import MatrixForm
from monitoring.selectors import matrix, pipelines
from monitoring.selectors.snapshot import Current, current
from monitoring.tables.pipelines import PipelinesTable
from monitoring.views.blocks import Block, Page
from monitoring.views.filtering import filters
from monitoring.views.pipelines.base import Context
from monitoring.views.preflight import OPENING
from monitoring.web import export

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
    rulers = {each.name: pipelines.ruler_of(each, snapshot) for each in snapshot.pipelines} if snapshot else {}
    form = MatrixForm(request.GET, sortable=PipelinesTable.sortable())
    table = PipelinesTable(form.apply(rows), rulers, order_by=form.values.get("sort") or WORST_FIRST)
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
