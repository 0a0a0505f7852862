"""One run's page: from the portal's copy where it reaches, else from the warehouse, which may not answer."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from monitoring.access import CONNECTIONS
from monitoring.enums import ExecutionStatus
from monitoring.filters import TableForm
from monitoring.policies.facts import Problem
from monitoring.rules.error_text import ErrorText
from monitoring.selectors import readings, run_lines, runs
from monitoring.selectors.shared import cached_once
from monitoring.selectors.snapshot import Current
from monitoring.sight import may
from monitoring.tables.runs import ExecutionsTable, moved_text
from monitoring.views import errors
from monitoring.views.blocks import VERSION_HEADER, Block, Page
from monitoring.views.connections.base import SEE
from monitoring.views.connections.findings import around_run
from monitoring.views.errors import NothingHere
from monitoring.views.preflight import OPENING
from monitoring.warehouse.errors import problem_from
from monitoring.web import export
from monitoring.wording import failure_text, problem_text

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
    rights = (SEE,)

    def filled(self, current: Current, detail: runs.RunDetail) -> dict[str, Any]:
        line = run_lines.run_line(detail.run)
        requested = [name.strip() for name in detail.run.entities_requested.split(",") if name.strip()]
        started = {execution.entity_name for execution in detail.run.executions}
        return {
            "line": line,
            "requested": requested,
            "not_started": [name for name in requested if name not in started],
            "orphan": _is_orphan(current, line.run_id) if line.running else False,
            "connections_url": around_run(line) if may(self.request.user, SEE) else "",
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
    from monitoring.selectors.running import running_now

    if current.snapshot is None:
        return False
    return any(running.run.run_id == run_id and running.orphan for running in running_now(current.snapshot))
