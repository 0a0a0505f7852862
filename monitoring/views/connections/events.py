"""The window's events that the filters leave, newest first, a page by key; and as a file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import Error
from django.urls import reverse
from django.utils.translation import gettext

from monitoring.enums import ProblemCode
from monitoring.policies.facts import Problem
from monitoring.selectors import connections as audit
from monitoring.selectors.connections import EventPage
from monitoring.selectors.keyset import BadCursor
from monitoring.selectors.snapshot import Current
from monitoring.tables.connections import EventsTable
from monitoring.views.connections.base import SEE, Asked, ConnectionsBlock, words_of
from monitoring.views.filtering import filters
from monitoring.warehouse.errors import problem_from
from monitoring.web import export
from monitoring.wording.connections import reading_problem, utc_offset


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
    permission_required = (SEE,)

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
