from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from etlportal.budget import budget
from monitoring.access import CAPTURE, CONNECTIONS, may
from monitoring.collector.snapshot import Current
from monitoring.connections import queries, tables
from monitoring.connections.forms import EventsForm, WindowForm
from monitoring.connections.queries import NONE, WINDOWS, Activity
from monitoring.connections.texts import CAPTURING, COLUMNS, audit_problem, hours_chart, hours_sentence, utc_offset
from monitoring.models import ConnectionLoginEvent
from monitoring.rules import audit
from monitoring.rules.audit import Answer, Evidence, Factor, Factors
from monitoring.rules.enums import CheckState, TrailAction, TrailOutcome
from monitoring.rules.facts import Problem
from monitoring.rules.login_events import FACETS, Figures
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.login_events import capture_snapshot
from monitoring.warehouse.reader import ReadFailed
from monitoring.web import export, keyset
from monitoring.web.activity import note
from monitoring.web.blocks import Block, LiveView, Page
from monitoring.web.cache import forget
from monitoring.web.filters import TableForm, filters
from monitoring.web.formats import number_text
from monitoring.web.labels import label
from monitoring.web.links import audit_url
from monitoring.web.preflight import OPENING
from monitoring.web.tables import PortalTable

logger = logging.getLogger(__name__)

WINDOW_LABELS = (("6h", _("6 hours")), ("24h", _("24 hours")), ("48h", _("48 hours")), ("7d", _("7 days")))
SHOWN = 12
FACTORS_SHOWN = 25
CAPTURE_EVERY_SECONDS = 30
CAPTURE_SECONDS = 10.0
CAPTURE_KEY = "connections:captured"


class AuditQuery:
    """The window and filters of a request, shared by its blocks."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.window_form = WindowForm(request.GET)
        facet = request.GET.get("facet", "")
        self.facet = facet if facet in FACETS else FACETS[0]

    @cached_property
    def activity(self) -> Activity:
        return queries.activity(self.window_form.window)

    @cached_property
    def form(self) -> EventsForm:
        return EventsForm(self.request.GET, facets=self.activity.facets)

    def url(self, **changes: str) -> str:
        """Return the page's URL with these parameters changed, at the newest events."""
        window = {} if "window" in changes else self.window_form.asked
        facet = self.facet if self.facet != FACETS[0] else ""
        return self._url({**window, "facet": facet, **self.form.narrowing, **changes})

    def events_url(self, **narrowing: str) -> str:
        """Return the URL of the window's events with these values, without the present filters."""
        return f"{self._url({**self.window_form.asked, **narrowing})}#connections-events"

    def _url(self, values: dict[str, str]) -> str:
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{reverse('monitoring:connections')}?{query}"


class AuditView(LiveView):
    permission_required = (CONNECTIONS,)

    @cached_property
    def query(self) -> AuditQuery:
        """Return the query of the request, which all blocks of a page share."""
        found: AuditQuery | None = self.request.__dict__.get("audit_query")
        return found or self.request.__dict__.setdefault("audit_query", AuditQuery(self.request))

    def version(self, state: Current) -> str:
        return f"{super().version(state)} {self.query.activity.stamp}"


class AuditBlock(AuditView, Block):
    same_for_all = True


class AuditTable(AuditBlock):
    table_class: ClassVar[type[tables.LinkedTable]]
    prefix: ClassVar[str]
    caption: ClassVar[Any]
    order: ClassVar[str]
    shown: ClassVar[int] = SHOWN

    def rows(self) -> Iterable[Any]:
        raise NotImplementedError

    def url_of(self, row: Any) -> str:
        raise NotImplementedError

    @property
    def file_name(self) -> str:
        return self.name

    @cached_property
    def form(self) -> TableForm:
        return TableForm(self.request.GET, prefix=self.prefix, sortable=self.table_class.sortable())

    def table(self, rows: Iterable[Any]) -> tables.LinkedTable:
        table = self.table_class(rows, prefix=f"{self.prefix}-", order_by=self.form.order or self.order)
        table.url_of, table.remembered_since = self.url_of, self.query.activity.remembered_since
        return table

    def export_table(self) -> PortalTable:
        return self.table(self.rows())

    def context(self, current: Current) -> dict[str, Any]:
        table = self.table(self.rows())
        total = len(table.rows)
        table.stop_at(self.shown)
        return self.table_context(table, total)

    def table_context(self, table: tables.LinkedTable, total: int) -> dict[str, Any]:
        table.caption = str(self.caption) % {"column": str(COLUMNS[self.query.facet]).lower()}
        return {
            "activity": self.query.activity,
            "form": self.form,
            "table": table,
            "total": total,
            "exports": export.links(self.request, f"monitoring:{self.name}-export"),
        }


class ConnectionsActivity(AuditBlock):
    name = "connections-activity"
    template_name = "monitoring/connections/_activity.html"

    def context(self, current: Current) -> dict[str, Any]:
        found, form = self.query.activity, self.query.window_form
        own = ("from", "to", "window", "after", "before")
        context: dict[str, Any] = {
            "activity": found,
            "words": audit_problem(found.problem) if found.problem else None,
            "form": form,
            "carried": [(key, value) for key, values in self.request.GET.lists() if key not in own for value in values],
            "windows": [(self.query.url(window=key), text, key == found.window) for key, text in WINDOW_LABELS],
        }
        if found.totals is not None:
            context["chart"] = hours_chart(found.hours, found.failures_known)
            context["sentence"] = hours_sentence(found.hours, found.totals.sessions, found.failures_known)
        return context


class ConnectionsFindings(AuditTable):
    name = "connections-findings"
    template_name = "monitoring/connections/_findings.html"
    table_class = tables.FindingsTable
    prefix = "findings"
    caption = _("Findings")
    order = "question"

    def rows(self, most: int | None = None) -> list[Evidence]:
        return [evidence for answer in self.query.activity.answers for evidence in answer.found[:most]]

    def url_of(self, row: Evidence) -> str:
        narrowed = {FACETS[column]: value or NONE for column, value in row.values.items()}
        if row.session_id is not None:
            narrowed["session_id"] = str(row.session_id)
        if row.hour is None or row.until is None:
            return self.query.events_url(**narrowed)
        since, until, bounds = row.hour, row.until, self.query.activity.bounds
        if bounds is not None:
            since, until = max(since, bounds.since), min(until, bounds.until or until)
        return f"{audit_url(since, until, **narrowed)}#connections-events"

    def context(self, current: Current) -> dict[str, Any]:
        # At most SHOWN of each question, so that one with many findings does not hide the others.
        table, total = self.table(self.rows(SHOWN)), len(self.rows())
        if total > len(table.rows):
            table.cut = len(table.rows)
        answers = [
            {
                "answer": each,
                "state": _state(each),
                "question": each.question,
                "label": label(each.question),
                "help": f"audit_{each.question}",
            }
            for each in self.query.activity.answers
        ]
        return {**self.table_context(table, total), "answers": answers}


def _state(answer: Answer) -> CheckState:
    """Return "passed" only if there are no findings and everything could be judged."""
    if any(each.certain for each in answer.found):
        return CheckState.WARNING
    return CheckState.UNKNOWN if answer.unknown or answer.found else CheckState.PASSED


class ConnectionsFacets(AuditTable):
    name = "connections-facets"
    template_name = "monitoring/connections/_facets.html"
    table_class = tables.FacetTable
    prefix = "facet"
    caption = _("Events by %(column)s")
    order = "-events"

    @property
    def file_name(self) -> str:
        return f"connections-{self.query.facet.replace('_', '-')}"

    def rows(self) -> Iterable[Figures]:
        return self.query.activity.facets.get(self.query.facet, ())

    def url_of(self, row: Figures) -> str:
        return f"{self.query.url(**{self.query.facet: row.value or NONE})}#connections-events"

    def context(self, current: Current) -> dict[str, Any]:
        facets = [(self.query.url(facet=name), text, name == self.query.facet) for name, text in COLUMNS.items()]
        return {**super().context(current), "facets": facets}


class ConnectionsExtraction(AuditTable):
    name = "connections-extraction"
    template_name = "monitoring/connections/_extraction.html"
    table_class = tables.ExtractionTable
    prefix = "extraction"
    caption = _("Sessions in the source database")
    order = "-events"

    def rows(self) -> Iterable[Figures]:
        return self.query.activity.extraction

    def url_of(self, row: Figures) -> str:
        names = (FACETS[column] for column in queries.EXTRACTION)
        narrowed = {name: value or NONE for name, value in zip(names, row.values, strict=True)}
        databases = (each.value or "" for each in self.query.activity.facets.get("database_name", ()))
        own = next((name for name in databases if name.casefold() == settings.OLTP_NAME.casefold()), "")
        return f"{self.query.url(**narrowed, database_name=own)}#connections-events"

    def context(self, current: Current) -> dict[str, Any]:
        return {**super().context(current), "database": settings.OLTP_NAME}


class ConnectionsFactors(AuditTable):
    name = "connections-factors"
    template_name = "monitoring/connections/_factors.html"
    table_class = tables.FactorsTable
    prefix = "factors"
    caption = _("More frequent around failures")
    order = "-lift"
    shown = FACTORS_SHOWN

    @cached_property
    def found(self) -> Factors | Problem | None:
        return queries.factors(self.query.activity)

    def rows(self) -> Iterable[Factor]:
        return (self.found.found or ()) if isinstance(self.found, Factors) else ()

    def url_of(self, row: Factor) -> str:
        return self.query.events_url(**{FACETS[row.column]: row.value})

    def export_table(self) -> PortalTable:
        if isinstance(self.found, Problem):
            raise export.Unreadable(audit_problem(self.found))
        return super().export_table()

    def context(self, current: Current) -> dict[str, Any]:
        words = None
        if isinstance(self.found, Problem):
            self.keep_seconds = 0
            words = audit_problem(self.found)
        return {
            **super().context(current),
            "factors": self.found,
            "words": words,
            "least_failures": audit.LEAST_FAILURES,
            "least_controls": audit.LEAST_CONTROLS,
        }


class ConnectionsRuns(AuditBlock):
    name = "connections-runs"
    template_name = "monitoring/connections/_runs.html"

    def context(self, current: Current) -> dict[str, Any]:
        runs, total = queries.window_runs(self.query.activity)
        table = tables.WindowRunsTable(runs)
        table.caption = gettext("Runs of this window")
        return {"activity": self.query.activity, "table": table, "more": total - len(runs)}


class ConnectionsEvents(AuditBlock):
    name = "connections-events"
    template_name = "monitoring/connections/_events.html"
    file_name = "login-events"

    def context(self, current: Current) -> dict[str, Any]:
        page_url = reverse("monitoring:connections")
        problem, listed = self.query.activity.problem, {}
        if problem is None:
            try:
                listed = keyset.listed(self.request, page_url, self.events(), field="pk", descending=True)
            except Error as error:
                self.keep_seconds = 0
                problem = problem_from(error, "dw")
        table = self.table(listed["page"].rows if listed else ())
        table.caption = gettext("Login events")
        return {
            **filters(self.request, self.query.form, gettext("Filter the login events"), page_url),
            **listed,
            "words": audit_problem(problem) if problem else None,
            "table": table,
            "server_clock": utc_offset(table.offset) if table.offset else "",
            "exports": export.links(self.request, "monitoring:connections-events-export"),
        }

    def events(self) -> QuerySet[ConnectionLoginEvent]:
        return queries.matching(self.query.activity.bounds, self.query.form.narrowing)

    def table(self, rows: Iterable[ConnectionLoginEvent]) -> tables.EventsTable:
        table = tables.EventsTable(rows)
        if self.query.activity.bounds is not None:
            table.offset = self.query.activity.bounds.offset
        return table

    def export_table(self) -> PortalTable:
        try:
            return self.table(self.events()[: export.ROWS_TO_READ])
        except Error as error:
            raise export.Unreadable(audit_problem(problem_from(error, "dw"))) from error


BLOCKS: tuple[type[AuditBlock], ...] = (
    ConnectionsActivity,
    ConnectionsFindings,
    ConnectionsFacets,
    ConnectionsExtraction,
    ConnectionsFactors,
    ConnectionsRuns,
    ConnectionsEvents,
)


class ConnectionsPage(AuditView, Page):
    name = "connections"
    template_name = "monitoring/connections.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)

    def context(self, current: Current) -> dict[str, Any]:
        return {"may_capture": may(self.request.user, CAPTURE)}


class AuditExport(export.TableExport):
    """All rows of a block's table. `block` is set in the URLs."""

    permission_required = (CONNECTIONS,)
    block: type[AuditTable | ConnectionsEvents] = AuditTable

    def get_table(self, current: Current) -> PortalTable:
        block = self.block()
        block.setup(self.request)
        self.sampled_at, self.file_name = current.sampled_at, block.file_name
        problem = block.query.activity.problem
        if problem is not None:
            raise export.Unreadable(audit_problem(problem))
        return block.export_table()


class ConnectionsCapturePage(Page):
    """For operators, because they may take a snapshot but not read the audit."""

    name = "connections-capture"
    template_name = "monitoring/connections/capture.html"
    permission_required = (CAPTURE,)
    blocks: ClassVar[tuple[type[Block], ...]] = OPENING

    def context(self, current: Current) -> dict[str, Any]:
        return {"may_see": may(self.request.user, CONNECTIONS), "seconds": CAPTURE_EVERY_SECONDS}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take one snapshot, at most one in CAPTURE_EVERY_SECONDS for all users together."""
        if cache.add(CAPTURE_KEY, 1, CAPTURE_EVERY_SECONDS):
            self._capture(request)
        else:
            note(request, TrailAction.CAPTURED, outcome=TrailOutcome.REFUSED, seconds=CAPTURE_EVERY_SECONDS)
            messages.warning(
                request,
                gettext(
                    "Nothing was captured: the last snapshot is less than %(seconds)d seconds old. Wait and try again."
                )
                % {"seconds": CAPTURE_EVERY_SECONDS},
            )
        page = "connections" if may(request.user, CONNECTIONS) else "connections-capture"
        return HttpResponseRedirect(reverse(f"monitoring:{page}"))

    def _capture(self, request: HttpRequest) -> None:
        try:
            with budget(CAPTURE_SECONDS, anew=True):
                captured = capture_snapshot()
        except ReadFailed as failure:
            cache.delete(CAPTURE_KEY)
            logger.warning("connection snapshot failed: %s", failure.problem.detail)
            note(request, TrailAction.CAPTURED, outcome=TrailOutcome.FAILED, problem=failure.problem.code.value)
            words = audit_problem(failure.problem, CAPTURING)
            messages.error(request, f"{words.what} {words.to_do}")
            return
        forget(*(f"connections:{window}" for window in WINDOWS))
        note(request, TrailAction.CAPTURED, events=captured)
        text = ngettext("Captured: %(number)s open session.", "Captured: %(number)s open sessions.", captured)
        messages.success(request, text % {"number": number_text(captured)})
