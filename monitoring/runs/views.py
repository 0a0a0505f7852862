"""Runs and control: the control table, the runs by grid, timeline and list, and a page for each run."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext

from monitoring.access import CONNECTIONS, may
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Problem
from monitoring.runs import queries as run_lines
from monitoring.runs import queries as runs
from monitoring.runs.forms import RunsForm
from monitoring.runs.queries import timeline
from monitoring.runs.tables import ControlTable, ExecutionsTable, RunsTable, moved_text
from monitoring.warehouse.errors import problem_from
from monitoring.web import errors, export, keyset, readings, run_grid
from monitoring.web.audit_links import around_failed, around_run
from monitoring.web.blocks import VERSION_HEADER, Block, Page
from monitoring.web.charts import timeline_chart, timeline_sentence
from monitoring.web.errors import NothingHere
from monitoring.web.failure_texts import advice_for as failure_text
from monitoring.web.filters import TableForm, filters
from monitoring.web.preflight import OPENING
from monitoring.web.problems import problem_text
from monitoring.web.snapshot import Current, cached_once

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
    rights = (CONNECTIONS,)
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


KEPT_SECONDS = 10
"""How long a run is the same for all its readers where no sample comes."""


class RunBlock(Block):
    """A block of one run's page. The run is looked up once per request and shared by the blocks."""

    same_for_all = True

    def replacement(self, state: Current) -> HttpResponse | None:
        try:
            run_or_404(self.request, state, self.kwargs["run_id"])
        except RunUnread as unread:
            return errors.unread(self.request, problem_text(unread.problem))
        return None

    def context(self, current: Current) -> dict[str, Any]:
        detail = run_or_404(self.request, current, self.kwargs["run_id"])
        return {"detail": detail, **self.filled(current, detail)}

    def filled(self, current: Current, detail: runs.RunDetail) -> dict[str, Any]:
        """Return the variables beside the run."""
        raise NotImplementedError


class RunFacts(RunBlock):
    """What the run is, and what it says went wrong."""

    name = "run-facts"
    template_name = "monitoring/run/_facts.html"
    rights = (CONNECTIONS,)

    def filled(self, current: Current, detail: runs.RunDetail) -> dict[str, Any]:
        line = run_lines.run_line(detail.run)
        requested = [name.strip() for name in detail.run.entities_requested.split(",") if name.strip()]
        started = {execution.entity_name for execution in detail.run.executions}
        return {
            "line": line,
            "requested": requested,
            "not_started": [name for name in requested if name not in started],
            "orphan": _is_orphan(current, line.run_id) if line.running else False,
            "connections_url": around_run(line) if may(self.request.user, CONNECTIONS) else "",
        }


class RunEntities(RunBlock):
    """The run's executions: what ran, what moved, what failed and why."""

    name = "run-entities"
    template_name = "monitoring/run/_entities.html"

    def filled(self, current: Current, detail: runs.RunDetail) -> dict[str, Any]:
        form, table = executions_table(self.request, detail)
        table.caption = gettext("Executions of this run")
        lines = map(run_lines.execution_line, detail.run.executions)
        return {
            "form": form,
            "table": table,
            "failures": [_failure(line, line.error, current, detail) for line in lines if line.error],
            "exports": export.links(self.request, "monitoring:run-entities-export", run_id=detail.run.run_id),
        }


RUN_BLOCKS: tuple[type[Block], ...] = (RunFacts, RunEntities)


class RunPage(Page):
    name = "run"
    template_name = "monitoring/run.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *RUN_BLOCKS)

    def replacement(self, state: Current) -> HttpResponse | None:
        try:
            run_or_404(self.request, state, self.kwargs["run_id"])
        except RunUnread as unread:
            return UnreadRunPage.as_view()(self.request, **self.kwargs, problem=unread.problem)
        return None

    def context(self, current: Current) -> dict[str, Any]:
        return {"detail": run_or_404(self.request, current, self.kwargs["run_id"]), "run_id": self.kwargs["run_id"]}


class UnreadRunPage(Page):
    """In the place of a run that the copy does not reach and that the warehouse cannot be asked for now."""

    name = "run-unread"
    template_name = "monitoring/run_unread.html"
    blocks: ClassVar[tuple[type[Block], ...]] = OPENING

    def context(self, current: Current) -> dict[str, Any]:
        return {"run_id": self.kwargs["run_id"], "words": problem_text(self.kwargs["problem"])}


class RunEntitiesExport(export.TableExport):
    def get_table(self, current: Current) -> ExecutionsTable:
        run_id = self.kwargs["run_id"]
        self.file_name, self.sampled_at = f"run-{run_id}", current.sampled_at
        try:
            detail = run_or_404(self.request, current, run_id)
        except RunUnread as unread:
            raise export.Unreadable(problem_text(unread.problem)) from unread
        return executions_table(self.request, detail)[1]


class RunUnread(Exception):
    """Whether there is such a run is not known: only the warehouse could tell. `problem` says why it did not."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def run_or_404(request: HttpRequest, current: Current, run_id: int) -> runs.RunDetail:
    """Return the run, read once for all who ask within KEPT_SECONDS, and after each sample.

    Raises NothingHere when there is none, RunUnread when the warehouse could not be asked, RenderInProgress if a
    refresh would wait for another request that reads it.
    """
    cached: dict[int, runs.RunDetail] = request.__dict__.setdefault("_runs", {})
    if run_id not in cached:
        try:
            logins = may(request.user, CONNECTIONS)
            key = f"run:{run_id}:{logins}:{current.version}:{current.ticked_at and current.ticked_at.isoformat()}"
            wait = VERSION_HEADER not in request.headers
            cached[run_id] = cached_once(key, lambda: _read(run_id, logins), fresh=lambda _: KEPT_SECONDS, wait=wait)
        except Error as error:
            raise RunUnread(problem_from(error, "dw")) from error
    return cached[run_id]


def _read(run_id: int, logins: bool) -> runs.RunDetail:
    detail = runs.run_detail(run_id, logins=logins)
    if detail is None:  # raised here: it is not kept that there is none
        raise NothingHere(gettext("There is no run %(run)d.") % {"run": run_id})
    return detail


def executions_table(request: HttpRequest, detail: runs.RunDetail) -> tuple[TableForm, ExecutionsTable]:
    """Return the run's executions in the order of the address."""
    form = TableForm(request.GET, sortable=ExecutionsTable.sortable())
    lines = [run_lines.execution_line(execution) for execution in detail.run.executions]
    return form, ExecutionsTable(lines, order_by=form.values.get("sort") or "started_at")


def _failure(
    line: run_lines.ExecutionLine, error: ErrorText, current: Current, detail: runs.RunDetail
) -> dict[str, Any]:
    """Return a failure with its explanation, and where the pipeline's watermark stands now."""
    pipeline = current.snapshot.pipeline(line.entity_name) if current.snapshot else None
    control = pipeline.control if pipeline else None
    grouped = detail.copied and line.status is ExecutionStatus.FAILED
    stayed = None if control is None or line.watermark_from is None else control.watermark == line.watermark_from
    return {
        "execution": line,
        "words": failure_text(error),
        "group_url": reverse("monitoring:failure-group", args=(error.fingerprint,)) if grouped else "",
        "moved": moved_text(line.moved, line),
        "control": control,
        "unread": readings.blind(current.snapshot)[1] if current.snapshot else None,
        "stayed": stayed,
    }


def _is_orphan(current: Current, run_id: int) -> bool:
    from monitoring.summary.queries import running_now

    if current.snapshot is None:
        return False
    return any(running.run.run_id == run_id and running.orphan for running in running_now(current.snapshot))
