"""One snapshot of the open sessions, on request."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from etlportal.budget import budget
from monitoring.enums import TrailAction, TrailOutcome
from monitoring.selectors import connections as audit
from monitoring.selectors.shared import forget
from monitoring.selectors.snapshot import Current
from monitoring.sight import may
from monitoring.templatetags.formats import number_text
from monitoring.trail import note
from monitoring.views.blocks import Block, Page
from monitoring.views.connections.base import CAPTURE, SEE
from monitoring.views.preflight import OPENING
from monitoring.warehouse.login_events import capture_snapshot
from monitoring.warehouse.reader import ReadFailed
from monitoring.wording.connections import capture_problem

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
        return {"may_see": may(self.request.user, SEE), "seconds": CAPTURE_EVERY_SECONDS}

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
        page = "connections" if may(request.user, SEE) else "connections-capture"
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
