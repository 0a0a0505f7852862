"""The connection audit: who was connected to the warehouse, when, from where; and one snapshot on request."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.cache import cache
from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import View

from etlportal.budget import budget
from monitoring import charts
from monitoring.enums import ProblemCode, TrailAction, TrailOutcome
from monitoring.event_filters import EventsForm
from monitoring.policies.facts import Problem
from monitoring.policies.sessions import FACETS
from monitoring.selectors import connections as audit
from monitoring.selectors.connections import Activity, EventPage
from monitoring.selectors.keyset import BadCursor
from monitoring.selectors.local_cache import cache as local_cache
from monitoring.selectors.snapshot import Current, current
from monitoring.tables.connections import EventsTable, LoginsTable
from monitoring.templatetags.formats import number_text
from monitoring.trail import note
from monitoring.views import errors, export
from monitoring.views.blocks import Block, Page
from monitoring.views.filtering import filters
from monitoring.views.preflight import OPENING
from monitoring.warehouse.capture import capture_snapshot
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.reader import ReadFailed
from monitoring.wording.connections import capture_problem, reading_problem, utc_offset
from monitoring.wording.problems import ProblemWords

logger = logging.getLogger(__name__)

SEE = "monitoring.view_connections"
CAPTURE = "monitoring.capture_connections"
CAPTURE_EVERY_SECONDS = 30
CAPTURE_SECONDS = 10.0
"""How long the snapshot that somebody asked for may take."""
CAPTURE_KEY = "connections:captured"
WINDOWS = (("6h", _("6 hours")), ("24h", _("24 hours")), ("48h", _("48 hours")), ("7d", _("7 days")))


def words_of(problem: Problem | None) -> ProblemWords | None:
    """Return the words for a problem with reading the audit, None without one."""
    return reading_problem(problem) if problem else None


class Asked:
    """What this request asks of the audit. Mixed into blocks and the export; `self.request` is set."""

    request: HttpRequest

    @property
    def window(self) -> str:
        window = self.request.GET.get("window", "")
        return window if window in audit.WINDOWS else audit.DEFAULT_WINDOW

    @cached_property
    def activity(self) -> Activity:
        return audit.activity(self.window)

    @cached_property
    def form(self) -> EventsForm:
        return EventsForm(self.request.GET, facets={name: self.activity.facet(name) for name in FACETS})

    def url(self, **changes: str) -> str:
        """Return the page's address with these parameters changed, back at the newest events."""
        values = {"window": self.request.GET.get("window", ""), **self.form.narrowing, **changes}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{reverse('monitoring:connections')}?{query}"


class ConnectionsBlock(Asked, Block):
    permission_required = (SEE,)


class ConnectionsActivity(ConnectionsBlock):
    name = "connections-activity"
    template_name = "monitoring/connections/_activity.html"

    def context(self, current: Current) -> dict[str, Any]:
        found = self.activity
        windows = [(self.url(window=key), label, key == found.window) for key, label in WINDOWS]
        asked = self.request.GET.get("window", "")
        lost = asked[:20] if asked and asked not in audit.WINDOWS else ""
        if found.problem or found.totals is None:
            return {"windows": windows, "lost": lost, "activity": found, "words": words_of(found.problem)}
        return {
            "words": None,
            "activity": found,
            "windows": windows,
            "lost": lost,
            "chart": charts.hours_chart(found.hours, found.failures_known),
            "sentence": charts.hours_sentence(found.hours, found.totals.sessions, found.failures_known),
        }


class ConnectionsLogins(ConnectionsBlock):
    name = "connections-logins"
    template_name = "monitoring/connections/_logins.html"

    def context(self, current: Current) -> dict[str, Any]:
        table = LoginsTable(self.activity.logins[: audit.TOP_LOGINS], url_of=self._url_of)
        table.caption = gettext("Logins by events")
        hidden = max(0, len(self.activity.logins) - audit.TOP_LOGINS)
        exports = export.links(self.request, "monitoring:connections-logins-export")
        return {"activity": self.activity, "table": table, "hidden": hidden, "exports": exports}

    def _url_of(self, login: str | None) -> str:
        return f"{self.url(login_name=login or audit.NONE)}#connections-events"


class ConnectionsEvents(ConnectionsBlock):
    name = "connections-events"
    template_name = "monitoring/connections/_events.html"

    def context(self, current: Current) -> dict[str, Any]:
        page, lost = self._page()
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


BLOCKS: tuple[type[Block], ...] = (ConnectionsActivity, ConnectionsLogins, ConnectionsEvents)


class ConnectionsPage(Asked, Page):
    name = "connections"
    template_name = "monitoring/connections.html"
    permission_required = (SEE,)
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)

    def context(self, current: Current) -> dict[str, Any]:
        return {"may_capture": self.request.user.has_perm(CAPTURE)}

    def version(self, state: Current) -> str:
        """The audit is not in the snapshot: its stamp stands beside the snapshot's version."""
        return f"{super().version(state)}{self.activity.stamp}"


class ConnectionsCapturePage(Page):
    """For an operator, who may take a snapshot but not read the audit."""

    name = "connections-capture"
    template_name = "monitoring/connections/capture.html"
    permission_required = (CAPTURE,)
    blocks: ClassVar[tuple[type[Block], ...]] = OPENING

    def context(self, current: Current) -> dict[str, Any]:
        return {"may_see": self.request.user.has_perm(SEE), "seconds": CAPTURE_EVERY_SECONDS}

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
        page = "connections" if request.user.has_perm(SEE) else "connections-capture"
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
        local_cache.delete_many([f"connections:{window}" for window in audit.WINDOWS])
        note(request, TrailAction.CAPTURED, events=captured.events)
        text = ngettext("Captured: %(number)s open session.", "Captured: %(number)s open sessions.", captured.events)
        messages.success(request, text % {"number": number_text(captured.events)})


class EventsExport(Asked, PermissionRequiredMixin, View):
    """The window's events that the filters leave, all columns, as a file."""

    permission_required = (SEE,)
    raise_exception = True

    def get(self, request: HttpRequest, kind: str) -> HttpResponse:
        try:
            with budget(export.SECONDS, anew=True):
                found = self.activity
                if found.bounds is None:
                    return errors.unread(request, reading_problem(found.problem or Problem(code=ProblemCode.NOT_READ)))
                rows = list(audit.matching(found.bounds, self.form.wanted)[: export.MAX_ROWS + 1])
        except Error as error:
            return errors.unread(request, reading_problem(problem_from(error, "dw")))
        table = EventsTable(rows, offset=found.bounds.offset)
        return export.export(request, table, "login-events", kind, current().sampled_at)


class LoginsExport(Asked, PermissionRequiredMixin, View):
    """Every login of the window, not only those that the page has room for, as a file."""

    permission_required = (SEE,)
    raise_exception = True

    def get(self, request: HttpRequest, kind: str) -> HttpResponse:
        with budget(export.SECONDS, anew=True):
            found = self.activity
        if found.problem is not None:
            return errors.unread(request, reading_problem(found.problem))
        table = LoginsTable(found.logins, url_of=lambda _: "")
        return export.export(request, table, "logins", kind, current().sampled_at)
