"""What the audit's blocks and files share: what was asked for, and what was found."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from monitoring.event_filters import EventsForm, WindowForm, stamp
from monitoring.policies.facts import Problem
from monitoring.policies.sessions import FACETS
from monitoring.selectors import connections as audit
from monitoring.selectors.connections import Activity
from monitoring.selectors.snapshot import Current
from monitoring.tables import PortalTable
from monitoring.views.blocks import Block
from monitoring.web import export
from monitoring.wording.connections import reading_problem
from monitoring.wording.problems import ProblemWords

SEE = "monitoring.view_connections"
CAPTURE = "monitoring.capture_connections"
WINDOWS = (("6h", _("6 hours")), ("24h", _("24 hours")), ("48h", _("48 hours")), ("7d", _("7 days")))


def words_of(problem: Problem | None) -> ProblemWords | None:
    """Return the words for a problem with reading the audit, None without one."""
    return reading_problem(problem) if problem else None


def audit_url(since: datetime, until: datetime, **narrowing: str) -> str:
    """Return the address of the audit from `since` to `until`."""
    return f"{reverse('monitoring:connections')}?{urlencode({'from': stamp(since), 'to': stamp(until), **narrowing})}"


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
    permission_required = (SEE,)
    same_for_all = True

    def version(self, state: Current) -> str:
        return f"{super().version(state)} {self.activity.stamp}"


class ConnectionsExport(Asked, export.TableExport):
    """Base of the exports of the audit's window."""

    permission_required = (SEE,)

    def get_table(self, current: Current) -> PortalTable:
        self.sampled_at = current.sampled_at
        if self.activity.problem is not None:
            raise export.Unreadable(reading_problem(self.activity.problem))
        return self.window_table()

    def window_table(self) -> PortalTable:
        """Return the table of the window, which could be read."""
        raise NotImplementedError
