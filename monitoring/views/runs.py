"""Runs and control: the control table, the runs by grid, timeline and list, and a page for each run."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.translation import gettext

from monitoring.access import CONNECTIONS
from monitoring.charts import timeline_chart, timeline_sentence
from monitoring.filters import TableForm
from monitoring.run_filters import RunsForm
from monitoring.selectors import keyset, run_grid, run_lines, runs
from monitoring.selectors.snapshot import Current
from monitoring.selectors.timeline import timeline
from monitoring.sight import may
from monitoring.tables.runs import ControlTable, RunsTable
from monitoring.views.blocks import Block, Page
from monitoring.views.connections.base import SEE
from monitoring.views.connections.findings import around_failed
from monitoring.views.filtering import filters
from monitoring.views.preflight import OPENING
from monitoring.web import export

GRID_RUNS = 30
NEWEST_FIRST = "-run_id"
RUNS_SHOWN = 25


class RunsControl(Block):
    """ctl.etl_control as it stands."""

    name = "runs-control"
    same_for_all = True
    template_name = "monitoring/runs/_control.html"

    def context(self, current: Current) -> dict[str, Any]:
        if current.snapshot is None:
            return {"table": None}
        form, table = control_table(self.request, current)
        table.caption = gettext("Incremental control")
        return {
            "form": form,
            "table": table,
            "exports": export.links(self.request, "monitoring:runs-control-export"),
        }


class RunsGrid(Block):
    """Pipelines by newest runs."""

    name = "runs-grid"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/runs/_grid.html"

    def context(self, current: Current) -> dict[str, Any]:
        return {"grid": run_grid.run_grid(current.snapshot, GRID_RUNS) if current.snapshot else None}


class RunsTimeline(Block):
    """A bar per run entity of the newest runs."""

    name = "runs-timeline"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/runs/_timeline.html"

    def context(self, current: Current) -> dict[str, Any]:
        if current.snapshot is None:
            return {"timeline": None}
        found = timeline(current.snapshot)
        return {
            "timeline": found,
            "timeline_chart": timeline_chart(found),
            "timeline_sentence": timeline_sentence(found),
        }


class RunsList(Block):
    """The runs that match the filters, a page by key."""

    name = "runs-list"
    same_for_all = True
    rights = (SEE,)
    template_name = "monitoring/runs/_list.html"

    def context(self, current: Current) -> dict[str, Any]:
        request, here = self.request, reverse("monitoring:runs")
        form = runs_form(request)
        order = form.values.get("sort") or NEWEST_FIRST
        page, lost = _page(form, current, order, request)
        if lost:
            form.add_error(None, gettext("This address names no place in the list: it starts again."))
        table = RunsTable(_lines(page.rows, request), order_by=order)
        hidden = set(runs.SORTABLE) - set(runs.sortable(logins=_logins(request)))
        for name in hidden:
            table.columns[name].column.orderable = False
        table.caption = gettext("Runs")
        table.around = around_failed(request)
        query = request.GET.copy()
        query.pop("after", None), query.pop("before", None)
        return {
            **filters(request, form, gettext("Filter the runs"), here),
            "table": table,
            "page": page,
            "first": f"{here}?{query.urlencode()}",
            "next": f"{here}?{_with(query, after=page.after)}",
            "previous": f"{here}?{_with(query, before=page.before)}",
            "names": [pipeline.name for pipeline in current.snapshot.pipelines] if current.snapshot else [],
            "kept_days": settings.COPY_RETENTION_DAYS,
            "exports": export.links(request, "monitoring:runs-list-export"),
        }


BLOCKS: tuple[type[Block], ...] = (RunsGrid, RunsTimeline, RunsControl, RunsList)


class RunsPage(Page):
    name = "runs"
    template_name = "monitoring/runs.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)


class ControlExport(export.TableExport):
    file_name = "etl-control"

    def get_table(self, current: Current) -> ControlTable:
        return control_table(self.request, current)[1]


class RunsExport(export.TableExport):
    file_name = "runs"

    def get_table(self, current: Current) -> RunsTable:
        form = runs_form(self.request)
        order = form.values.get("sort") or NEWEST_FIRST
        wanted = runs.runs(form.wanted(current.now), logins=_logins(self.request))
        found = wanted.order_by(order, NEWEST_FIRST)[: export.ROWS_TO_READ]
        return RunsTable(_lines(found, self.request), order_by=order)


def runs_form(request: HttpRequest) -> RunsForm:
    """Return what the address asks of the runs."""
    logins = _logins(request)
    names = runs.sortable(logins=logins)
    return RunsForm(request.GET, sortable=frozenset([*names, *(f"-{name}" for name in names)]), logins=logins)


def _logins(request: HttpRequest) -> bool:
    return may(request.user, CONNECTIONS)


def _lines(copies: Any, request: HttpRequest) -> list[run_lines.RunLine]:
    return [run_lines.run_line(run) for run in runs.listed_runs(copies, logins=_logins(request))]


def control_table(request: HttpRequest, current: Current) -> tuple[TableForm, ControlTable]:
    """Return the control table in the order of the address (`control-sort`)."""
    form = TableForm(request.GET, prefix="control", sortable=ControlTable.sortable())
    lines = run_lines.control_lines(current.snapshot) if current.snapshot else []
    return form, ControlTable(lines, order_by=form.values.get("sort") or "entity_name")


def _page(form: RunsForm, current: Current, order: str, request: HttpRequest) -> tuple[keyset.KeysetPage[Any], bool]:
    """Return the page that the address asks for, and whether it named a place that does not exist."""
    found, field = runs.runs(form.wanted(current.now), logins=_logins(request)), runs.SORTABLE[order.lstrip("-")]
    falling = order.startswith("-")
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    try:
        return keyset.page(found, field=field, descending=falling, after=after, before=before, size=RUNS_SHOWN), False
    except keyset.BadCursor:
        return keyset.page(found, field=field, descending=falling, size=RUNS_SHOWN), True


def _with(query: QueryDict, **more: str) -> str:
    changed = query.copy()
    changed.update(more)
    return changed.urlencode()
