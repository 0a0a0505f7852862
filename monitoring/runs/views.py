from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from monitoring.access import CONNECTIONS, may
from monitoring.collector.snapshot import Current
from monitoring.models import RunCopy
from monitoring.models.executions import listed_runs
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Execution, Run
from monitoring.rules.running import running_now
from monitoring.runs.queries import run_detail, timeline, timeline_chart, timeline_sentence
from monitoring.runs.tables import (
    NEWEST_FIRST,
    SORTABLE,
    ControlTable,
    ExecutionsTable,
    RunsForm,
    RunsTable,
)
from monitoring.warehouse.errors import problem_from
from monitoring.web import export, keyset, readings
from monitoring.web.blocks import VERSION_HEADER, Block, Page
from monitoring.web.cache import cached_once
from monitoring.web.errors import NothingHere
from monitoring.web.filters import TableForm, filters
from monitoring.web.graphics import run_grid
from monitoring.web.links import around_failed, around_run
from monitoring.web.preflight import OPENING
from monitoring.web.problems import advice_for, problem_text
from monitoring.web.tables import moved_text

RUNS_SHOWN = 25


class RunsControl(Block):
    name = "runs-control"
    same_for_all = True
    template_name = "monitoring/runs/_control.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = control_table(self.request, current)
        return {
            "form": form,
            "table": table,
            "exports": export.links(self.request, "monitoring:runs-control-export"),
        }


class RunsGrid(Block):
    name = "runs-grid"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/runs/_grid.html"

    def context(self, current: Current) -> dict[str, Any]:
        return {"grid": run_grid(current.snapshot) if current.snapshot else None}


class RunsTimeline(Block):
    name = "runs-timeline"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/runs/_timeline.html"

    def context(self, current: Current) -> dict[str, Any]:
        if current.snapshot is None:
            return {}
        bars, left_out = timeline(current.snapshot)
        return {
            "bars": bars,
            "left_out": left_out,
            "chart": timeline_chart(bars, current.snapshot.sampled_at),
            "sentence": timeline_sentence(bars),
        }


class RunsList(Block):
    name = "runs-list"
    same_for_all = True
    rights = (CONNECTIONS,)
    template_name = "monitoring/runs/_list.html"

    def context(self, current: Current) -> dict[str, Any]:
        request, here = self.request, reverse("monitoring:runs")
        logins = may(request.user, CONNECTIONS)
        form = RunsForm(request.GET, logins=logins)
        field, descending = form.order.lstrip("-"), form.order.startswith("-")
        found = form.apply(current.now)
        listed = keyset.listed(request, here, found, field=field, descending=descending, size=RUNS_SHOWN)
        if listed["lost"]:
            form.add_error(None, gettext("That page no longer exists. Showing the first page."))
        table = RunsTable(listed_runs(listed["page"].rows, logins=logins), order_by=form.order)
        for name in set(SORTABLE) - form.sortable:
            table.columns[name].column.orderable = False
        table.around = around_failed(request)
        return {
            **filters(request, form, gettext("Filter the runs"), here),
            **listed,
            "table": table,
            "names": [pipeline.name for pipeline in current.snapshot.pipelines] if current.snapshot else [],
            "kept_days": settings.COPY_RETENTION_DAYS,
            "exports": export.links(request, "monitoring:runs-list-export"),
        }


BLOCKS: tuple[type[Block], ...] = (RunsGrid, RunsTimeline, RunsControl, RunsList)


class RunsPage(Page):
    name = "runs"
    template_name = "monitoring/runs.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)


class RunsExport(export.TableExport):
    file_name = "runs"

    def get_table(self, current: Current) -> RunsTable:
        logins = may(self.request.user, CONNECTIONS)
        form = RunsForm(self.request.GET, logins=logins)
        found: QuerySet[RunCopy] = form.apply(current.now).order_by(form.order, NEWEST_FIRST)
        return RunsTable(listed_runs(found[: export.ROWS_TO_READ], logins=logins), order_by=form.order)


def control_table(request: HttpRequest, current: Current) -> tuple[TableForm, ControlTable]:
    form = TableForm(request.GET, prefix="control", sortable=ControlTable.sortable())
    rows = current.snapshot.pipelines if current.snapshot else ()
    return form, ControlTable(rows, order_by=form.order)


KEPT_SECONDS = 10
"""Cache time of a run. The next sample ends it earlier."""


class RunBlock(Block):
    same_for_all = True

    def replacement(self, state: Current) -> HttpResponse | None:
        run_or_404(self.request, state, self.kwargs["run_id"])
        return None

    def context(self, current: Current) -> dict[str, Any]:
        run, copy = run_or_404(self.request, current, self.kwargs["run_id"])
        return {"run": run, "copy": copy, **self.filled(current, run, copied=copy is not None)}

    def filled(self, current: Current, run: Run, *, copied: bool) -> dict[str, Any]:
        raise NotImplementedError


class RunFacts(RunBlock):
    name = "run-facts"
    template_name = "monitoring/run/_facts.html"
    rights = (CONNECTIONS,)

    def filled(self, current: Current, run: Run, *, copied: bool) -> dict[str, Any]:
        started = {execution.entity_name for execution in run.executions}
        orphans = [each.run.run_id for each in running_now(current.snapshot) if each.orphan] if current.snapshot else []
        return {
            "not_started": [name for name in run.requested if name not in started],
            "orphan": run.running and run.run_id in orphans,
            "connections_url": around_run(run) if may(self.request.user, CONNECTIONS) else "",
        }


class RunEntities(RunBlock):
    name = "run-entities"
    template_name = "monitoring/run/_entities.html"

    def filled(self, current: Current, run: Run, *, copied: bool) -> dict[str, Any]:
        form, table = executions_table(self.request, run)
        return {
            "form": form,
            "table": table,
            "failures": [
                _failure(each, error, current, copied=copied) for each in run.executions if (error := each.shown_error)
            ],
            "exports": export.links(self.request, "monitoring:run-entities-export", run_id=run.run_id),
        }


RUN_BLOCKS: tuple[type[Block], ...] = (RunFacts, RunEntities)


class RunPage(Page):
    name = "run"
    template_name = "monitoring/run.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *RUN_BLOCKS)

    def replacement(self, state: Current) -> HttpResponse | None:
        try:
            run_or_404(self.request, state, self.kwargs["run_id"])
        except export.Unreadable as unread:
            page = UnreadRunPage()
            page.setup(self.request, **self.kwargs, words=unread.words)
            return page.get(self.request)
        return None

    def context(self, current: Current) -> dict[str, Any]:
        run, copy = run_or_404(self.request, current, self.kwargs["run_id"])
        return {"run": run, "copy": copy, "run_id": run.run_id}


class UnreadRunPage(Page):
    """Replaces the page of a run that is not in the copy, while the warehouse cannot be read."""

    name = "run-unread"
    template_name = "monitoring/run_unread.html"
    blocks: ClassVar[tuple[type[Block], ...]] = OPENING

    def context(self, current: Current) -> dict[str, Any]:
        return {"run_id": self.kwargs["run_id"], "words": self.kwargs["words"]}


class RunEntitiesExport(export.TableExport):
    def get_table(self, current: Current) -> ExecutionsTable:
        run_id = self.kwargs["run_id"]
        self.file_name, self.sampled_at = f"run-{run_id}", current.sampled_at
        run, _copy = run_or_404(self.request, current, run_id)
        return executions_table(self.request, run)[1]


def run_or_404(request: HttpRequest, current: Current, run_id: int) -> tuple[Run, RunCopy | None]:
    """Return the run and its copy, cached for KEPT_SECONDS or until the next sample.

    Raises NothingHere if there is none, Unreadable if it is not in the copy and the warehouse cannot be read,
    RenderInProgress if a refresh would wait for another request that reads it.
    """
    logins = may(request.user, CONNECTIONS)

    def read() -> tuple[Run, RunCopy | None]:
        detail = run_detail(run_id, logins=logins)
        if detail is None:  # raised here, so that it is not cached
            raise NothingHere(gettext("There is no run %(run)d.") % {"run": run_id})
        return detail

    key = f"run:{run_id}:{logins}:{current.version}:{current.ticked_at and current.ticked_at.isoformat()}"
    try:
        return cached_once(key, read, fresh=lambda _: KEPT_SECONDS, wait=VERSION_HEADER not in request.headers)
    except Error as error:
        raise export.Unreadable(problem_text(problem_from(error, "dw"))) from error


def executions_table(request: HttpRequest, run: Run) -> tuple[TableForm, ExecutionsTable]:
    form = TableForm(request.GET, sortable=ExecutionsTable.sortable())
    return form, ExecutionsTable(run.executions, order_by=form.order)


def _failure(execution: Execution, error: ErrorText, current: Current, *, copied: bool) -> dict[str, Any]:
    pipeline = current.snapshot.pipeline(execution.entity_name) if current.snapshot else None
    control = pipeline.control if pipeline else None
    grouped = copied and execution.status is ExecutionStatus.FAILED
    start = execution.watermark_from
    return {
        "execution": execution,
        "words": advice_for(error),
        "group_url": reverse("monitoring:failure-group", args=(error.fingerprint,)) if grouped else "",
        "moved": moved_text(execution),
        "control": control,
        "unread": readings.blind(current.snapshot)[1] if current.snapshot else None,
        "stayed": None if control is None or start is None else control.watermark == start,
    }
