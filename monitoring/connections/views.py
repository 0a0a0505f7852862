"""What the audit's blocks and files share: what was asked for, and what was found."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.core.cache import cache
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from etlportal.budget import budget
from monitoring.access import CAPTURE, CONNECTIONS, may
from monitoring.collector.snapshot import Current
from monitoring.connections import queries as audit
from monitoring.connections.charts import hours_chart, hours_sentence
from monitoring.connections.factors import Factors, factors, window_runs
from monitoring.connections.forms import EventsForm, WindowForm
from monitoring.connections.queries import Activity, EventPage
from monitoring.connections.tables import (
    EventsTable,
    ExtractionTable,
    FacetTable,
    FactorsTable,
    FindingsTable,
    WindowRunsTable,
)
from monitoring.connections.texts import capture_problem, reading_problem, utc_offset
from monitoring.rules import audit as cooccurrence
from monitoring.rules.audit import Answer, Evidence, Factor
from monitoring.rules.enums import CheckState, ProblemCode, TrailAction, TrailOutcome
from monitoring.rules.facts import Problem
from monitoring.rules.sessions import FACETS, Figures
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.login_events import capture_snapshot
from monitoring.warehouse.reader import ReadFailed
from monitoring.web import export
from monitoring.web.activity import note
from monitoring.web.audit_links import around_run, audit_url
from monitoring.web.blocks import Block, Page
from monitoring.web.cache import forget
from monitoring.web.filters import TableForm, filters
from monitoring.web.formats import number_text
from monitoring.web.keyset import BadCursor
from monitoring.web.labels import label
from monitoring.web.preflight import OPENING
from monitoring.web.problems import ProblemWords
from monitoring.web.tables import PortalTable

WINDOWS = (("6h", _("6 hours")), ("24h", _("24 hours")), ("48h", _("48 hours")), ("7d", _("7 days")))


def words_of(problem: Problem | None) -> ProblemWords | None:
    """Return the words for a problem with reading the audit, None without one."""
    return reading_problem(problem) if problem else None


class Asked:
    """What this request asks of the audit. Mixed into blocks and the exports; `self.request` is set."""

    request: HttpRequest

    @cached_property
    def window_form(self) -> WindowForm:
        return WindowForm(self.request.GET)

    @cached_property
    def activity(self) -> Activity:
        """The window that was asked for, read once per request and shared by the blocks."""
        found: dict[str, Activity] = self.request.__dict__.setdefault("_activity", {})
        window = self.window_form.window
        if window.name not in found:
            found[window.name] = audit.activity(window)
        return found[window.name]

    @cached_property
    def form(self) -> EventsForm:
        return EventsForm(self.request.GET, facets={name: self.activity.facet(name) for name in FACETS})

    @cached_property
    def facet(self) -> str:
        """The column whose values are listed."""
        asked = self.request.GET.get("facet", "")
        return asked if asked in FACETS else FACETS[0]

    def url(self, **changes: str) -> str:
        """Return the page's address with these parameters changed, back at the newest events."""
        facet = self.facet if self.facet != FACETS[0] else ""
        asked = {} if "window" in changes else self.window_form.asked
        values = {**asked, "facet": facet, **self.form.narrowing, **changes}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{reverse('monitoring:connections')}?{query}"

    def bare_url(self, **narrowing: str) -> str:
        """Return the page's address in the same window, narrowed to these values alone."""
        values = {**self.window_form.asked, **narrowing}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{reverse('monitoring:connections')}?{query}"


class ConnectionsBlock(Asked, Block):
    permission_required = (CONNECTIONS,)
    same_for_all = True

    def version(self, state: Current) -> str:
        return f"{super().version(state)} {self.activity.stamp}"


class ConnectionsExport(Asked, export.TableExport):
    """Base of the exports of the audit's window."""

    permission_required = (CONNECTIONS,)

    def get_table(self, current: Current) -> PortalTable:
        self.sampled_at = current.sampled_at
        if self.activity.problem is not None:
            raise export.Unreadable(reading_problem(self.activity.problem))
        return self.window_table()

    def window_table(self) -> PortalTable:
        """Return the table of the window, which could be read."""
        raise NotImplementedError


SHOWN = 12
"""Values on the page; the file has all of them."""
NOT_CARRIED = frozenset({"from", "to", "window", "after", "before"})


class ConnectionsActivity(ConnectionsBlock):
    name = "connections-activity"
    template_name = "monitoring/connections/_activity.html"

    def context(self, current: Current) -> dict[str, Any]:
        found, form = self.activity, self.window_form
        context = {
            "activity": found,
            "words": words_of(found.problem),
            "form": form,
            "carried": [
                (key, value) for key, values in self.request.GET.lists() if key not in NOT_CARRIED for value in values
            ],
            "windows": [
                (self.url(window=key), label, found.window.since is None and key == found.window.key)
                for key, label in WINDOWS
            ],
        }
        if found.problem or found.totals is None:
            return context
        return {
            **context,
            "chart": hours_chart(found.hours, found.failures_known),
            "sentence": hours_sentence(found.hours, found.totals.sessions, found.failures_known),
        }


class Facets(Asked):
    """The values of the column that was asked for, and the extraction view: as tables."""

    def facet_table(self) -> tuple[TableForm, FacetTable]:
        form = TableForm(self.request.GET, prefix="facet", sortable=FacetTable.sortable())
        order = form.values.get("sort") or "-events"
        return form, FacetTable(self.activity.facet(self.facet), url_of=self._facet_url, order_by=order)

    def extraction_table(self) -> tuple[TableForm, ExtractionTable]:
        form = TableForm(self.request.GET, prefix="extraction", sortable=ExtractionTable.sortable())
        order = form.values.get("sort") or "-events"
        return form, ExtractionTable(self.activity.extraction, url_of=self._extraction_url, order_by=order)

    def _facet_url(self, row: Figures) -> str:
        return f"{self.url(**{self.facet: row.value or audit.NONE})}#connections-events"

    def _extraction_url(self, row: Figures) -> str:
        names = ("login_name", "program_name", "host_name")
        narrowed = {name: value or audit.NONE for name, value in zip(names, row.values, strict=True)}
        database = next((each.value for each in self.activity.facet("database_name") if _is_source(each.value)), "")
        return f"{self.url(**narrowed, database_name=database or '')}#connections-events"


class ConnectionsFacets(Facets, ConnectionsBlock):
    name = "connections-facets"
    template_name = "monitoring/connections/_facets.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.facet_table()
        table.caption = gettext("Events by %(column)s") % {"column": str(EventsForm.LABELS[self.facet]).lower()}
        table.stop_at(SHOWN)
        return {
            "activity": self.activity,
            "form": form,
            "table": table,
            "total": len(self.activity.facet(self.facet)),
            "facets": [(self.url(facet=name), label, name == self.facet) for name, label in EventsForm.LABELS.items()],
            "exports": export.links(self.request, "monitoring:connections-facets-export"),
        }


class ConnectionsExtraction(Facets, ConnectionsBlock):
    name = "connections-extraction"
    template_name = "monitoring/connections/_extraction.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.extraction_table()
        table.caption = gettext("Sessions in the sources' database")
        table.stop_at(SHOWN)
        return {
            "activity": self.activity,
            "form": form,
            "table": table,
            "database": audit.source_name(),
            "total": len(self.activity.extraction),
            "exports": export.links(self.request, "monitoring:connections-extraction-export"),
        }


class FacetExport(Facets, ConnectionsExport):
    """Every value of the column in the window, not only those that the page shows."""

    def window_table(self) -> FacetTable:
        self.file_name = f"connections-{self.facet.replace('_', '-')}"
        return self.facet_table()[1]


class ExtractionExport(Facets, ConnectionsExport):
    file_name = "connections-extraction"

    def window_table(self) -> ExtractionTable:
        return self.extraction_table()[1]


def _is_source(database: str | None) -> bool:
    return (database or "").casefold() == audit.source_name().casefold()


class ConnectionsEvents(ConnectionsBlock):
    name = "connections-events"
    template_name = "monitoring/connections/_events.html"

    def context(self, current: Current) -> dict[str, Any]:
        page, lost = self._page()
        if page.problem is not None:
            self.keep_seconds = 0
        bounds = self.activity.bounds
        table = EventsTable(page.rows, offset=bounds.offset if bounds else timedelta(0))
        table.caption = gettext("Login events")
        return {
            **filters(self.request, self.form, gettext("Filter the login events"), reverse("monitoring:connections")),
            "words": words_of(self.activity.problem or page.problem),
            "lost": lost,
            "table": table,
            "server_clock": utc_offset(table.offset) if table.offset else "",
            "page": page,
            "first": self.url(),
            "next": self.url(after=page.after),
            "previous": self.url(before=page.before),
            "exports": export.links(self.request, "monitoring:connections-events-export"),
        }

    def _page(self) -> tuple[EventPage, bool]:
        """Return the events, and whether the address named a place that this list never had."""
        found = self.activity
        if found.bounds is None:
            return EventPage(), False
        after, before = self.request.GET.get("after", ""), self.request.GET.get("before", "")
        try:
            return audit.events(found.bounds, self.form.wanted, after=after, before=before), False
        except BadCursor:
            return audit.events(found.bounds, self.form.wanted), True


class EventsExport(Asked, export.TableExport):
    """The window's events that the filters leave."""

    file_name = "login-events"
    permission_required = (CONNECTIONS,)

    def get_table(self, current: Current) -> EventsTable:
        self.sampled_at = current.sampled_at
        try:
            found = self.activity
            if found.bounds is None:
                raise export.Unreadable(reading_problem(found.problem or Problem(code=ProblemCode.NOT_READ)))
            rows = list(audit.matching(found.bounds, self.form.wanted)[: export.ROWS_TO_READ])
        except Error as error:
            raise export.Unreadable(reading_problem(problem_from(error, "dw"))) from error
        return EventsTable(rows, offset=found.bounds.offset)


logger = logging.getLogger(__name__)

CAPTURE_EVERY_SECONDS = 30
CAPTURE_SECONDS = 10.0
"""How long the snapshot that somebody asked for may take."""
CAPTURE_KEY = "connections:captured"


class ConnectionsCapturePage(Page):
    """For an operator, who may take a snapshot but not read the audit."""

    name = "connections-capture"
    template_name = "monitoring/connections/capture.html"
    permission_required = (CAPTURE,)
    blocks: ClassVar[tuple[type[Block], ...]] = OPENING

    def context(self, current: Current) -> dict[str, Any]:
        return {"may_see": may(self.request.user, CONNECTIONS), "seconds": CAPTURE_EVERY_SECONDS}

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take one snapshot, at most one in CAPTURE_EVERY_SECONDS for everybody together."""
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
            words = capture_problem(failure.problem)
            messages.error(request, f"{words.what} {words.to_do}")
            return
        forget(*(f"connections:{window}" for window in audit.WINDOWS))
        note(request, TrailAction.CAPTURED, events=captured)
        text = ngettext("Captured: %(number)s open session.", "Captured: %(number)s open sessions.", captured)
        messages.success(request, text % {"number": number_text(captured)})


FINDINGS_SHOWN = 25
EACH_SHOWN = 12


class Found(Asked):
    """What was found, as tables whose rows lead to their events."""

    def findings_table(self, most: int | None = None) -> tuple[TableForm, FindingsTable]:
        """`most`: so many of each question, so that no question with much hides the next."""
        form = TableForm(self.request.GET, prefix="findings", sortable=FindingsTable.sortable())
        rows = [evidence for answer in self.activity.answers for evidence in answer.found[:most]]
        table = FindingsTable(
            rows,
            url_of=self._evidence_url,
            remembered_since=self.activity.remembered_since,
            order_by=form.values.get("sort") or "question",
        )
        return form, table

    def _evidence_url(self, row: Evidence) -> str:
        narrowed = {FACETS[column]: value or audit.NONE for column, value in row.values.items()}
        if row.session_id is not None:
            narrowed["session_id"] = str(row.session_id)
        if row.hour is not None and row.until is not None:
            return f"{audit_url(*self._inside(row.hour, row.until), **narrowed)}#connections-events"
        return f"{self.bare_url(**narrowed)}#connections-events"

    def _inside(self, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        """Return the part of whole hours that lies in the window: what was counted."""
        bounds = self.activity.bounds
        if bounds is None:
            return since, until
        return max(since, bounds.since), until if bounds.until is None else min(until, bounds.until)

    @cached_property
    def factors(self) -> Factors:
        return factors(self.activity)

    def factors_table(self) -> tuple[TableForm, FactorsTable]:
        form = TableForm(self.request.GET, prefix="factors", sortable=FactorsTable.sortable())
        order = form.values.get("sort") or "-lift"
        return form, FactorsTable(self.factors.found or (), url_of=self._factor_url, order_by=order)

    def _factor_url(self, row: Factor) -> str:
        return f"{self.bare_url(**{FACETS[row.column]: row.value})}#connections-events"


class ConnectionsFindings(Found, ConnectionsBlock):
    name = "connections-findings"
    template_name = "monitoring/connections/_findings.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.findings_table(EACH_SHOWN)
        table.caption = gettext("What an auditor asks")
        total = sum(len(answer.found) for answer in self.activity.answers)
        if total > len(table.rows):
            table.cut = len(table.rows)
        return {
            "activity": self.activity,
            "form": form,
            "table": table,
            "total": total,
            "answers": [
                {
                    "answer": each,
                    "state": _state(each),
                    "question": each.question,
                    "label": label(each.question),
                    "help": f"audit_{each.question}",
                }
                for each in self.activity.answers
            ],
            "exports": export.links(self.request, "monitoring:connections-findings-export"),
        }


class ConnectionsFactors(Found, ConnectionsBlock):
    name = "connections-factors"
    template_name = "monitoring/connections/_factors.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.factors_table()
        table.caption = gettext("More frequent around failures")
        total = len(table.rows)
        table.stop_at(FINDINGS_SHOWN)
        if self.factors.problem is not None:
            self.keep_seconds = 0
        return {
            "factors": self.factors,
            "words": words_of(self.factors.problem),
            "form": form,
            "table": table,
            "total": total,
            "least_failures": cooccurrence.LEAST_FAILURES,
            "least_controls": cooccurrence.LEAST_CONTROLS,
            "exports": export.links(self.request, "monitoring:connections-factors-export"),
        }


class ConnectionsRuns(ConnectionsBlock):
    name = "connections-runs"
    template_name = "monitoring/connections/_runs.html"

    def context(self, current: Current) -> dict[str, Any]:
        found = window_runs(self.activity)
        table = WindowRunsTable(found.lines, url_of=around_run)
        table.caption = gettext("Runs of this window")
        return {"activity": self.activity, "table": table, "more": found.total - len(found.lines)}


class FindingsExport(Found, ConnectionsExport):
    file_name = "connections-findings"

    def window_table(self) -> FindingsTable:
        return self.findings_table()[1]


class FactorsExport(Found, ConnectionsExport):
    file_name = "connections-factors"

    def window_table(self) -> FactorsTable:
        return self.factors_table()[1]


def _state(answer: Answer) -> CheckState:
    """Nothing found is fine only where everything could be judged."""
    if any(each.certain for each in answer.found):
        return CheckState.WARNING
    return CheckState.UNKNOWN if answer.unknown or answer.found else CheckState.PASSED


BLOCKS: tuple[type[Block], ...] = (
    ConnectionsActivity,
    ConnectionsFindings,
    ConnectionsFacets,
    ConnectionsExtraction,
    ConnectionsFactors,
    ConnectionsRuns,
    ConnectionsEvents,
)


class ConnectionsPage(Asked, Page):
    name = "connections"
    template_name = "monitoring/connections.html"
    permission_required = (CONNECTIONS,)
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)

    def context(self, current: Current) -> dict[str, Any]:
        return {"may_capture": may(self.request.user, CAPTURE)}

    def version(self, state: Current) -> str:
        """Add the version of the audit, which is not in the snapshot."""
        return f"{super().version(state)} {self.activity.stamp}"
